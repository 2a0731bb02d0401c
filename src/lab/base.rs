//! The tree that nodes are layered on: a minimal Debian, built once and cached by its recipe.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::arch::Arch;
use super::command::{checked, short, tool};
use super::error::{LabError, at};
use super::lock::Lock;
use super::release::Release;
use super::{Progress, machine::image, sources};

/// Where built trees are kept; they may be removed whenever no lab exists.
pub(super) const CACHE: &str = "/var/cache/skep/lab";
/// Counts up when the customisation below changes, so that old trees are not taken for new ones.
const RECIPE_VERSION: u32 = 1;
/// How long a build may take: a slow mirror and a slow disk included.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
/// The same for another processor: its packages set themselves up under emulation, four minutes on two idle processors.
const EMULATED_BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);

/// What a freshly flashed board has and skep relies on.
const BARE: [&str; 11] = [
    "systemd-sysv",
    "openssh-server",
    "iproute2",
    "ca-certificates",
    "udev",
    "dbus",
    "ifupdown",
    "kmod",
    "procps",
    "netbase",
    "sudo",
];
/// What skep installs for the engine.
const ENGINE: [&str; 2] = ["docker.io", "iptables"];

/// Everything that decides what is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    release: String,
    engine: bool,
    /// The processor of an image for machines; a tree for namespaces otherwise.
    machine: Option<Arch>,
    sources: Vec<String>,
    apt_options: Vec<String>,
    /// Units that nodes never start.
    masked: Vec<&'static str>,
}

impl Recipe {
    /// Nodes of `release`, by code name or number, or of this computer's own where none is named.
    pub(super) fn new(release: Option<&str>, engine: bool, machine: Option<Arch>) -> Result<Self, LabError> {
        let own = own_system()?;
        let dump = short("apt-config", &["dump"])?;
        // This computer's own is taken as it is, whether the table has it or not.
        let other = match release {
            Some(name) if name != own.code => {
                Some(Release::named(name)?).filter(|other| other.code != own.code)
            }
            _ => None,
        };
        let recipe = Self {
            release: own.code.clone(),
            engine,
            machine,
            sources: Vec::new(),
            apt_options: fetch_options(&dump),
            masked: Vec::new(),
        };
        let family = other.as_ref().map_or(own.family.as_str(), |other| other.family);
        if machine.is_some() && family != "debian" {
            return Err(LabError::MachineRelease(family.to_owned()));
        }
        match other {
            None => Ok(Self { sources: sources::own(&own.code)?, ..recipe }),
            Some(other) => {
                let sources = sources::of_another(&own.family, &own.code, &other)?;
                Ok(Self { release: other.code.into(), sources, masked: other.masked.to_vec(), ..recipe })
            }
        }
    }

    fn packages(&self) -> Vec<&'static str> {
        let mut packages = BARE.to_vec();
        packages.extend(ENGINE.iter().filter(|_| self.engine));
        if self.machine.is_some() {
            packages.extend(image::PACKAGES);
            packages.extend(image::ENGINE.iter().filter(|_| self.engine));
        }
        packages
    }

    /// Names the tree in the cache.
    fn hash(&self) -> String {
        let mut text = format!("{RECIPE_VERSION}\n{}\n{}\n", std::env::consts::ARCH, self.release);
        if let Some(arch) = self.machine {
            let _ = write!(text, "{arch} {}\n{}", arch.kernel_package(), image::RECIPE);
        }
        for part in self.packages().into_iter().chain(self.lines()) {
            let _ = writeln!(text, "{part}");
        }
        Sha256::digest(text).iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    fn build_limit(&self) -> Duration {
        if self.machine.is_some_and(|arch| !arch.is_own()) { EMULATED_BUILD_LIMIT } else { BUILD_LIMIT }
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().chain(&self.apt_options).map(String::as_str).chain(self.masked.iter().copied())
    }

    /// What a failure of the builder is told as.
    fn failed(&self, cause: LabError) -> LabError {
        let mut mirrors: Vec<String> = Vec::new();
        for word in self.lines().flat_map(str::split_whitespace).filter(|word| word.contains("://")) {
            if !mirrors.iter().any(|mirror| mirror == word) && !word.contains('"') {
                mirrors.push(word.to_owned());
            }
        }
        LabError::Tree { release: self.release.clone(), mirrors, cause: Box::new(cause) }
    }
}

/// The tree of that recipe; built if the cache has none.
pub(super) fn ensure(recipe: &Recipe, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, LabError> {
    let cache = Path::new(CACHE);
    let tree = cache.join(recipe.hash());
    if tree.is_dir() {
        return Ok(tree);
    }
    at(fs::create_dir_all(cache), "make", cache)?;
    let _lock = Lock::take(&cache.join(format!("{}.lock", recipe.hash())), recipe.build_limit())?;
    if !tree.is_dir() {
        build(recipe, &tree, progress)?;
    }
    Ok(tree)
}

/// Builds beside the final place and renames, so that a killed build is never taken for a tree.
fn build(recipe: &Recipe, tree: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), LabError> {
    let partial = tree.with_extension("partial");
    let inputs = tree.with_extension("inputs");
    remove(&partial)?;
    remove(&inputs)?;
    at(fs::create_dir_all(&inputs), "make", &inputs)?;
    write(&inputs.join("sources.list"), &(recipe.sources.join("\n") + "\n"))?;
    write(&inputs.join("apt.conf"), &(recipe.apt_options.join("\n") + "\n"))?;
    let mut command = builder(recipe, &inputs, &partial)?;
    checked(&mut command, "", recipe.build_limit(), &mut |line| progress(Progress::Base(line.to_owned())))
        .map_err(|cause| recipe.failed(cause))?;
    customise(&partial)?;
    let whole = if let Some(arch) = recipe.machine {
        let image = tree.with_extension("image");
        remove(&image)?;
        progress(Progress::Base("a disk is made of the tree".to_owned()));
        image::make(arch, &partial, &image)?;
        image
    } else {
        fit_for_namespaces(&partial, &recipe.masked)?;
        partial
    };
    remove(&inputs)?;
    at(fs::rename(&whole, tree), "rename", &whole)
}

/// mmdebstrap in namespaces of its own that the kernel ends with us, so that a killed build leaves no
/// process and no mount behind.
fn builder(recipe: &Recipe, inputs: &Path, target: &Path) -> Result<std::process::Command, LabError> {
    let mut command = tool("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    let scripts = recipe.machine.map(|arch| image::scripts(arch, inputs)).transpose()?;
    command.args(scripts.as_ref().and_then(|scripts| scripts.emulate.as_ref()));
    command
        .args(["mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory"])
        .arg("--skip=cleanup/apt/lists")
        .arg(format!("--aptopt={}", inputs.join("apt.conf").display()))
        .arg(format!("--include={}", recipe.packages().join(",")))
        .arg(r#"--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash --groups sudo pi"#)
        .args(machine_options(recipe.machine, scripts.as_ref()))
        .args([recipe.release.as_str()])
        .args([target, &inputs.join("sources.list")]);
    Ok(command)
}

/// What mmdebstrap is told for a machine. It asks for a registered emulator before `emulate.sh` could tell it of one.
fn machine_options(machine: Option<Arch>, scripts: Option<&image::Scripts>) -> Vec<String> {
    let (Some(arch), Some(scripts)) = (machine, scripts) else { return Vec::new() };
    vec![
        format!("--architectures={arch}"),
        "--skip=check/qemu".into(),
        "--dpkgopt=force-unsafe-io".into(),
        format!("--customize-hook={}", scripts.kernel.display()),
    ]
}

/// Takes out what must differ from node to node, and lets the user in.
fn customise(tree: &Path) -> Result<(), LabError> {
    for key in ["rsa", "ecdsa", "ed25519"] {
        for name in [format!("ssh_host_{key}_key"), format!("ssh_host_{key}_key.pub")] {
            remove(&tree.join("etc/ssh").join(name))?;
        }
    }
    for empty in ["etc/machine-id", "etc/fstab", "etc/hostname", "etc/resolv.conf"] {
        remove(&tree.join(empty))?;
        write(&tree.join(empty), "")?;
    }
    write(&tree.join("etc/sudoers.d/pi"), "pi ALL=(ALL) NOPASSWD: ALL\n")?;
    mode(&tree.join("etc/sudoers.d/pi"), 0o440)
}

/// Puts in what makes a tree fit for a namespace.
fn fit_for_namespaces(tree: &Path, masked: &[&str]) -> Result<(), LabError> {
    let units = tree.join("etc/systemd/system");
    let wants = units.join("sysinit.target.wants");
    write(&units.join("skep-lab-cgroup.service"), include_str!("cgroup.service"))?;
    at(fs::create_dir_all(&wants), "make", &wants)?;
    let link = |target: &str, link: PathBuf| at(symlink(target, &link), "link", &link);
    link("../skep-lab-cgroup.service", wants.join("skep-lab-cgroup.service"))?;
    masked.iter().try_for_each(|unit| link("/dev/null", units.join(unit)))?;
    let script = tree.join("usr/local/sbin/skep-lab-cgroup");
    write(&script, include_str!("cgroup.sh"))?;
    mode(&script, 0o755)
}

/// What this computer runs.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    family: String,
    code: String,
}

/// This computer's distribution and release, from os-release(5).
fn own_system() -> Result<Own, LabError> {
    let path = Path::new("/etc/os-release");
    let text = at(fs::read_to_string(path), "read", path)?;
    system(&text).ok_or_else(|| {
        LabError::Unavailable(
            "/etc/os-release has no VERSION_CODENAME, so the Debian release is unknown".into(),
        )
    })
}

fn system(os_release: &str) -> Option<Own> {
    let value = |name: &str| {
        let value = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        let value = value.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| value.to_owned())
    };
    Some(Own { family: value("ID").unwrap_or_default(), code: value("VERSION_CODENAME")? })
}

/// Those of apt's options that decide whether the archive can be fetched at all: proxies and tolerated dates.
fn fetch_options(apt_config_dump: &str) -> Vec<String> {
    let wanted = ["Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-", "Acquire::ForceIPv"];
    apt_config_dump
        .lines()
        .filter(|line| wanted.iter().any(|prefix| line.starts_with(prefix)) && !line.ends_with(" \"\";"))
        .map(str::to_owned)
        .collect()
}

fn write(path: &Path, text: &str) -> Result<(), LabError> {
    if let Some(parent) = path.parent() {
        at(fs::create_dir_all(parent), "make", parent)?;
    }
    at(fs::write(path, text), "write", path)
}

fn mode(path: &Path, mode: u32) -> Result<(), LabError> {
    at(fs::set_permissions(path, Permissions::from_mode(mode)), "change the mode of", path)
}

/// Removes a file or a tree, if there is one.
fn remove(path: &Path) -> Result<(), LabError> {
    let result = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    at(result, "remove", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            release: "bookworm".into(),
            engine: false,
            machine: None,
            sources: vec!["deb http://a/d bookworm main".into()],
            apt_options: vec![],
            masked: vec![],
        }
    }

    #[test]
    fn each_part_of_the_recipe_names_another_tree() {
        let base = recipe();
        let others = [
            Recipe { release: "trixie".into(), ..base.clone() },
            Recipe { engine: true, ..base.clone() },
            Recipe { machine: Some(Arch::Amd64), ..base.clone() },
            Recipe { machine: Some(Arch::Arm64), ..base.clone() },
            Recipe { masked: vec!["x.service"], ..base.clone() },
            Recipe { sources: vec!["deb http://b/d bookworm main".into()], ..base.clone() },
            Recipe { apt_options: vec!["Acquire::Check-Date \"false\";".into()], ..base.clone() },
        ];
        for other in others {
            assert_ne!(other.hash(), base.hash(), "{other:?}");
        }
        assert_eq!(base.hash(), recipe().hash());
        assert_eq!(base.hash().len(), 16);
    }

    #[test]
    fn only_the_engine_recipe_has_an_engine() {
        assert!(!recipe().packages().contains(&"docker.io"));
        assert!(Recipe { engine: true, ..recipe() }.packages().contains(&"docker.io"));
    }

    #[test]
    fn the_own_release_is_read() {
        let own = |family: &str, code: &str| Some(Own { family: family.into(), code: code.into() });
        let cases = [
            ("ID=debian\nVERSION_CODENAME=bookworm\n", own("debian", "bookworm")),
            ("VERSION_CODENAME=\"noble\"\nVERSION_ID=\"24.04\"\nID=ubuntu", own("ubuntu", "noble")),
            ("ID=debian\nVERSION_CODENAME=\n", None),
            ("ID=debian\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(system(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_failed_build_names_the_release_and_each_mirror_once() {
        let sources =
            ["deb http://a/d bookworm main", "deb http://a/d bookworm-updates main", "deb http://s/d x y"];
        let recipe = Recipe { sources: sources.map(str::to_owned).to_vec(), ..recipe() };
        let told = recipe.failed(LabError::Unavailable("404".into())).to_string();
        assert!(told.contains("bookworm from http://a/d and http://s/d;") && told.ends_with("404"), "{told}");
    }

    #[test]
    fn only_options_for_fetching_reach_the_nodes() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://p:3142\";\n\
                    Acquire::https::Proxy \"\";\nAcquire::Check-Valid-Until \"false\";\nDPkg::Post-Invoke \"\";\n";
        assert_eq!(
            fetch_options(dump),
            ["Acquire::http::Proxy \"http://p:3142\";", "Acquire::Check-Valid-Until \"false\";"]
        );
    }
}
