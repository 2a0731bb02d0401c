//! What the values of an ssh configuration mean depends on this much besides its text.

use std::path::PathBuf;

use nix::unistd::{User, gethostname, getuid};

/// The user who runs this process, and the computer.
pub(super) struct Here {
    /// The directory that `~` stands for.
    pub(super) home: Option<PathBuf>,
    /// The home of the user's account, which `ssh` uses whatever `HOME` is. None: there is no account.
    pub(super) account_home: Option<PathBuf>,
    /// The user's name.
    pub(super) user: String,
    /// The user's number.
    pub(super) uid: u32,
    /// This computer's name.
    pub(super) host_name: String,
    /// The value of an environment variable.
    pub(super) variable: fn(&str) -> Option<String>,
    /// The home of another user.
    pub(super) home_of: fn(&str) -> Option<PathBuf>,
}

impl Here {
    pub(super) fn of_process(home: Option<PathBuf>) -> Self {
        let uid = getuid();
        let account = User::from_uid(uid).ok().flatten();
        let name = account.as_ref().map(|account| account.name.clone()).or_else(|| variable("USER"));
        let account_home = account.map(|account| account.dir);
        Self {
            home: home.or_else(|| account_home.clone()),
            account_home,
            user: name.unwrap_or_else(|| "root".to_owned()),
            uid: uid.as_raw(),
            host_name: gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            variable,
            home_of: |user| Some(User::from_name(user).ok()??.dir),
        }
    }

    /// Whether `~` is what `ssh` takes it for.
    pub(super) fn is_at_home(&self) -> bool {
        let real = |path: &Option<PathBuf>| {
            path.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()))
        };
        real(&self.home) == real(&self.account_home)
    }

    /// A path in the user's `~/.ssh`.
    pub(super) fn in_ssh(&self, name: &str) -> PathBuf {
        self.home.clone().unwrap_or_default().join(".ssh").join(name)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
