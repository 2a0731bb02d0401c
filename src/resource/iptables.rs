//! Which program `iptables` stands for: the engine writes its rules by it, and the kernel has to go with it.

use std::fs;

use serde::{Deserialize, Serialize};

use super::daemon::engine;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};
use crate::facts::engine::process;

/// The program that `iptables` and `ip6tables` stand for, by update-alternatives(1).
#[derive(Debug)]
pub enum Iptables {}

/// What iptables is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// iptables-nft, which speaks to nftables.
    Nft,
    /// iptables-legacy, which speaks to the tables of old.
    Legacy,
}

impl Backend {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Nft, Self::Legacy];

    /// The program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nft => "iptables-nft",
            Self::Legacy => "iptables-legacy",
        }
    }

    /// The one that this is not.
    pub const fn other(self) -> Self {
        match self {
            Self::Nft => Self::Legacy,
            Self::Legacy => Self::Nft,
        }
    }

    /// What it needs of the kernel, by the names of its options without `CONFIG_`.
    pub const fn options(self) -> [&'static str; 2] {
        match self {
            Self::Nft => ["NF_TABLES", "NFT_COMPAT"],
            Self::Legacy => ["IP_NF_FILTER", "IP_NF_NAT"],
        }
    }
}

/// What the kernel goes with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Those that it has everything for.
    pub works: Vec<Backend>,
    /// Those that it is known to lack something for.
    pub fails: Vec<Backend>,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// What is chosen; none where iptables is not installed.
    pub backend: Option<Backend>,
    /// Whether somebody chose it, so that upgrades leave it.
    pub chosen: bool,
    /// Whether an engine runs, which has its rules in the tables of this one.
    pub running: bool,
}

/// Another choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was chosen before; none where it was left to the distribution.
    pub before: Option<Backend>,
    /// What is chosen; none where it is left to the distribution.
    pub after: Option<Backend>,
    /// Whether a running engine is restarted.
    pub restart: bool,
}

impl Observed {
    fn choice(&self) -> Option<Backend> {
        self.backend.filter(|_| self.chosen)
    }
}

impl Kind for Iptables {
    type Key = ();
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(_: &Desired) {}

    fn observe(keys: &[()], host: &Host) -> Result<Vec<Observed>, Fault> {
        let link = fs::read_link(host.path("/etc/alternatives/iptables")).ok();
        let link = link.map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
        // The first line of its state says who chooses.
        let state = host.read_text("/var/lib/dpkg/alternatives/iptables")?.unwrap_or_default();
        let observed = Observed {
            backend: Backend::ALL.into_iter().find(|backend| link.ends_with(backend.name())),
            chosen: state.lines().next() == Some("manual"),
            running: process::find(host).is_some(),
        };
        Ok(vec![observed; keys.len()])
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        // What is not installed yet will be the distribution's own choice.
        let now = observed.backend.unwrap_or(Backend::Nft);
        let wanted = now.other();
        let needed = desired.fails.contains(&now) && desired.works.contains(&wanted);
        let change = || Change { before: observed.choice(), after: Some(wanted), restart: observed.running };
        Ok(needed.then(change))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        for name in ["iptables", "ip6tables"] {
            let args = match change.after {
                Some(backend) => {
                    let kind = backend.name().trim_start_matches("iptables");
                    vec!["--set".to_owned(), name.to_owned(), format!("/usr/sbin/{name}{kind}")]
                }
                None => vec!["--auto".to_owned(), name.to_owned()],
            };
            host.command("update-alternatives").args(&args).run()?.expect_success(name)?;
        }
        if change.restart && process::find(host).is_some() {
            progress(Progress::text("restarting docker"));
            engine::restart(host)?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        Some(Change { before: receipt.after, after: receipt.before, restart: receipt.restart })
    }

    fn key_of(_: &Change) -> Option<()> {
        Some(())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        match observed.choice() {
            now if now == change.after => Rest::of(None),
            now if now == change.before => Rest::of(Some(change.clone())),
            now => Rest::foreign(format!("iptables was made {} since", now.map_or("the default", Backend::name))),
        }
    }

    fn describe(change: &Change) -> Description {
        let title = match change.after {
            Some(backend) => format!("make iptables {}, which the kernel goes with", backend.name()),
            None => "leave it to the distribution what iptables is".to_owned(),
        };
        Description { disrupts: change.restart.then(engine::restarts), ..Description::line(title) }
    }
}
