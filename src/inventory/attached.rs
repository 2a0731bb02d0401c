//! What an inventory says in further files: the user's own templates, the scripts of hooks, the key of a
//! repository. Read once, with the
//! inventory, so that all that follows needs no file of this computer.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::check::read_key;
use super::diagnostic::Diagnostic;
use super::model::Inventory;

/// The most that a template or a script may have: far above any that a person wrote.
const MAX_BYTES: u64 = 256 * 1024;

/// How templates' names end.
pub const TEMPLATE_SUFFIX: &str = ".j2";

/// Templates of the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    /// The folder that they are in, if there is one.
    pub folder: Option<PathBuf>,
    /// What is in there, by name.
    pub own: Vec<OwnTemplate>,
}

/// A template of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTemplate {
    /// Its name, which is that of the built-in one that it stands for: `exports.j2`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Templates {
    /// Reads the templates in a folder; other files there are left alone.
    ///
    /// # Errors
    /// What keeps the folder or a template from being read.
    pub fn read(folder: &Path) -> Result<Self, Box<Diagnostic>> {
        let cannot = |cause: std::io::Error| {
            match cause.kind() {
            ErrorKind::NotFound => about(
                folder,
                "there is no such folder of templates".into(),
                "`skep templates eject NAME` makes it with a template to change; or take the key `templates` out".into(),
            ),
            _ => about(
                folder,
                format!("cannot read the folder of templates: {cause}"),
                format!("check it with `ls -ld {}`", folder.display()),
            ),
        }
        };
        let mut own = Vec::new();
        for entry in fs::read_dir(folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(TEMPLATE_SUFFIX) && !name.starts_with('.') {
                own.push(OwnTemplate { name: name.to_owned(), text: text(&path, "template")?, path });
            }
        }
        own.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { folder: Some(folder.to_owned()), own })
    }

    /// The user's own template of that name.
    pub fn get(&self, name: &str) -> Option<&OwnTemplate> {
        self.own.iter().find(|own| own.name == name)
    }
}

/// Reads all that the inventory names.
pub(super) fn attach(inventory: &mut Inventory) -> Result<(), Box<Diagnostic>> {
    for hook in &mut inventory.hooks {
        if let Some(script) = &hook.script {
            hook.text = text(script, "script")?;
        }
    }
    if let Some(folder) = &inventory.templates.folder {
        inventory.templates = Templates::read(folder)?;
    }
    match &mut inventory.engine.repository {
        Some(repository) => read_key(repository).map_err(|(path, cause)| {
            let message = format!("cannot read the key of `engine.repository`: {cause}");
            let path = path.as_path();
            let check = format!(
                "check it with `gpg --show-keys {}`, or correct `key` in the inventory",
                path.display()
            );
            about(path, message, check)
        }),
        None => Ok(()),
    }
}

fn text(path: &Path, what: &str) -> Result<String, Box<Diagnostic>> {
    let refuse = |cause: String| {
        let help =
            format!("check it with `ls -l {}`; it has to be a text of at most 256 KiB", path.display());
        about(path, format!("cannot read the {what}: {cause}"), help)
    };
    let found = fs::metadata(path).map_err(|cause| refuse(cause.to_string()))?;
    if !found.is_file() || found.len() > MAX_BYTES {
        return Err(refuse(format!("it is no plain file of at most {MAX_BYTES} bytes")));
    }
    fs::read_to_string(path).map_err(|cause| refuse(cause.to_string()))
}

fn about(path: &Path, message: String, help: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::about_file(path, message, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_other_files_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("exports.j2", "a"), ("b.j2", "b"), (".exports.j2", "c"), ("README.md", "d"), ("x.j2~", "e")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let read = Templates::read(folder.path()).unwrap();
        let names: Vec<_> = read.own.iter().map(|own| (own.name.as_str(), own.text.as_str())).collect();
        assert_eq!(names, [("b.j2", "b"), ("exports.j2", "a")]);
        assert!(read.get("exports.j2").is_some() && read.get("nfs.mount.j2").is_none());
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Templates::read(&folder.path().join("none")).unwrap_err().to_string();
        assert!(
            gone.contains("none: error: there is no such folder") && gone.contains("skep templates eject"),
            "{gone}"
        );
        fs::write(folder.path().join("a.j2"), [0xff, 0xfe]).unwrap();
        assert!(
            Templates::read(folder.path())
                .unwrap_err()
                .to_string()
                .contains("a.j2: error: cannot read the template")
        );
        fs::remove_file(folder.path().join("a.j2")).unwrap();
        fs::create_dir(folder.path().join("b.j2")).unwrap();
        assert!(Templates::read(folder.path()).unwrap_err().to_string().contains("no plain file"));
    }
}
