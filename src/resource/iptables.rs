//! Which program `iptables` stands for: the engine writes its rules by it, and the kernel has to go with it.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::daemon::engine::{self, UNIT};
use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};
use crate::facts::Support;
use crate::facts::engine::{data, process};

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

    /// What `iptables` or `ip6tables` stands for then.
    fn of(self, program: &str) -> String {
        self.name().replacen("iptables", program, 1)
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

/// What a program stands for by somebody's choice; none where that is left to the distribution.
type Choice = Option<Backend>;

/// What a program stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// None where it is not installed.
    pub backend: Option<Backend>,
    /// Whether somebody chose it, so that upgrades leave it.
    pub chosen: bool,
}

impl Program {
    fn choice(self) -> Choice {
        self.backend.filter(|_| self.chosen)
    }
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// `iptables`.
    pub iptables: Program,
    /// `ip6tables`.
    pub ip6tables: Program,
    /// Whether an engine runs, which has its rules in the tables of these.
    pub running: bool,
    /// Whether one of these is younger than the running engine, whose rules may then be in tables that nobody speaks to.
    #[serde(default)]
    pub stale: bool,
}

/// Another choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What was chosen before; none where it was left to the distribution.
    pub before: Choice,
    /// What is chosen; none where it is left to the distribution.
    pub after: Choice,
    /// What was and is chosen for `ip6tables`, where that is not the same.
    #[serde(default)]
    pub ip6tables: Option<(Choice, Choice)>,
    /// Whether a running engine is restarted.
    pub restart: bool,
}

impl Change {
    /// Each program with what was and what is chosen.
    fn programs(&self) -> [(&'static str, Choice, Choice); 2] {
        let (before, after) = self.ip6tables.unwrap_or((self.before, self.after));
        [("ip6tables", before, after), ("iptables", self.before, self.after)]
    }

    /// Whether it is more than a restart.
    fn chooses(&self) -> bool {
        self.programs().iter().any(|(_, before, after)| before != after)
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
        let engine = process::find(host);
        let stale = |program| engine.as_ref().map_or(Ok(false), |engine| engine::is_stale(host, link(program), engine));
        let observed = Observed {
            iptables: look("iptables", host)?,
            ip6tables: look("ip6tables", host)?,
            running: engine.is_some(),
            stale: stale("iptables")? || stale("ip6tables")?,
        };
        Ok(vec![observed; keys.len()])
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let wanted = desired.works.iter().copied().find(|works| desired.fails.contains(&works.other()));
        let Some(wanted) = wanted else { return Ok(None) };
        let programs = [observed.iptables, observed.ip6tables];
        // What is not installed yet will be the distribution's own choice.
        let fails = programs.iter().any(|program| program.backend.unwrap_or(Backend::Nft) != wanted);
        // Chosen, but the engine was not restarted any more.
        let unknown_to_engine = observed.stale && programs.iter().all(|program| program.choice() == Some(wanted));
        if !fails && !unknown_to_engine {
            return Ok(None);
        }
        let (before, before6) = (observed.iptables.choice(), observed.ip6tables.choice());
        Ok(Some(Change {
            before,
            after: Some(wanted),
            ip6tables: (before6 != before).then_some((before6, Some(wanted))),
            restart: observed.running,
        }))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        // A member's engine is restarted only where the plan says so, which has asked whether the swarm can do without it.
        // One that is new came with its packages, and is in nobody's way.
        let running = process::find(host).is_some();
        if running && !change.restart && data::hold_a_swarm(host) {
            return Err(Fault::new(UNIT, "it was started since the plan was made, so iptables is left as it is")
                .help("run the same command again"));
        }
        let programs = change.programs();
        programs.iter().try_for_each(|(program, _, after)| choose(program, *after, host)).inspect_err(|_| {
            // What does not go back either was not changed.
            let _ = programs.iter().try_for_each(|(program, before, _)| choose(program, *before, host));
        })?;
        if running {
            progress(Progress::text("restarting docker"));
            engine::restart(host)?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        receipt.chooses().then(|| Change {
            before: receipt.after,
            after: receipt.before,
            ip6tables: receipt.ip6tables.map(|(before, after)| (after, before)),
            restart: receipt.restart,
        })
    }

    fn key_of(_: &Change) -> Option<()> {
        Some(())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let now = [observed.ip6tables, observed.iptables].map(Program::choice);
        let each = || change.programs().into_iter().zip(now);
        let foreign = each().find(|((_, before, after), now)| now != before && now != after);
        if let Some(((program, ..), now)) = foreign {
            return Rest::foreign(format!("{program} was made {} since", now.map_or("the default", Backend::name)));
        }
        let done = each().all(|((_, _, after), now)| now == after);
        let left = !done || observed.stale;
        Rest::of(left.then(|| Change { restart: observed.running, ..change.clone() }))
    }

    fn describe(change: &Change) -> Description {
        let title = match change.after {
            _ if !change.chooses() => "restart docker, which may have its rules in tables of another iptables".to_owned(),
            Some(backend) => format!("make iptables {}, which the kernel goes with", backend.name()),
            None => "leave it to the distribution what iptables is".to_owned(),
        };
        Description { disrupts: change.restart.then(engine::restarts), ..Description::line(title) }
    }
}

/// What says what a program stands for.
fn link(program: &str) -> String {
    format!("/etc/alternatives/{program}")
}

fn look(program: &str, host: &Host) -> Result<Program, Fault> {
    let link = fs::read_link(host.path(link(program))).ok();
    let link = link.map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
    let is = |backend: &Backend| link.ends_with(&backend.of(program));
    // The first line of its state says who chooses.
    let state = host.read_text(format!("/var/lib/dpkg/alternatives/{program}"))?.unwrap_or_default();
    Ok(Program { backend: Backend::ALL.into_iter().find(is), chosen: state.lines().next() == Some("manual") })
}

fn choose(program: &str, choice: Choice, host: &Host) -> Result<(), Fault> {
    let args = match choice {
        Some(backend) => vec!["--set".to_owned(), program.to_owned(), format!("/usr/sbin/{}", backend.of(program))],
        None => vec!["--auto".to_owned(), program.to_owned()],
    };
    host.command("update-alternatives").args(&args).run()?.expect_success(program).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

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

    /// A host whose update-alternatives sets links as the real one does, and keeps a list of what is done to it.
    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let script = "mkdir -p etc/alternatives var/lib/dpkg/alternatives\n\
                      case $1 in --set) to=$3 mode=manual ;; --auto) to=/usr/sbin/$2-nft mode=auto ;; *) exit 2 ;; esac\n\
                      ln -sfn $to etc/alternatives/$2; echo $mode >var/lib/dpkg/alternatives/$2; echo $2 >>done";
        program(&host, "update-alternatives", script);
        (root, host)
    }

    /// Gives it a systemd, and an engine that runs and answers: since 2001, and once it is restarted since 2128.
    fn with_engine(host: &Host) {
        let stat = |ticks: u64| format!("77 (dockerd) S{} {ticks} 0", " 0".repeat(18));
        let script = format!(
            "case $1 in\n\
             show) echo LoadState=loaded; echo ActiveState=active ;;\n\
             restart) echo '{}' >proc/77/stat; echo restart >>done ;;\n\
             esac",
            stat(400_000_000_000)
        );
        program(host, "systemctl", &script);
        fs::create_dir_all(host.path("/run/systemd/system")).unwrap();
        for (path, text) in [("comm", "dockerd\n"), ("stat", &stat(1)), ("../stat", "btime 1000000000\n")] {
            host.write_system_file(format!("/proc/77/{path}"), text).unwrap();
        }
        let listener = UnixListener::bind(host.path("/run/docker.sock")).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 256]);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
            }
        });
    }

    fn now(host: &Host) -> Observed {
        Iptables::observe(&[()], host).unwrap().remove(0)
    }

    fn both(backend: Backend, chosen: bool, running: bool) -> Observed {
        let program = Program { backend: Some(backend), chosen };
        Observed { iptables: program, ip6tables: program, running, stale: false }
    }

    fn legacy_only() -> Desired {
        Desired { works: vec![Backend::Legacy], fails: vec![Backend::Nft] }
    }

    fn apply(change: &Change, host: &Host) -> Result<Change, Fault> {
        Iptables::apply(change, host, &mut |_| ())
    }

    #[test]
    fn both_programs_are_changed_and_left_to_the_distribution_again() {
        let (_root, host) = host();
        assert_eq!(now(&host), Observed::default());
        let change = Iptables::diff(&legacy_only(), &now(&host)).unwrap().unwrap();
        let receipt = apply(&change, &host).unwrap();
        assert_eq!(now(&host), both(Backend::Legacy, true, false));
        let link = fs::read_link(host.path("/etc/alternatives/ip6tables")).unwrap();
        assert_eq!(link.to_str(), Some("/usr/sbin/ip6tables-legacy"));
        assert_eq!(Iptables::diff(&legacy_only(), &now(&host)), Ok(None));
        assert_eq!(Iptables::rest(&change, &now(&host)), Rest::of(None));
        let undo = Iptables::undo(&receipt).unwrap();
        assert_eq!(Iptables::rest(&undo, &now(&host)), Rest::of(Some(undo.clone())));
        apply(&undo, &host).unwrap();
        assert_eq!(now(&host), both(Backend::Nft, false, false));
        program(&host, "update-alternatives", "echo 'error: no alternatives for iptables' >&2; exit 2");
        let fault = apply(&change, &host).unwrap_err();
        assert!(fault.cause.contains("no alternatives"), "{fault}");
        // Somebody has chosen otherwise since.
        let mut theirs = both(Backend::Nft, true, false);
        assert_eq!(Iptables::rest(&undo, &theirs).foreign, ["ip6tables was made iptables-nft since"]);
        theirs.ip6tables = now(&host).ip6tables;
        assert_eq!(Iptables::rest(&undo, &theirs).foreign, ["iptables was made iptables-nft since"]);
    }

    #[test]
    fn ip6tables_alone_is_changed_and_put_back_as_it_was() {
        let (_root, host) = host();
        choose("iptables", Some(Backend::Legacy), &host).unwrap();
        choose("ip6tables", None, &host).unwrap();
        let before = now(&host);
        let change = Iptables::diff(&legacy_only(), &before).unwrap().unwrap();
        assert_eq!(change.ip6tables, Some((None, Some(Backend::Legacy))));
        let receipt = apply(&change, &host).unwrap();
        assert_eq!((now(&host), Iptables::diff(&legacy_only(), &now(&host))), (both(Backend::Legacy, true, false), Ok(None)));
        apply(&Iptables::undo(&receipt).unwrap(), &host).unwrap();
        assert_eq!(now(&host), before);
        // Journals of before know nothing of it.
        let old = r#"{"before": null, "after": "legacy", "restart": false}"#;
        let old: Change = serde_json::from_str(old).unwrap();
        assert_eq!(old.programs().map(|(_, before, after)| (before, after)), [(None, Some(Backend::Legacy)); 2]);
    }

    #[test]
    fn wherever_it_is_killed_the_next_run_restarts_the_engine_once() {
        let done = ["ip6tables", "iptables", "restart"];
        for killed_after in 0..=done.len() {
            let (_root, host) = host();
            with_engine(&host);
            let plan = || Iptables::diff(&legacy_only(), &now(&host)).unwrap();
            let change = plan().unwrap();
            for step in &done[..killed_after] {
                match *step {
                    "restart" => engine::restart(&host).unwrap(),
                    program => choose(program, Some(Backend::Legacy), &host).unwrap(),
                }
            }
            let whole = killed_after == done.len();
            assert_eq!((plan().is_some(), Iptables::rest(&change, &now(&host)).change.is_some()), (!whole, !whole));
            let Some(next) = plan() else { continue };
            // Where only the restart is left, there is nothing to put back.
            assert_eq!((next.restart, Iptables::undo(&next).is_some()), (true, killed_after < 2));
            assert_eq!(Iptables::describe(&next).title.starts_with("restart docker"), killed_after == 2);
            apply(&next, &host).unwrap();
            assert_eq!((now(&host), plan()), (both(Backend::Legacy, true, true), None));
            let made = host.read_text("/done").unwrap().unwrap();
            assert_eq!(made.lines().filter(|line| *line == "restart").count(), 1, "{made}");
            assert!(made.ends_with("restart\n"), "one restart takes along what depends on it: {made}");
        }
        // Who chose nothing is no reason to restart anything.
        let stale = |chosen| Observed { stale: true, ..both(Backend::Legacy, chosen, true) };
        let either = Desired { works: Backend::ALL.to_vec(), fails: Vec::new() };
        assert_eq!(Iptables::diff(&legacy_only(), &stale(false)), Ok(None));
        assert_eq!(Iptables::diff(&either, &stale(true)), Ok(None));
    }

    #[test]
    fn an_engine_that_was_started_since_is_restarted_only_outside_a_swarm() {
        for swarm in [false, true] {
            let (_root, host) = host();
            let change = Iptables::diff(&legacy_only(), &now(&host)).unwrap().unwrap();
            assert!(!change.restart);
            with_engine(&host);
            if swarm {
                host.write_system_file("/var/lib/docker/swarm/docker-state.json", "{}").unwrap();
            }
            let applied = apply(&change, &host);
            if !swarm {
                applied.unwrap();
                assert_eq!(now(&host), both(Backend::Legacy, true, true), "a bare host's first run");
                // What puts it back says that it restarts an engine, which the first run knew nothing of.
                let undo = Iptables::undo(&change).unwrap();
                assert!(Iptables::rest(&undo, &now(&host)).change.unwrap().restart);
                continue;
            }
            let fault = applied.unwrap_err();
            assert!(fault.cause.contains("started since"), "{fault}");
            assert_eq!(host.read_text("/done").unwrap(), None, "nothing is touched");
            apply(&Iptables::diff(&legacy_only(), &now(&host)).unwrap().unwrap(), &host).unwrap();
            assert_eq!(now(&host), both(Backend::Legacy, true, true), "the next plan says so");
        }
    }

    #[test]
    fn what_fails_half_way_is_taken_back_and_the_engine_runs_on() {
        let (_root, host) = host();
        with_engine(&host);
        let change = Iptables::diff(&legacy_only(), &now(&host)).unwrap().unwrap();
        let script = "mkdir -p etc/alternatives; [ \"$1 $2\" != '--set iptables' ] || { echo no such file >&2; exit 2; }\n\
                      ln -sfn ${3:-/usr/sbin/$2-nft} etc/alternatives/$2";
        program(&host, "update-alternatives", script);
        let fault = apply(&change, &host).unwrap_err();
        assert!(fault.cause.contains("no such file"), "{fault}");
        assert_eq!(Observed { stale: false, ..now(&host) }, both(Backend::Nft, false, true));
        assert_eq!(host.read_text("/done").unwrap(), None, "its rules are where they were");
    }
}
