//! Commands of the user's own around the phases of a run, and templates of the user's own.

use std::fs;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("hooks_run_where_there_is_something_to_do", hooks)]
}

fn hooks() {
    let bench = Bench::with_engine("hooks", 2);
    let told = bench.file("told");
    fs::write(
        bench.file("after-kernel.sh"),
        "#!/bin/bash\necho \"bash ${BASH_VERSION:+yes}\" >>/root/hooks\n",
    )
    .expect("the script is written");
    let hooks = format!(
        "hooks:\n\
         - {{name: note, on: [n2], when: before, phase: swarm, run: 'echo $SKEP_NODE $SKEP_PHASE $SKEP_RUN >>/root/hooks; echo noted'}}\n\
         - {{name: script, on: [n2], when: after, phase: kernel, script: after-kernel.sh}}\n\
         - {{name: ready, on: [n1], when: before, phase: labels, run: 'test -e /root/ready || {{ echo not ready >&2; exit 4; }}'}}\n\
         - {{name: tell, on: [controller], when: after, phase: all, run: 'echo $SKEP_PHASE $SKEP_NODE >>{}'}}\n",
        told.display()
    );
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], &hooks);

    let plan = bench.skep(&["plan"]).exits(0);
    for line in [
        "hook note, before swarm: echo $SKEP_NODE",
        "hook script, after kernel: after-kernel.sh",
        "(controller)",
    ] {
        assert!(plan.stdout.contains(line), "{line} is not in:\n{}", plan.stdout);
    }
    assert_eq!(bench.on("n2", "ls /root/hooks 2>/dev/null; true"), "", "a plan ran a hook");

    // n1's own hook keeps it from its labels; n2 goes on; the controller does not tell of what did not go well.
    let run = bench.skep(&["up", "--yes", "--json"]).exits(1);
    let failed: Vec<_> = run.events().into_iter().filter(|event| event["event"] == "step_failed").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!((failed[0]["node"].as_str(), failed[0]["phase"].as_str()), (Some("n1"), Some("labels")));
    assert!(
        failed[0]["fault"]["cause"].as_str().is_some_and(|cause| cause.ends_with("not ready")),
        "{failed:#?}"
    );
    let progress = |text: &str| run.events().iter().any(|event| event["progress"]["text"] == text);
    assert!(progress("noted"), "{}", run.stdout);
    let id = run.events()[0]["run"].as_str().expect("the run has an ID").to_owned();
    assert_eq!(bench.on("n2", "cat /root/hooks"), format!("bash yes\nn2 swarm {id}\n"));
    assert!(!told.exists());

    // The next run does what is left, with its hooks, and no others.
    bench.on("n1", "touch /root/ready");
    bench.skep(&["up", "--yes"]).exits(0);
    assert_eq!(bench.on("n2", "wc -l </root/hooks").trim(), "2");
    assert_eq!(fs::read_to_string(&told).expect("it was told"), "all (controller)\n");
    let again = bench.skep(&["up", "--json"]).exits(0);
    assert!(!again.events().iter().any(|event| event["event"] == "step_started"), "{}", again.stdout);
    assert_eq!(fs::read_to_string(&told).expect("it was told"), "all (controller)\n");
}
