//! Each check in each outcome.

mod options;
mod packages;
mod state;
mod told;

use serde_json::json;

use super::*;
use crate::audit::world::{Audited, cluster, single};
use crate::audit::{Check, Severity};
use crate::facts::Engine;
use crate::facts::SwarmState;
use crate::facts::engine::Settings;
use crate::facts::inspection::engine::{Line, Place};
use crate::inventory::model::EngineSource;
use crate::resource::{Fault, unit};
use crate::swarm::world::{outside, running};

/// An engine as Debian's and Docker's packages set it up.
fn engine(version: &str) -> Engine {
    let Engine::Running(mut engine) = running(outside(SwarmState::Inactive)) else { unreachable!("it runs") };
    engine.version = version.to_owned();
    engine.settings = Settings {
        root: "/var/lib/docker".to_owned(),
        storage: [
            ("Backing Filesystem".to_owned(), "extfs".to_owned()),
            ("Supports d_type".to_owned(), "true".to_owned()),
        ]
        .into(),
        cgroup_driver: "systemd".to_owned(),
        log_driver: "json-file".to_owned(),
        security: vec!["name=apparmor".to_owned(), "name=seccomp,profile=default".to_owned()],
        ..Settings::default()
    };
    Engine::Running(engine)
}

/// A host whose engine runs and is well.
fn healthy() -> Audited {
    single().facts("n1", |facts| facts.engine = engine("28.5.2")).host("n1", |host| {
        let unit = unit::Observed {
            load: "loaded".into(),
            enabled: "enabled".into(),
            active: "active".into(),
            masked_by_package: false,
        };
        host.observed.insert(Key::Unit("docker.service".to_owned()), Ok(Observed::Unit(unit)));
        host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(written(None))));
    })
}

fn written(text: Option<&str>) -> daemon::Observed {
    daemon::Observed { text: text.map(str::to_owned), running: true, stale: false }
}

/// With that file of options.
fn file(text: &str) -> Audited {
    healthy().host("n1", |host| {
        drop(host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(written(Some(text))))))
    })
}

fn runs(change: impl FnOnce(&mut Running)) -> Audited {
    healthy().facts("n1", |facts| {
        let Engine::Running(engine) = &mut facts.engine else { unreachable!("it runs") };
        change(engine);
    })
}

fn is(state: Engine) -> Audited {
    healthy().facts("n1", |facts| facts.engine = state)
}

fn unit_is(active: &str, enabled: &str, state: Engine) -> Audited {
    is(state).host("n1", |host| {
        let unit = unit::Observed {
            load: if enabled == "masked" { "masked" } else { "loaded" }.into(),
            enabled: enabled.into(),
            active: active.into(),
            masked_by_package: false,
        };
        host.observed.insert(Key::Unit("docker.service".to_owned()), Ok(Observed::Unit(unit)));
    })
}

fn flagged(flag: &str) -> Audited {
    healthy().inspection("n1", |inspection| inspection.engine.flags = vec![flag.to_owned()])
}

fn wants(audited: Audited, options: Value) -> Audited {
    audited.inventory(|inventory| inventory.engine.options = options.as_object().expect("an object").clone())
}

/// Checks what is said, and that all but what is well tells what was read, and the worst what helps.
#[track_caller]
fn table(check: &Check, cases: Vec<(Audited, &str)>) {
    for (audited, expected) in cases {
        let verdicts = audited.verdicts(check);
        assert_eq!(audited.all(check).join("\n"), expected, "{}", check.id);
        for verdict in verdicts {
            assert!(!verdict.evidence.is_empty(), "{}: {verdict:?}", check.id);
            let bad = [Severity::Error, Severity::Warning].contains(&verdict.severity);
            assert!(!bad || !verdict.remedy.is_empty(), "{}: {verdict:?}", check.id);
        }
    }
}

#[test]
fn names_are_said_once() {
    let name = NodeName::from("n1");
    for (message, expected) in
        [("n1 is down", "is down"), ("n1: full", "full"), ("n10 is down", "n10 is down"), ("is n1", "is n1")]
    {
        assert_eq!(without_name(message, &name), expected);
    }
}
