//! What can go wrong with a lab, each with the command that helps.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::Ipv4Net;

/// Why a lab could not be made, found, used or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// This computer can run no lab; see [`super::unavailable`].
    #[error("no lab can run here: {0}")]
    Unavailable(String),
    /// A name that cannot be a lab's.
    #[error("`{0}` cannot be a lab's name: use up to 30 lower-case letters, digits and `-`, a letter first")]
    Name(String),
    /// More or fewer nodes than a lab can have.
    #[error("a lab has 1 to {most} nodes, not {wanted}: choose another -n")]
    NodeCount {
        /// What was asked for.
        wanted: usize,
        /// The most that is possible.
        most: usize,
    },
    /// A state folder whose path the tools underneath would misread.
    #[error(
        "the lab folder {} has a character other than letters, digits and `._/+@-` in its path: \
         set SKEP_LAB_DIR to a plain path", .0.display()
    )]
    Folder(PathBuf),
    /// No lab of that name.
    #[error("there is no lab `{0}`: `skep lab ls` shows those there are, `skep lab up --name {0}` makes it")]
    NoLab(String),
    /// No node of that name in the lab.
    #[error("lab `{lab}` has no node `{node}`, only {}", known.join(", "))]
    NoNode {
        /// The lab.
        lab: String,
        /// What was asked for.
        node: String,
        /// Which nodes it has.
        known: Vec<String>,
    },
    /// The node is there, but switched off.
    #[error("node `{node}` of lab `{lab}` is not running: `skep lab up --name {lab}` starts it")]
    NotRunning {
        /// The lab.
        lab: String,
        /// The node.
        node: String,
    },
    /// A program that this computer lacks or that could not be started.
    #[error("cannot run `{program}`: {source}; `skep lab up` installs what it needs")]
    Spawn {
        /// Its name.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// A program that ended badly.
    #[error("`{program}` ended with {status}:\n{tail}")]
    Command {
        /// The program with its first arguments.
        program: String,
        /// How it ended.
        status: String,
        /// The last lines it wrote.
        tail: String,
    },
    /// Something that took longer than it may.
    #[error("{what} did not end within {} s: try again, or `skep lab down` and `up`", limit.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A node that did not boot.
    #[error(
        "node `{node}` ({address}) did not answer on port 22 within {} s ({cause}); `skep lab down` removes the lab. \
         Its console {} ends with:\n{tail}", waited.as_secs(), console.display()
    )]
    NoBoot {
        /// The node.
        node: String,
        /// Where it should answer.
        address: String,
        /// How long was waited.
        waited: Duration,
        /// What kept it from answering the last time.
        cause: io::Error,
        /// Its console log.
        console: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A file or directory that could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A state file that this version cannot read.
    #[error(
        "cannot read the lab's state {}: {cause}; if another version of skep made this lab, remove it with that one",
        path.display()
    )]
    State {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: String,
    },
    /// No Debian source to build nodes from.
    #[error(
        "apt's sources on this computer have no suite `{release}` of the distribution's own archive: \
         look at /etc/apt/sources.list and /etc/apt/sources.list.d"
    )]
    NoSources {
        /// The release looked for.
        release: String,
    },
    /// A release that skep has never heard of.
    #[error("no lab node can be of release `{wanted}`: `--release` takes {}, by code name or number", known.join(", "))]
    UnknownRelease {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A release of another distribution than this computer's apt sources are of.
    #[error(
        "no node of {wanted} can be built: this computer's apt sources carry no such suite, only {own}'s; ask for {}, or \
         add a source of that release to /etc/apt/sources.list.d (`Enabled: no` keeps it from this computer)",
        instead.join(", ")
    )]
    NotCarried {
        /// The release.
        wanted: String,
        /// This computer's own distribution.
        own: String,
        /// What can be asked for instead.
        instead: Vec<String>,
    },
    /// The tree of a release could not be built.
    #[error("cannot build a tree of {release} from {}; does that mirror still carry it? {cause}", mirrors.join(" and "))]
    Tree {
        /// The release.
        release: String,
        /// Where its packages were looked for.
        mirrors: Vec<String>,
        /// What the builder said.
        cause: Box<LabError>,
    },
    /// A processor that no machine can have.
    #[error("no machine can be `{0}`: `--machines` takes amd64 and arm64, several with commas between")]
    UnknownArch(String),
    /// A distribution whose kernels machines do not boot.
    #[error(
        "machines are Debian with Debian's kernel, and {0} is another's: ask for one with `--release bookworm`"
    )]
    MachineRelease(String),
    /// Programs that machines need and this computer lacks.
    #[error("machines need programs that this computer lacks: `apt-get install {}`", packages.join(" "))]
    NoEmulator {
        /// Their Debian packages.
        packages: Vec<&'static str>,
    },
    /// Every network a lab could use is taken.
    #[error("every network a lab could use overlaps an address or route of this computer: see `ip route`")]
    NoSubnet,
    /// The network of an existing lab is in use by something else now.
    #[error(
        "{subnet}, the network of lab `{lab}`, is now used by {by}: `skep lab down --name {lab}` and `up` again"
    )]
    SubnetTaken {
        /// The lab.
        lab: String,
        /// Its network.
        subnet: Ipv4Net,
        /// What overlaps.
        by: Ipv4Net,
    },
}

/// Names the path in an I/O error.
pub(super) fn at<T>(result: io::Result<T>, doing: &'static str, path: &Path) -> Result<T, LabError> {
    result.map_err(|source| LabError::Io { doing, path: path.to_owned(), source })
}
