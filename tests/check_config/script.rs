//! moby's `contrib/check-config.sh`, run as it is.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// What is said of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    BuiltIn,
    Module,
    Missing,
}

/// Under which heading of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Necessary,
    Optional,
    Overlay,
    Encrypted,
    Ipvlan,
    Macvlan,
    Helpers,
    Storage,
}

impl Section {
    fn of(heading: &str) -> Option<Self> {
        Some(match heading {
            "Generally Necessary" => Self::Necessary,
            "Optional Features" => Self::Optional,
            "\"overlay\"" => Self::Overlay,
            "Optional (for encrypted networks)" => Self::Encrypted,
            "\"ipvlan\"" => Self::Ipvlan,
            "\"macvlan\"" => Self::Macvlan,
            "\"ftp,tftp client in container\"" => Self::Helpers,
            "Storage Drivers" => Self::Storage,
            _ => return None,
        })
    }
}

/// One version of the script.
#[derive(Debug)]
pub(crate) struct Script {
    /// Where it comes from.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Script {
    /// What it says of a kernel's configuration, option by option.
    pub(crate) fn run(&self, release: &str, config: &str) -> BTreeMap<String, (Section, Answer)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, config).unwrap();
        // The script asks `uname` for the kernel's version, whichever file it reads; and zgrep, a script itself, takes
        // most of its time, although the file is not compressed.
        for (name, text) in [
            ("uname", format!("#!/bin/sh\necho '{release}'\n")),
            ("zgrep", "#!/bin/sh\nexec grep \"$@\"\n".to_owned()),
        ] {
            let program = folder.path().join(name);
            fs::write(&program, text).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash").arg(&self.path).arg(&file).env("PATH", path).output().unwrap();
        let said = uncoloured(&String::from_utf8_lossy(&output.stdout));
        assert!(
            said.contains("Limits:"),
            "the script went through: {said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        parse(&said)
    }
}

fn parse(said: &str) -> BTreeMap<String, (Section, Answer)> {
    let (mut section, mut found) = (None, BTreeMap::new());
    for line in said.lines() {
        let line = line.trim().trim_start_matches("- ");
        let Some((name, state)) = line.split_once(": ") else {
            section = line.strip_suffix(':').and_then(Section::of).or(section);
            continue;
        };
        let Some(option) = name.strip_prefix("CONFIG_") else { continue };
        let answer = match state {
            "enabled" => Answer::BuiltIn,
            "enabled (as module)" => Answer::Module,
            "missing" => Answer::Missing,
            other => panic!("{option}: {other}"),
        };
        // Headings of Storage Drivers stand inside: btrfs, overlay.
        let section = match option {
            "OVERLAY_FS" => Section::Storage,
            _ => section.unwrap_or_else(|| panic!("{option} stands under no heading:\n{said}")),
        };
        let before = found.insert(option.to_owned(), (section, answer));
        // Newer scripts ask for NF_NAT twice.
        assert!(before.is_none_or(|before| before == (section, answer)), "{option}");
    }
    found
}

/// Text without the sequences that colour it.
fn uncoloured(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}
