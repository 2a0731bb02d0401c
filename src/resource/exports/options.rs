//! What export options mean, whichever way they are written.

use std::collections::BTreeMap;

/// Options that switch one thing: its name, how it is switched on and off, and which holds where nothing is written.
const SWITCHES: &[(&str, &[&str], &[&str], bool)] = &[
    ("rw", &["rw"], &["ro"], false),
    ("sync", &["sync"], &["async"], true),
    ("wdelay", &["wdelay"], &["no_wdelay"], true),
    ("hide", &["hide"], &["nohide"], true),
    ("crossmnt", &["crossmnt"], &["nocrossmnt"], false),
    ("subtree_check", &["subtree_check"], &["no_subtree_check"], false),
    ("secure", &["secure"], &["insecure"], true),
    ("secure_locks", &["secure_locks", "auth_nlm"], &["insecure_locks", "no_auth_nlm"], true),
    ("root_squash", &["root_squash"], &["no_root_squash"], true),
    ("all_squash", &["all_squash"], &["no_all_squash"], false),
    ("acl", &["acl"], &["no_acl"], true),
    ("pnfs", &["pnfs"], &["no_pnfs"], false),
    ("security_label", &["security_label"], &["no_security_label"], false),
    ("nordirplus", &["nordirplus"], &[], false),
];

/// Options with a value: the name, and the value where nothing is written; none where there is then no such thing.
const VALUES: &[(&str, Option<&str>)] = &[
    ("anonuid", Some("65534")),
    ("anongid", Some("65534")),
    ("sec", Some("sys")),
    ("fsid", None),
    ("mountpoint", None),
    ("refer", None),
    ("replicas", None),
    ("reexport", None),
    ("xprtsec", None),
    ("squash_uids", None),
    ("squash_gids", None),
];

/// Options of which `exportfs -s` need not tell whether they are in force or not; that of nfs-utils 2.6.2 tells of
/// `secure` only where the kernel serves.
const UNTOLD: &[&str] = &["secure", "squash_uids", "squash_gids"];

/// A switch whose being off is told, and whose being on is not, although off is the default.
const TOLD_WHEN_OFF: &str = "subtree_check";

/// What the options of one entry amount to, by name; `on` and `off` for switches.
pub(crate) type Effective = BTreeMap<&'static str, String>;

/// What `options` amount to, defaults of exports(5) included; the last of several wins. Unknown options are left out.
pub(crate) fn effective(options: &[String]) -> Effective {
    let switches = SWITCHES.iter().map(|(name, _, _, on)| (*name, state(*on)));
    let values = VALUES.iter().filter_map(|(name, value)| Some((*name, (*value)?.to_owned())));
    let written = options.iter().filter_map(|option| meaning(option));
    switches.chain(values).chain(written).collect()
}

/// Whether a switch is on.
#[cfg(feature = "controller")]
pub(crate) fn is_on(options: &Effective, switch: &str) -> bool {
    options.get(switch).is_some_and(|state| state == "on")
}

/// Whether what `exportfs -s` tells amounts to what is wanted, as far as it tells.
pub(crate) fn agree(wanted: &[String], told: &[String]) -> bool {
    let mentioned =
        |name: &str| told.iter().any(|option| meaning(option).is_some_and(|(told, _)| told == name));
    let comparable = |effective: Effective| -> Effective {
        effective.into_iter().filter(|(name, _)| !UNTOLD.contains(name) || mentioned(name)).collect()
    };
    let mut in_force = effective(told);
    if !mentioned(TOLD_WHEN_OFF) {
        in_force.insert(TOLD_WHEN_OFF, state(true));
    }
    comparable(effective(wanted)) == comparable(in_force)
}

/// Whether exports(5) has that option.
pub(super) fn is_known(option: &str) -> bool {
    meaning(option).is_some()
}

fn meaning(option: &str) -> Option<(&'static str, String)> {
    for (name, on, off, _) in SWITCHES {
        if on.contains(&option) || off.contains(&option) {
            return Some((name, state(on.contains(&option))));
        }
    }
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let name = if name == "mp" { "mountpoint" } else { name };
    let (name, _) = VALUES.iter().find(|(known, _)| *known == name)?;
    let value = match (*name, value) {
        ("fsid", "root") => "0",
        ("mountpoint" | "replicas", value) => value,
        (_, "") => return None,
        // The highest ids are told as negative numbers.
        ("anonuid" | "anongid", value) => return Some((name, id(value))),
        (_, value) => value,
    };
    Some((name, value.to_owned()))
}

fn id(value: &str) -> String {
    value.parse().map_or_else(|_| value.to_owned(), |signed: i32| signed.cast_unsigned().to_string())
}

fn state(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &str) -> Effective {
        effective(&list.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn two_ways_of_saying_one_thing_are_equal() {
        for (written, told) in [
            ("ro", "sync,wdelay,hide,no_subtree_check,sec=sys,ro,secure,root_squash,no_all_squash"),
            ("rw,fsid=root", "rw,fsid=0"),
            ("ro,rw", "rw"),
            ("rw,mp", "rw,mountpoint"),
            ("rw,auth_nlm", "rw,secure_locks"),
            (
                "rw,fsid=0,sync,crossmnt,no_subtree_check,all_squash,anonuid=1000,anongid=1000",
                "sync,wdelay,hide,crossmnt,no_subtree_check,fsid=0,anonuid=1000,anongid=1000,sec=sys,rw,root_squash,all_squash",
            ),
        ] {
            assert_eq!(of(written), of(told), "{written}");
        }
    }

    #[test]
    fn what_differs_is_not_equal() {
        for (one, other) in [
            ("rw", "ro"),
            ("rw", "rw,async"),
            ("rw", "rw,fsid=0"),
            ("rw,fsid=0", "rw,fsid=1"),
            ("rw,anonuid=1", "rw,anonuid=2"),
            ("rw", "rw,insecure"),
            ("rw", "rw,no_root_squash"),
            ("rw", "rw,subtree_check"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_not_told_is_not_missed() {
        let list = |list: &str| list.split(',').map(str::to_owned).collect::<Vec<_>>();
        for (wanted, told, agreed) in [
            ("rw,insecure", "sync,wdelay,hide,no_subtree_check,sec=sys,rw,root_squash,no_all_squash", true),
            ("rw,squash_uids=0-10", "sync,wdelay,hide,no_subtree_check,sec=sys,rw", true),
            ("rw,nordirplus", "sync,wdelay,hide,no_subtree_check,sec=sys,rw", false),
            ("rw,nocrossmnt", "sync,wdelay,hide,no_subtree_check,sec=sys,rw", true),
            ("rw,subtree_check", "sync,wdelay,hide,no_subtree_check,sec=sys,rw", false),
            ("rw", "sync,wdelay,hide,sec=sys,rw", false),
        ] {
            assert_eq!(agree(&list(wanted), &list(told)), agreed, "{wanted} | {told}");
        }
    }

    /// What `exportfs -s` of Debian 12 (nfs-utils 2.6.2, kernel 6.1) told of each.
    #[test]
    fn what_a_real_server_tells_agrees_with_what_was_written() {
        let list = |list: &str| list.split(',').map(str::to_owned).collect::<Vec<_>>();
        for (written, general, of_flavour) in [
            ("ro", "no_subtree_check", "ro,secure,root_squash,no_all_squash"),
            ("rw,insecure", "no_subtree_check", "rw,insecure,root_squash,no_all_squash"),
            ("rw,no_acl", "no_subtree_check,no_acl", "rw,secure,root_squash,no_all_squash"),
            ("rw,no_auth_nlm", "no_subtree_check,insecure_locks", "rw,secure,root_squash,no_all_squash"),
            ("rw,subtree_check", "", "rw,secure,root_squash,no_all_squash"),
            ("rw,mp", "no_subtree_check,mountpoint", "rw,secure,root_squash,no_all_squash"),
            ("rw,mp=/srv", "no_subtree_check,mountpoint=/srv", "rw,secure,root_squash,no_all_squash"),
            ("rw,fsid=root", "no_subtree_check,fsid=0", "rw,secure,root_squash,no_all_squash"),
            ("rw,anonuid=4294967294", "no_subtree_check,anonuid=-2", "rw,secure,root_squash,no_all_squash"),
            ("rw,nordirplus", "no_subtree_check,nordirplus", "rw,secure,root_squash,no_all_squash"),
            (
                "rw,sec=sys,rw,sec=krb5,ro",
                "no_subtree_check",
                "rw,secure,root_squash,no_all_squash,sec=krb5,ro,secure,root_squash,no_all_squash",
            ),
            (
                "rw,fsid=0,sync,crossmnt,no_subtree_check,all_squash,anonuid=1000,anongid=1000",
                "crossmnt,no_subtree_check,fsid=0,anonuid=1000,anongid=1000",
                "rw,secure,root_squash,all_squash",
            ),
        ] {
            let told: Vec<_> = ["sync,wdelay,hide", general, "sec=sys", of_flavour]
                .into_iter()
                .filter(|part| !part.is_empty())
                .flat_map(list)
                .collect();
            assert!(agree(&list(written), &told), "{written} | {told:?}");
            assert!(!agree(&list(&format!("{written},async")), &told), "{written} | {told:?}");
        }
    }

    #[test]
    fn unknown_ones_are_told() {
        for (option, known) in [
            ("rw", true),
            ("fsid=7", true),
            ("mp=/disc", true),
            ("snyc", false),
            ("fsid", false),
            ("anonuid=", false),
        ] {
            assert_eq!(is_known(option), known, "{option}");
        }
    }
}
