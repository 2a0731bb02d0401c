//! Events and plans that the tests of this room share.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::event::{Event, NodeSummary, Outcome, Summary};
use crate::inventory::model::{NodeName, Role};
use crate::plan::{Action, Finding, Phase, PhaseName, Plan, Step};
use crate::resource::{Fault, Progress};
use crate::swarm::SwarmAction;

pub(super) fn node_names(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|name| NodeName::from(*name)).collect()
}

/// `n1` to so many.
pub(super) fn nodes(number: usize) -> Vec<NodeName> {
    (1..=number).map(|n| NodeName(format!("n{n}"))).collect()
}

pub(super) fn finding(nodes: &[&str], message: &str, help: &str) -> Finding {
    Finding { nodes: node_names(nodes), message: message.to_owned(), help: help.to_owned() }
}

/// A plan that makes a swarm of three nodes.
pub(super) fn swarm_plan() -> Plan {
    let step = |node: &str, action| Step { node: node.into(), action: Action::Swarm(action) };
    let address = |n: u8| std::net::IpAddr::from([192, 168, 2, n]);
    let join = |role, n| SwarmAction::Join { role, advertise: address(n) };
    let init = SwarmAction::Init {
        advertise: address(1),
        name: "home".to_owned(),
        address_pool: vec![],
        subnet_size: None,
        task_history: None,
    };
    let labels = BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]);
    let label = |node_id: Option<&str>| SwarmAction::Label {
        node_id: node_id.map(str::to_owned),
        labels: labels.clone(),
        remove: Default::default(),
    };
    let phases = vec![
        Phase {
            name: PhaseName::Swarm,
            steps: vec![
                step("n1", init),
                step("n2", join(Role::Manager, 2)),
                step("n3", join(Role::Worker, 3)),
            ],
        },
        Phase {
            name: PhaseName::Labels,
            steps: vec![step("n1", label(Some("x1"))), step("n2", label(None)), step("n3", label(None))],
        },
    ];
    Plan::new(phases)
}

pub(super) fn no_route() -> Fault {
    Fault::new("192.168.2.4:22", "no route to host").help("switch it on, then run `skep up --limit n4`")
}

pub(super) fn unmet() -> Fault {
    Fault::new("package docker.io", "apt-get failed\nE: Unmet dependencies.")
        .help("run `apt-get -f install` on n3")
}

pub(super) fn progress(text: &str, done: u64, total: u64) -> Progress {
    Progress { text: text.to_owned(), done, total }
}

pub(super) fn ended(node: &str, outcome: Outcome, changed: usize, ms: u64) -> NodeSummary {
    NodeSummary { node: node.into(), outcome, changed, ms }
}

/// The beginning of an `up` over `n1` to so many.
pub(super) fn begun(number: usize) -> Event {
    Event::Started {
        run: "r1".into(),
        command: "up".into(),
        version: "0.1.0".into(),
        nodes: nodes(number),
        inventory: "cluster.yml".into(),
        cluster: "home".into(),
        undoes: None,
    }
}

/// A run over four nodes in which one is switched off and one fails.
pub(super) fn eventful_run() -> Vec<Event> {
    let node = |name: &str| NodeName::from(name);
    let started = |name, phase, step, title: &str| Event::StepStarted {
        node: node(name),
        phase,
        step,
        title: title.to_owned(),
    };
    let done = |name, phase, step, ms| Event::StepDone {
        node: node(name),
        phase,
        step,
        ms,
        receipt: None,
        swarm: None,
    };
    use PhaseName::{Packages, Swarm};
    vec![
        begun(4),
        Event::Connecting { node: node("n1") },
        Event::Connecting { node: node("n2") },
        Event::Connecting { node: node("n3") },
        Event::Connecting { node: node("n4") },
        Event::Retrying { node: node("n4"), cause: "connection refused".into() },
        Event::Retrying { node: node("n4"), cause: "connection refused".into() },
        Event::Pushing { node: node("n1"), done: 0, total: 450_000 },
        Event::Pushing { node: node("n1"), done: 220_000, total: 450_000 },
        Event::Connected { node: node("n1"), ms: 412 },
        Event::Surveyed { node: node("n1"), machine: None },
        Event::Connected { node: node("n2"), ms: 380 },
        Event::Surveyed { node: node("n2"), machine: None },
        Event::Connected { node: node("n3"), ms: 371 },
        Event::Surveyed { node: node("n3"), machine: None },
        Event::Unreachable { node: node("n4"), fault: no_route() },
        Event::Planned { plan: swarm_plan() },
        Event::PhaseStarted { phase: Packages },
        started("n1", Packages, 0, "install docker.io"),
        started("n3", Packages, 1, "install docker.io"),
        Event::StepProgress {
            node: node("n1"),
            progress: progress("waiting for apt: held by unattended-upgr (pid 812)", 0, 0),
        },
        Event::StepProgress {
            node: node("n1"),
            progress: progress("waiting for apt: held by unattended-upgr (pid 812)", 0, 0),
        },
        Event::StepProgress { node: node("n1"), progress: progress("unpacking docker.io", 45, 100) },
        Event::StepFailed { node: node("n3"), phase: Packages, step: 1, fault: unmet() },
        Event::Retrying { node: node("n1"), cause: "the connection was lost (early eof)".into() },
        Event::Connected { node: node("n1"), ms: 2_400 },
        Event::Resumed { node: node("n1"), how: "connected again; the step is made again".into() },
        done("n1", Packages, 0, 14_200),
        Event::PhaseDone { phase: Packages, ms: 14_300 },
        Event::PhaseStarted { phase: Swarm },
        started("n1", Swarm, 0, "make the swarm home"),
        done("n1", Swarm, 0, 900),
        Event::PhaseDone { phase: Swarm, ms: 1_000 },
        Event::Stopping,
        Event::Verified { findings: vec![finding(&["n3"], "is not in the swarm", "run `skep up` again")] },
        Event::Finished { summary: eventful_summary() },
    ]
}

pub(super) fn eventful_summary() -> Summary {
    Summary {
        exit_code: 1,
        ms: 83_400,
        nodes: vec![
            ended("n1", Outcome::Changed, 2, 15_100),
            ended("n2", Outcome::Stopped, 0, 0),
            ended("n3", Outcome::Failed { fault: unmet() }, 0, 3_100),
            ended("n4", Outcome::Unreachable { fault: no_route() }, 0, 0),
        ],
        next: vec!["skep up --limit n2,n3,n4".into()],
    }
}

/// A run over three nodes in which all goes well.
pub(super) fn calm_run() -> Vec<Event> {
    let changed = |name| ended(name, Outcome::Changed, 2, 1_000);
    vec![
        begun(3),
        Event::Connecting { node: "n1".into() },
        Event::Connected { node: "n1".into(), ms: 400 },
        Event::Surveyed { node: "n1".into(), machine: None },
        Event::Planned {
            plan: Plan { warnings: vec![finding(&[], "one manager", "make it 3")], ..swarm_plan() },
        },
        Event::PhaseStarted { phase: PhaseName::Swarm },
        Event::StepStarted {
            node: "n1".into(),
            phase: PhaseName::Swarm,
            step: 0,
            title: "make the swarm home".into(),
        },
        Event::StepDone {
            node: "n1".into(),
            phase: PhaseName::Swarm,
            step: 0,
            ms: 900,
            receipt: None,
            swarm: None,
        },
        Event::Verified { findings: vec![] },
        Event::Finished {
            summary: Summary {
                exit_code: 0,
                ms: 4_000,
                nodes: vec![changed("n1"), changed("n2"), changed("n3")],
                next: vec![],
            },
        },
    ]
}

/// A stream that remembers what was written to it; clones share it.
#[derive(Clone, Default)]
pub(super) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A stream whose reader has gone away.
pub(super) struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}
