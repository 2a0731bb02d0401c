//! What a host is, as far as its SSH server and its hardware address tell.

/// The system that an SSH server was built for, by its identification line (RFC 4253, section 4.2): distributions
/// put their package's version behind OpenSSH's own. None where it tells nothing.
pub(super) fn system(identification: &str) -> Option<String> {
    let (_, software) =
        identification.split_once("SSH-2.0-").or_else(|| identification.split_once("SSH-1.99-"))?;
    let (program, comment) = software.trim().split_once(' ').unwrap_or((software.trim(), ""));
    if program.starts_with("dropbear") {
        return Some("dropbear: a router or an appliance".to_owned());
    }
    let openssh = program.strip_prefix("OpenSSH_")?;
    let openssh = openssh.split('p').next().unwrap_or(openssh);
    let (vendor, version) = comment.split_once('-').unwrap_or((comment, ""));
    match vendor {
        "Debian" | "Raspbian" => {
            Some(release(vendor, version, openssh).unwrap_or_else(|| format!("{vendor}, OpenSSH {openssh}")))
        }
        "Ubuntu" => Some(match ubuntu(openssh) {
            Some(release) => format!("Ubuntu {release}"),
            None => format!("Ubuntu, OpenSSH {openssh}"),
        }),
        "" => Some(format!("OpenSSH {openssh}")),
        other => Some(format!("{other}, OpenSSH {openssh}")),
    }
}

/// `2+deb12u3` is an update for Debian 12; a release's first version has no such mark.
fn release(vendor: &str, version: &str, openssh: &str) -> Option<String> {
    let update = version.split_once("+deb").or_else(|| version.split_once("~deb"));
    let number: String =
        update.map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect()).unwrap_or_default();
    let number = match (number.is_empty(), openssh) {
        (false, _) => number,
        (_, "7.9") => "10".to_owned(),
        (_, "8.4") => "11".to_owned(),
        (_, "9.2") => "12".to_owned(),
        (_, "10.0") => "13".to_owned(),
        _ => return None,
    };
    Some(format!("{vendor} {number}"))
}

/// Each Ubuntu release keeps one version of OpenSSH.
fn ubuntu(openssh: &str) -> Option<&'static str> {
    Some(match openssh {
        "7.6" => "18.04",
        "8.2" => "20.04",
        "8.9" => "22.04",
        "9.6" => "24.04",
        "9.7" => "24.10",
        "9.9" => "25.04",
        _ => return None,
    })
}

/// Who made a network card, by the first three bytes of its address as IEEE assigned them; only makers of
/// single-board computers. The fifth and sixth are Raspberry Pi's newer ones.
const MAKERS: [(&str, &str); 8] = [
    ("28:cd:c1", "Raspberry Pi"),
    ("b8:27:eb", "Raspberry Pi"),
    ("dc:a6:32", "Raspberry Pi"),
    ("e4:5f:01", "Raspberry Pi"),
    ("2c:cf:67", "Raspberry Pi"),
    ("d8:3a:dd", "Raspberry Pi"),
    ("c0:74:2b", "Orange Pi"),
    ("00:1e:06", "Odroid"),
];

/// What is known of a machine by its hardware address, `aa:bb:cc:dd:ee:ff`.
pub(super) fn machine(mac: &str) -> Option<&'static str> {
    let mac = mac.to_ascii_lowercase();
    if let Some((_, maker)) = MAKERS.iter().find(|(prefix, _)| mac.starts_with(prefix)) {
        return Some(maker);
    }
    let first = u8::from_str_radix(mac.get(..2)?, 16).ok()?;
    // Boards without an address of their own make one up, and so do virtual machines and containers.
    (first & 2 != 0).then_some("made-up address")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn systems_by_the_line_of_their_server() {
        for (line, expected) in [
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7", Some("Debian 12")),
            ("SSH-2.0-OpenSSH_9.2p1 Debian-2", Some("Debian 12")),
            ("SSH-2.0-OpenSSH_10.0p2 Debian-7", Some("Debian 13")),
            ("SSH-2.0-OpenSSH_10.1p1 Debian-1", Some("Debian, OpenSSH 10.1")),
            ("SSH-2.0-OpenSSH_8.4p1 Raspbian-5+deb11u1", Some("Raspbian 11")),
            ("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5", Some("Ubuntu 24.04")),
            ("SSH-2.0-OpenSSH_11.0p1 Ubuntu-1", Some("Ubuntu, OpenSSH 11.0")),
            ("SSH-2.0-OpenSSH_9.8", Some("OpenSSH 9.8")),
            ("SSH-2.0-OpenSSH_9.7 FreeBSD-20240806", Some("FreeBSD, OpenSSH 9.7")),
            ("SSH-2.0-dropbear_2022.83", Some("dropbear: a router or an appliance")),
            ("SSH-2.0-Go", None),
            ("SSH-2.0-", None),
            ("", None),
        ] {
            assert_eq!(system(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn machines_by_their_address() {
        for (mac, expected) in [
            ("DC:A6:32:01:02:03", Some("Raspberry Pi")),
            ("c0:74:2b:01:02:03", Some("Orange Pi")),
            ("02:11:22:33:44:55", Some("made-up address")),
            ("00:11:22:33:44:55", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(machine(mac), expected, "{mac}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            system(&text);
            system(&format!("SSH-2.0-{text}"));
            system(&format!("SSH-2.0-OpenSSH_{text}"));
            machine(&text);
        }
    }
}
