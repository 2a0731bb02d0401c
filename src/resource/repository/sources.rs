//! Entries of apt's source files, in both notations (sources.list(5)), found and taken out with everything else kept
//! byte for byte.

use serde::{Deserialize, Serialize};

/// A place that apt takes packages from, in one suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is, without login and last slash: `https://download.docker.com/linux/debian`.
    pub uri: String,
    /// The suite: `bookworm`.
    pub suite: String,
    /// What signs it: a file, a fingerprint; empty where any key that apt trusts will do. A key that stands in the
    /// entry itself is told as `(a key in the file)`.
    pub signed_by: String,
}

/// All entries for packages, in the order of the file; see [`without`].
pub(crate) fn entries(text: &str, deb822: bool) -> Vec<Entry> {
    if deb822 {
        stanzas(text).into_iter().flat_map(stanza_entries).collect()
    } else {
        text.lines().filter_map(line_entry).collect()
    }
}

fn line_entry(line: &str) -> Option<Entry> {
    let uri = line_uri(line)?;
    let options = line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(options, _)| options);
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let (_, rest) = line.rsplit_once(uri)?;
    Some(Entry {
        uri: plain(uri),
        suite: rest.split_whitespace().next()?.to_owned(),
        signed_by: signed_by.unwrap_or_default().to_owned(),
    })
}

fn stanza_entries(stanza: &str) -> Vec<Entry> {
    let fields = fields(stanza);
    let value = |wanted: &str| fields.iter().find(|field| field.name.eq_ignore_ascii_case(wanted));
    if !is_enabled(&fields) {
        return Vec::new();
    }
    let words = |name: &str| value(name).map(|field| field.value.split_whitespace().collect()).unwrap_or_default();
    let (uris, suites): (Vec<&str>, Vec<&str>) = (words("URIs"), words("Suites"));
    let signed_by = value("Signed-By").map(|field| field.value.trim()).unwrap_or_default();
    let signed_by = if signed_by.contains("BEGIN PGP") { "(a key in the file)" } else { signed_by };
    let entry = |uri: &str, suite: &str| Entry {
        uri: plain(uri),
        suite: suite.to_owned(),
        signed_by: signed_by.to_owned(),
    };
    uris.iter().flat_map(|uri| suites.iter().map(|suite| entry(uri, suite))).collect()
}

/// Whether a stanza is not switched off.
fn is_enabled(fields: &[Field<'_>]) -> bool {
    let off = ["no", "false", "0", "off", "without", "disable"];
    let enabled = fields.iter().find(|field| field.name.eq_ignore_ascii_case("Enabled"));
    enabled.is_none_or(|field| !off.contains(&field.value.trim()))
}

/// The text without its entries for these places; none where it has no such entry. `deb822` tells the notation, by
/// the file's name: `.sources` instead of `.list`. What is switched off or commented out is no entry.
pub(super) fn without(text: &str, deb822: bool, places: &[String]) -> Option<String> {
    let kept: String = if deb822 {
        stanzas(text).into_iter().filter_map(|stanza| stanza_without(stanza, places)).collect()
    } else {
        text.split_inclusive('\n').filter(|line| !line_uri(line).is_some_and(|uri| is_at(uri, places))).collect()
    };
    (kept != text).then_some(kept)
}

/// Whether nothing is left that apt reads.
pub(super) fn is_bare(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

/// Whether a URI leads to one of these places (`download.docker.com/linux`), or below it, by whatever protocol.
fn is_at(uri: &str, places: &[String]) -> bool {
    let uri = place_of(uri);
    places.iter().map(|place| place_of(place)).any(|place| match uri.strip_prefix(place.as_str()) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    })
}

/// A URI without protocol, login and last slash; hosts are told apart without regard to case.
fn place_of(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.trim_end_matches('/').to_owned() };
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let host = host.rsplit('@').next().unwrap_or(host).to_ascii_lowercase();
    let scheme = if scheme == "file" { "file:" } else { "" };
    format!("{scheme}{host}/{path}").trim_end_matches('/').to_owned()
}

/// A URI without login and last slash.
fn plain(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, _)) if scheme != "file" => format!("{scheme}://{}", place_of(uri)),
        _ => place_of(uri),
    }
}

/// The URI of a line `deb [option=value …] uri suite component…`.
fn line_uri(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"))?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    rest.split_whitespace().next()
}

/// Stanzas, each with the empty lines after it.
fn stanzas(text: &str) -> Vec<&str> {
    let mut stanzas = Vec::new();
    let (mut start, mut at, mut ended) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        let empty = line.trim().is_empty();
        if ended && !empty {
            stanzas.push(&text[start..at]);
            start = at;
        }
        ended = empty && at + line.len() > start;
        at += line.len();
    }
    stanzas.push(&text[start..]);
    stanzas
}

/// A stanza without these places: none where nothing else is in it.
fn stanza_without(stanza: &str, places: &[String]) -> Option<String> {
    let fields = fields(stanza);
    let value = |wanted: &str| fields.iter().find(|field| field.name.eq_ignore_ascii_case(wanted));
    let Some(uris) = value("URIs").filter(|_| is_enabled(&fields)) else { return Some(stanza.to_owned()) };
    let all: Vec<&str> = uris.value.split_whitespace().collect();
    let kept: Vec<&str> = all.iter().copied().filter(|uri| !is_at(uri, places)).collect();
    if kept.len() == all.len() {
        return Some(stanza.to_owned());
    }
    if kept.is_empty() {
        return None;
    }
    let (before, after) = (&stanza[..uris.start], &stanza[uris.end..]);
    Some(format!("{before}{}: {}\n{after}", uris.name, kept.join(" ")))
}

/// One field, with its continuation lines, and where it stands in the stanza.
struct Field<'t> {
    name: &'t str,
    value: String,
    start: usize,
    end: usize,
}

fn fields(stanza: &str) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut at = 0;
    for line in stanza.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(field) = fields.last_mut() {
                field.value += " ";
                field.value += line.trim();
                field.end = end;
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push(Field { name, value: value.trim().to_owned(), start, end });
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn docker() -> Vec<String> {
        vec!["https://download.docker.com/linux".to_owned()]
    }

    #[test]
    fn places_are_told_whatever_the_protocol_and_the_login() {
        for (uri, expected) in [
            ("https://download.docker.com/linux/debian", true),
            ("http://download.docker.com/linux/ubuntu/", true),
            ("https://bob:secret@Download.Docker.com/linux/debian", true),
            ("https://download.docker.com/linux", true),
            ("https://download.docker.com/linuxes", false),
            ("https://mirror/download.docker.com/linux/debian", false),
            ("https://download.docker.com.example.net/linux/debian", false),
            ("cdrom:[Debian]/", false),
        ] {
            assert_eq!(is_at(uri, &docker()), expected, "{uri}");
        }
        assert!(is_at("file:/srv/repo/", &["file:/srv/repo".to_owned()]));
        assert!(is_at("file:///srv/repo", &["file:///srv/repo/".to_owned()]));
    }

    #[test]
    fn lines_go_and_all_others_stay() {
        let ours = "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/debian bookworm stable\n";
        for (text, expected) in [
            (ours.to_owned(), Some("")),
            (format!("# mine\n{ours}\ndeb http://m/debian bookworm main"), Some("# mine\n\ndeb http://m/debian bookworm main")),
            (format!("{ours}  deb-src   https://download.docker.com/linux/debian bookworm stable"), Some("")),
            (format!("# {ours}"), None),
            ("deb http://m/debian bookworm main\n".to_owned(), None),
            ("debian https://download.docker.com/linux/debian\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(without(&text, false, &docker()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn stanzas_go_and_all_others_stay() {
        let ours = "Types: deb\nURIs: https://download.docker.com/linux/debian\nSuites: bookworm\nComponents: stable\n";
        let theirs = "# theirs\nTypes: deb\nURIs: http://m/debian\nSuites: bookworm\n";
        for (text, expected) in [
            (ours.to_owned(), Some(String::new())),
            (format!("{theirs}\n{ours}"), Some(format!("{theirs}\n"))),
            (format!("{ours}\n\n{theirs}"), Some(theirs.to_owned())),
            (format!("Enabled: no\n{ours}"), None),
            (theirs.to_owned(), None),
            (
                "Types: deb\nUris: http://m/a\n https://download.docker.com/linux/debian\n http://m/b\nSuites: x\n".to_owned(),
                Some("Types: deb\nUris: http://m/a http://m/b\nSuites: x\n".to_owned()),
            ),
        ] {
            assert_eq!(without(&text, true, &docker()), expected, "{text:?}");
        }
    }

    #[test]
    fn entries_of_both_notations() {
        let told = |text: &str, deb822: bool| -> Vec<String> {
            let tell = |entry: Entry| format!("{} {} {}", entry.uri, entry.suite, entry.signed_by);
            entries(text, deb822).into_iter().map(tell).collect()
        };
        assert_eq!(
            told("deb [arch=amd64 signed-by=/k.gpg] https://u:p@m/debian bookworm main\n# deb x y\ndeb-src http://m/debian sid\n", false),
            ["https://m/debian bookworm /k.gpg", "http://m/debian sid "]
        );
        let stanzas = "Types: deb\nURIs: http://m/a http://m/b/\nSuites: x y\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n\n\
                       Enabled: no\nTypes: deb\nURIs: http://m/c\nSuites: x\n";
        let key = "(a key in the file)";
        assert_eq!(
            told(stanzas, true),
            ["a x", "a y", "b x", "b y"].map(|entry| format!("http://m/{entry} {key}"))
        );
    }

    #[test]
    fn comments_alone_are_nothing() {
        assert!(is_bare("") && is_bare("# a\n\n  # b") && !is_bare("# a\ndeb x y"));
    }

    proptest! {
        #[test]
        fn taking_out_twice_is_taking_out_once(text in "(deb|URIs:|Types: deb|#| |\n|https://download.docker.com/linux/debian|http://m/d|\\[|\\]){0,20}", deb822 in any::<bool>()) {
            if let Some(once) = without(&text, deb822, &docker()) {
                prop_assert_eq!(without(&once, deb822, &docker()), None);
            }
        }

        #[test]
        fn any_text_is_read(text in "(?s).{0,200}", deb822 in any::<bool>()) {
            let _ = without(&text, deb822, &docker());
            let _ = entries(&text, deb822);
        }

        #[test]
        fn stanzas_are_the_whole_text(text in "(a: b|#| |\n){0,20}") {
            prop_assert_eq!(stanzas(&text).concat(), text);
        }
    }
}
