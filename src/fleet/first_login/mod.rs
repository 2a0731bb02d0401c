//! The first login on a freshly flashed host: from the image's user and password to a key that opens it, and a password
//! that nobody knows.
//!
//! Each part finds out what is there already and does what is left, so that a run that was killed anywhere is carried on
//! by the next one: see [`password`] for what is in force meanwhile, and [`replace`] for what tells that nothing is left.

mod command;
mod halfway;
mod keys;
pub(crate) mod password;
mod replace;
mod settle;

use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::event::{Event, Sink};
use crate::inventory::model::{FirstLogin, NodeName};
use crate::resource::{Fault, Progress};
use crate::ssh::{self, ConnectError, ExecError, PasswordStanding, Session, Target};
use password::{Change, transition};
use settle::Look;

pub(super) use halfway::is_left_halfway;
#[cfg(test)]
pub(super) use halfway::sudo_takes;
pub(super) use replace::replace;
pub(super) use settle::settle;

/// How long a host may take over a restart of its SSH server, or over another address.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a host may take to reboot.
const REBOOT: Duration = Duration::from_secs(300);

/// A freshly flashed host, and what it takes to come in.
pub(super) struct Entrance<'a> {
    pub(super) node: &'a NodeName,
    pub(super) first: &'a FirstLogin,
    /// How it is logged in to otherwise.
    pub(super) target: Target,
    pub(super) ssh: ssh::Options,
    /// The image's password.
    pub(super) image: SecretString,
    /// What takes its place; a random one where absent. Sudo may want it.
    pub(super) new: Option<SecretString>,
    pub(super) sink: &'a Sink,
}

/// A host that was come into.
struct Come {
    session: Session,
    target: Target,
    /// Whether the image's password opened it, or the one that follows it.
    owed: bool,
}

impl Entrance<'_> {
    /// Lets the keys in. Gives back a session by key as the image's user, and how to have another one; the image's password
    /// is left to [`replace`], which needs root's rights.
    pub(super) async fn enter(mut self) -> Result<(Session, Target), Fault> {
        self.ssh.retry_for = self.ssh.retry_for.max(PATIENCE);
        // One for all connections, so that the user is asked once about the host's key.
        self.target.pin_later.get_or_insert_default();
        self.somebody_is_let_in()?;
        let lines = self.public_keys()?;
        self.tell("logging in with the image's password");
        let Come { session, target, owed } = self.come_in().await?;
        let (session, look) = settle(session, &target, &self.ssh, self.sink).await?;
        self.tell("installing keys");
        keys::install(&session, self.node, &lines).await?;
        session.close().await;
        let target = self.by_key();
        let session = self.connect(&target).await.map_err(|error| self.keys_refused(&error))?;
        self.please_sudo(&session, owed).await?;
        let session = match look.resize_reboot {
            true => self.reboot(session, &target, &look).await?,
            false => session,
        };
        Ok((session, target))
    }

    /// Later runs log in as a user that has to be there by then.
    fn somebody_is_let_in(&self) -> Result<(), Fault> {
        let (user, first) = (&self.target.user, self.first);
        if *user == first.user || first.account.as_ref() == Some(user) {
            return Ok(());
        }
        let cause = format!("skep logs in as {user}, and the image has only {}", first.user);
        Err(self.fault(cause).help(format!(
            "write `user: {}` or `user: {user}` for the node, so that the inventory names who it is",
            first.user
        )))
    }

    /// The keys to install. Those that skep logs in with are always among them.
    fn public_keys(&self) -> Result<Vec<String>, Fault> {
        let mut lines = self.ssh.identities.public_lines(&self.target.keys);
        if !self.first.keys.is_empty() {
            let named = self.ssh.identities.public_lines(&self.first.keys);
            if named.len() < self.first.keys.len() {
                let cause = "not all files of `first_login.keys` hold a public key";
                return Err(self.fault(cause).help("name files such as ~/.ssh/id_ed25519.pub"));
            }
            lines.extend(named);
        }
        lines.sort();
        lines.dedup();
        match lines.is_empty() {
            false => Ok(lines),
            true => Err(self.fault("there is no public key to install").help(
                "make a key (`ssh-keygen -t ed25519`), or name public keys as `first_login.keys` in the inventory",
            )),
        }
    }

    /// Logs in with a key of before or the image's password, else with the one that a killed run left; commands run then.
    async fn come_in(&self) -> Result<Come, Fault> {
        let left = transition(&self.first.user, &self.image);
        let mut refused = None;
        let by_key = Target { pin_later: self.target.pin_later.clone(), ..self.by_key() };
        match self.connect(&by_key).await {
            Ok(session) => {
                let come = Come { session, target: by_key, owed: false };
                return self.commands_run(come, &self.image, &left).await;
            }
            Err(error) if error.is_refused_login() => {}
            Err(error) => return Err(unreachable(&error)),
        }
        for password in [&self.image, &left] {
            let target = self.by_password(password, &left);
            match self.connect(&target).await {
                Ok(session) => {
                    let come = Come { session, target, owed: true };
                    return self.commands_run(come, password, &left).await;
                }
                Err(error) if error.is_refused_login() => refused = refused.or(Some(error)),
                Err(error) => return Err(unreachable(&error)),
            }
        }
        let cause = refused.map_or_else(String::new, |error| format!(": {}", error.what()));
        Err(self.fault(format!("neither a key nor the image's password opens it{cause}")).help(format!(
            "name the password of {} as `first_login.password` in the inventory, or flash the image anew",
            self.first.user
        )))
    }

    /// Changes the password where it has expired, by whichever way the host asks for that.
    async fn commands_run(
        &self,
        Come { session, target, owed }: Come,
        current: &SecretString,
        left: &SecretString,
    ) -> Result<Come, Fault> {
        // Changed in the login itself: the one that was offered opens nothing any more.
        let renewed = session.password_standing() == PasswordStanding::Renewed;
        let target = if renewed { self.by_password(left, left) } else { target };
        let owed = owed || renewed;
        if session.password_standing() != PasswordStanding::Expired {
            match command::run(&session, "`true`", "true", b"").await {
                Ok(_) => return Ok(Come { session, target, owed }),
                // A server without PAM says so only now.
                Err(ExecError::PasswordExpired { .. }) => {}
                Err(error) => return Err(self.fault(error)),
            }
        }
        self.tell("changing the expired password");
        // The server runs `passwd` in the command's place, or before it.
        let change = password::change(&session, "true", current, left).await;
        let change = change.map_err(|error| self.fault(error))?;
        session.close().await;
        let target = self.by_password(left, left);
        let session = self.connect(&target).await.map_err(|error| match error.is_refused_login() {
            true => self.not_taken(&change),
            false => unreachable(&error),
        })?;
        match command::run(&session, "`true`", "true", b"").await {
            Ok(_) => Ok(Come { session, target, owed: true }),
            Err(ExecError::PasswordExpired { .. }) => Err(self.not_taken(&change)),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Where sudo wants the user's password, it has to be the one that stays before anything is done as root.
    async fn please_sudo(&self, session: &Session, owed: bool) -> Result<(), Fault> {
        let user = &self.first.user;
        if user == "root" {
            return Ok(());
        }
        let may = command::run(session, "sudo", "sudo -n true", b"").await;
        if may.map_err(|error| self.fault(error))?.status.success() {
            return Ok(());
        }
        let Some(new) = &self.new else {
            // One that a key opens may be an old acquaintance, whose password its owner knows.
            if !owed {
                return Ok(());
            }
            let cause = format!("sudo wants the password of {user}, and nobody would know a random one");
            return Err(self.fault(cause).help(format!(
                "give `first_login.new_password` a source in the inventory, or let {user} use sudo without (NOPASSWD)"
            )));
        };
        self.tell("changing the password");
        let left = transition(user, &self.image);
        let mut last = None;
        for current in [&left, &self.image, new] {
            let change = password::change(session, "env LC_ALL=C passwd", current, new).await;
            let change = change.map_err(|error| self.fault(error))?;
            // What is the new one already cannot be changed to it.
            if change.done || (change.current_taken && std::ptr::eq(current, new)) {
                return Ok(());
            }
            if change.current_taken {
                return Err(self.not_taken(&change));
            }
            last = Some(change);
        }
        Err(last
            .map_or_else(|| self.fault("the password cannot be changed"), |change| self.not_taken(&change)))
    }

    /// Reboots a host that asks for it, to have its file system enlarged; there is nothing on it yet that this disturbs.
    async fn reboot(&self, session: Session, target: &Target, look: &Look) -> Result<Session, Fault> {
        self.tell("rebooting, so that its file system fills the card");
        let root = if self.first.user == "root" { "" } else { "sudo -n " };
        // The connection ends before the answer, as a rule.
        let _ = command::run(&session, "a reboot", &format!("{root}systemctl reboot"), b"").await;
        drop(session);
        let begun = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let left = REBOOT.saturating_sub(begun.elapsed());
            let ssh = ssh::Options { retry_for: left, ..self.ssh.clone() };
            let session = ssh::connect(target, &ssh).await.map_err(|error| unreachable(&error))?;
            match settle::look(&session).await {
                Ok(Some(now)) if now.boot != look.boot => return Ok(session),
                _ if left.is_zero() => {
                    return Err(self.fault("it does not reboot").help("reboot it by hand"));
                }
                _ => {}
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<Session, ConnectError> {
        ssh::connect(target, &self.ssh).await
    }

    fn by_password(&self, password: &SecretString, left: &SecretString) -> Target {
        Target {
            user: self.first.user.clone(),
            password: Some(password.clone()),
            renew: Some(left.clone()),
            ..self.target.clone()
        }
    }

    fn by_key(&self) -> Target {
        Target {
            user: self.first.user.clone(),
            password: None,
            keys_only: true,
            pin_later: None,
            ..self.target.clone()
        }
    }

    fn tell(&self, what: &str) {
        tell(self.sink, self.node, what);
    }

    fn fault(&self, cause: impl ToString) -> Fault {
        fault(self.node, cause)
    }

    fn not_taken(&self, change: &Change) -> Fault {
        self.fault(format!("the password of {} could not be changed: {}", self.first.user, change.words))
            .help("look at the rules for passwords in /etc/pam.d/common-password there")
    }

    fn keys_refused(&self, error: &ConnectError) -> Fault {
        self.fault(format!("its keys were installed, but do not open it: {}", error.what())).help(format!(
            "look for PubkeyAuthentication and AuthorizedKeysFile in its sshd_config, and at `journalctl -u ssh` there; {}",
            error.help()
        ))
    }
}

pub(super) fn tell(sink: &Sink, node: &NodeName, what: &str) {
    sink(Event::StepProgress { node: node.clone(), progress: Progress::text(what) });
}

/// The SSH room's errors name the node themselves.
fn fault(node: &NodeName, cause: impl ToString) -> Fault {
    let cause = cause.to_string();
    Fault::new(node, cause.strip_prefix(&format!("{node}: ")).unwrap_or(&cause))
}

fn unreachable(error: &ConnectError) -> Fault {
    Fault::new(&error.node, error.what()).help(error.help())
}
