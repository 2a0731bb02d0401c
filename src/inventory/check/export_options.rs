//! Export options as exports(5) knows them. exportfs drops every later line of a file that holds one it does
//! not know, so a typing error here would unshare the directories of others.

use super::{Checker, Problem};
use crate::inventory::parse::suggestion;
use crate::inventory::spot::Spot;

/// What may follow a keyword.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    No,
    Path,
    Number,
    Fsid,
    Flavours(&'static [&'static str]),
    Text,
}

const KEYWORDS: [(&str, Value); 41] = [
    ("ro", Value::No),
    ("rw", Value::No),
    ("sync", Value::No),
    ("async", Value::No),
    ("secure", Value::No),
    ("insecure", Value::No),
    ("wdelay", Value::No),
    ("no_wdelay", Value::No),
    ("hide", Value::No),
    ("nohide", Value::No),
    ("crossmnt", Value::No),
    ("nocrossmnt", Value::No),
    ("subtree_check", Value::No),
    ("no_subtree_check", Value::No),
    ("secure_locks", Value::No),
    ("insecure_locks", Value::No),
    ("auth_nlm", Value::No),
    ("no_auth_nlm", Value::No),
    ("acl", Value::No),
    ("no_acl", Value::No),
    ("root_squash", Value::No),
    ("no_root_squash", Value::No),
    ("all_squash", Value::No),
    ("no_all_squash", Value::No),
    ("anonuid", Value::Number),
    ("anongid", Value::Number),
    ("fsid", Value::Fsid),
    ("mountpoint", Value::Path),
    ("mp", Value::Path),
    ("refer", Value::Text),
    ("replicas", Value::Text),
    ("pnfs", Value::No),
    ("no_pnfs", Value::No),
    ("security_label", Value::No),
    ("nordirplus", Value::No),
    ("sec", Value::Flavours(&["sys", "none", "null", "krb5", "krb5i", "krb5p"])),
    ("xprtsec", Value::Flavours(&["none", "tls", "mtls"])),
    ("reexport", Value::Flavours(&["auto-fsidnum", "predefined-fsidnum"])),
    ("squash_uids", Value::Text),
    ("squash_gids", Value::Text),
    ("sign_fh", Value::No),
];

/// Pairs that unsay each other; exportfs silently takes the later.
const OPPOSITES: [(&str, &str); 9] = [
    ("ro", "rw"),
    ("sync", "async"),
    ("secure", "insecure"),
    ("wdelay", "no_wdelay"),
    ("hide", "nohide"),
    ("subtree_check", "no_subtree_check"),
    ("root_squash", "no_root_squash"),
    ("all_squash", "no_all_squash"),
    ("acl", "no_acl"),
];

/// Whether these options make the share the root of all that the server shows to NFSv4 clients.
pub(super) fn is_nfs4_root<'a>(mut options: impl Iterator<Item = &'a str>) -> bool {
    options.any(|option| option == "fsid=0" || option == "fsid=root")
}

impl Checker<'_> {
    pub(super) fn export_options(&mut self, options: &[Spot<String>]) {
        for option in options {
            if let Some(problem) = option_trouble(option) {
                self.report(problem);
            }
        }
        // After `sec=` options hold for that flavour only, so they may well differ from those before.
        if options.iter().any(|option| option.starts_with("sec=")) {
            return;
        }
        for (index, option) in options.iter().enumerate() {
            let keyword = keyword(option);
            if let Some(earlier) =
                options[..index].iter().find(|earlier| clash(keyword, self::keyword(earlier)))
            {
                let message = match earlier == option {
                    true => format!("the export option `{}` stands here twice", option.value),
                    false => format!("`{}` and `{}` cannot both hold", earlier.value, option.value),
                };
                self.error(
                    option,
                    message,
                    "keep the one that you mean; exportfs would silently take the later",
                );
            }
        }
    }
}

fn keyword(option: &str) -> &str {
    option.split('=').next().unwrap_or(option)
}

fn clash(one: &str, other: &str) -> bool {
    one == other || OPPOSITES.contains(&(one, other)) || OPPOSITES.contains(&(other, one))
}

fn option_trouble(option: &Spot<String>) -> Option<Problem> {
    let problem = |message| Problem::error(option.span.clone(), message);
    if option.contains(|c: char| c.is_whitespace() || c.is_control() || "(),\"#\\".contains(c)) {
        let message = format!("`{}` is not one export option", option.escape_debug());
        return Some(problem(message).help("write each option as an item of its own: `[rw, sync]`"));
    }
    let (word, value) =
        option.split_once('=').map_or((option.as_str(), None), |(word, value)| (word, Some(value)));
    let Some((_, kind)) = KEYWORDS.iter().find(|(known, _)| *known == word) else {
        let known: Vec<_> = KEYWORDS.iter().map(|(known, _)| *known).collect();
        let help = suggestion(word, &known).map_or_else(
            || "`man 5 exports` lists them all".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        return Some(problem(format!("unknown export option `{word}`")).help(help));
    };
    let wanted = wanted(*kind, value)?;
    Some(
        problem(format!("`{}` is not a valid export option", option.value))
            .help(format!("`{word}` takes {wanted}")),
    )
}

/// What the keyword takes, if that is not what it has.
fn wanted(kind: Value, value: Option<&str>) -> Option<String> {
    let (fits, wanted) = match (kind, value) {
        (Value::No, value) => (value.is_none(), "no value".to_owned()),
        (Value::Path, value) => {
            (value.is_none_or(|path| path.starts_with('/')), "an absolute path".to_owned())
        }
        (Value::Text, value) => {
            (value.is_some_and(|text| !text.is_empty()), "a value, as `man 5 exports` says".to_owned())
        }
        (Value::Number, value) => {
            (value.is_some_and(|text| text.parse::<u32>().is_ok()), "a numeric id".to_owned())
        }
        (Value::Fsid, value) => (value.is_some_and(is_fsid), "`0`, a number or a UUID".to_owned()),
        (Value::Flavours(known), value) => {
            let fits = value.is_some_and(|list| list.split(':').all(|word| known.contains(&word)));
            (fits, format!("{} (several with `:` between)", known.join(", ")))
        }
    };
    (!fits).then_some(wanted)
}

fn is_fsid(text: &str) -> bool {
    let uuid = || {
        text.chars().filter(char::is_ascii_hexdigit).count() == 32
            && text.chars().all(|c| c.is_ascii_hexdigit() || "-:.".contains(c))
    };
    text == "root" || text.parse::<u32>().is_ok() || uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::model::Place;

    fn spot(text: &str) -> Spot<String> {
        Spot { value: text.to_owned(), span: 0..0, place: Place { line: 1, column: 1 } }
    }

    #[test]
    fn known_options_pass() {
        for option in [
            "rw",
            "fsid=0",
            "fsid=root",
            "fsid=12",
            "fsid=2b5f3a1e-8d5c-4c1f-9d6e-0a1b2c3d4e5f",
            "anonuid=1000",
            "sec=sys:krb5p",
            "mp",
            "mountpoint=/srv",
            "xprtsec=mtls",
            "crossmnt",
        ] {
            assert!(option_trouble(&spot(option)).is_none(), "{option}");
        }
    }

    #[test]
    fn others_do_not() {
        for option in [
            "rw ",
            "rw,sync",
            "rw=1",
            "fsid",
            "fsid=x",
            "anonuid=pi",
            "sec=foo",
            "mp=srv",
            "no_root_sqash",
            "",
            "refer=",
            "a\nb",
            "rw#",
        ] {
            assert!(option_trouble(&spot(option)).is_some(), "{option}");
        }
    }

    #[test]
    fn the_root_of_nfs4_is_recognised() {
        assert!(is_nfs4_root(["rw", "fsid=0"].into_iter()));
        assert!(is_nfs4_root(["fsid=root"].into_iter()));
        assert!(!is_nfs4_root(["rw", "fsid=1"].into_iter()));
    }
}
