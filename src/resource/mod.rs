//! What a host should have: one file a resource.
//!
//! Each kind keeps three functions apart: [`Kind::observe`] only reads, [`Kind::diff`] is pure, [`Kind::apply`]
//! only writes, atomically, and records what was there before. An empty difference means converged.
//! [`Kind::undo`] turns a receipt into the change that restores what was there before, and never removes
//! what skep did not make.
//!
//! The agent observes and applies; the controller diffs. Both sides share these types, so what the plan shows
//! is the very value that the agent executes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod host;
mod rest;
mod systemd;
mod text;

pub use host::{Command, CommandOutput, Host};
pub(crate) use packages::Status;
pub use rest::Rest;
pub(crate) use systemd::UNITS;

/// One kind of thing that a host can have.
pub trait Kind {
    /// What identifies one of its kind on a host.
    type Key;
    /// What the user wants it to be.
    type Desired;
    /// What it is now.
    type Observed;
    /// How to get from what it is to what it shall be.
    type Change;
    /// What was done, and what was there before.
    type Receipt;

    /// The key under which `desired` is observed.
    fn key(desired: &Self::Desired) -> Self::Key;

    /// Reads all of `keys` at once, so that one command or one file serves them all; answers in their order.
    ///
    /// # Errors
    /// A fault means that it could not be read, never that it is absent.
    fn observe(keys: &[Self::Key], host: &Host) -> Result<Vec<Self::Observed>, Fault>;

    /// The change that makes `observed` what is `desired`; none where it already is.
    ///
    /// # Errors
    /// A problem where no change could do it safely.
    fn diff(desired: &Self::Desired, observed: &Self::Observed) -> Result<Option<Self::Change>, Problem>;

    /// Makes the change. Called again after it was interrupted at any point, it finishes the job.
    ///
    /// # Errors
    /// A fault where it could not be made; what was there before is then still there or restored.
    fn apply(
        change: &Self::Change,
        host: &Host,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self::Receipt, Fault>;

    /// The change that restores what was there before; none where nothing was changed.
    fn undo(receipt: &Self::Receipt) -> Option<Self::Change>;

    /// The key under which what a change is about is observed; none where it is about nothing that could be, such as
    /// systemd's reading its files.
    fn key_of(change: &Self::Change) -> Option<Self::Key>;

    /// What of a change is left to be done, held against what is there now: an undo comes days after what it undoes, and
    /// what somebody else changed since is not skep's to change again. Nothing is left of what is there already.
    fn rest(change: &Self::Change, observed: &Self::Observed) -> Rest<Self::Change>;

    /// What the change does, for people.
    fn describe(change: &Self::Change) -> Description;
}

/// What a change does, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// One line in the imperative: `install docker.io`.
    pub title: String,
    /// The text before and after, where the change is one of text.
    pub text: Option<TextChange>,
    /// What it interrupts: `restarts docker`.
    pub disrupts: Option<String>,
}

impl Description {
    /// A change that is told in one line.
    pub fn line(title: impl Into<String>) -> Self {
        Self { title: title.into(), text: None, disrupts: None }
    }
}

/// A file's text before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    /// The file.
    pub path: PathBuf,
    /// Its text now; none where there is no such file.
    pub before: Option<String>,
    /// Its text afterwards; none where it is removed.
    pub after: Option<String>,
}

/// How far a long change has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is going on: `unpacking docker.io`.
    pub text: String,
    /// Amount done, in `total`'s unit.
    pub done: u64,
    /// The whole amount; 0 where unknown.
    pub total: u64,
}

impl Progress {
    /// Progress of unknown amount.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), done: 0, total: 0 }
    }
}

/// Why something could not be read or done on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct Fault {
    /// The thing: `/etc/docker/daemon.json`, `package docker.io`.
    pub what: String,
    /// The cause, in the system's own words where it has some.
    pub cause: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl Fault {
    /// A fault without a remedy.
    pub fn new(what: impl ToString, cause: impl ToString) -> Self {
        Self { what: what.to_string(), cause: cause.to_string(), help: None }
    }

    /// The same fault with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl ToString) -> Self {
        self.help = Some(help.to_string());
        self
    }
}

/// Why no change can make a thing what it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The thing and the cause.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Names each kind once and derives the sum types over all of them, with their dispatch.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $module:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// What identifies a thing on a host.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Key { $($(#[$doc])* $variant(<$module::$variant as Kind>::Key)),+ }

        /// A thing that a host should have.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Resource { $($(#[$doc])* $variant(<$module::$variant as Kind>::Desired)),+ }

        /// What a thing is now.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Observed { $($(#[$doc])* $variant(<$module::$variant as Kind>::Observed)),+ }

        /// How to get from what it is to what it shall be.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Change { $($(#[$doc])* $variant(<$module::$variant as Kind>::Change)),+ }

        /// What was done, and what was there before.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Receipt { $($(#[$doc])* $variant(<$module::$variant as Kind>::Receipt)),+ }

        /// Reads all of `keys`, each kind's at once; answers in their order.
        pub fn observe(keys: &[Key], host: &Host) -> Vec<Result<Observed, Fault>> {
            let mut answers: Vec<Option<Result<Observed, Fault>>> = vec![None; keys.len()];
            $({
                let (places, own): (Vec<usize>, Vec<_>) = keys.iter().enumerate()
                    .filter_map(|(place, key)| match key { Key::$variant(key) => Some((place, key.clone())), _ => None })
                    .unzip();
                if !own.is_empty() {
                    match <$module::$variant as Kind>::observe(&own, host) {
                        Ok(observed) => for (place, observed) in places.into_iter().zip(observed) {
                            answers[place] = Some(Ok(Observed::$variant(observed)));
                        },
                        Err(fault) => for place in places { answers[place] = Some(Err(fault.clone())); },
                    }
                }
            })+
            answers.into_iter().map(|answer| answer.expect("each key is of one kind, and each kind answers all of its keys")).collect()
        }

        impl Resource {
            /// The key under which it is observed.
            pub fn key(&self) -> Key {
                match self { $(Self::$variant(desired) => Key::$variant(<$module::$variant as Kind>::key(desired))),+ }
            }

            /// The change that makes `observed` what is desired; none where it already is.
            ///
            /// # Errors
            /// A problem where no change could do it safely.
            ///
            /// # Panics
            /// Where `observed` is of another kind, which is a bug of the caller.
            pub fn diff(&self, observed: &Observed) -> Result<Option<Change>, Problem> {
                match (self, observed) {
                    $((Self::$variant(desired), Observed::$variant(observed)) =>
                        Ok(<$module::$variant as Kind>::diff(desired, observed)?.map(Change::$variant)),)+
                    (desired, observed) => panic!("bug: {desired:?} was held against {observed:?}"),
                }
            }
        }

        impl Change {
            /// Makes the change.
            ///
            /// # Errors
            /// As [`Kind::apply`].
            pub fn apply(&self, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Receipt, Fault> {
                match self { $(Self::$variant(change) =>
                    <$module::$variant as Kind>::apply(change, host, progress).map(Receipt::$variant)),+ }
            }

            /// The key under which what it is about is observed, as [`Kind::key_of`].
            pub fn key(&self) -> Option<Key> {
                match self { $(Self::$variant(change) => <$module::$variant as Kind>::key_of(change).map(Key::$variant)),+ }
            }

            /// What of it is left to be done, as [`Kind::rest`].
            ///
            /// # Panics
            /// Where `observed` is of another kind, which is a bug of the caller.
            pub fn rest(&self, observed: &Observed) -> Rest<Change> {
                match (self, observed) {
                    $((Self::$variant(change), Observed::$variant(observed)) =>
                        <$module::$variant as Kind>::rest(change, observed).map(Change::$variant),)+
                    (change, observed) => panic!("bug: {change:?} was held against {observed:?}"),
                }
            }

            /// What the change does, for people.
            pub fn describe(&self) -> Description {
                match self { $(Self::$variant(change) => <$module::$variant as Kind>::describe(change)),+ }
            }
        }

        impl Receipt {
            /// The change that restores what was there before; none where nothing was changed.
            pub fn undo(&self) -> Option<Change> {
                match self { $(Self::$variant(receipt) => <$module::$variant as Kind>::undo(receipt).map(Change::$variant)),+ }
            }
        }
    };
}

kinds! {
    /// Packages of the distribution.
    Packages = packages,
    /// A directory.
    Directory = directory,
    /// A file with its whole text.
    File = file,
    /// A drop-in of a systemd unit.
    Dropin = dropin,
    /// A systemd unit's state.
    Unit = unit,
    /// A kernel module.
    Module = module,
    /// A kernel parameter.
    Sysctl = sysctl,
    /// The engine's options.
    Daemon = daemon,
    /// Everything that a host exports over NFS on skep's behalf.
    Exports = exports,
    /// A mounted share.
    Mount = mount,
    /// An apt repository.
    Repository = repository,
    /// Packages that apt leaves as they are.
    Hold = hold,
    /// Users in a group.
    Member = member,
    /// The clock.
    Clock = clock,
    /// A command of the user's own.
    Hook = hook,
    /// The kernel's command line.
    Boot = boot,
    /// A reboot.
    Reboot = reboot,
    /// Which program iptables is.
    Iptables = iptables,
    /// A user who may become root.
    Account = account,
    /// What a host is called, its time zone, its language.
    Basics = basics,
    /// Settings of the SSH server.
    Sshd = sshd,
    /// What Armbian's wizard leaves undone where nobody goes through it.
    Wizard = wizard,
}
