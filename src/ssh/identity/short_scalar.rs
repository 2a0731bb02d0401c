//! OpenSSH's format of an ECDSA key whose private number is shorter than the curve's.
//!
//! One nistp256 key in 256 begins with a zero byte, which OpenSSH leaves out; the crate ssh-key takes no fewer than 32
//! bytes. These few are read here.

use russh::keys::ssh_encoding::{Decode, Reader};
use russh::keys::ssh_key::private::{EcdsaKeypair, KeypairData};
use russh::keys::ssh_key::public::EcdsaPublicKey;
use russh::keys::{PrivateKey, PublicKey};
use secrecy::{ExposeSecret, SecretSlice};

const MAGIC: &[u8] = b"openssh-key-v1\0";
const KIND: &str = "ecdsa-sha2-nistp256";
const LENGTH: usize = 32;

/// The key in an unencrypted file of which `body` is the inside; none where it is another kind of key.
pub(super) fn read(body: &[u8]) -> Option<PrivateKey> {
    let mut reader = body.strip_prefix(MAGIC)?;
    let (cipher, kdf) = (String::decode(&mut reader).ok()?, String::decode(&mut reader).ok()?);
    let _options = Vec::<u8>::decode(&mut reader).ok()?;
    let count = u32::decode(&mut reader).ok()?;
    if (cipher.as_str(), kdf.as_str(), count) != ("none", "none", 1) {
        return None;
    }
    let public = PublicKey::from_bytes(&Vec::<u8>::decode(&mut reader).ok()?).ok()?;
    let section = SecretSlice::from(Vec::<u8>::decode(&mut reader).ok()?);
    section_key(section.expose_secret(), &public)
}

/// The key in an encrypted file, with its passphrase.
pub(super) fn unlock(locked: &PrivateKey, passphrase: &str) -> Option<PrivateKey> {
    let (key, iv) = locked.kdf().derive_key_and_iv(locked.cipher(), passphrase).ok()?;
    let mut section = locked.key_data().encrypted()?.to_vec();
    locked.cipher().decrypt(&key, &iv, &mut section, None).ok()?;
    let section = SecretSlice::from(section);
    section_key(section.expose_secret(), locked.public_key())
}

/// The key in the private section, decrypted: two equal numbers, the kind, the curve, the public and the private half.
fn section_key(section: &[u8], public: &PublicKey) -> Option<PrivateKey> {
    let mut reader = section;
    let checks = (u32::decode(&mut reader).ok()?, u32::decode(&mut reader).ok()?);
    let kind = String::decode(&mut reader).ok()?;
    let Some(EcdsaPublicKey::NistP256(point)) = public.key_data().ecdsa() else {
        return None;
    };
    if checks.0 != checks.1 || kind != KIND {
        return None;
    }
    let _curve = String::decode(&mut reader).ok()?;
    let _point = Vec::<u8>::decode(&mut reader).ok()?;
    let mut padded = [0; LENGTH];
    reader
        .read_prefixed(|reader| {
            let start = LENGTH.saturating_sub(reader.remaining_len());
            reader.read(&mut padded[start..]).map(|_| ())
        })
        .ok()?;
    let pair = EcdsaKeypair::NistP256 { public: *point, private: padded.into() };
    PrivateKey::new(KeypairData::Ecdsa(pair), "").ok()
}
