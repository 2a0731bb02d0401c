//! Which of this computer's apt sources nodes are built from: the distribution's own archive, nothing else.
//!
//! apt has two notations (sources.list(5)): one line a source, or deb822 stanzas. Both are read here; what
//! comes out is one-line, which every apt understands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::release::Release;

/// Keyrings of the distributions' own archives; a source signed by another key is a third party's.
const ARCHIVE_KEYRINGS: [&str; 4] =
    ["debian-archive-", "ubuntu-archive-", "raspberrypi-archive-", "raspbian-archive-"];
/// Areas that only the distributions' archives have: what tells them from others where no keyring is named.
const ARCHIVE_COMPONENTS: [&str; 7] =
    ["main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"];

/// One source of binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    options: BTreeMap<String, String>,
    uri: String,
    suite: String,
    components: Vec<String>,
    /// Whether this computer itself installs from it.
    enabled: bool,
}

/// The source lines for nodes of this computer's own release.
pub(super) fn own(own: &str) -> Result<Vec<String>, LabError> {
    let lines = lines(carried(&read_all(), own).filter(|source| source.enabled));
    if lines.is_empty() { Err(LabError::NoSources { release: own.to_owned() }) } else { Ok(lines) }
}

/// The source lines for nodes of another release: sources of its own, were they only there for this, else this
/// computer's mirrors turned to it, where they are of the same distribution.
pub(super) fn of_another(family: &str, own: &str, other: &Release) -> Result<Vec<String>, LabError> {
    let lines = turn(&read_all(), family, own, other);
    if !lines.is_empty() {
        return Ok(lines);
    }
    if family == other.family {
        return Err(LabError::NoSources { release: own.to_owned() });
    }
    Err(LabError::NotCarried {
        wanted: other.title(),
        own: if family.is_empty() { own } else { family }.to_owned(),
        instead: Release::titles_of(family),
    })
}

/// Every source in apt's files.
fn read_all() -> Vec<Source> {
    let read = |path: PathBuf| {
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        let text = fs::read_to_string(path).unwrap_or_default();
        if deb822 { parse_deb822(&text) } else { parse_one_line(&text) }
    };
    source_files().into_iter().flat_map(read).collect()
}

/// Every file that apt reads sources from, in apt's order.
fn source_files() -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = fs::read_dir("/etc/apt/sources.list.d")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    parts.retain(|path| path.extension().is_some_and(|e| e == "list" || e == "sources"));
    parts.sort();
    parts.insert(0, Path::new("/etc/apt/sources.list").to_owned());
    parts
}

/// The archive's sources of a release.
fn carried<'a>(sources: &'a [Source], release: &'a str) -> impl Iterator<Item = Source> + 'a {
    sources.iter().filter(|source| is_archive(source, release)).cloned()
}

fn turn(sources: &[Source], family: &str, own: &str, other: &Release) -> Vec<String> {
    let there = lines(carried(sources, other.code));
    if !there.is_empty() || family != other.family {
        return there;
    }
    let turned = carried(sources, own).filter(|source| source.enabled).filter_map(|mut source| {
        source.suite.replace_range(..own.len(), other.code);
        source.components.retain(|component| other.firmware_apart || component != "non-free-firmware");
        // Newer releases call the same keyring by both names, older ones only by the second.
        if let Some(keyring) = source.options.get_mut("signed-by") {
            *keyring = keyring.replace("-keyring.pgp", "-keyring.gpg");
        }
        (!source.components.is_empty()).then_some(source)
    });
    lines(turned)
}

/// Each source as a line, once.
fn lines(sources: impl Iterator<Item = Source>) -> Vec<String> {
    let mut lines = Vec::new();
    for line in sources.map(|source| render(&source)) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn is_archive(source: &Source, release: &str) -> bool {
    let suite = source
        .suite
        .strip_prefix(release)
        .is_some_and(|rest| ["", "-updates", "-security", "-backports"].contains(&rest));
    let components =
        source.components.iter().all(|component| ARCHIVE_COMPONENTS.contains(&component.as_str()));
    let key = source
        .options
        .get("signed-by")
        .is_none_or(|keyring| ARCHIVE_KEYRINGS.iter().any(|known| keyring.contains(known)));
    suite && components && key
}

fn render(source: &Source) -> String {
    let options: Vec<String> = source.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let options = if options.is_empty() { String::new() } else { format!("[{}] ", options.join(" ")) };
    format!("deb {options}{} {} {}", source.uri, source.suite, source.components.join(" "))
}

/// `deb [option=value …] uri suite component…`
fn parse_one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(|line| parse_line(line.split('#').next()?.trim())).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix(|c: char| c.is_whitespace())?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => ("", rest),
    };
    let options = options
        .split_whitespace()
        .filter_map(|option| option.split_once('='))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| keeps(name))
        .collect();
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    Some(Source { options, uri, suite, components: words.collect(), enabled: true })
}

/// Stanzas of `Field: value`, continued by indented lines, separated by blank ones.
fn parse_deb822(text: &str) -> Vec<Source> {
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    text.split("\n\n").flat_map(|stanza| stanza_sources(&stanza_fields(stanza))).collect()
}

fn stanza_fields(stanza: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = None;
    for line in stanza.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(value) = last.as_ref().and_then(|name: &String| fields.get_mut(name)) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim().to_ascii_lowercase();
            fields.insert(name.clone(), value.trim().to_owned());
            last = Some(name);
        }
    }
    fields
}

fn stanza_sources(fields: &BTreeMap<String, String>) -> Vec<Source> {
    let words = |name: &str| -> Vec<String> {
        fields.get(name).map(|v| v.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    };
    let enabled = !fields.get("enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    if !words("types").contains(&"deb".to_owned()) {
        return Vec::new();
    }
    let options: BTreeMap<String, String> =
        fields.iter().filter(|(name, _)| keeps(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    let mut sources = Vec::new();
    for uri in words("uris") {
        for suite in words("suites") {
            sources.push(Source {
                options: options.clone(),
                uri: uri.clone(),
                suite,
                components: words("components"),
                enabled,
            });
        }
    }
    sources
}

/// The options that a node's apt needs too.
fn keeps(option: &str) -> bool {
    ["signed-by", "trusted", "check-valid-until", "check-date", "allow-insecure"].contains(&option)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Vec<String> {
        lines(carried(&parse_one_line(text), "bookworm").filter(|source| source.enabled))
    }

    fn stanzas(text: &str) -> Vec<String> {
        lines(carried(&parse_deb822(text), "bookworm").filter(|source| source.enabled))
    }

    fn turned(sources: &[Source], release: &str) -> Vec<String> {
        turn(sources, "debian", "bookworm", &Release::named(release).unwrap())
    }

    #[test]
    fn one_line_sources_of_the_archive_stay() {
        let keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
        let cases = [
            ("deb http://a/debian bookworm main", vec!["deb http://a/debian bookworm main"]),
            (
                "deb\thttp://a/d  bookworm-updates main contrib # near",
                vec!["deb http://a/d bookworm-updates main contrib"],
            ),
            (
                "deb [arch=amd64 trusted=yes] http://a/d bookworm main",
                vec!["deb [trusted=yes] http://a/d bookworm main"],
            ),
            (
                "deb http://a/d bookworm main\ndeb http://a/d bookworm main",
                vec!["deb http://a/d bookworm main"],
            ),
            ("", vec![]),
            ("# deb http://a/d bookworm main", vec![]),
            ("deb-src http://a/d bookworm main", vec![]),
            ("deb http://a/d trixie main", vec![]),
            ("deb http://a/d bookworm-pgdg main", vec![]),
            ("deb https://download.docker.com/linux/debian bookworm stable", vec![]),
            ("deb [signed-by=/usr/share/keyrings/microsoft.gpg] http://m/d bookworm main", vec![]),
            ("deb [signed-by=/x", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(one(text), expected, "{text:?}");
        }
        assert_eq!(
            one(&format!("deb {keyring} http://a/d bookworm main")),
            [format!("deb {keyring} http://a/d bookworm main")]
        );
    }

    #[test]
    fn stanzas_of_the_archive_stay() {
        let keyring = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg";
        let debian = format!(
            "Types: deb deb-src\n# a comment\nURIs: http://a/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n{keyring}\n"
        );
        let option = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
        let both = [
            format!("deb {option} http://a/debian bookworm main"),
            format!("deb {option} http://a/debian bookworm-updates main"),
        ];
        assert_eq!(stanzas(&debian), both);
        let two =
            format!("{debian}\nTypes: deb\nURIs: https://x/node_20.x\nSuites: nodistro\nComponents: main\n");
        assert_eq!(stanzas(&two), both);
        for nothing in [
            format!("Enabled: no\n{debian}"),
            debian.replace("deb deb-src", "deb-src"),
            debian.replace("debian-archive-keyring", "nodesource"),
            debian.replace("Components: main", "Components: stable"),
            String::new(),
        ] {
            assert!(stanzas(&nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn another_release_takes_the_same_mirror() {
        let keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.pgp]";
        let text = format!(
            "deb {keyring} http://a/d bookworm main non-free-firmware\ndeb http://a/s bookworm-security main\n\
             deb http://a/d bookworm-updates non-free-firmware"
        );
        let sources = parse_one_line(&text);
        let known_to_all = keyring.replace("pgp", "gpg");
        assert_eq!(
            turned(&sources, "trixie"),
            [
                format!("deb {known_to_all} http://a/d trixie main non-free-firmware"),
                "deb http://a/s trixie-security main".to_owned(),
                "deb http://a/d trixie-updates non-free-firmware".to_owned(),
            ]
        );
        // Firmware had no component of its own in bullseye.
        assert_eq!(
            turned(&sources, "bullseye"),
            [
                format!("deb {known_to_all} http://a/d bullseye main"),
                "deb http://a/s bullseye-security main".to_owned()
            ]
        );
    }

    #[test]
    fn another_distribution_needs_a_source_of_its_own_which_may_be_off() {
        let debian = "Types: deb\nURIs: http://a/debian\nSuites: bookworm\nComponents: main\n";
        assert!(turned(&parse_deb822(debian), "noble").is_empty());
        let ubuntu = "Types: deb\nEnabled: no\nURIs: http://u/ubuntu\nSuites: noble noble-updates\n\
                      Components: main universe\n";
        let both = parse_deb822(&format!("{debian}\n{ubuntu}"));
        assert_eq!(
            turned(&both, "24.04"),
            ["deb http://u/ubuntu noble main universe", "deb http://u/ubuntu noble-updates main universe"]
        );
        assert!(turned(&both, "jammy").is_empty());
    }

    proptest! {
        #[test]
        fn what_was_rendered_reads_back(
            uri in "https?://[a-z.]{1,12}/[a-z]{0,6}",
            suite in "bookworm(-updates|-security|-backports)?",
            components in proptest::collection::vec("(main|contrib|non-free)", 1..4),
            trusted in any::<bool>(),
        ) {
            let options = trusted.then(|| ("trusted".to_owned(), "yes".to_owned())).into_iter().collect();
            let source = Source { options, uri, suite, components, enabled: true };
            prop_assert_eq!(parse_one_line(&render(&source)), vec![source]);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "(?s).{0,200}") {
            parse_one_line(&text);
            parse_deb822(&text);
        }
    }
}
