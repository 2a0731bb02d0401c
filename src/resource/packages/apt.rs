//! apt, run so that it never asks, never waits for ever and says how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::super::{Command, CommandOutput, Fault, Host, Progress};
use super::glob::matches;
use super::lock;
use super::status::Status;

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

/// Installs and never removes: what is on a host is not skep's to give up, an engine from elsewhere least of all.
const INSTALL_ONLY: &[&str] = &["install", "--no-install-recommends", "--no-remove"];

/// What apt says where that keeps it from installing.
const REMOVE_REFUSED: &str = "remove is disabled";

/// Has apt tell its progress on what is our standard output, and everything else on standard error. The progress needs
/// a descriptor of its own: apt closes it for the packages' scripts, and they fail without a standard output.
const TELL: &[&str] = &["-c", "exec 3>&1 1>&2; exec apt-get -o APT::Status-Fd=3 \"$@\"", "apt-get"];

/// A package, with its exact version where one is wanted.
type Wanted = BTreeMap<String, Option<String>>;

/// apt on a host.
pub(super) struct Apt<'a> {
    pub(super) host: &'a Host,
    pub(super) progress: &'a mut dyn FnMut(Progress),
}

impl Apt<'_> {
    /// Finishes what an interrupted dpkg left half way.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        (self.progress)(Progress::text("finishing an interrupted package installation"));
        let configure = ["--configure", "-a", "--force-confdef", "--force-confold"];
        let configured = quiet(self.host.command("dpkg").args(configure)).limit(INSTALL).run()?;
        // What dpkg cannot configure may lack a dependency, or its own files; apt takes the latter for installed.
        let broken = Status::read(self.host)?.broken;
        let mut args = [INSTALL_ONLY, &["--fix-broken"]].concat();
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

    /// Installs packages, each in the best version that matches what is wanted of it.
    pub(super) fn install(&mut self, names: &BTreeSet<String>, versions: &BTreeMap<String, String>) -> Result<(), Fault> {
        let mut args = install_args(&self.resolve(names, versions)?);
        let mut output = self.run(&args, INSTALL)?;
        if !output.success() && output.stderr.contains("404 ") {
            // The mirror has moved on since the lists were fetched.
            self.update()?.expect_success("apt-get update")?;
            args = install_args(&self.resolve(names, versions)?);
            output = self.run(&args, INSTALL)?;
        }
        if output.success() {
            return Ok(());
        }
        if let Some(fault) = self.would_remove(&list(names), &args, &output)? {
            return Err(fault);
        }
        Err(Fault::new(list(names), errors(&output))
            .help(format!("run `apt-get install {}` on the host to see all that apt says", list(names).replace(", ", " "))))
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
        let args = args.iter().map(AsRef::as_ref).filter(|arg| *arg != "--no-remove");
        let simulated = quiet(self.host.command("apt-get").args(OPTIONS).args(["--simulate"]).args(args)).run()?;
        let gone: BTreeSet<String> = removals(&simulated.stdout).collect();
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
        let others: BTreeSet<String> = removals(&simulated.stdout).filter(|name| !names.contains(name)).collect();
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
            match offered.iter().find(|version| matches(pattern, version)) {
                Some(version) => wanted.insert(name.clone(), Some(version.clone())),
                None => {
                    let cause = format!("no version matches `{pattern}`; the host's package sources have {}", list(&offered));
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

/// What installs packages, each in its exact version where one is given.
fn install_args(wanted: &Wanted) -> Vec<String> {
    let downgrades = wanted.values().any(Option::is_some).then_some("--allow-downgrades");
    let exact = |(name, version): (&String, &Option<String>)| match version {
        Some(version) => format!("{name}={version}"),
        None => name.clone(),
    };
    let options = INSTALL_ONLY.iter().copied().chain(downgrades).chain(["--"]).map(str::to_owned);
    options.chain(wanted.iter().map(exact)).collect()
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

/// apt's machine-readable progress: `pmstatus:docker.io:42.8:Unpacking docker.io (amd64)`; it may stand behind other
/// words on the line.
fn progress_of(line: &str) -> Option<Progress> {
    let start = line.find("pmstatus:").or_else(|| line.find("dlstatus:"))?;
    let mut fields = line[start..].splitn(4, ':').skip(2);
    let percent: f64 = fields.next()?.parse().ok()?;
    let text = fields.next()?.trim();
    let mut letters = text.chars();
    let text = letters.next()?.to_lowercase().chain(letters).collect();
    let done = percent.clamp(0.0, 100.0) as u64;
    Some(Progress { text, done, total: 100 })
}

/// What apt says of itself when all is well.
const NOISE: &[&str] = &[
    "W: ", "debconf: ", "Reading ", "Building ", "Get:", "Hit:", "Ign:", "Fetched ", "Need to get ", "After this operation",
    "(Reading database", "Selecting ", "Preparing to unpack", "Unpacking ",
];

/// What apt complains of: the end of its words, among them what a package's own scripts said.
fn errors(output: &CommandOutput) -> String {
    const KEPT: usize = 8;
    let is_noise = |line: &&str| line.trim().is_empty() || NOISE.iter().any(|noise| line.starts_with(noise));
    let lines: Vec<&str> = output.stderr.lines().filter(|line| !is_noise(line)).collect();
    if lines.is_empty() { output.last_words() } else { lines[lines.len().saturating_sub(KEPT)..].join("\n") }
}

/// Packages that `apt-cache policy` knows a candidate for.
fn candidates(policy: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let mut name = "";
    for line in policy.lines() {
        if let Some(title) = line.strip_suffix(':').filter(|title| !title.starts_with(' ')) {
            name = title;
        } else if let Some(candidate) = line.trim().strip_prefix("Candidate:")
            && candidate.trim() != "(none)"
        {
            known.insert(name.to_owned());
        }
    }
    known
}

/// Versions that `apt-cache madison` offers, the newest first.
fn offers(madison: &str) -> Vec<String> {
    let mut versions = Vec::new();
    for version in madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim) {
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
    versions
}

/// Packages that a simulated removal would remove: `Remv docker.io [20.10.24]`.
fn removals(simulated: &str) -> impl Iterator<Item = String> {
    let name = |line: &str| line.strip_prefix("Remv ")?.split_whitespace().next().map(str::to_owned);
    simulated.lines().filter_map(name)
}

fn list<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_wherever_it_stands() {
        for (line, text, done) in [
            ("pmstatus:docker.io:42.8571:Unpacking docker.io (amd64)", "unpacking docker.io (amd64)", 42),
            ("dlstatus:3:7.5:Retrieving file 3 of 9 (12s remaining)", "retrieving file 3 of 9 (12s remaining)", 7),
            ("(Reading database ... pmstatus:dpkg-exec:100:Running dpkg", "running dpkg", 100),
        ] {
            assert_eq!(progress_of(line), Some(Progress { text: text.into(), done, total: 100 }), "{line}");
        }
        for line in ["", "Unpacking docker.io", "pmstatus:", "pmstatus:a:b:c", "pmstatus:a:1:"] {
            assert_eq!(progress_of(line), None, "{line}");
        }
    }

    #[test]
    fn offers_and_candidates_are_read() {
        let madison = "\
 docker.io | 20.10.24+dfsg1-1+deb12u1+b2 | http://mirror bookworm/main amd64 Packages
 docker.io | 20.10.24+dfsg1-1+deb12u1+b2 | http://mirror bookworm-security/main amd64 Packages
 docker.io | 20.10.5+dfsg1-1 | http://mirror bullseye/main amd64 Packages
";
        assert_eq!(offers(madison), ["20.10.24+dfsg1-1+deb12u1+b2", "20.10.5+dfsg1-1"]);
        let policy = "\
docker.io:
  Installed: (none)
  Candidate: 20.10.24
  Version table:
     20.10.24 500
        500 http://mirror bookworm/main amd64 Packages
virtual:
  Installed: (none)
  Candidate: (none)
";
        assert_eq!(candidates(policy).into_iter().collect::<Vec<_>>(), ["docker.io"]);
    }

    /// A host whose apt-get notes how it was called and would have to remove docker-ce and containerd.io.
    fn host_with_a_conflict() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let apt_get = format!(
            r#"#!/bin/sh
echo "$*" >>{log}
case " $* " in
*' --no-remove '*)
    echo 'W: some list is old' >&2
    echo 'E: Packages need to be removed but remove is disabled.' >&2
    exit 100 ;;
*' --simulate '*)
    printf 'Remv docker-ce [5:28.2.1]\nRemv containerd.io [1.7]\nInst docker.io (20.10.24 Debian:12 [amd64])\n' ;;
esac
"#,
            log = host.path("/log").display()
        );
        install(&host, "apt-get", &apt_get);
        install(&host, "apt-cache", "#!/bin/sh\nprintf 'docker.io:\n  Candidate: 20.10.24\n'\n");
        install(&host, "dpkg", "#!/bin/sh\n");
        // apt-get is started by a shell that looks for it in the real system's directories.
        let shell = format!("#!/bin/sh\nPATH={}:$PATH exec /bin/sh \"$@\"\n", host.path("/usr/bin").display());
        install(&host, "sh", &shell);
        host.write_system_file("/var/lib/apt/lists/mirror_dists_x", "").unwrap();
        host.write_system_file("/var/lib/dpkg/status", "Package: a\nStatus: install ok unpacked\n").unwrap();
        (root, host)
    }

    fn install(host: &Host, program: &str, text: &str) {
        let path = format!("/usr/bin/{program}");
        host.write_system_file(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(host.path(&path), mode).unwrap();
    }

    #[test]
    fn nothing_is_removed_to_install_and_what_conflicts_is_named() {
        let (_root, host) = host_with_a_conflict();
        let mut progress = |_| ();
        let mut apt = Apt { host: &host, progress: &mut progress };
        let installed = apt.install(&BTreeSet::from(["docker.io".to_owned()]), &BTreeMap::new()).unwrap_err();
        let repaired = apt.repair().unwrap_err();
        for (fault, what) in [(installed, "docker.io"), (repaired, "dpkg")] {
            assert_eq!(fault.what, what);
            assert_eq!(
                fault.cause,
                "E: Packages need to be removed but remove is disabled.\nconflicting: containerd.io, docker-ce"
            );
            assert!(fault.help.unwrap().contains("`apt-get remove containerd.io docker-ce`"));
        }
        let log = std::fs::read_to_string(host.path("/log")).unwrap();
        let installing = log.lines().filter(|line| line.contains(" install "));
        let careless: Vec<_> =
            installing.filter(|line| !line.contains("--no-remove") && !line.contains("--simulate")).collect();
        assert!(careless.is_empty(), "{careless:?}");
    }

    #[test]
    fn versions_are_given_only_where_one_is_wanted() {
        let wanted = Wanted::from([("a".to_owned(), None)]);
        assert_eq!(install_args(&wanted).join(" "), "install --no-install-recommends --no-remove -- a");
        let wanted = Wanted::from([("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)]);
        let args = "install --no-install-recommends --no-remove --allow-downgrades -- a=1 b";
        assert_eq!(install_args(&wanted).join(" "), args);
    }

    #[test]
    fn errors_are_apts_own() {
        let output = |stderr: &str, stdout: &str| CommandOutput { status: 100, stdout: stdout.into(), stderr: stderr.into() };
        assert_eq!(errors(&output("W: old\nE: Unable to locate package x\n", "")), "E: Unable to locate package x");
        assert_eq!(errors(&output("groupadd: no\n\ndpkg: error\nE: Sub-process", "")), "groupadd: no\ndpkg: error\nE: Sub-process");
        assert_eq!(errors(&output("odd words", "Reading…")), "odd words");
        assert_eq!(errors(&output("", "")), "exit code 100");
    }
}
