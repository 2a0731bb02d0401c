//! OpenPGP keys, as far as needed to tell whose they are (RFC 9580, and RFC 4880 before it).

use std::fmt::Write as _;

use sha1::{Digest, Sha1};

use super::armor;

/// Tag of the packet that holds a primary key.
const PUBLIC_KEY: u8 = 6;

/// The fingerprint of the one primary key in a file, armored or not: 40 hexadecimal digits in capitals.
///
/// # Errors
/// Why there is none, or not exactly one.
pub(super) fn fingerprint(file: &[u8]) -> Result<String, String> {
    let binary = match armor::decode(file) {
        Some(decoded) => decoded.map_err(str::to_owned)?,
        None => file.to_vec(),
    };
    let keys: Vec<&[u8]> = packets(&binary)?.into_iter().filter(|(tag, _)| *tag == PUBLIC_KEY).map(|(_, body)| body).collect();
    match keys[..] {
        [key] => of_key(key),
        [] => Err("it holds no OpenPGP public key".to_owned()),
        _ => Err(format!("it holds {} keys, and all of them would be trusted", keys.len())),
    }
}

/// SHA-1 over `0x99`, the length, and the packet's body (RFC 9580, 5.5.4.2).
fn of_key(body: &[u8]) -> Result<String, String> {
    match body.first() {
        Some(4) => {}
        Some(version) => return Err(format!("it is an OpenPGP key of version {version}, and skep knows version 4 only")),
        None => return Err("it holds an empty key".to_owned()),
    }
    let length = u16::try_from(body.len()).map_err(|_| "it holds a key longer than any of version 4".to_owned())?;
    let hash = Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(body).finalize();
    Ok(hash.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    }))
}

/// Tags and bodies of all packets (RFC 9580, 4.2).
fn packets(mut bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, String> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let (tag, length, header) = header(bytes).ok_or("it is no OpenPGP file")?;
        let body = bytes.get(header..header.saturating_add(length)).ok_or("it is cut short")?;
        packets.push((tag, body));
        bytes = &bytes[header + length..];
    }
    Ok(packets)
}

/// Tag, length of the body, and length of the header; lengths that come in parts are for streams, not for keys.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *bytes.first()?;
    let number = |from: usize, count: usize| -> Option<usize> {
        Some(bytes.get(from..from + count)?.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    };
    if first & 0x80 == 0 {
        return None;
    }
    if first & 0x40 == 0 {
        let count = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        return Some(((first >> 2) & 0x0f, number(1, count)?, 1 + count));
    }
    let tag = first & 0x3f;
    match *bytes.get(1)? {
        short @ 0..=191 => Some((tag, usize::from(short), 2)),
        high @ 192..=223 => Some((tag, ((usize::from(high) - 192) << 8) + number(2, 1)? + 192, 3)),
        224..=254 => None,
        255 => Some((tag, number(2, 4)?, 6)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made for this test by GnuPG: an ed25519 key with a subkey.
    const KEY: &str = include_str!("../../../tests/fixtures/openpgp/one.asc");
    const FINGERPRINT: &str = include_str!("../../../tests/fixtures/openpgp/one.fingerprint");
    const OTHER: &str = include_str!("../../../tests/fixtures/openpgp/rsa.asc");
    const OTHER_FINGERPRINT: &str = include_str!("../../../tests/fixtures/openpgp/rsa.fingerprint");

    fn binary(text: &str) -> Vec<u8> {
        armor::decode(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn fingerprints_are_those_that_gnupg_tells() {
        assert_eq!(fingerprint(KEY.as_bytes()).unwrap(), FINGERPRINT.trim());
        assert_eq!(fingerprint(OTHER.as_bytes()).unwrap(), OTHER_FINGERPRINT.trim());
        assert_eq!(fingerprint(&binary(KEY)).unwrap(), FINGERPRINT.trim());
    }

    #[test]
    fn what_is_not_one_key_is_refused_with_the_reason() {
        let two = [binary(KEY), binary(OTHER)].concat();
        let cut = binary(KEY)[..20].to_vec();
        let new_version = [0xc6, 3, 6, 0, 0].to_vec();
        for (file, words) in [
            (&b"<html>404</html>"[..], "no OpenPGP file"),
            (b"", "no OpenPGP public key"),
            (&two, "2 keys"),
            (&cut, "cut short"),
            (&new_version, "version 6"),
            (&[0xc6, 0], "empty key"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n", "armor"),
        ] {
            let error = fingerprint(file).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = fingerprint(&bytes);
        }

        #[test]
        fn a_damaged_key_is_another_or_none(place in 0_usize..200, bit in 0_u8..8) {
            let mut bytes = binary(KEY);
            let place = place % bytes.len().min(53);
            bytes[place] ^= 1 << bit;
            prop_assert_ne!(fingerprint(&bytes), Ok(FINGERPRINT.trim().to_owned()));
        }
    }
}
