//! Changes of whole text files, as several kinds make them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Fault, Host, TextChange};

impl TextChange {
    /// The change of the file at `path` from one text to another; none where they are equal.
    pub fn between(path: impl AsRef<Path>, before: Option<&str>, after: Option<&str>) -> Option<Self> {
        (before != after).then(|| Self {
            path: path.as_ref().to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        })
    }

    /// The change back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { path: self.path.clone(), before: self.after.clone(), after: self.before.clone() }
    }

    /// What it does to the file, in one word.
    pub fn verb(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "write",
            (_, None) => "remove",
            _ => "change",
        }
    }

    /// Makes it: a file that is there keeps its mode and owner, a new one becomes a system file. Nothing is written
    /// where the file is already what it shall be, so that its times tell when it really changed.
    ///
    /// # Errors
    /// Where the file can be neither read nor written, or is not what it was when the plan was made.
    pub fn make(&self, host: &Host) -> Result<(), Fault> {
        let now = host.read_text(&self.path)?;
        if now == self.after {
            return Ok(());
        }
        if now != self.before {
            return Err(changed_meanwhile(&self.path));
        }
        match (&self.after, host.metadata(&self.path)?) {
            (None, _) => host.remove_file(&self.path),
            (Some(text), None) => host.write_system_file(&self.path, text),
            (Some(text), Some(there)) => {
                let mode = there.permissions().mode() & 0o7777;
                host.write_atomically(&self.path, text.as_bytes(), mode, there.uid(), there.gid())
            }
        }
    }
}

/// The fault of a file that somebody else changed after the plan was made.
pub(super) fn changed_meanwhile(path: &Path) -> Fault {
    Fault::new(path.display(), "was changed on the host after the plan was made; it is left as it is")
        .help("run `skep plan` again to see the difference with what is there now")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&str>, after: Option<&str>) -> TextChange {
        TextChange::between("/etc/x", before, after).unwrap()
    }

    #[test]
    fn equal_texts_are_no_change() {
        assert_eq!(TextChange::between("/etc/x", Some("a"), Some("a")), None);
        assert_eq!(TextChange::between("/etc/x", None, None), None);
    }

    #[test]
    fn a_file_comes_changes_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let create = change(None, Some("one"));
        create.make(&host).unwrap();
        create.make(&host).unwrap();
        change(Some("one"), Some("two")).make(&host).unwrap();
        assert_eq!(host.read_text("/etc/x").unwrap().as_deref(), Some("two"));
        change(Some("one"), Some("two")).reversed().make(&host).unwrap();
        assert_eq!(host.read_text("/etc/x").unwrap().as_deref(), Some("one"));
        create.reversed().make(&host).unwrap();
        assert_eq!(host.read_text("/etc/x").unwrap(), None);
    }

    #[test]
    fn a_file_keeps_its_mode() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let (uid, gid) = host.owner().unwrap();
        host.write_atomically("/etc/x", b"one", 0o600, uid, gid).unwrap();
        change(Some("one"), Some("two")).make(&host).unwrap();
        assert_eq!(host.metadata("/etc/x").unwrap().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_somebody_else_changed_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        host.write_system_file("/etc/x", "theirs").unwrap();
        for change in [change(Some("one"), Some("two")), change(None, Some("two")), change(Some("one"), None)]
        {
            let fault = change.make(&host).unwrap_err();
            assert!(fault.help.unwrap().contains("skep plan"));
        }
        assert_eq!(host.read_text("/etc/x").unwrap().as_deref(), Some("theirs"));
    }
}
