//! The way in: a file to an [`Inventory`], or to everything that is wrong with it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::attached;
use super::check::{Problem, check};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::model::Inventory;
use super::parse::{MAX_BYTES, parse};

/// The inventory that is read where the user names none.
pub const DEFAULT_PATH: &str = "inventory/cluster.yml";

/// A usable inventory.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the user wants.
    pub inventory: Inventory,
    /// What is likely not meant, but no reason to stop.
    pub warnings: Diagnostics,
}

/// What an inventory means depends on this much besides its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Surroundings {
    /// The folder that relative paths start from: the inventory's own.
    pub folder: PathBuf,
    /// The user's home, for `~/`.
    pub home: Option<PathBuf>,
    /// The user's name, for nodes that have none.
    pub user: String,
}

impl Surroundings {
    /// Those of this process, for the inventory at `path`.
    pub fn of(path: &Path) -> Self {
        let account = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let user = account.as_ref().map(|account| account.name.clone());
        Self {
            folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            home: variable("HOME").map(PathBuf::from).or(account.map(|account| account.dir)),
            user: user.or_else(|| variable("USER")?.into_string().ok()).unwrap_or_else(|| "root".to_owned()),
        }
    }

    /// The path meant by one written in the inventory; none for another user's `~name/`.
    pub(super) fn expand(&self, path: &Path) -> Option<PathBuf> {
        match path.strip_prefix("~") {
            Ok(rest) => self.home.as_ref().map(|home| home.join(rest)),
            Err(_) if path.as_os_str().as_encoded_bytes().starts_with(b"~") => None,
            Err(_) => Some(self.folder.join(path)),
        }
    }
}

/// Reads and checks the inventory at `path`, and what it says in further files.
///
/// # Errors
/// Everything that is wrong with it, warnings included, in the order of the file; or that it cannot be read.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let mut loaded = load_alone(path)?;
    attach(&mut loaded.inventory)?;
    Ok(loaded)
}

/// As [`load`], but leaves further files unread, for [`attach`].
///
/// # Errors
/// As [`load`].
pub fn load_alone(path: &Path) -> Result<Loaded, Diagnostics> {
    let text = text_of(path).map_err(|diagnostic| alone(*diagnostic))?;
    read(path, &text, &Surroundings::of(path))
}

/// Reads what the inventory says in further files: templates, scripts of hooks and keys.
///
/// # Errors
/// The first that cannot be read.
pub fn attach(inventory: &mut Inventory) -> Result<(), Diagnostics> {
    attached::attach(inventory).map_err(|diagnostic| alone(*diagnostic))
}

fn alone(diagnostic: Diagnostic) -> Diagnostics {
    Diagnostics::new(vec![diagnostic], "")
}

fn text_of(path: &Path) -> Result<String, Box<Diagnostic>> {
    let about = |message: String, help: String| Box::new(Diagnostic::about_file(path, message, help));
    let cannot = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => about(
            "there is no such inventory".into(),
            "`skep init USER@HOST HOST HOST` makes one; `--inventory FILE` takes another".into(),
        ),
        _ => about(
            format!("cannot read the inventory: {cause}"),
            format!("check it with `ls -l {}`", path.display()),
        ),
    };
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > MAX_BYTES as u64 {
        let help = format!("an inventory has at most {MAX_BYTES} bytes; is this the right file?");
        return Err(about(format!("the file has {length} bytes"), help));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|cause| {
        let at = cause.utf8_error().valid_up_to();
        about(
            format!("the file is not UTF-8 text (from byte {at} on)"),
            "save it as UTF-8 in your editor".into(),
        )
    })
}

/// Checks `text` as if it were read from `path`. Does no input or output, so templates, scripts of hooks and keys stay unread.
///
/// # Errors
/// Everything that is wrong with it, warnings included, in the order of the file.
pub fn read(path: &Path, text: &str, surroundings: &Surroundings) -> Result<Loaded, Diagnostics> {
    let diagnostics = |problems: Vec<Problem>| {
        Diagnostics::new(
            problems.into_iter().map(|problem| problem.into_diagnostic(path, text)).collect(),
            text,
        )
    };
    let file = parse(text).map_err(|problem| diagnostics(vec![problem]))?;
    let (inventory, problems) = check(&file, path, surroundings);
    if problems.iter().any(Problem::is_error) {
        return Err(diagnostics(problems));
    }
    Ok(Loaded { inventory, warnings: diagnostics(problems) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_expanded() {
        let here = Surroundings { folder: "inv".into(), home: Some("/home/pi".into()), user: "pi".into() };
        for (written, meant) in [
            ("~/.ssh/id", Some("/home/pi/.ssh/id")),
            ("~", Some("/home/pi/")),
            ("keys/id", Some("inv/keys/id")),
            ("/etc/id", Some("/etc/id")),
            ("~root/id", None),
        ] {
            assert_eq!(here.expand(Path::new(written)), meant.map(PathBuf::from), "{written}");
        }
        assert_eq!(Surroundings { home: None, ..here }.expand(Path::new("~/x")), None);
    }
}
