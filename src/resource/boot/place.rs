//! Which files hold the next boot's command line.

use serde::{Deserialize, Serialize};

use super::switch::{disables, in_force};

/// What boots a host, as far as its command line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loader {
    /// U-Boot with a script that adds what `extraargs` says, as Armbian's.
    Environment,
    /// A Raspberry Pi's firmware.
    Pi,
    /// U-Boot by a list of kernels, which `u-boot-update` makes.
    UbootMenu,
    /// U-Boot by a list of kernels that somebody else made.
    Extlinux,
    /// GRUB, whose list `update-grub` makes.
    Grub,
}

/// Where a host's next command line is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Who reads it.
    pub loader: Loader,
    /// The file by which that shows.
    pub path: String,
}

/// The files by which each loader shows. Of those that are made from others the others come first, and so does the newer
/// of two places of one: the older one only says where the newer one is.
const FILES: [(Loader, &str); 8] = [
    (Loader::Environment, "/boot/armbianEnv.txt"),
    (Loader::Environment, "/boot/dietpiEnv.txt"),
    (Loader::Environment, "/boot/orangepiEnv.txt"),
    (Loader::Pi, "/boot/firmware/cmdline.txt"),
    (Loader::Pi, "/boot/cmdline.txt"),
    (Loader::UbootMenu, "/etc/default/u-boot"),
    (Loader::Extlinux, "/boot/extlinux/extlinux.conf"),
    (Loader::Grub, "/etc/default/grub"),
];

impl Place {
    /// The first that is there. Only a Raspberry Pi reads `cmdline.txt`, and it reads nothing else unless it runs a
    /// U-Boot with an environment.
    pub fn of(there: impl Fn(&str) -> bool, model: Option<&str>) -> Option<Self> {
        let pi = is_pi(model);
        let may = |loader: Loader| match loader {
            Loader::Environment => true,
            Loader::Pi => pi,
            Loader::UbootMenu | Loader::Extlinux | Loader::Grub => !pi,
        };
        let found = FILES.into_iter().find(|(loader, path)| may(*loader) && there(path));
        found.map(|(loader, path)| Self { loader, path: path.to_owned() })
    }

    /// The files that are looked at and may be changed: skep's own drop-in comes last.
    pub fn files(&self) -> Vec<String> {
        [Some(self.path.as_str()), self.dropin()].into_iter().flatten().map(str::to_owned).collect()
    }

    /// skep's own file, where the loader's program reads such.
    pub(super) fn dropin(&self) -> Option<&'static str> {
        match self.loader {
            Loader::Grub => Some("/etc/default/grub.d/90-skep.cfg"),
            Loader::UbootMenu => Some("/etc/u-boot-menu/conf.d/90-skep.conf"),
            Loader::Environment | Loader::Pi | Loader::Extlinux => None,
        }
    }

    /// What has to be run so that the loader learns of a change.
    pub fn program(&self) -> Option<&'static str> {
        match self.loader {
            Loader::Grub => Some("update-grub"),
            Loader::UbootMenu => Some("u-boot-update"),
            Loader::Environment | Loader::Pi | Loader::Extlinux => None,
        }
    }

    /// What that program makes.
    pub(super) fn made(&self) -> Option<&'static str> {
        match self.loader {
            Loader::Grub => Some("/boot/grub/grub.cfg"),
            Loader::UbootMenu => Some("/boot/extlinux/extlinux.conf"),
            Loader::Environment | Loader::Pi | Loader::Extlinux => None,
        }
    }

    /// Whether what that program made, of which these are the words about cgroups, enables the controllers.
    pub(super) fn knows(&self, made: &[String], controllers: &[String]) -> bool {
        self.made().is_none() || controllers.iter().all(|name| in_force(made, name))
    }

    /// Whether a Raspberry Pi's firmware switches one of the controllers off, by the running kernel's command line but not
    /// by these words of the boot file, and the kernel of this release lets no boot file undo that.
    pub(crate) fn is_overruled<'w>(
        &self,
        controllers: &[impl AsRef<str>],
        command_line: &[String],
        words: impl IntoIterator<Item = &'w str>,
        release: &str,
    ) -> bool {
        self.loader == Loader::Pi
            && disables(command_line.iter().map(String::as_str), controllers)
            && !disables(words, controllers)
            && !is_downstream(release)
    }

    /// The file that a person would look into.
    pub fn shown(&self) -> &str {
        self.dropin().unwrap_or(&self.path)
    }
}

/// Whether the firmware calls the machine a Raspberry Pi.
fn is_pi(model: Option<&str>) -> bool {
    model.is_some_and(|model| model.starts_with("Raspberry Pi"))
}

/// Whether a kernel is Raspberry Pi's own: `6.6.31+rpt-rpi-v8`, `6.1.21-v8+`; Armbian's for these boards is built from it.
fn is_downstream(release: &str) -> bool {
    ["rpi", "-v6", "-v7", "-v8", "bcm27"].iter().any(|part| release.contains(part))
}
