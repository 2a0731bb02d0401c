//! moby's script and Debian's kernels, out of packages that are fetched once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::script::Script;
use crate::support::left_out;

/// A kernel of Debian's.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) release: String,
    pub(crate) config: String,
    /// Modules of the package, by the names that the kernel knows them by.
    pub(crate) modules: BTreeSet<String>,
}

/// The release of Debian whose packages are taken besides this computer's own.
pub(crate) const ANOTHER: &str = "trixie";

/// The scripts of this computer's own release and of another one; and one of your own choice by `SKEP_CHECK_CONFIG`.
pub(crate) fn scripts() -> Vec<Script> {
    const PLACE: &str = "usr/share/docker.io/contrib/check-config.sh";
    let _lock = lock();
    let fetched = [None, Some(ANOTHER)].into_iter().filter_map(|release| {
        let name = format!("docker.io of {}", release.unwrap_or("this computer's release"));
        match tree(release, "docker.io", &[PLACE]) {
            Ok(tree) => Some(Script { name, path: tree.join(PLACE) }),
            Err(error) => {
                left_out(&format!("moby's check-config.sh, from {name}: {error}"));
                None
            }
        }
    });
    let own = std::env::var_os("SKEP_CHECK_CONFIG")
        .map(|path| Script { name: "your own".to_owned(), path: path.into() });
    fetched.chain(own).collect()
}

/// Kernels of both architectures and of two releases.
pub(crate) fn kernels() -> &'static [Kernel] {
    static KERNELS: LazyLock<Vec<Kernel>> = LazyLock::new(|| {
        let _lock = lock();
        [
            (None, "linux-image-cloud-amd64"),
            (None, "linux-image-cloud-arm64:arm64"),
            (Some(ANOTHER), "linux-image-cloud-amd64"),
        ]
        .into_iter()
        .filter_map(|(release, package)| match kernel(release, package) {
            Ok(kernel) => Some(kernel),
            Err(error) => {
                left_out(&format!("a kernel to judge, from {package}: {error}"));
                None
            }
        })
        .collect()
    });
    &KERNELS
}

/// Tests of this process fetch one after the other.
fn lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kernel(release: Option<&str>, package: &str) -> Result<Kernel, String> {
    let tree = tree(release, package, &["boot", "lib", "usr/lib"])?;
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let boot = fs::read_dir(tree.join("boot")).map_err(|error| error.to_string())?;
    let config =
        boot.flatten().map(name).find(|name| name.starts_with("config-")).ok_or("it has no configuration")?;
    let mut modules = BTreeSet::new();
    for list in fs::read_to_string(tree.join("modules")).map_err(|error| error.to_string())?.lines() {
        let file = list.rsplit('/').next().unwrap_or_default();
        modules.extend(file.split_once(".ko").map(|(module, _)| module.replace('-', "_")));
    }
    Ok(Kernel {
        release: config.trim_start_matches("config-").to_owned(),
        config: fs::read_to_string(tree.join("boot").join(&config)).map_err(|error| error.to_string())?,
        modules,
    })
}

/// Where what was fetched is kept: beside the lab's trees, or below the build's own where that is not to be written.
fn cache() -> PathBuf {
    let shared = Path::new("/var/cache/skep/lab/check-config");
    match fs::create_dir_all(shared) {
        Ok(()) if nix::unistd::access(shared, nix::unistd::AccessFlags::W_OK).is_ok() => shared.to_owned(),
        _ => Path::new(env!("CARGO_TARGET_TMPDIR")).join("check-config"),
    }
}

/// The files below these places of a package, unpacked, with the list of its modules in `modules`. A package that only
/// depends on the real one stands for that.
fn tree(release: Option<&str>, package: &str, places: &[&str]) -> Result<PathBuf, String> {
    let cache = cache();
    let tree = cache.join(format!("{}-{}", release.unwrap_or("own"), package.replace(':', "-")));
    if tree.is_dir() {
        return Ok(tree);
    }
    let making = tempfile::tempdir_in({
        fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
        &cache
    })
    .map_err(|error| error.to_string())?;
    let apt = Apt::new(release, &cache)?;
    let real = apt.real(package)?;
    run(apt.command("apt-get").args(["download", &real]).current_dir(making.path()))?;
    let archive = fs::read_dir(making.path()).map_err(|error| error.to_string())?.flatten().next();
    let archive = archive.ok_or("nothing was fetched")?.path();
    let unpacked = making.path().join("tree");
    run(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked))?;
    let listed = run(Command::new("find").arg(&unpacked).args(["-name", "*.ko*"]))?;
    let kept = making.path().join("kept");
    fs::create_dir(&kept).map_err(|error| error.to_string())?;
    fs::write(kept.join("modules"), listed).map_err(|error| error.to_string())?;
    // The modules themselves are large, and of no use.
    for place in places.iter().filter(|place| !place.ends_with("lib")) {
        let from = unpacked.join(place);
        let to = kept.join(place);
        fs::create_dir_all(to.parent().unwrap_or(&kept)).map_err(|error| error.to_string())?;
        fs::rename(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    for entry in fs::read_dir(kept.join("boot")).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with("config-") {
            fs::remove_file(entry.path()).map_err(|error| error.to_string())?;
        }
    }
    fs::rename(&kept, &tree).map_err(|error| error.to_string())?;
    Ok(tree)
}

/// apt, for this computer's release or, with lists of its own, for another.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(release: Option<&str>, cache: &Path) -> Result<Self, String> {
        let Some(release) = release else { return Ok(Self { options: Vec::new() }) };
        let lists = cache.join(format!("lists-{release}"));
        fs::create_dir_all(lists.join("partial")).map_err(|error| error.to_string())?;
        let sources = lists.with_extension("list");
        let line = format!(
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {release} main\n",
            mirror()?
        );
        fs::write(&sources, line).map_err(|error| error.to_string())?;
        let options = [
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::lists={}", lists.display()),
            format!("Dir::Cache={}", lists.display()),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ];
        let apt =
            Self { options: options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect() };
        run(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options).env("LC_ALL", "C");
        command
    }

    /// The first package that this one depends on where it has no files of its own (`linux-image-cloud-amd64`).
    fn real(&self, package: &str) -> Result<String, String> {
        if !package.starts_with("linux-image") {
            return Ok(package.to_owned());
        }
        let told = run(self.command("apt-cache").args(["depends", package]))?;
        let depends = told.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        depends.map(str::to_owned).ok_or_else(|| format!("{package} depends on nothing"))
    }
}

/// The mirror that this computer has its own release from.
fn mirror() -> Result<String, String> {
    let format = "$(REPO_URI) $(CODENAME) $(ORIGIN)";
    let told =
        run(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    let uri = told.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [uri, codename, "Debian"] if !codename.contains('-') => Some(uri.to_owned()),
        _ => None,
    });
    uri.ok_or_else(|| "this computer has no source of Debian's".to_owned())
}

/// What a command prints; the end of what it says where it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{:?}: {}", command.get_program(), said.lines().next_back().unwrap_or_default()))
}
