//! What a lab is, written down before anything of it is made, so that it can be removed whatever happened.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Login;
use super::arch::Arch;
use super::error::{LabError, at};
use crate::atomic;

/// Version of the state file.
const VERSION: u32 = 1;
/// The most nodes a lab can have: as many addresses as follow .11 in a /24, with room left.
pub(super) const MOST_NODES: usize = 200;

/// Six hexadecimal digits in the names of all that a lab makes outside its folder: short enough for the 15
/// characters of a device name, and another for every folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Id(String);

impl Id {
    /// The id of the lab in that folder; `salt` counts up when one is taken.
    pub(super) fn of(folder: &Path, salt: u8) -> Self {
        let digest =
            Sha256::new().chain_update(folder.as_os_str().as_encoded_bytes()).chain_update([salt]).finalize();
        Self(format!("{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2]))
    }

    #[cfg(test)]
    pub(super) fn from_number(number: u32) -> Self {
        Self(format!("{number:06x}"))
    }

    pub(super) fn number(&self) -> u32 {
        u32::from_str_radix(&self.0, 16).unwrap_or_default()
    }

    /// The lab's bridge.
    pub(super) fn bridge(&self) -> String {
        format!("skep-{}", self.0)
    }

    /// The bridge's own hardware address, a locally administered one.
    pub(super) fn mac(&self) -> String {
        let [_, a, b, c] = self.number().to_be_bytes();
        format!("02:5b:e9:{a:02x}:{b:02x}:{c:02x}")
    }

    /// The lab's nftables table, and the comment on its iptables rules.
    pub(super) fn table(&self) -> String {
        format!("skep_lab_{}", self.0)
    }

    /// The lab's control groups, in each hierarchy.
    pub(super) fn cgroup(&self) -> String {
        format!("skep-lab-{}", self.0)
    }

    /// What systemd-nspawn calls the node.
    pub(super) fn machine(&self, node: &str) -> String {
        format!("{}-{node}", self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that is known of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    pub(super) name: String,
    pub(super) id: Id,
    pub(super) subnet: Ipv4Net,
    pub(super) login: Login,
    pub(super) nodes: Vec<NodeState>,
}

/// One node's share of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeState {
    /// Counted from 1; decides the address.
    pub(super) number: u32,
    /// The tree it is layered on; a machine's image.
    pub(super) base: PathBuf,
    /// The processor of a node with a kernel of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) machine: Option<Arch>,
}

impl NodeState {
    /// Its name in the inventory, and its hostname.
    pub(super) fn name(&self) -> String {
        format!("n{}", self.number)
    }
}

impl State {
    pub(super) fn new(name: &str, id: Id, subnet: Ipv4Net, login: Login) -> Self {
        Self { version: VERSION, name: name.to_owned(), id, subnet, login, nodes: Vec::new() }
    }

    /// The state in that lab folder, if a lab is there.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>, LabError> {
        let path = file(folder);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => at(other, "read", &path)?,
        };
        parse(&text).map(Some).map_err(|cause| LabError::State { path, cause })
    }

    /// Writes the state so that a crash leaves the old or the new one.
    pub(super) fn save(&self, folder: &Path) -> Result<(), LabError> {
        let path = file(folder);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| LabError::State { path: path.clone(), cause: error.to_string() })?;
        write_atomically(&path, &(text + "\n"), 0o600)
    }

    pub(super) fn machines(&self) -> Vec<String> {
        self.nodes.iter().map(|node| self.id.machine(&node.name())).collect()
    }
}

/// The state file of a lab folder.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// Removes what a lab folder has before its first state and after its last; the user's own files in it stay.
pub(super) fn remove_unfinished(folder: &Path) -> Result<(), LabError> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(atomic::UNFINISHED) {
            remove_file(&entry.path())?;
        }
    }
    let _ = fs::remove_dir(folder);
    Ok(())
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => at(result, "remove", path),
    }
}

fn parse(text: &str) -> Result<State, String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let versioned: Versioned = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if versioned.version != VERSION {
        return Err(format!("it has version {}, this skep reads {VERSION}", versioned.version));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The folder of all labs: `SKEP_LAB_DIR`, or `skep/lab` in the user's state directory (XDG base directories).
pub(super) fn root() -> PathBuf {
    root_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn root_from(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    if let Some(dir) = variable("SKEP_LAB_DIR") {
        return std::path::absolute(&dir).unwrap_or(dir);
    }
    let state = variable("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| variable("HOME").unwrap_or_else(|| PathBuf::from("/root")).join(".local/state"));
    state.join("skep/lab")
}

/// A lab's folder, if name and place suit the tools that get to read its path.
pub(super) fn folder(name: &str) -> Result<PathBuf, LabError> {
    if !good_name(name) {
        return Err(LabError::Name(name.to_owned()));
    }
    let folder = root().join(name);
    // overlayfs and systemd-nspawn give `,` `:` and `\` a meaning inside paths, YAML gives one to others.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/+@-".contains(c);
    if folder.to_str().is_some_and(|path| path.chars().all(plain)) {
        Ok(folder)
    } else {
        Err(LabError::Folder(folder))
    }
}

fn good_name(name: &str) -> bool {
    name.len() <= 30
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The path with more at its end: `key` and `.pub` give `key.pub`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Replaces a file at once, and makes the folder it is in: a reader, or a crash, sees the old or the new text.
pub(super) fn write_atomically(path: &Path, text: &str, mode: u32) -> Result<(), LabError> {
    if let Some(parent) = path.parent() {
        at(fs::create_dir_all(parent), "make", parent)?;
    }
    at(atomic::write(path, text, mode), "write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let mut state = State::new("dev", Id::from_number(5), "172.16.5.0/24".parse().unwrap(), Login::Sudo);
        state.nodes.push(NodeState { number: 1, base: "/var/cache/skep/lab/0a".into(), machine: None });
        state
    }

    #[test]
    fn a_state_reads_back_and_its_absence_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(State::load(dir.path()).unwrap(), None);
        state().save(dir.path()).unwrap();
        assert_eq!(State::load(dir.path()).unwrap(), Some(state()));
    }

    #[test]
    fn the_first_version_still_reads() {
        let text = r#"{"version":1,"name":"dev","id":"000005","subnet":"172.16.5.0/24","login":"sudo",
                       "nodes":[{"number":1,"base":"/var/cache/skep/lab/0a"}]}"#;
        assert_eq!(parse(text), Ok(state()));
    }

    #[test]
    fn a_machine_reads_back() {
        let text = r#"{"version":1,"name":"dev","id":"000005","subnet":"172.16.5.0/24","login":"sudo",
                       "nodes":[{"number":1,"base":"/var/cache/skep/lab/0a","machine":"arm64"}]}"#;
        assert_eq!(parse(text).unwrap().nodes[0].machine, Some(Arch::Arm64));
    }

    #[test]
    fn other_versions_and_damage_are_refused() {
        for (text, cause) in [("{\"version\":2}", "version 2"), ("{", "EOF"), ("{\"version\":1}", "name")] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn only_what_skep_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("dev");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(".skep-x1Y2z3"), "{").unwrap();
        fs::write(folder.join("mine"), "").unwrap();
        remove_unfinished(&folder).unwrap();
        assert!(folder.join("mine").exists() && !folder.join(".skep-x1Y2z3").exists());
        fs::remove_file(folder.join("mine")).unwrap();
        remove_unfinished(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn names_fit_a_device_name() {
        let id = Id::of(Path::new("/x/lab"), 0);
        assert!(id.bridge().len() <= 15);
        assert_eq!(Id::from_number(0x01_02ff).mac(), "02:5b:e9:01:02:ff");
        assert!(super::super::network::veth(&id.machine("n200")).len() <= 15);
        assert_ne!(id, Id::of(Path::new("/y/lab"), 0));
        assert_ne!(id, Id::of(Path::new("/x/lab"), 1));
    }

    #[test]
    fn only_plain_names_are_labs() {
        for (name, good) in [
            ("lab", true),
            ("a-1", true),
            ("", false),
            ("1a", false),
            ("../x", false),
            ("Lab", false),
            ("a b", false),
            ("a123456789012345678901234567890", false),
        ] {
            assert_eq!(good_name(name), good, "{name:?}");
        }
    }

    #[test]
    fn the_folder_follows_the_environment() {
        let from = |set: &[(&str, &str)]| {
            root_from(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(from(&[("HOME", "/h")]), Path::new("/h/.local/state/skep/lab"));
        assert_eq!(from(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Path::new("/s/skep/lab"));
        assert_eq!(from(&[("HOME", "/h"), ("XDG_STATE_HOME", "rel")]), Path::new("/h/.local/state/skep/lab"));
        assert_eq!(from(&[("SKEP_LAB_DIR", "/t"), ("XDG_STATE_HOME", "/s")]), Path::new("/t"));
    }
}
