//! Which program `iptables` stands for: the engine writes its rules by it, and the kernel has to go with it.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::daemon::engine;
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};
use crate::facts::Support;
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

impl Desired {
    /// What the options of a kernel tell; nothing where its configuration is not to be seen.
    pub fn of(options: &BTreeMap<String, Support>) -> Self {
        let support = |option: &str| options.get(option).copied().unwrap_or(Support::Unknown);
        let has = |option: &&str| matches!(support(option), Support::BuiltIn | Support::Module);
        let lacks = |option: &&str| matches!(support(option), Support::Missing | Support::ModuleMissing);
        let all = Backend::ALL.into_iter();
        Self {
            works: all.clone().filter(|backend| backend.options().iter().all(has)).collect(),
            fails: all.filter(|backend| backend.options().iter().any(lacks)).collect(),
        }
    }
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
        // The one that is looked at comes last, so that a run that is killed in between is seen to have more to do.
        for name in ["ip6tables", "iptables"] {
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

#[cfg(test)]
mod tests {
    use super::super::boot::tests::program;
    use super::*;

    #[test]
    fn a_kernel_goes_with_what_it_has_all_options_for() {
        use Backend::{Legacy, Nft};
        let of = |built_in: &[&str], missing: &[&str]| {
            let each = |names: &[&str], support| {
                names.iter().map(|name| ((*name).to_owned(), support)).collect::<Vec<_>>()
            };
            let options = [each(built_in, Support::BuiltIn), each(missing, Support::Missing)].concat();
            let Desired { works, fails } = Desired::of(&options.into_iter().collect());
            (works, fails)
        };
        let all = ["NF_TABLES", "NFT_COMPAT", "IP_NF_FILTER", "IP_NF_NAT"];
        assert_eq!(of(&all, &[]), (vec![Nft, Legacy], vec![]));
        assert_eq!(of(&all[..2], &all[2..]), (vec![Nft], vec![Legacy]));
        assert_eq!(of(&all[..3], &all[3..]), (vec![Nft], vec![Legacy]));
        assert_eq!(of(&[], &all), (vec![], vec![Nft, Legacy]));
        assert_eq!(of(&[], &[]), (vec![], vec![]), "what is not known is neither");
        assert_eq!(of(&all[..1], &[]), (vec![], vec![]));
    }

    /// A host whose update-alternatives sets links as the real one does.
    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let script = "mkdir -p etc/alternatives var/lib/dpkg/alternatives\n\
                      case $1 in --set) to=$3 mode=manual ;; --auto) to=/usr/sbin/$2-nft mode=auto ;; *) exit 2 ;; esac\n\
                      ln -sfn $to etc/alternatives/$2; echo $mode >var/lib/dpkg/alternatives/$2";
        program(&host, "update-alternatives", script);
        (root, host)
    }

    #[test]
    fn both_programs_are_changed_and_left_to_the_distribution_again() {
        let (_root, host) = host();
        let look = || Iptables::observe(&[()], &host).unwrap().remove(0);
        assert_eq!(look(), Observed::default());
        let desired = Desired { works: vec![Backend::Legacy], fails: vec![Backend::Nft] };
        let change = Iptables::diff(&desired, &look()).unwrap().unwrap();
        let receipt = Iptables::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!(look(), Observed { backend: Some(Backend::Legacy), chosen: true, running: false });
        let link = fs::read_link(host.path("/etc/alternatives/ip6tables")).unwrap();
        assert_eq!(link.to_str(), Some("/usr/sbin/ip6tables-legacy"));
        assert_eq!(Iptables::diff(&desired, &look()), Ok(None));
        assert_eq!(Iptables::rest(&change, &look()), Rest::of(None));
        let undo = Iptables::undo(&receipt).unwrap();
        assert_eq!(Iptables::rest(&undo, &look()), Rest::of(Some(undo.clone())));
        Iptables::apply(&undo, &host, &mut |_| ()).unwrap();
        assert_eq!(look(), Observed { backend: Some(Backend::Nft), chosen: false, running: false });
        program(&host, "update-alternatives", "echo 'error: no alternatives for iptables' >&2; exit 2");
        let fault = Iptables::apply(&change, &host, &mut |_| ()).unwrap_err();
        assert!(fault.cause.contains("no alternatives"), "{fault}");
        // Somebody has chosen otherwise since.
        let theirs = Observed { backend: Some(Backend::Nft), chosen: true, running: false };
        assert_eq!(Iptables::rest(&undo, &theirs).foreign, ["iptables was made iptables-nft since"]);
    }
}
