//! The command line, as far as it goes without a host.

use std::fs;

use assert_cmd::Command;
use tempfile::TempDir;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs skep in a folder of its own, with nobody to ask.
fn skep(folder: &TempDir, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    command.current_dir(folder.path()).env("XDG_STATE_HOME", folder.path().join("state")).args(arguments);
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn init_writes_an_inventory_and_never_over_one() {
    let folder = folder();
    let hosts = ["init", "pi@192.168.2.1", "192.168.2.2", "192.168.2.3"];
    let ran = skep(&folder, &hosts);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    let text = fs::read_to_string(folder.path().join("inventory/cluster.yml")).unwrap();
    assert!(text.contains("user: pi") && text.contains("192.168.2.3"), "{text}");
    let schema = fs::read_to_string(folder.path().join("inventory/schema.json")).unwrap();
    assert_eq!(schema.trim(), skep(&folder, &["schema"]).stdout.trim());

    let again = skep(&folder, &["init", "192.168.2.9"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("skep node add") && again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("inventory/cluster.yml")).unwrap(), text);
    assert_eq!(skep(&folder, &["init", "--force", "192.168.2.9"]).code, 0);
}

#[test]
fn a_missing_inventory_says_how_to_make_one() {
    for command in ["plan", "up", "status"] {
        let ran = skep(&folder(), &[command]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("skep init"), "{}", ran.stderr);
    }
}

#[test]
fn a_mistake_is_shown_with_its_place_and_nothing_else_happens() {
    let folder = folder();
    let text = "nodes:\n  n1: {address: 192.168.2.1, role: manager, lables: {disk: ssd}}\n";
    fs::write(folder.path().join("bad.yml"), text).unwrap();
    let ran = skep(&folder, &["-i", "bad.yml", "up", "--yes"]);
    assert_eq!(ran.code, 2);
    for part in ["bad.yml:2:", "lables", "labels"] {
        assert!(ran.stderr.contains(part), "{part} is not in {}", ran.stderr);
    }
    assert!(!folder.path().join("state").exists(), "no run was begun");
}

#[test]
fn wrong_words_on_the_command_line_are_usage_errors() {
    for arguments in
        [&["plna"][..], &["up", "--forks", "0"], &["lab", "up", "-n", "0"], &["-q", "-v", "plan"], &[]]
    {
        assert_eq!(skep(&folder(), arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn the_exit_codes_are_listed() {
    let ran = skep(&folder(), &["help", "exit-codes"]);
    assert_eq!(ran.code, 0);
    for code in ["0  done", "3  changes are pending", "6  refused"] {
        assert!(ran.stdout.contains(code), "{code} is not in {}", ran.stdout);
    }
}

#[test]
fn completions_ask_skep_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = skep(&folder(), &["completions", shell]);
        assert!(ran.code == 0 && ran.stdout.contains("COMPLETE="), "{shell}: {}", ran.stdout);
    }
}

#[test]
fn a_lab_that_is_not_there_is_a_usage_error() {
    let folder = folder();
    let labs = folder.path().join("labs").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
    let output =
        command.env("SKEP_LAB_DIR", labs).args(["lab", "ssh", "--name", "none", "n1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("skep lab ls"));
}

/// What bash offers after the words so far.
fn offered(words: &[&str], folder: &TempDir) -> Vec<String> {
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_skep")).parent().unwrap();
    let script = format!(
        "PATH={}:$PATH; source <(skep completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; \
         _clap_complete_skep skep {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        programs.display(),
        words.join(" "),
        words.len() - 1,
        words.last().unwrap()
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_the_inventorys_nodes() {
    let folder = folder();
    let inventory =
        "nodes:\n  mars: {address: 192.0.2.1, role: manager}\n  moon: {address: 192.0.2.2, role: worker}\n";
    fs::write(folder.path().join("space.yml"), inventory).unwrap();
    for (words, expected) in [
        (&["skep", "sche"][..], &["schema"][..]),
        (&["skep", "-i", "space.yml", "up", "--limit", "m"], &["mars", "moon"]),
        (&["skep", "-i", "space.yml", "up", "--limit", "mars,mo"], &["mars,moon"]),
        (&["skep", "-i", "missing.yml", "up", "--limit", "m"], &[]),
    ] {
        assert_eq!(offered(words, &folder), expected, "{words:?}");
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = folder();
    assert_eq!(skep(&folder, &["man", "pages"]).code, 0);
    let page = fs::read_to_string(folder.path().join("pages/skep-up.1")).unwrap();
    assert!(page.contains(".TH skep-up 1") && page.contains("\\-\\-limit"), "{page}");
    assert!(folder.path().join("pages/skep.1").exists());
}

#[test]
fn without_a_past_run_there_is_nothing_to_show_or_undo() {
    let folder = folder();
    let none = skep(&folder, &["runs"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    for arguments in [&["runs", "show", "last"][..], &["undo", "last"], &["undo", "2026", "--plan"]] {
        let ran = skep(&folder, arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains("no past run"), "{}", ran.stderr);
    }
}

#[test]
fn past_runs_are_listed_told_again_and_kept_from_other_inventories() {
    let folder = folder();
    let runs = folder.path().join("state/skep/runs");
    fs::create_dir_all(&runs).unwrap();
    let journal = fs::read_to_string("tests/fixtures/journal/up.jsonl").unwrap();
    let id = "20261123T050343-25252";
    fs::write(runs.join(format!("{id}.jsonl")), &journal).unwrap();
    let cut = journal.find("\"step_done\"").unwrap();
    fs::write(runs.join("20261124T000000-1.jsonl"), &journal[..cut]).unwrap();

    let listed = skep(&folder, &["runs"]);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(lines[1].starts_with("20261124") && lines[1].contains("killed"), "{}", listed.stdout);
    assert!(lines[2].contains("home") && lines[2].ends_with("12"), "{}", listed.stdout);
    assert_eq!(skep(&folder, &["runs", "-n", "1"]).stdout.lines().count(), 2);

    let told = skep(&folder, &["runs", "show", "25252"]);
    for part in
        ["skep up on home", "install docker.io, iptables", "make the swarm home", "Incomplete: 12 changes"]
    {
        assert!(told.stdout.contains(part), "{part} is not in {}", told.stdout);
    }
    assert!(skep(&folder, &["runs", "show", "last"]).stderr.contains("was killed"));
    let events = skep(&folder, &["runs", "show", "25252", "--json"]);
    assert_eq!(events.stdout.lines().count(), journal.lines().count());

    fs::write(
        folder.path().join("other.yml"),
        "name: other\nnodes: {n1: {address: 127.0.0.1, role: manager}}\n",
    )
    .unwrap();
    let refused = skep(&folder, &["-i", "other.yml", "undo", "25252"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("skep -i /home/user/cluster.yml undo"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 2, "nothing was begun");
}

#[test]
fn a_template_is_taken_over_and_its_mistakes_are_told_before_any_host_is_tried() {
    let folder = folder();
    let without = "nodes:\n  n1: {address: 127.0.0.1, port: 9, role: manager}\n  n2: {address: 127.0.0.2, port: 9, role: worker}\n\
                   shares:\n  data: {server: n1, path: /srv/data, clients: [127.0.0.0/8], mount: {at: /mnt/data}}\n";
    let inventory = |text: &str| fs::write(folder.path().join("c.yml"), text).unwrap();
    let run = |arguments: &[&str]| skep(&folder, &[&["-i", "c.yml"], arguments].concat());
    inventory(without);
    let nowhere = run(&["templates", "eject", "nfs.mount.j2"]);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("templates: ./templates"), "{}", nowhere.stderr);

    inventory(&format!("{without}templates: ./mine\n"));
    assert!(run(&["templates", "ls"]).stdout.contains("nfs.mount.j2"));
    let gone = run(&["plan"]);
    assert!(
        gone.code == 2 && gone.stderr.contains("there is no such folder of templates"),
        "{}",
        gone.stderr
    );
    assert_eq!(run(&["templates", "eject", "nfs.mount.j2"]).stdout.trim(), "./mine/nfs.mount.j2");
    assert_eq!(run(&["templates", "eject", "nfs.mount.j2"]).code, 2);
    assert!(run(&["templates", "ls"]).stdout.contains("mine/nfs.mount.j2"));

    let path = folder.path().join("mine/nfs.mount.j2");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(run(&["templates", "show", "nfs.mount.j2"]).stdout, text);
    fs::write(&path, text.replace("{{ server }}", "{{ sever }}")).unwrap();
    fs::write(folder.path().join("mine/mount.j2"), "x").unwrap();
    let refused = run(&["plan"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
    for part in
        ["error: `sever` is not defined", "mine/nfs.mount.j2:3:", "did you mean `server`?", "mine/mount.j2"]
    {
        assert!(refused.stderr.contains(part), "{part} is not in:\n{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("n1"), "a host was tried:\n{}", refused.stderr);
    let other = run(&["plan", "--templates", "nosuch"]);
    assert!(other.code == 2 && other.stderr.contains("nosuch"), "{}", other.stderr);
}

#[test]
fn every_check_is_explained_without_an_inventory_and_an_unknown_one_is_named() {
    let folder = folder();
    let listed = skep(&folder, &["audit", "--explain", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    for line in listed.stdout.lines() {
        let check: serde_json::Value = serde_json::from_str(line).unwrap();
        let (id, title) = (check["id"].as_str().unwrap(), check["title"].as_str().unwrap());
        let told = skep(&folder, &["audit", "--explain", id]);
        assert!(told.code == 0 && told.stdout.contains(title), "{id}: {}", told.stdout);
        let offered = offered(&["skep", "audit", "--explain", id], &folder);
        assert!(offered.iter().any(|offer| offer == id), "{id}: {offered:?}");
    }
    let unknown = skep(&folder, &["audit", "--explain", "colck"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
    assert!(
        unknown.stderr.contains("`colck`") && unknown.stderr.contains("--explain` lists all"),
        "{}",
        unknown.stderr
    );
    assert_eq!(skep(&folder, &["audit", "--explain", "clock", "--no-ports"]).code, 2);
}

#[test]
fn files_of_an_audit_are_looked_at_before_any_host_is() {
    let folder = folder();
    // Whoever connected to this address would wait for long.
    fs::write(folder.path().join("a.yml"), "name: home\nnodes: {n1: {address: 192.0.2.1, role: manager}}\n")
        .unwrap();
    let sample = include_str!("fixtures/audit/v1.json");
    for (name, text) in [
        ("other.json", sample.replace("\"cluster\": \"home\"", "\"cluster\": \"attic\"")),
        ("newer.json", sample.replace("\"version\": 1", "\"version\": 9")),
        ("cut.json", sample[..999].to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for (arguments, told) in [
        (&["--html", "no/audit.html"][..], "--html no/audit.html: its folder does not exist"),
        (&["--html", "-"], "name a file"),
        (&["--html", "."], "is a folder"),
        (&["--save", "no/a.json"], "--save no/a.json: its folder does not exist"),
        (&["--since", "none.json"], "none.json cannot be read: No such file"),
        (&["--since", "last"], "`skep audit --save` saves one"),
        (&["--since", "other.json"], "other.json is an audit of attic, not of home"),
        (&["--since", "newer.json"], "newer.json is an audit of form 9, and this skep reads form 1"),
        (&["--since", "cut.json"], "cut.json is no saved audit"),
    ] {
        let ran = skep(&folder, &[&["-i", "a.yml", "audit"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn an_audit_is_kept_shown_as_a_page_and_held_against_the_last_one() {
    let folder = folder();
    // Nobody listens on that port.
    let inventory = "name: home\nnodes: {n1: {address: 127.0.0.1, port: 1, role: manager}}\n";
    fs::write(folder.path().join("a.yml"), inventory).unwrap();
    let audit = |arguments: &[&str]| skep(&folder, &[&["-i", "a.yml", "audit"], arguments].concat());

    let first = audit(&["--save", "--html", "audit.html"]);
    assert_eq!(first.code, 5, "{}", first.stderr);
    assert!(
        first.stdout.contains("audit of home") && first.stdout.contains("n1 is not reached"),
        "{}",
        first.stdout
    );
    assert!(
        first.stderr.contains("page: audit.html") && first.stderr.contains("saved: "),
        "{}",
        first.stderr
    );
    let page = fs::read_to_string(folder.path().join("audit.html")).unwrap();
    assert!(page.contains("Audit of home") && page.contains("0 of 1 node answered"), "{page}");
    let saved: Vec<_> = fs::read_dir(folder.path().join("state/skep/audits")).unwrap().flatten().collect();
    assert_eq!(saved.len(), 1);

    let second = audit(&["--since", "last", "--save", "second.json"]);
    assert!(second.code == 5 && second.stdout.contains(": nothing changed"), "{}", second.stdout);
    let third = audit(&["--since", "second.json", "--json"]);
    let line = |event: &str| {
        let lines = third.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.into_iter().find(|line| line["event"] == event).unwrap()
    };
    assert_eq!(
        (&line("audit")["version"], &line("audit_changes")["findings"]),
        (&1.into(), &serde_json::json!([]))
    );
    let quiet = audit(&["--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (5, ""), "what is not reached is told as an error");
    assert!(quiet.stderr.contains("error: n1"), "{}", quiet.stderr);
}

#[test]
fn a_kernel_that_is_a_file_is_judged_kept_and_held_against_the_last_one() {
    let folder = folder();
    let file = folder.path().join("config.next");
    let audit = |arguments: &[&str]| {
        skep(&folder, &[&["audit", "--kernel-config", "config.next"], arguments].concat())
    };
    fs::write(&file, "# Linux/arm64 6.12.3 Kernel Configuration\nCONFIG_NET_NS=y\n").unwrap();
    let first = audit(&["--save", "--html", "kernel.html"]);
    assert_eq!(first.code, 4, "{}", first.stderr);
    assert!(
        first.stderr.contains("page: kernel.html") && first.stderr.contains("saved: "),
        "{}",
        first.stderr
    );
    let page = fs::read_to_string(folder.path().join("kernel.html")).unwrap();
    assert!(page.contains("Audit of config.next") && page.contains("6.12.3"), "{page}");

    // Apart from those of clusters, one of which may be called like the file.
    let audits = folder.path().join("state/skep/audits");
    let files = |place: &std::path::Path| {
        fs::read_dir(place).unwrap().flatten().filter(|entry| entry.path().is_file()).count()
    };
    assert_eq!((files(&audits), files(&audits.join("kernels"))), (0, 1));
    assert!(audit(&["--since", "last"]).stdout.contains(": nothing changed"));
    fs::write(&file, "# Linux/arm64 6.12.3 Kernel Configuration\nCONFIG_NET_NS=y\nCONFIG_VXLAN=m\n").unwrap();
    let better = audit(&["--since", "last"]);
    assert!(better.code == 4 && better.stdout.contains("kernel-overlay"), "{}", better.stdout);
    assert!(!better.stdout.contains(": nothing changed"), "{}", better.stdout);
    let without = audit(&["--since", "none.json"]);
    assert!(without.code == 2 && without.stderr.contains("none.json cannot be read"), "{}", without.stderr);
    assert_eq!(audit(&["--deep"]).code, 2);
}
