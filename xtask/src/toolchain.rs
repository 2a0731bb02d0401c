//! Which compiler, target and linker build for an architecture, chosen from what this computer has.
//!
//! Four ways lead to a binary for another architecture: the standard library's source with Debian's musl and cross
//! compiler, and rustup's musl target with the linker that comes with Rust (both for the agent only: it holds no C);
//! rustup's glibc target with Debian's cross compiler; and Debian's own `rustc-web` with the standard library of the
//! other architecture and the same cross compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::{self, Arch};
use crate::failure::{Failure, Result};
use crate::smallest;

/// Where Debian's `rustc-web` puts its compiler: rustup's own comes first in the `PATH`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What this computer can compile with.
#[derive(Debug)]
pub(crate) struct Machine {
    /// This computer's own architecture.
    pub(crate) host: &'static Arch,
    /// Targets that the usual rustc has a standard library for.
    pub(crate) targets: Vec<&'static str>,
    /// Targets that Debian's rustc has a standard library for; empty where the usual one is Debian's.
    pub(crate) debian_targets: Vec<&'static str>,
    /// Whether Debian's rustc has the source of its standard library.
    pub(crate) source: bool,
    /// Cross compilers in the `PATH`.
    pub(crate) compilers: Vec<&'static str>,
}

/// All that distinguishes one build's compiler from another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// Rust's target triple.
    pub(crate) target: &'static str,
    /// The rustc, when not the usual one.
    pub(crate) rustc: Option<&'static str>,
    /// The linker, when not the target's default.
    pub(crate) linker: Option<&'static str>,
    /// The compiler of C code, when not the target's default.
    pub(crate) cc: Option<&'static str>,
    /// Whether the standard library is compiled along, see [`smallest`].
    pub(crate) with_std: bool,
}

impl Toolchain {
    /// The directory below `target/` that its builds live in. Two compilers must not share one: they would
    /// build everything anew at each change of hands.
    pub(crate) fn directory(&self) -> &'static str {
        if self.rustc.is_some() { "cross" } else { "" }
    }

    /// What cargo needs in its environment to build with it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let lower = self.target.replace('-', "_");
        let linker = format!("CARGO_TARGET_{}_LINKER", lower.to_uppercase());
        let (bootstrap, value) = smallest::ENVIRONMENT;
        let bootstrap = (bootstrap.to_owned(), self.with_std.then_some(value));
        [("RUSTC".to_owned(), self.rustc), (linker, self.linker), (format!("CC_{lower}"), self.cc), bootstrap]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_owned())))
            .collect()
    }
}

impl Machine {
    /// Looks at this computer.
    pub(crate) fn look() -> Result<Self> {
        let host = arch::named(env::consts::ARCH).ok_or(Failure::UnknownHost(env::consts::ARCH))?;
        let usual = sysroot(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))?;
        let debian = if Path::new(DEBIAN_RUSTC).exists() { Some(sysroot(DEBIAN_RUSTC)?) } else { None };
        let source = debian.as_deref().is_some_and(smallest::has_source);
        let debian = debian.filter(|debian| *debian != usual);
        Ok(Self {
            host,
            targets: targets(&usual),
            debian_targets: debian.as_deref().map(targets).unwrap_or_default(),
            source,
            compilers: arch::ALL
                .into_iter()
                .flat_map(|arch| [arch.gcc, arch.musl_gcc])
                .filter(|gcc| in_path(gcc))
                .collect(),
        })
    }

    /// The way to an agent for `arch`. The smaller its result the earlier it is tried.
    pub(crate) fn agent(&self, arch: &'static Arch) -> Option<Toolchain> {
        let (target, cc) = (arch.musl, None);
        if self.source && [arch.gcc, arch.musl_gcc].iter().all(|gcc| self.compilers.contains(gcc)) {
            let (rustc, linker) = (Some(DEBIAN_RUSTC), Some(arch.musl_gcc));
            return Some(Toolchain { target, rustc, linker, cc, with_std: true });
        }
        if self.targets.contains(&target) {
            return Some(Toolchain { target, rustc: None, linker: Some("rust-lld"), cc, with_std: false });
        }
        self.controller(arch)
    }

    /// The way to a controller for `arch`; it links glibc and compiles some C.
    pub(crate) fn controller(&self, arch: &'static Arch) -> Option<Toolchain> {
        let target = arch.gnu;
        let rustc = if self.targets.contains(&target) {
            None
        } else if self.debian_targets.contains(&target) {
            Some(DEBIAN_RUSTC)
        } else {
            return None;
        };
        if arch == self.host {
            return Some(Toolchain { target, rustc, linker: None, cc: None, with_std: false });
        }
        let gcc = self.compilers.iter().copied().find(|gcc| *gcc == arch.gcc)?;
        Some(Toolchain { target, rustc, linker: Some(gcc), cc: Some(gcc), with_std: false })
    }
}

fn sysroot(rustc: &str) -> Result<PathBuf> {
    let what = format!("{rustc} --print sysroot");
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().map_err(Failure::io(&what))?;
    if !output.status.success() {
        return Err(Failure::Program { what, status: output.status });
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn targets(sysroot: &Path) -> Vec<&'static str> {
    let installed = |target: &&str| sysroot.join("lib/rustlib").join(target).join("lib").is_dir();
    arch::ALL.into_iter().flat_map(|arch| [arch.gnu, arch.musl]).filter(installed).collect()
}

fn in_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{AARCH64, X86_64};

    fn machine(
        targets: &[&'static str],
        debian_targets: &[&'static str],
        compilers: &[&'static str],
    ) -> Machine {
        Machine {
            host: &X86_64,
            targets: targets.to_vec(),
            debian_targets: debian_targets.to_vec(),
            source: false,
            compilers: compilers.to_vec(),
        }
    }

    #[test]
    fn a_plain_rustup_builds_for_the_host_alone() {
        let machine = machine(&[X86_64.gnu], &[], &[AARCH64.gcc]);
        let host = Toolchain { target: X86_64.gnu, rustc: None, linker: None, cc: None, with_std: false };
        assert_eq!(machine.agent(&X86_64), Some(host.clone()));
        assert_eq!(machine.controller(&X86_64), Some(host));
        assert_eq!(machine.agent(&AARCH64), None);
        assert_eq!(machine.controller(&AARCH64), None);
    }

    #[test]
    fn debians_rustc_reaches_the_other_architecture_and_leaves_the_host_to_the_usual_one() {
        let machine = machine(&[X86_64.gnu], &[X86_64.gnu, AARCH64.gnu], &[AARCH64.gcc]);
        let cross = Toolchain {
            target: AARCH64.gnu,
            rustc: Some("/usr/bin/rustc"),
            linker: Some("aarch64-linux-gnu-gcc"),
            cc: Some("aarch64-linux-gnu-gcc"),
            with_std: false,
        };
        assert_eq!(machine.agent(&AARCH64), Some(cross.clone()));
        assert_eq!(machine.controller(&AARCH64), Some(cross));
        assert_eq!(machine.controller(&X86_64).and_then(|toolchain| toolchain.rustc), None);
    }

    #[test]
    fn a_standard_library_without_the_cross_compiler_is_no_way() {
        let machine = machine(&[X86_64.gnu], &[X86_64.gnu, AARCH64.gnu], &[X86_64.gcc]);
        assert_eq!(machine.controller(&AARCH64), None);
    }

    #[test]
    fn rustups_target_is_preferred_to_debians_rustc() {
        let machine = machine(&[X86_64.gnu, AARCH64.gnu], &[AARCH64.gnu], &[AARCH64.gcc]);
        let controller = machine.controller(&AARCH64).expect("both the library and the compiler are there");
        assert_eq!((controller.rustc, controller.linker), (None, Some(AARCH64.gcc)));
    }

    #[test]
    fn musl_builds_the_agent_but_never_the_controller() {
        let machine = machine(&[X86_64.gnu, AARCH64.musl], &[], &[]);
        let agent = Toolchain {
            target: AARCH64.musl,
            rustc: None,
            linker: Some("rust-lld"),
            cc: None,
            with_std: false,
        };
        assert_eq!(machine.agent(&AARCH64), Some(agent));
        assert_eq!(machine.controller(&AARCH64), None);
    }

    #[test]
    fn the_standard_librarys_source_makes_the_smallest_agent_where_musls_compiler_is_too() {
        let machine = machine(&[AARCH64.musl], &[AARCH64.gnu], &[AARCH64.gcc, AARCH64.musl_gcc]);
        let machine = Machine { source: true, ..machine };
        let agent = Toolchain {
            target: AARCH64.musl,
            rustc: Some("/usr/bin/rustc"),
            linker: Some("aarch64-linux-musl-gcc"),
            cc: None,
            with_std: true,
        };
        assert_eq!(machine.agent(&AARCH64), Some(agent));
        assert_eq!(machine.controller(&AARCH64).map(|controller| controller.target), Some(AARCH64.gnu));
        // musl's compiler runs the other one.
        let lacking = Machine { compilers: vec![AARCH64.musl_gcc], ..machine };
        assert_eq!(lacking.agent(&AARCH64).map(|agent| agent.with_std), Some(false));
        let lacking = Machine { source: false, ..lacking };
        assert_eq!(lacking.agent(&AARCH64).map(|agent| agent.with_std), Some(false));
    }

    #[test]
    fn only_what_differs_from_the_default_is_set_in_the_environment() {
        let host = Toolchain { target: X86_64.gnu, rustc: None, linker: None, cc: None, with_std: false };
        assert_eq!((host.environment(), host.directory()), (vec![], ""));

        let cross = Toolchain {
            target: AARCH64.gnu,
            rustc: Some("/usr/bin/rustc"),
            linker: Some(AARCH64.gcc),
            cc: Some(AARCH64.gcc),
            with_std: false,
        };
        let expected = [
            ("RUSTC", "/usr/bin/rustc"),
            ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
            ("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"),
        ];
        assert_eq!(cross.environment(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(cross.directory(), "cross");

        let bootstrap = |(name, _): &(String, String)| name == "RUSTC_BOOTSTRAP";
        assert!(!cross.environment().iter().any(bootstrap));
        assert!(Toolchain { with_std: true, ..cross }.environment().iter().any(bootstrap));
    }
}
