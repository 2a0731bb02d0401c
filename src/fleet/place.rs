//! Where agents are kept on a host, and why a place takes none.

/// Where agents may be kept, the best place first: on the disk that the system's own state is on; on one that may be
/// another; in memory, for disks that are full or read-only. Only root may write to the first four, and in the last what
/// is root's stays root's, so that nobody else can put an agent in place.
pub const PLACES: [&str; 5] =
    ["/var/lib/skep", "/usr/local/lib/skep", "/opt/skep", "/run/skep", "/dev/shm/skep"];

/// A place that takes no agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The directory.
    pub directory: String,
    /// Why.
    pub cause: String,
}

impl Unfit {
    /// From the script's line: the directory, and what the tools said.
    pub(super) fn read(line: &str) -> Self {
        let (directory, said) = line.split_once(' ').unwrap_or((line, ""));
        Self { directory: directory.to_owned(), cause: cause(said) }
    }

    /// What helps.
    pub(super) fn help(&self) -> String {
        let Self { directory, cause } = self;
        let at = directory.rsplit_once('/').map_or("/", |(parent, _)| parent);
        if cause.contains("No space") {
            format!("make room there: `df -h {at}`, `df -i {at}`, `apt-get clean`")
        } else if cause.contains("Read-only") {
            "look why its file system is read-only: `dmesg | tail`; a worn card does that".to_owned()
        } else if cause.contains("noexec") {
            format!("run `mount -o remount,exec $(findmnt -nT {at} -o TARGET)` there")
        } else {
            "log in as root, or let skep use sudo: `sudo: always` for this node in the inventory".to_owned()
        }
    }
}

/// The cause in a tool's words: what stands behind the last colon.
pub(super) fn cause(said: &str) -> String {
    said.rsplit_once(": ").map_or(said, |(_, cause)| cause).trim().to_owned()
}

/// Places with their causes; those of one cause together.
pub(super) fn causes(places: &[Unfit]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for Unfit { directory, cause } in places {
        match groups.iter_mut().find(|(known, _)| known == cause) {
            Some((_, directories)) => directories.push(directory),
            None => groups.push((cause, vec![directory])),
        }
    }
    let texts = groups.iter().map(|(cause, directories)| format!("{} ({cause})", directories.join(", ")));
    texts.collect::<Vec<_>>().join(", ")
}
