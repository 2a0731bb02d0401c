//! What apt and dpkg say, read: progress, complaints, candidates, what a rehearsal would do.

use std::collections::BTreeSet;

use super::super::{CommandOutput, Progress};

/// apt's machine-readable progress: `pmstatus:docker.io:42.8:Unpacking docker.io (amd64)`; it may stand behind other
/// words on the line.
pub(super) fn progress_of(line: &str) -> Option<Progress> {
    let start = line.find("pmstatus:").or_else(|| line.find("dlstatus:"))?;
    let mut fields = line[start..].splitn(4, ':').skip(2);
    // Whole ones do: what reads fractions is a fiftieth of the agent.
    let percent: u64 = fields.next()?.split('.').next()?.parse().ok()?;
    let text = fields.next()?.trim();
    let mut letters = text.chars();
    let text = letters.next()?.to_lowercase().chain(letters).collect();
    Some(Progress { text, done: percent.min(100), total: 100 })
}

/// What apt says of itself when all is well.
const NOISE: &[&str] = &[
    "W: ", "debconf: ", "Reading ", "Building ", "Get:", "Hit:", "Ign:", "Fetched ", "Need to get ", "After this operation",
    "(Reading database", "Selecting ", "Preparing to unpack", "Unpacking ",
];

/// What apt complains of: the end of its words, among them what a package's own scripts said.
pub(super) fn errors(output: &CommandOutput) -> String {
    const KEPT: usize = 8;
    let is_noise = |line: &&str| line.trim().is_empty() || NOISE.iter().any(|noise| line.starts_with(noise));
    let lines: Vec<&str> = output.stderr.lines().filter(|line| !is_noise(line)).collect();
    if lines.is_empty() { output.last_words() } else { lines[lines.len().saturating_sub(KEPT)..].join("\n") }
}

/// What `apt-get update` complains of; it ends with 0 where a list could not be fetched or is not signed.
pub(super) fn update_troubles(output: &CommandOutput) -> Vec<&str> {
    let is_trouble = |line: &&str| {
        let warned = ["Failed to fetch", "GPG error", "is not signed", "NO_PUBKEY", "does not have a Release file", "not support"];
        line.starts_with("E: ") || (line.starts_with("W: ") && warned.iter().any(|words| line.contains(words)))
    };
    output.stderr.lines().filter(is_trouble).collect()
}

/// Packages that `apt-cache policy` knows a candidate for.
pub(super) fn candidates(policy: &str) -> BTreeSet<String> {
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
pub(super) fn offers(madison: &str) -> Vec<String> {
    let mut versions = Vec::new();
    for version in madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim) {
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
    versions
}

/// Packages that a rehearsal would remove: `Remv docker.io [20.10.24]`.
pub(super) fn removals(rehearsed: &str) -> BTreeSet<String> {
    names_after(rehearsed, "Remv ")
}

/// Packages that a rehearsal would install or change: `Inst docker-ce [5:28.4.0] (5:28.5.2 …)`.
pub(super) fn installations(rehearsed: &str) -> BTreeSet<String> {
    names_after(rehearsed, "Inst ")
}

fn names_after(text: &str, verb: &str) -> BTreeSet<String> {
    let name = |line: &str| line.strip_prefix(verb)?.split_whitespace().next().map(str::to_owned);
    text.lines().filter_map(name).collect()
}

/// `a, b, c`.
pub(super) fn list<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The first dozen of a list whose first ones matter most.
pub(super) fn newest(versions: &[String]) -> String {
    const TOLD: usize = 12;
    match versions.len().checked_sub(TOLD) {
        None | Some(0) => list(versions),
        Some(more) => format!("{}, and {more} older ones", list(&versions[..TOLD])),
    }
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
    fn a_rehearsal_is_read() {
        let text = "NOTE: a rehearsal\nRemv docker.io [20.10.24] [containerd:amd64 ]\nRemv containerd [1.6]\n\
                    Inst docker-ce (5:28.5.2 Docker:bookworm [amd64])\nConf docker-ce (5:28.5.2 Docker [amd64])\n";
        assert_eq!(removals(text).into_iter().collect::<Vec<_>>(), ["containerd", "docker.io"]);
        assert_eq!(installations(text).into_iter().collect::<Vec<_>>(), ["docker-ce"]);
    }

    fn output(stderr: &str, stdout: &str) -> CommandOutput {
        CommandOutput { status: 100, stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn errors_are_apts_own() {
        assert_eq!(errors(&output("W: old\nE: Unable to locate package x\n", "")), "E: Unable to locate package x");
        assert_eq!(errors(&output("groupadd: no\n\ndpkg: error\nE: Sub-process", "")), "groupadd: no\ndpkg: error\nE: Sub-process");
        assert_eq!(errors(&output("odd words", "Reading…")), "odd words");
        assert_eq!(errors(&output("", "")), "exit code 100");
    }

    #[test]
    fn warnings_of_an_update_that_mean_failure_are_told_from_others() {
        for (line, expected) in [
            ("W: Failed to fetch http://m/InRelease  Connection refused", true),
            ("W: GPG error: http://m bookworm InRelease: the public key is not available: NO_PUBKEY 7EA0", true),
            ("E: The repository 'http://m forky Release' does not have a Release file.", true),
            ("W: Key is stored in legacy trusted.gpg keyring", false),
            ("Reading package lists...", false),
        ] {
            assert_eq!(!update_troubles(&output(line, "")).is_empty(), expected, "{line}");
        }
    }

    #[test]
    fn long_lists_of_versions_are_cut() {
        let versions: Vec<String> = (0..14).map(|n| n.to_string()).collect();
        assert!(newest(&versions).ends_with("10, 11, and 2 older ones"), "{}", newest(&versions));
        assert_eq!(newest(&versions[..2]), "0, 1");
        assert_eq!(newest(&[]), "none");
    }
}
