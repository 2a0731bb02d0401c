//! apt, run so that it never asks, never waits for ever and says how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::super::{Command, CommandOutput, Fault, Host, Progress};
use super::lock;
use super::status::Status;
use super::version;
use super::words::{candidates, errors, installations, list, newest, offers, progress_of, removals, update_troubles};

/// How long fetching the lists may take.
const UPDATE: Duration = Duration::from_secs(600);

/// How long an installation may take: boards with slow cards need minutes.
const INSTALL: Duration = Duration::from_secs(45 * 60);

/// How old the lists may be.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// Keep what the administrator changed, take the package's own choice elsewhere, ask nothing.
const OPTIONS: &[&str] = &[
    "-y",
    "-q",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "DPkg::Lock::Timeout=600",
];

/// Installs what is asked for and what it depends on.
const INSTALL_PACKAGES: &[&str] = &["install", "--no-install-recommends"];

/// Never removes: what is on a host is not skep's to give up, an engine from elsewhere least of all.
const KEEP_OTHERS: &str = "--no-remove";

/// What apt says where that keeps it from installing.
const REMOVE_REFUSED: &str = "remove is disabled";

/// Has apt tell its progress on what is our standard output, and everything else on standard error. The progress needs
/// a descriptor of its own: apt closes it for the packages' scripts, and they fail without a standard output.
const TELL: &[&str] = &["-c", "exec 3>&1 1>&2; exec apt-get -o APT::Status-Fd=3 \"$@\"", "apt-get"];

/// A package, with its exact version where one is wanted.
type Wanted = BTreeMap<String, Option<String>>;

/// Packages that change at once, so that a host is never left without the old ones and the new ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transaction<'t> {
    /// Packages to install.
    pub(super) install: &'t BTreeSet<String>,
    /// Wanted versions of those; see [`version::fits`].
    pub(super) versions: &'t BTreeMap<String, String>,
    /// Packages to remove.
    pub(super) remove: &'t BTreeSet<String>,
    /// Whether an older version may take the place of a newer one.
    pub(super) downgrade: bool,
    /// Whether these packages, and no others, change though they are held.
    pub(super) change_held: bool,
}

/// apt on a host.
pub(in super::super) struct Apt<'a> {
    pub(in super::super) host: &'a Host,
    pub(in super::super) progress: &'a mut dyn FnMut(Progress),
}

impl Apt<'_> {
    /// Finishes what an interrupted dpkg left half way.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        (self.progress)(Progress::text("finishing an interrupted package installation"));
        let configure = ["--configure", "-a", "--force-confdef", "--force-confold"];
        let configured = quiet(self.host.command("dpkg").args(configure)).limit(INSTALL).run()?;
        // What dpkg cannot configure may lack a dependency, or its own files; apt takes the latter for installed.
        let broken = Status::read(self.host)?.broken;
        let mut args = [INSTALL_PACKAGES, &[KEEP_OTHERS, "--fix-broken"]].concat();
        if !broken.is_empty() {
            args.extend(["--reinstall", "--"]);
            args.extend(broken.iter().map(String::as_str));
        }
        let fixed = self.run(&args, INSTALL)?;
        if fixed.success() {
            return Ok(());
        }
        if let Some(fault) = self.would_remove("dpkg", &args, &fixed)? {
            return Err(fault);
        }
        Err(Fault::new("dpkg", format!("{}\n{}", errors(&configured), errors(&fixed)))
            .help("run `dpkg --configure -a` and `apt-get install -f` on the host and read what they say"))
    }

    /// Installs and removes packages in one go, each in the best version that fits what is wanted of it.
    pub(super) fn commit(&mut self, change: &Transaction<'_>) -> Result<(), Fault> {
        let what = list(change.install);
        let mut args = change.args(&self.resolve(change.install, change.versions)?);
        self.rehearse(change, &what, &args)?;
        let mut output = self.run(&args, INSTALL)?;
        if !output.success() && output.stderr.contains("404 ") {
            // The mirror has moved on since the lists were fetched.
            self.update()?.expect_success("apt-get update")?;
            args = change.args(&self.resolve(change.install, change.versions)?);
            output = self.run(&args, INSTALL)?;
        }
        if output.success() {
            return Ok(());
        }
        if let Some(fault) = self.would_remove(&what, &args, &output)? {
            return Err(fault);
        }
        let help = format!("run `apt-get install {}` on the host to see all that apt says", what.replace(", ", " "));
        Err(Fault::new(what, errors(&output)).help(help))
    }

    /// Refuses what would touch more than is meant, where apt's own refusals are switched off.
    fn rehearse(&mut self, change: &Transaction<'_>, what: &str, args: &[String]) -> Result<(), Fault> {
        if change.remove.is_empty() && !change.change_held {
            return Ok(());
        }
        let rehearsed = quiet(self.host.command("apt-get").args(OPTIONS).args(["--simulate"]).args(args)).run()?;
        // A conflict with what is not to be removed is told of where it is installed in earnest.
        if !rehearsed.success() {
            return if rehearsed.stderr.contains(REMOVE_REFUSED) { Ok(()) } else { Err(Fault::new(what, errors(&rehearsed))) };
        }
        let others: BTreeSet<String> = removals(&rehearsed.stdout).difference(change.remove).cloned().collect();
        if !others.is_empty() {
            let cause = format!("{} would have to be removed too, which nobody asked for", list(&others));
            return Err(Fault::new(what, cause)
                .help(format!("if that is meant, run `apt-get remove {}` on the host first", list(&others).replace(", ", " "))));
        }
        let ours: BTreeSet<String> = change.install.union(change.remove).cloned().collect();
        let held = Status::read(self.host)?.held;
        let changed = installations(&rehearsed.stdout);
        let others: BTreeSet<String> = changed.intersection(&held).filter(|name| !ours.contains(*name)).cloned().collect();
        if !others.is_empty() {
            let cause = format!("{} would change as well, and is held", list(&others));
            return Err(Fault::new(what, cause)
                .help(format!("if that is meant, run `apt-mark unhold {}` on the host first", list(&others).replace(", ", " "))));
        }
        Ok(())
    }

    /// The fault about `what` where apt refused an installation because other packages would have to go, which it
    /// names in a simulation only.
    fn would_remove(
        &self,
        what: &str,
        args: &[impl AsRef<str>],
        refused: &CommandOutput,
    ) -> Result<Option<Fault>, Fault> {
        if !refused.stderr.contains(REMOVE_REFUSED) {
            return Ok(None);
        }
        let args = args.iter().map(AsRef::as_ref).filter(|arg| *arg != KEEP_OTHERS);
        let simulated = quiet(self.host.command("apt-get").args(OPTIONS).args(["--simulate"]).args(args)).run()?;
        let gone = removals(&simulated.stdout);
        if gone.is_empty() {
            return Ok(None);
        }
        let fault = Fault::new(what, format!("{}\nconflicting: {}", errors(refused), list(&gone)));
        Ok(Some(fault.help(format!(
            "skep removes no package to install another: if {} may go, run `apt-get remove {}` on the host, then \
             `skep up` again",
            list(&gone),
            list(&gone).replace(", ", " ")
        ))))
    }

    /// Removes packages, those only: where others would have to go too, nothing is removed.
    pub(super) fn remove(&mut self, names: &BTreeSet<String>) -> Result<(), Fault> {
        let mut args = vec!["remove", "--simulate", "--"];
        args.extend(names.iter().map(String::as_str));
        let simulated = quiet(self.host.command("apt-get").args(OPTIONS).args(&args)).run()?;
        if !simulated.success() {
            return Err(Fault::new(list(names), errors(&simulated)));
        }
        let others: BTreeSet<String> = removals(&simulated.stdout).difference(names).cloned().collect();
        if !others.is_empty() {
            let cause = format!("cannot be removed alone: {} would have to go too", list(&others));
            return Err(Fault::new(list(names), cause).help(format!("if that is meant, run `apt-get remove {}`", list(&others))));
        }
        args.remove(1);
        let removed = self.run(&args, INSTALL)?;
        if removed.success() { Ok(()) } else { Err(Fault::new(list(names), errors(&removed))) }
    }

    /// The exact version of each, fetching the lists first where they are old or do not know a package.
    fn resolve(&mut self, names: &BTreeSet<String>, versions: &BTreeMap<String, String>) -> Result<Wanted, Fault> {
        let fetched = self.choose(names, versions)?;
        let (wanted, problem) = match fetched {
            Ok(wanted) if lists_are_fresh(self.host) => return Ok(wanted),
            Ok(wanted) => (Some(wanted), None),
            Err(problem) => (None, Some(problem)),
        };
        let update = self.update()?;
        match (self.choose(names, versions)?, wanted) {
            (Ok(wanted), _) | (Err(_), Some(wanted)) => Ok(wanted),
            // Lists that could not be fetched are the likelier cause of a package not being known.
            (Err(after), None) if update.success() => Err(after),
            (Err(after), None) => Err(Fault { cause: format!("{}\n{}", after.cause, errors(&update)), ..problem.unwrap_or(after) }),
        }
    }

    /// The outer error is of running apt, the inner one of what it offers.
    fn choose(
        &mut self,
        names: &BTreeSet<String>,
        versions: &BTreeMap<String, String>,
    ) -> Result<Result<Wanted, Fault>, Fault> {
        let mut args = vec!["policy", "--"];
        args.extend(names.iter().map(String::as_str));
        let known = candidates(&quiet(self.host.command("apt-cache").args(&args)).run()?.stdout);
        let unknown: BTreeSet<String> = names.iter().filter(|name| !known.contains(*name)).cloned().collect();
        if !unknown.is_empty() {
            let fault = Fault::new(list(&unknown), "the host's package sources do not have it");
            return Ok(Err(fault.help("check the files in /etc/apt/sources.list.d, then run `apt-get update` on the host")));
        }
        let mut wanted = Wanted::new();
        for name in names {
            let Some(pattern) = versions.get(name) else {
                wanted.insert(name.clone(), None);
                continue;
            };
            let offered = offers(&quiet(self.host.command("apt-cache").args(["madison", "--", name])).run()?.stdout);
            match offered.iter().find(|version| version::fits(pattern, version)) {
                Some(version) => wanted.insert(name.clone(), Some(version.clone())),
                None => {
                    let cause = format!("no version matches `{pattern}`; the host's package sources have {}", newest(&offered));
                    return Ok(Err(Fault::new(name, cause).help("correct `engine.version` in the inventory")));
                }
            };
        }
        Ok(Ok(wanted))
    }

    fn update(&mut self) -> Result<CommandOutput, Fault> {
        (self.progress)(Progress::text("fetching package lists"));
        self.run(&["update"], UPDATE)
    }

    /// Fetches the lists of one file of sources; those of the others first where they are old, whatever becomes of
    /// them. A list that is missing or not signed as it should be is a fault, though apt takes it for a warning.
    pub(in super::super) fn update_from(&mut self, sources: &str) -> Result<(), Fault> {
        lock::wait(self.host, lock::PATIENCE, self.progress)?;
        if !lists_are_fresh(self.host) {
            self.update()?;
        }
        (self.progress)(Progress::text("fetching the engine's package lists"));
        let only = [
            "update".to_owned(),
            "-o".to_owned(),
            format!("Dir::Etc::sourcelist={sources}"),
            "-o".to_owned(),
            "Dir::Etc::sourceparts=-".to_owned(),
            "-o".to_owned(),
            "APT::Get::List-Cleanup=0".to_owned(),
        ];
        let output = self.run(&only, UPDATE)?;
        let troubles = update_troubles(&output);
        match (output.success(), troubles.as_slice()) {
            (true, []) => Ok(()),
            (false, []) => Err(Fault::new(sources, errors(&output))),
            (_, troubles) => Err(Fault::new(sources, troubles.join("\n"))),
        }
    }

    /// Runs apt-get; where somebody took a lock in between, waits for them and tries again.
    fn run(&mut self, args: &[impl AsRef<str>], limit: Duration) -> Result<CommandOutput, Fault> {
        let start = Instant::now();
        loop {
            lock::wait(self.host, lock::PATIENCE, self.progress)?;
            let command = quiet(self.host.command("sh").args(TELL).args(OPTIONS).args(args)).limit(limit);
            let output = command.run_streaming(&mut |line| {
                if let Some(progress) = progress_of(line) {
                    (self.progress)(progress);
                }
            })?;
            let lost_race = !output.success() && output.stderr.contains("Could not get lock");
            if !lost_race || start.elapsed() > lock::PATIENCE {
                return Ok(output);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

impl Transaction<'_> {
    /// What installs and removes packages, each in its exact version where one is given.
    fn args(&self, wanted: &Wanted) -> Vec<String> {
        let exact = |(name, version): (&String, &Option<String>)| match version {
            Some(version) => format!("{name}={version}"),
            None => name.clone(),
        };
        let keep = self.remove.is_empty().then_some(KEEP_OTHERS);
        let downgrade = self.downgrade.then_some("--allow-downgrades");
        let held = self.change_held.then_some("--allow-change-held-packages");
        let options = INSTALL_PACKAGES.iter().copied().chain(keep).chain(downgrade).chain(held).chain(["--"]);
        let removed = self.remove.iter().map(|name| format!("{name}-"));
        options.map(str::to_owned).chain(wanted.iter().map(exact)).chain(removed).collect()
    }
}

/// Nobody is there to answer questions. /tmp may be in memory and full, where apt then fails with words about lists and
/// signatures; where there is no /var/tmp, apt takes /tmp nevertheless.
fn quiet(command: Command<'_>) -> Command<'_> {
    command
        .env("TMPDIR", "/var/tmp")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("NEEDRESTART_MODE", "l")
        .env("NEEDRESTART_SUSPEND", "1")
        .env("APT_LISTCHANGES_FRONTEND", "none")
}

/// apt writes into the directory below whenever it fetches, even if nothing is new; the lists themselves carry the
/// mirror's times.
fn lists_are_fresh(host: &Host) -> bool {
    let lists = host.path("/var/lib/apt/lists");
    let has_lists = std::fs::read_dir(&lists)
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("_dists_"))));
    let fetched = |path| std::fs::metadata(path).and_then(|there| there.modified()).ok();
    let newest = [fetched(lists.clone()), fetched(lists.join("partial"))].into_iter().flatten().max();
    let age = newest.map(|newest| SystemTime::now().duration_since(newest).unwrap_or_default());
    has_lists && age.is_some_and(|age| age < FRESH)
}

#[cfg(test)]
mod tests;
