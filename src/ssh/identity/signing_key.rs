//! A private key that skep signs with itself.

use std::fmt;

use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512};
use russh::keys::signature::Signer;
use russh::keys::ssh_encoding::bigint::{BoxedUint, NonZero};
use russh::keys::ssh_encoding::{Encode, Mpint};
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

/// A private key that skep signs with itself.
pub(crate) struct SigningKey {
    public: PublicKey,
    half: Half,
}

enum Half {
    /// Ed25519 and ECDSA.
    Elliptic(Box<PrivateKey>),
    // The crate `rsa` leaks timing when it signs (RUSTSEC-2023-0071); ring does not.
    Rsa(Box<RsaKeyPair>),
}

/// A key that skep cannot sign with, though an agent can.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) public: PublicKey,
    /// What it is: `belongs to a security key`.
    pub(crate) why: String,
}

impl SigningKey {
    pub(crate) fn new(key: PrivateKey) -> Result<Self, Box<Unfit>> {
        let public = key.public_key().clone();
        let half = match (key.key_data(), key.algorithm()) {
            (KeypairData::Rsa(pair), _) => match rsa(pair) {
                Some(pair) => Half::Rsa(Box::new(pair)),
                None => return Err(Box::new(Unfit { why: unfit_rsa(pair), public })),
            },
            (_, Algorithm::Ed25519 | Algorithm::Ecdsa { .. }) => Half::Elliptic(Box::new(key)),
            (_, other) => return Err(Box::new(Unfit { why: unfit(&other), public })),
        };
        Ok(Self { public, half })
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature of `data` as SSH sends it (RFC 4253, section 6.6); `hash` is that of an RSA signature.
    pub(crate) fn sign(&self, hash: Option<HashAlg>, data: &[u8]) -> Result<Vec<u8>, String> {
        let signature = match &self.half {
            Half::Elliptic(key) => key.try_sign(data).map_err(|error| error.to_string())?,
            Half::Rsa(pair) => sign_rsa(pair, hash, data)?,
        };
        let mut encoded = Vec::new();
        signature.encode(&mut encoded).map_err(|error| error.to_string())?;
        Ok(encoded)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

fn sign_rsa(pair: &RsaKeyPair, hash: Option<HashAlg>, data: &[u8]) -> Result<Signature, String> {
    let padding = match hash {
        Some(HashAlg::Sha512) => &RSA_PKCS1_SHA512,
        Some(HashAlg::Sha256) => &RSA_PKCS1_SHA256,
        _ => return Err("the server takes RSA signatures with SHA-1 only, which skep makes none of".into()),
    };
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(padding, &SystemRandom::new(), data, &mut signature)
        .map_err(|_| "the RSA signature failed".to_owned())?;
    Signature::new(Algorithm::Rsa { hash }, signature).map_err(|error| error.to_string())
}

/// The key as ring takes it; none where ring does not: see [`unfit_rsa`].
fn rsa(pair: &RsaKeypair) -> Option<RsaKeyPair> {
    let (public, private) = (pair.public(), pair.private());
    let bytes = |number: &Mpint| number.as_positive_bytes().map(<[u8]>::to_vec);
    let (d, p, q) = (bytes(private.d())?, bytes(private.p())?, bytes(private.q())?);
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: bytes(public.n())?, e: bytes(public.e())? },
        dP: crt_exponent(&d, &p)?,
        dQ: crt_exponent(&d, &q)?,
        qInv: bytes(private.iqmp())?,
        d,
        p,
        q,
    };
    RsaKeyPair::from_components(&components).ok()
}

/// `d mod (prime - 1)`, which OpenSSH's format leaves out.
fn crt_exponent(d: &[u8], prime: &[u8]) -> Option<Vec<u8>> {
    let order = BoxedUint::from_be_slice_vartime(prime).wrapping_sub(BoxedUint::one());
    let order = Option::from(NonZero::new(order))?;
    Some(BoxedUint::from_be_slice_vartime(d).rem(&order).to_be_bytes_trimmed_vartime().into())
}

fn unfit_rsa(pair: &RsaKeypair) -> String {
    format!(
        "is an RSA key of {} bits, and skep itself signs with 2048 to 4096 bits and a public exponent of 65537 or more",
        pair.key_size()
    )
}

fn unfit(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => "belongs to a security key".into(),
        other => format!("is of a kind ({other}) that skep does not sign with"),
    }
}
