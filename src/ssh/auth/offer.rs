//! What a login offers, and in which order: pure functions over what the user holds.
//!
//! Servers hang up after six failures as a rule (`MaxAuthTries`), so what is likeliest to be wanted comes first: the
//! files named for the host, then what the agent holds besides; the password in time.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg, PublicKey};

use super::refusal::{Attempt, Remedy};
use super::signing::Holder;
use crate::ssh::identity::{CertificateFile, KeyFile, objection};

/// How many keys go before a password that is known: OpenSSH's server hangs up after six failures, and an agent full of
/// keys must not use them all up.
const KEYS_BEFORE_PASSWORD: usize = 4;

/// One way to log in.
#[derive(Debug)]
pub(super) enum Credential {
    Key(Box<Offer>),
    /// An encrypted key whose public half is not known before it is unlocked.
    Sealed(PathBuf, Arc<KeyFile>),
    /// The password that the inventory names, or that the user is asked for.
    Password,
    /// Whatever the server asks.
    Prompts,
}

/// A key or a certificate of it.
#[derive(Debug)]
pub(super) struct Offer {
    /// What it is, for the user.
    pub(super) what: String,
    pub(super) public: PublicKey,
    pub(super) certificate: Option<Certificate>,
    pub(super) holder: Holder,
    /// The file it comes from.
    pub(super) file: Option<PathBuf>,
    /// What speaks against it, told only where it is refused.
    pub(super) objection: Option<String>,
}

/// What the user holds.
pub(super) struct Holdings {
    pub(super) files: Vec<(PathBuf, Arc<KeyFile>)>,
    /// Whether the files are named for this host, and not just the usual ones.
    pub(super) named: bool,
    pub(super) certificates: Vec<CertificateFile>,
    pub(super) agent: Vec<AgentIdentity>,
    /// Offer nothing of the agent's but what the files and certificates name.
    pub(super) only_named: bool,
}

/// Which answers the user can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PasswordFrom {
    /// It is known.
    Known,
    /// The user can be asked.
    Asking,
    Nowhere,
}

/// All ways to log in, in the order in which they are to be tried, and what cannot be tried at all.
pub(super) fn credentials(
    holdings: Holdings,
    password: PasswordFrom,
    user: &str,
    now: Timestamp,
) -> (Vec<Credential>, Vec<Attempt>) {
    let mut keys = Keys::new(user, now);
    keys.gather(holdings);
    let Keys { first, agent, last, sealed, notes, .. } = keys;
    let unasked = first.len() + agent.len();
    let offers = first.into_iter().chain(agent).chain(last);
    let mut credentials: Vec<_> = offers.map(|offer| Credential::Key(Box::new(offer))).collect();
    credentials.extend(sealed.into_iter().map(|(path, file)| Credential::Sealed(path, file)));
    let at = match password {
        PasswordFrom::Known => unasked.min(KEYS_BEFORE_PASSWORD),
        PasswordFrom::Asking | PasswordFrom::Nowhere => credentials.len(),
    };
    credentials.splice(at..at, [Credential::Password, Credential::Prompts]);
    (credentials, notes)
}

struct Keys<'a> {
    user: &'a str,
    now: Timestamp,
    /// Those that can be tried at once, and those named for the host.
    first: Vec<Offer>,
    /// What the agent holds besides.
    agent: Vec<Offer>,
    /// Usual files for which the user may have to be asked, though anything before them may do.
    last: Vec<Offer>,
    sealed: Vec<(PathBuf, Arc<KeyFile>)>,
    notes: Vec<Attempt>,
}

impl<'a> Keys<'a> {
    fn new(user: &'a str, now: Timestamp) -> Self {
        Self { user, now, first: vec![], agent: vec![], last: vec![], sealed: vec![], notes: vec![] }
    }

    fn gather(&mut self, holdings: Holdings) {
        let Holdings { files, named, mut certificates, agent: mut held, only_named } = holdings;
        for (path, file) in files {
            self.file(path, file, named, &mut certificates, &mut held);
        }
        self.certificates(certificates, &held);
        // A certificate goes before the plain key.
        held.sort_by_key(|identity| !matches!(identity, AgentIdentity::Certificate { .. }));
        if only_named {
            self.note_left_out(held.len());
            return;
        }
        for identity in held {
            let offer = self.held(identity);
            self.agent.push(offer);
        }
    }

    /// A key file with its certificates. What the agent holds of the same key is taken out of `held`.
    fn file(
        &mut self,
        path: PathBuf,
        file: Arc<KeyFile>,
        named: bool,
        certificates: &mut Vec<CertificateFile>,
        held: &mut Vec<AgentIdentity>,
    ) {
        let public = file.public().cloned();
        let mine: Vec<_> = match &public {
            Some(public) => held.extract_if(.., |identity| same_key(identity, public)).collect(),
            None => Vec::new(),
        };
        let in_agent = mine.iter().find(|identity| matches!(identity, AgentIdentity::PublicKey { .. }));
        let holder = match (&*file, in_agent) {
            (KeyFile::Ready(key), _) => Some(Holder::Key(Arc::clone(key))),
            (KeyFile::Unusable(why), _) => return self.note(&path, why),
            (_, Some(identity)) => Some(Holder::Agent(Box::new(identity.clone()))),
            (KeyFile::Locked(_), None) if public.is_none() => return self.sealed.push((path, file)),
            (KeyFile::Locked(_), None) => Some(Holder::Locked(Arc::clone(&file))),
            (KeyFile::NeedsAgent { .. }, None) => None,
        };
        let Some(public) = public else {
            return self.note_needs_agent(&path, &file);
        };
        // Beside the file first, then those that the agent holds.
        let beside = certificates.extract_if(.., |(_, read)| {
            read.as_ref().is_ok_and(|certificate| certifies(certificate, &public))
        });
        let mut offers = Vec::new();
        for (certificate_path, read) in beside {
            if let (Ok(certificate), Some(holder)) = (read, &holder) {
                offers.push(self.certificate(&certificate_path, certificate, holder.clone()));
            }
        }
        for identity in mine {
            if let AgentIdentity::Certificate { certificate, .. } = &identity
                && !offers.iter().any(|offer| offer.certificate.as_ref() == Some(certificate))
            {
                let mut offer = self.held(identity);
                offer.file = Some(path.clone());
                offers.push(offer);
            }
        }
        match holder {
            Some(holder) => offers.push(plain(path, public, holder)),
            None if offers.is_empty() => self.note_needs_agent(&path, &file),
            None => {}
        }
        let asks = |offer: &Offer| matches!(offer.holder, Holder::Locked(_));
        let later = !named && offers.iter().any(asks);
        if later { &mut self.last } else { &mut self.first }.extend(offers);
    }

    /// Certificates whose keys are in no file.
    fn certificates(&mut self, certificates: Vec<CertificateFile>, held: &[AgentIdentity]) {
        for (path, read) in certificates {
            let certificate = match read {
                Ok(certificate) => certificate,
                Err(why) => {
                    self.notes.push(Attempt::new(format!("certificate {}", path.display()), why));
                    continue;
                }
            };
            let public = PublicKey::from(certificate.public_key().clone());
            let holder = held.iter().find(|identity| same_key(identity, &public));
            match holder {
                Some(identity) => {
                    let offer =
                        self.certificate(&path, certificate, Holder::Agent(Box::new(identity.clone())));
                    self.first.push(offer);
                }
                None => self.notes.push(Attempt::new(
                    format!("certificate {}", path.display()),
                    "its private key is neither in a file that was looked at nor in the agent",
                )),
            }
        }
    }

    fn certificate(&self, path: &std::path::Path, certificate: Certificate, holder: Holder) -> Offer {
        let what = format!("certificate {} ({})", path.display(), describe_certificate(&certificate));
        self.certified(what, certificate, holder, Some(path.to_owned()))
    }

    fn certified(
        &self,
        what: String,
        certificate: Certificate,
        holder: Holder,
        file: Option<PathBuf>,
    ) -> Offer {
        Offer {
            what,
            public: certificate.public_key().clone().into(),
            objection: objection(&certificate, self.user, self.now),
            certificate: Some(certificate),
            holder,
            file,
        }
    }

    /// What the agent holds.
    fn held(&self, identity: AgentIdentity) -> Offer {
        let holder = Holder::Agent(Box::new(identity.clone()));
        match identity {
            AgentIdentity::PublicKey { key, comment } => Offer {
                what: format!("agent key {} ({})", printable(&comment), describe(&key)),
                public: key,
                certificate: None,
                holder,
                file: None,
                objection: None,
            },
            AgentIdentity::Certificate { certificate, comment } => {
                let what = format!(
                    "agent certificate {} ({})",
                    printable(&comment),
                    describe_certificate(&certificate)
                );
                self.certified(what, certificate, holder, None)
            }
        }
    }

    fn note(&mut self, path: &std::path::Path, why: &str) {
        self.notes.push(Attempt::new(format!("key {}", path.display()), why));
    }

    fn note_needs_agent(&mut self, path: &std::path::Path, file: &KeyFile) {
        let why = match file {
            KeyFile::NeedsAgent { why, .. } => why,
            _ => "cannot be used",
        };
        let remedy = Remedy::say(format!("`ssh-add {}`", path.display()));
        let attempt =
            Attempt::new(format!("key {}", path.display()), format!("{why}, and the agent does not hold it"));
        self.notes.push(attempt.remedy(remedy));
    }

    fn note_left_out(&mut self, count: usize) {
        if count > 0 {
            self.notes.push(Attempt::new(
                plural(count, "other key of the agent", "other keys of the agent"),
                "not offered, since IdentitiesOnly is set",
            ));
        }
    }
}

fn plain(path: PathBuf, public: PublicKey, holder: Holder) -> Offer {
    let through = if matches!(holder, Holder::Agent(_)) { " through the agent" } else { "" };
    Offer {
        what: format!("key {}{through} ({})", path.display(), describe(&public)),
        public,
        certificate: None,
        holder,
        file: Some(path),
        objection: None,
    }
}

pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `ssh-ed25519 SHA256:…`
pub(super) fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// `ssh-ed25519 SHA256:…, ID "anna"`, and nothing that is not printable.
fn describe_certificate(certificate: &Certificate) -> String {
    let key = PublicKey::from(certificate.public_key().clone());
    format!("{}, ID \"{}\"", describe(&key), printable(certificate.key_id()))
}

fn printable(text: &str) -> String {
    crate::ssh::handler::printable(text)
}

fn certifies(certificate: &Certificate, public: &PublicKey) -> bool {
    certificate.public_key() == public.key_data()
}

fn same_key(identity: &AgentIdentity, public: &PublicKey) -> bool {
    match identity {
        AgentIdentity::PublicKey { key, .. } => key.key_data() == public.key_data(),
        AgentIdentity::Certificate { certificate, .. } => certifies(certificate, public),
    }
}
