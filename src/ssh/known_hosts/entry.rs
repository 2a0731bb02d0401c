//! One line of a known_hosts file, and what all lines together say about one host: pure functions.

use russh::keys::{Algorithm, Certificate, PublicKey, parse_public_key_base64};

use super::pattern::field_matches;

/// What a known_hosts file says about one host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    trusted: Vec<(usize, PublicKey)>,
    revoked: Vec<(usize, PublicKey)>,
    authorities: Vec<(usize, PublicKey)>,
}

/// What the records say about a key that the host offers, and at which place: a line counted from 1, or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict<P = usize> {
    /// This key is recorded for this host.
    Known,
    /// Nothing is recorded that this key could contradict.
    Unknown,
    /// Other keys are recorded for this host, and not this one.
    ///
    /// A key of another algorithm counts as well, as it does for OpenSSH: else whoever sits between could
    /// offer an algorithm that was never recorded and pass for a new host.
    Changed { place: P, recorded: Algorithm },
    /// This key is recorded as one never to be trusted again.
    Revoked(P),
}

enum Marker {
    CertAuthority,
    Revoked,
}

impl Records {
    /// What `text`, the content of a known_hosts file, says about `name` (in the form of
    /// [`recorded_name`](super::pattern::recorded_name)). Lines that make no sense are passed over, as
    /// OpenSSH does: the file is shared with other programs.
    pub(crate) fn find(text: &str, name: &str) -> Self {
        let mut records = Self::default();
        for (index, line) in text.split('\n').enumerate() {
            records.read_line(index + 1, line, name);
        }
        records
    }

    /// What `text`, a list of keys one a line, revokes for all hosts.
    pub(crate) fn revocations(text: &str) -> Self {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        Self {
            revoked: lines.filter_map(|(number, line)| Some((number, parse_key(line)?))).collect(),
            ..Self::default()
        }
    }

    fn read_line(&mut self, number: usize, line: &str, name: &str) {
        let Some((marker, hosts, key)) = split(line) else {
            return;
        };
        // The name first: decoding a key costs more than comparing names.
        if !field_matches(hosts, name) {
            return;
        }
        let Some(key) = parse_key(key) else {
            return;
        };
        match marker {
            None => self.trusted.push((number, key)),
            Some(Marker::Revoked) => self.revoked.push((number, key)),
            Some(Marker::CertAuthority) => self.authorities.push((number, key)),
        }
    }

    /// What these records say about `key`.
    pub(crate) fn judge(&self, key: &PublicKey) -> Verdict {
        if let Some(line) = self.revoked(key) {
            return Verdict::Revoked(line);
        }
        if self.trusted.iter().any(|(_, trusted)| same(trusted, key)) {
            return Verdict::Known;
        }
        // Of several, point at the one of the same algorithm: that is the line to replace.
        let conflict = self
            .trusted
            .iter()
            .find(|(_, trusted)| trusted.algorithm() == key.algorithm())
            .or(self.trusted.first());
        match conflict {
            Some((line, trusted)) => Verdict::Changed { place: *line, recorded: trusted.algorithm() },
            None => Verdict::Unknown,
        }
    }

    /// The algorithms of the keys recorded for this host, in the file's order.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.trusted.iter().map(|(_, key)| key.algorithm())
    }

    /// The line that revokes `key`.
    pub(crate) fn revoked(&self, key: &PublicKey) -> Option<usize> {
        self.revoked.iter().find(|(_, revoked)| same(revoked, key)).map(|(line, _)| *line)
    }

    /// The line that names the authority which signed `certificate`, if one does for this host.
    pub(crate) fn authority_of(&self, certificate: &Certificate) -> Option<usize> {
        let signed_by = |key: &PublicKey| key.key_data() == certificate.signature_key();
        self.authorities.iter().find(|(_, key)| signed_by(key)).map(|(line, _)| *line)
    }

    /// The first line that names a certificate authority for this host.
    pub(crate) fn authority(&self) -> Option<usize> {
        self.authorities.first().map(|(line, _)| *line)
    }
}

/// `text` without what it records of `keys` for `name`. Patterns stay: they are about other hosts, too.
pub(crate) fn without(text: &str, name: &str, keys: &[PublicKey]) -> String {
    let rest = |line: &str| {
        let Some((None, hosts, key)) = split(line.trim_end_matches('\n')) else {
            return Some(line.to_owned());
        };
        let goes = parse_key(key).is_some_and(|key| keys.iter().any(|other| same(other, &key)));
        if !goes || !field_matches(hosts, name) {
            return Some(line.to_owned());
        }
        let others = |host: &&str| !host.starts_with("|1|") && !host.eq_ignore_ascii_case(name);
        let left: Vec<&str> = hosts.split(',').filter(others).collect();
        (!left.is_empty()).then(|| line.replacen(hosts, &left.join(","), 1))
    };
    text.split_inclusive('\n').filter_map(rest).collect()
}

/// The comment of a key is no part of it.
fn same(a: &PublicKey, b: &PublicKey) -> bool {
    a.key_data() == b.key_data()
}

/// Marker, hosts field, and the rest (key type, key, comment).
fn split(line: &str) -> Option<(Option<Marker>, &str, &str)> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (first, rest) = field(line)?;
    let marker = match first {
        "@cert-authority" => Some(Marker::CertAuthority),
        "@revoked" => Some(Marker::Revoked),
        unknown if unknown.starts_with('@') => return None,
        hosts => return Some((None, hosts, rest)),
    };
    let (hosts, rest) = field(rest)?;
    Some((marker, hosts, rest))
}

/// The first field, and what follows it and its blanks.
fn field(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once([' ', '\t'])?;
    Some((first, rest.trim_start_matches([' ', '\t'])))
}

/// `type base64 [comment]`; the type must be that of the key.
fn parse_key(text: &str) -> Option<PublicKey> {
    let (kind, rest) = field(text)?;
    let encoded = rest.split([' ', '\t']).next()?;
    let key = parse_public_key_base64(encoded).ok()?;
    (key.algorithm().as_str() == kind).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ED1: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const ED2: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

    fn key(line: &str) -> PublicKey {
        parse_key(line).expect("a key of the tests")
    }

    fn judge(text: &str, offered: &str) -> Verdict {
        Records::find(text, "pi").judge(&key(offered))
    }

    #[test]
    fn verdicts() {
        let changed = |place, recorded: &str| Verdict::Changed { place, recorded: key(recorded).algorithm() };
        for (text, offered, expected) in [
            (String::new(), ED1, Verdict::Unknown),
            (format!("pi {ED1}\n"), ED1, Verdict::Known),
            (format!("pi {ED1}"), ED1, Verdict::Known),
            (format!("pi {ED1} a comment\r\n"), ED1, Verdict::Known),
            (format!(" \t pi \t {} \r\n", ED1.replace(' ', "\t ")), ED1, Verdict::Known),
            (format!("# pi {ED2}\n\n\npi {ED1}\n"), ED1, Verdict::Known),
            (format!("other {ED2}\n"), ED1, Verdict::Unknown),
            (format!("# note\n\npi {ED2}\n"), ED1, changed(3, ED2)),
            (format!("pi {ED2}\npi {ED1}\n"), ED1, Verdict::Known),
            (format!("pi {EC}\n"), ED1, changed(1, EC)),
            (format!("pi {EC}\npi {ED2}\n"), ED1, changed(2, ED2)),
            (format!("@revoked * {ED1}\npi {ED1}\n"), ED1, Verdict::Revoked(1)),
            (format!("@revoked * {ED2}\npi {ED1}\n"), ED1, Verdict::Known),
            (format!("@revoked * {ED2}\n"), ED1, Verdict::Unknown),
            (format!("@cert-authority * {ED1}\n"), ED1, Verdict::Unknown),
            (format!("@unheard-of pi {ED2}\n"), ED1, Verdict::Unknown),
            ("pi\npi ssh-ed25519\npi ssh-ed25519 AAAA\n".into(), ED1, Verdict::Unknown),
            (format!("pi {}\n", ED2.replace("ssh-ed25519", "ssh-rsa")), ED1, Verdict::Unknown),
        ] {
            assert_eq!(judge(&text, offered), expected, "{text:?}");
        }
    }

    #[test]
    fn algorithms_and_authorities_are_told() {
        let text = format!("pi {EC}\npi {ED1}\nother {ED2}\n@cert-authority p* {ED2}\n");
        let records = Records::find(&text, "pi");
        let algorithms: Vec<_> = records.algorithms().collect();
        assert_eq!(algorithms, [key(EC).algorithm(), Algorithm::Ed25519]);
        assert_eq!(records.authority(), Some(4));
        assert_eq!(Records::find(&text, "other").authority(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), name in ".{0,12}") {
            let text = String::from_utf8_lossy(&bytes);
            Records::find(&text, &name).judge(&key(ED1));
        }

        #[test]
        fn near_misses_are_read_without_a_panic(fields in prop::collection::vec(
            prop_oneof!["[@|!*?,1\\[\\]: \t#a-z-]{0,8}", Just(ED1.to_owned()), Just("@revoked".to_owned()), Just("|1|".to_owned())], 0..6)) {
            Records::find(&fields.join(" "), "pi").judge(&key(ED1));
        }

        #[test]
        fn a_recorded_key_is_known_whatever_stands_around_it(before in "[ -~\n]{0,80}", after in "[ -~\n]{0,80}") {
            let text = format!("{before}\npi {ED1}\n{after}");
            prop_assume!(!text.contains("@revoked"));
            prop_assert_eq!(judge(&text, ED1), Verdict::Known);
        }
    }
}
