//! Encrypted keys as OpenSSL and OpenSSH before 7.8 wrote them: PEM with a `DEK-Info` line.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use russh::keys::PrivateKey;
use russh::keys::pkcs8::decode_pkcs8;
use russh::keys::ssh_encoding::base64::{Base64, Encoding};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// Such a key, still encrypted.
pub(super) struct LegacyPem {
    rsa: bool,
    cipher: Cipher,
    iv: [u8; 16],
    body: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
}

impl LegacyPem {
    /// Whether `text` is such a key.
    pub(super) fn is(text: &str) -> bool {
        text.contains("\nProc-Type: 4,ENCRYPTED")
    }

    /// Takes the outside apart.
    ///
    /// # Errors
    /// What about it skep does not understand.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let label =
            text.lines().find_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
        let rsa = match label {
            Some("RSA PRIVATE KEY") => true,
            Some("EC PRIVATE KEY") => false,
            other => return Err(format!("a `{}` is not understood", other.unwrap_or_default())),
        };
        let info =
            text.lines().find_map(|line| line.strip_prefix("DEK-Info:")).ok_or("it has no DEK-Info line")?;
        let (name, iv) = info.trim().split_once(',').ok_or("its DEK-Info line is not understood")?;
        let cipher = match name {
            "AES-128-CBC" => Cipher::Aes128,
            "AES-192-CBC" => Cipher::Aes192,
            "AES-256-CBC" => Cipher::Aes256,
            other => return Err(format!("it is encrypted with {other}")),
        };
        let body: String = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.contains(':') && !line.starts_with("-----"))
            .collect();
        let body = Base64::decode_vec(&body).map_err(|_| "its body is not base64")?;
        let iv = bytes(iv).ok_or("its initial vector is not 16 bytes in hexadecimal")?;
        Ok(Self { rsa, cipher, iv, body })
    }

    /// The key; none where the passphrase is not the right one.
    pub(super) fn open(&self, passphrase: &SecretString) -> Option<PrivateKey> {
        let der = self.decrypt(passphrase)?;
        let der = der.expose_secret();
        // About one wrong passphrase in 256 gets as far as this.
        if self.rsa { decode_pkcs8(wrapped(der).expose_secret(), None) } else { decode_pkcs8(der, None) }.ok()
    }

    fn decrypt(&self, passphrase: &SecretString) -> Option<SecretSlice<u8>> {
        let salt = &self.iv[..8];
        let key = derive(passphrase.expose_secret().as_bytes(), salt);
        let key = key.expose_secret();
        let body = self.body.as_slice();
        let opened = match self.cipher {
            Cipher::Aes128 => cbc::Decryptor::<aes::Aes128>::new_from_slices(&key[..16], &self.iv)
                .ok()?
                .decrypt_padded_vec::<Pkcs7>(body),
            Cipher::Aes192 => cbc::Decryptor::<aes::Aes192>::new_from_slices(&key[..24], &self.iv)
                .ok()?
                .decrypt_padded_vec::<Pkcs7>(body),
            Cipher::Aes256 => cbc::Decryptor::<aes::Aes256>::new_from_slices(key, &self.iv)
                .ok()?
                .decrypt_padded_vec::<Pkcs7>(body),
        };
        opened.ok().map(SecretSlice::from)
    }
}

/// OpenSSL's EVP_BytesToKey with MD5 and one round: 32 bytes, of which shorter keys are the beginning.
fn derive(passphrase: &[u8], salt: &[u8]) -> SecretSlice<u8> {
    let digest = |before: &[u8]| {
        let mut context = md5::Context::new();
        [before, passphrase, salt].iter().for_each(|part| context.consume(part));
        context.finalize().0
    };
    let first = digest(&[]);
    SecretSlice::from([first, digest(&first)].concat())
}

fn bytes(hexadecimal: &str) -> Option<[u8; 16]> {
    let digits = hexadecimal.trim().as_bytes();
    let mut bytes = [0; 16];
    if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// An RSA key of PKCS#1 in the envelope of PKCS#8 (RFC 5208, section 5).
fn wrapped(pkcs1: &[u8]) -> SecretSlice<u8> {
    const VERSION_0: [u8; 3] = [0x02, 0x01, 0x00];
    // SEQUENCE { OBJECT IDENTIFIER rsaEncryption, NULL }
    const RSA: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let inner = [&VERSION_0[..], &RSA, &der(0x04, pkcs1)].concat();
    SecretSlice::from(der(0x30, &inner))
}

/// One DER value. Keys are longer than 127 bytes and shorter than 64 KiB: two bytes of length fit.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut value = match length {
        [0, short @ ..=0x7f] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    value.extend_from_slice(content);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "Proc-Type: 4,ENCRYPTED";

    #[test]
    fn what_is_not_understood_is_named() {
        let pem = |label: &str, info: &str| {
            format!("-----BEGIN {label}-----\n{BODY}\n{info}\n\nAAAA\n-----END {label}-----\n")
        };
        let iv = "00112233445566778899AABBCCDDEEFF";
        for (label, info, expected) in [
            ("DSA PRIVATE KEY", "DEK-Info: AES-128-CBC,00", "a `DSA PRIVATE KEY` is not understood"),
            ("RSA PRIVATE KEY", "", "it has no DEK-Info line"),
            ("RSA PRIVATE KEY", "DEK-Info: AES-128-CBC", "its DEK-Info line is not understood"),
            (
                "RSA PRIVATE KEY",
                "DEK-Info: DES-EDE3-CBC,0011223344556677",
                "it is encrypted with DES-EDE3-CBC",
            ),
            (
                "EC PRIVATE KEY",
                "DEK-Info: AES-128-CBC,0011",
                "its initial vector is not 16 bytes in hexadecimal",
            ),
            (
                "EC PRIVATE KEY",
                "DEK-Info: AES-128-CBC,+0112233445566778899AABBCCDDEEFF",
                "its initial vector is not 16 bytes in hexadecimal",
            ),
        ] {
            let text = pem(label, info);
            assert!(LegacyPem::is(&text));
            assert_eq!(LegacyPem::parse(&text).err().as_deref(), Some(expected), "{text}");
        }
        assert!(LegacyPem::parse(&pem("EC PRIVATE KEY", &format!("DEK-Info: AES-256-CBC,{iv}"))).is_ok());
    }

    #[test]
    fn lengths_are_written_as_der_has_them() {
        for (length, header) in
            [(5, vec![4, 5]), (127, vec![4, 127]), (128, vec![4, 0x81, 128]), (256, vec![4, 0x82, 1, 0])]
        {
            assert_eq!(&der(4, &vec![7; length])[..header.len()], header);
        }
    }
}
