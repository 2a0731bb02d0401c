use russh::keys::ssh_key::certificate::Builder;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey, PublicKeyBase64};

use super::*;
use crate::ssh::known_hosts::Names;

const NOW: u64 = 1_800_000_000;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// A certificate for the key 1, signed by the authority 2.
struct Wish {
    kind: CertType,
    from: u64,
    until: u64,
    names: &'static [&'static str],
    option: Option<&'static str>,
    authority: u8,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            kind: CertType::Host,
            from: NOW - 10,
            until: NOW + 10,
            names: &["pi"],
            option: None,
            authority: 2,
        }
    }
}

impl Wish {
    fn certificate(self) -> Certificate {
        let mut builder =
            Builder::new(vec![0; 16], key(1).public_key(), self.from, self.until).expect("a validity");
        builder.cert_type(self.kind).unwrap();
        match self.names {
            [] => {
                builder.all_principals_valid().unwrap();
            }
            names => {
                for name in names {
                    builder.valid_principal(*name).unwrap();
                }
            }
        }
        if let Some(option) = self.option {
            builder.critical_option(option, "").unwrap();
        }
        builder.sign(&key(self.authority)).expect("a signature")
    }
}

fn line(pattern: &str, key: &PublicKey) -> String {
    format!("@cert-authority {pattern} {} {}\n", key.algorithm(), key.public_key_base64())
}

fn verdict(certificate: &Certificate, name: &str) -> Result<usize, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    // The one for other hosts does not count for this one.
    let lines = line("other.*", key(3).public_key()) + &line("*", key(2).public_key());
    std::fs::write(file.path(), lines).unwrap();
    let records = HostRecords::read(&[file.path().to_owned()], &Names::of(name, 22, None)).unwrap();
    let trusted = records.authority().expect("an authority");
    let place = check(certificate, name, &records, &trusted, NOW);
    place.map(|place| place.line).map_err(|trouble| trouble.to_string())
}

#[test]
fn what_is_good_and_what_is_wrong_with_it() {
    let wish = Wish::default;
    for (wished, name, expected) in [
        (wish(), "pi", Ok(2)),
        (wish(), "PI", Ok(2)),
        (Wish { names: &["a", "pi"], ..wish() }, "pi", Ok(2)),
        (Wish { names: &["*.lan"], ..wish() }, "pi.lan", Ok(2)),
        (Wish { names: &[], ..wish() }, "pi", Ok(2)),
        (Wish { from: NOW, ..wish() }, "pi", Ok(2)),
        (wish(), "n1", Err("it names pi, not n1")),
        (Wish { names: &["a", "b"], ..wish() }, "pi", Err("it names a, b, not pi")),
        (Wish { from: NOW + 1, ..wish() }, "pi", Err("it is not valid before 2027-01-15T08:00:01Z")),
        (Wish { until: NOW, ..wish() }, "pi", Err("it expired on 2027-01-15T08:00:00Z")),
        (Wish { kind: CertType::User, ..wish() }, "pi", Err("it is a certificate of a user, not of a host")),
        (Wish { option: Some("force-command"), ..wish() }, "pi", Err("critical option `force-command`")),
        (Wish { authority: 3, ..wish() }, "pi", Err("which no @cert-authority line trusts for this host")),
        (Wish { authority: 4, ..wish() }, "pi", Err("which no @cert-authority line trusts for this host")),
    ] {
        match (verdict(&wished.certificate(), name), expected) {
            (Ok(line), Ok(expected)) => assert_eq!(line, expected, "{name}"),
            (Err(trouble), Err(expected)) => assert!(trouble.contains(expected), "{trouble} for {expected}"),
            (verdict, expected) => panic!("{verdict:?}, not {expected:?}"),
        }
    }
}

#[test]
fn an_altered_certificate_has_a_wrong_signature() {
    let good = Wish::default().certificate();
    let mut bytes = good.to_bytes().unwrap();
    // The validity is 20 seconds long: let it end later, which no other check would notice.
    let end = (NOW + 10).to_be_bytes();
    let at = bytes.windows(8).position(|window| window == end).expect("the end of the validity");
    bytes[at + 3] ^= 1;
    let altered = Certificate::from_bytes(&bytes).unwrap();
    assert!(altered.valid_before() > good.valid_before());
    assert_eq!(verdict(&altered, "pi"), Err("its signature is wrong".into()));
}
