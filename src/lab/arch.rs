//! The processors that machines can have, under each of the names that tools give them: the one place that knows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::LabError;

/// A machine's processor, as Debian calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// `x86_64`.
    Amd64,
    /// `aarch64`, as boards have it.
    Arm64,
}

impl Arch {
    /// As `dpkg --print-architecture` says.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Whether this computer's processor is of the same kind.
    pub(super) fn is_own(self) -> bool {
        match self {
            Self::Amd64 => std::env::consts::ARCH == "x86_64",
            Self::Arm64 => std::env::consts::ARCH == "aarch64",
        }
    }

    /// The program that is such a computer.
    pub(super) fn emulator(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// The Debian package that has it.
    pub(super) fn emulator_package(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86",
            Self::Arm64 => "qemu-system-arm",
        }
    }

    /// The kernel for virtual machines: small, with file system and disk driver built in.
    pub(super) fn kernel_package(self) -> &'static str {
        match self {
            Self::Amd64 => "linux-image-cloud-amd64",
            Self::Arm64 => "linux-image-cloud-arm64",
        }
    }

    /// The boot loader that such a machine starts with, as U-Boot's package for the emulator has it; none where the
    /// emulator hands over to the kernel itself.
    pub(super) fn firmware(self) -> Option<&'static str> {
        match self {
            Self::Amd64 => None,
            Self::Arm64 => Some("/usr/lib/u-boot/qemu_arm64/u-boot.bin"),
        }
    }

    /// What the emulator plays.
    pub(super) fn board(self) -> &'static str {
        match self {
            Self::Amd64 => "q35",
            Self::Arm64 => "virt",
        }
    }

    /// The emulated processor. The Cortex-A72 is that of many boards, and cheap: it has no pointer authentication.
    pub(super) fn processor(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu64",
            Self::Arm64 => "cortex-a72",
        }
    }

    /// The serial line that the kernel writes to.
    pub(super) fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian())
    }
}

impl FromStr for Arch {
    type Err = LabError;

    /// Debian's name or the kernel's.
    fn from_str(name: &str) -> Result<Self, LabError> {
        match name {
            "amd64" | "x86_64" => Ok(Self::Amd64),
            "arm64" | "aarch64" => Ok(Self::Arm64),
            _ => Err(LabError::UnknownArch(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_understood_and_others_refused() {
        for (name, arch) in [
            ("amd64", Arch::Amd64),
            ("x86_64", Arch::Amd64),
            ("arm64", Arch::Arm64),
            ("aarch64", Arch::Arm64),
        ] {
            assert_eq!(name.parse::<Arch>().unwrap(), arch);
            assert_eq!(arch.to_string().parse::<Arch>().unwrap(), arch);
        }
        let refused = "riscv64".parse::<Arch>().unwrap_err().to_string();
        assert!(refused.contains("riscv64") && refused.contains("arm64"), "{refused}");
    }
}
