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
        let mut args = vec!["install", "--fix-broken", "--no-install-recommends"];
        if !broken.is_empty() {
            args.extend(["--reinstall", "--"]);
            args.extend(broken.iter().map(String::as_str));
        }
        let fixed = self.run(&args, INSTALL)?;
        if fixed.success() {
            return Ok(());
        }
        Err(Fault::new("dpkg", format!("{}\n{}", errors(&configured), errors(&fixed)))
            .help("run `dpkg --configure -a` and `apt-get install -f` on the host and read what they say"))
    }

    /// Installs packages, each in the best version that matches what is wanted of it.
    pub(super) fn install(&mut self, names: &BTreeSet<String>, versions: &BTreeMap<String, String>) -> Result<(), Fault> {
        let wanted = self.resolve(names, versions)?;
        let mut output = self.run_install(&wanted)?;
        if !output.success() && output.stderr.contains("404 ") {
            // The mirror has moved on since the lists were fetched.
            self.update()?.expect_success("apt-get update")?;
            let wanted = self.resolve(names, versions)?;
            output = self.run_install(&wanted)?;
        }
        if output.success() {
            return Ok(());
        }
        Err(Fault::new(list(names), errors(&output))
            .help(format!("run `apt-get install {}` on the host to see all that apt says", list(names).replace(", ", " "))))
    }

    fn run_install(&mut self, wanted: &Wanted) -> Result<CommandOutput, Fault> {
        let exact = |(name, version): (&String, &Option<String>)| match version {
            Some(version) => format!("{name}={version}"),
            None => name.clone(),
        };
        let names: Vec<String> = wanted.iter().map(exact).collect();
        let mut args = vec!["install", "--no-install-recommends"];
        if wanted.values().any(Option::is_some) {
            args.push("--allow-downgrades");
        }
        args.push("--");
        args.extend(names.iter().map(String::as_str));
        self.run(&args, INSTALL)
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
        let known = candidates(&self.host.run("apt-cache", &args)?.stdout);
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
            let offered = offers(&self.host.run("apt-cache", &["madison", "--", name])?.stdout);
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
    fn run(&mut self, args: &[&str], limit: Duration) -> Result<CommandOutput, Fault> {
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

/// Nobody is there to answer questions.
fn quiet(command: Command<'_>) -> Command<'_> {
    command
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

    #[test]
    fn errors_are_apts_own() {
        let output = |stderr: &str, stdout: &str| CommandOutput { status: 100, stdout: stdout.into(), stderr: stderr.into() };
        assert_eq!(errors(&output("W: old\nE: Unable to locate package x\n", "")), "E: Unable to locate package x");
        assert_eq!(errors(&output("groupadd: no\n\ndpkg: error\nE: Sub-process", "")), "groupadd: no\ndpkg: error\nE: Sub-process");
        assert_eq!(errors(&output("odd words", "Reading…")), "odd words");
        assert_eq!(errors(&output("", "")), "exit code 100");
    }
}
