//! ASCII armor around OpenPGP keys (RFC 9580, 6.2). apt reads keys in files named `.asc` in this form only.

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes in an armor; none where there is no armor at all. Of several armors, those of all.
pub(super) fn decode(file: &[u8]) -> Option<Result<Vec<u8>, &'static str>> {
    let text = std::str::from_utf8(file).ok()?;
    if !text.contains(BEGIN) {
        return None;
    }
    let blocks = text.split(BEGIN).skip(1).map(block);
    Some(blocks.collect::<Result<Vec<_>, _>>().map(|blocks| blocks.concat()))
}

fn block(text: &str) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "its armor is broken";
    let (inner, _) = text.split_once(END).ok_or(BROKEN)?;
    let lines = inner.lines().map(str::trim).skip_while(|line| line.is_empty());
    // Headers end with an empty line; the line that begins with `=` is a checksum that newer readers ignore.
    let data = lines.skip_while(|line| line.contains(": ")).filter(|line| !line.is_empty() && !line.starts_with('='));
    base64(&data.collect::<String>()).ok_or(BROKEN)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit)?;
        buffer = (buffer << 6 | u32::try_from(value).ok()?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    (digits.len() % 4 != 1).then_some(bytes)
}

/// The armor around bytes, with the checksum that older readers want.
pub(super) fn encode(bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes.chunks(48).map(to_base64).collect();
    let [_, sum @ ..] = crc24(bytes).to_be_bytes();
    format!("{BEGIN}\n\n{}\n={}\n{END}\n", lines.join("\n"), to_base64(&sum))
}

fn to_base64(bytes: &[u8]) -> String {
    let group = |chunk: &[u8]| {
        let number = (0..3).fold(0_usize, |number, place| number << 8 | usize::from(chunk.get(place).copied().unwrap_or(0)));
        let digit = |place: usize| char::from(ALPHABET[number >> (18 - 6 * place) & 63]);
        (0..4).map(|place| if place <= chunk.len() { digit(place) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// RFC 9580, 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| {
            let crc = crc << 1;
            if crc & 0x0100_0000 == 0 { crc } else { crc ^ 0x0186_4cfb }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_armor_of_gnupg_is_the_one_that_is_made() {
        let text = include_str!("../../../tests/fixtures/openpgp/one.asc");
        let bytes = decode(text.as_bytes()).unwrap().unwrap();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (ours, theirs) = (lines(&encode(&bytes)), lines(text));
        let joined = |lines: &[String]| lines.concat();
        assert_eq!(joined(&ours), joined(&theirs));
    }

    #[test]
    fn what_is_no_armor_is_told_from_a_broken_one() {
        assert_eq!(decode(b"\x99\x01"), None);
        assert_eq!(decode(b"text"), None);
        assert!(decode(BEGIN.as_bytes()).unwrap().is_err());
        assert!(decode(format!("{BEGIN}\n\nab!d\n{END}").as_bytes()).unwrap().is_err());
        let with_headers = format!("x\n{BEGIN}\nVersion: GnuPG v2\nComment: a: b\n\nAQID\n=abcd\n{END}\n");
        assert_eq!(decode(with_headers.as_bytes()), Some(Ok(vec![1, 2, 3])));
    }

    proptest! {
        #[test]
        fn what_was_armored_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(Ok(bytes)));
        }

        #[test]
        fn any_text_is_read(text in "(?s).{0,200}") {
            let _ = decode(format!("{BEGIN}{text}{END}").as_bytes());
        }
    }
}
