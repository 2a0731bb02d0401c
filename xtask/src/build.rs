//! One run of `cargo build`.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::smallest;
use crate::toolchain::Toolchain;

/// The agent is one file for any host of its architecture, at a fixed address, and without the tables that unwinding
/// needs: its panics end it.
///
/// Hashes are of a few bytes there: the small way to compute them does, instead of the quick ones of several processors.
const AGENT: &str = "-C target-feature=+crt-static -C relocation-model=static -C force-unwind-tables=no \
     --cfg sha2_backend=\"soft\" --cfg sha2_backend_soft=\"compact\" --cfg sha1_backend=\"soft\"";

/// What is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Product {
    /// `skep-agent`: small, static, without the controller's dependencies.
    Agent,
    /// `skep`, with the agents of this directory inside.
    Controller { agents: PathBuf },
}

/// One run of `cargo build`.
#[derive(Debug)]
pub(crate) struct Build {
    /// What is built.
    pub(crate) product: Product,
    /// The compiler and the target.
    pub(crate) toolchain: Toolchain,
    /// The directory that cargo builds in, without the toolchain's own part.
    pub(crate) target_dir: PathBuf,
}

impl Build {
    /// Runs cargo; the path of the binary.
    pub(crate) fn run(&self) -> Result<PathBuf> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(repository()).arg("build").args(self.arguments()).envs(self.environment());
        // The target's own flags would not count beside these, and the agent would not be static.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        if !io::stderr().is_terminal() {
            cargo.arg("--quiet");
        }
        run(&mut cargo, &format!("cargo build {}", self.arguments().join(" ")))?;
        Ok(self.binary())
    }

    fn arguments(&self) -> Vec<String> {
        let directory = self.directory();
        let mut arguments = vec![
            "--locked",
            "--package=skep",
            "--bin",
            self.name(),
            "--profile",
            self.profile(),
            "--target",
            self.toolchain.target,
        ];
        if self.product == Product::Agent {
            arguments.push("--no-default-features");
        }
        if self.toolchain.with_std {
            arguments.extend(smallest::ARGUMENTS);
        }
        let mut arguments: Vec<_> = arguments.into_iter().map(str::to_owned).collect();
        arguments.push(format!("--target-dir={}", directory.display()));
        arguments
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.toolchain.environment();
        match &self.product {
            Product::Agent => {
                let target = self.toolchain.target.replace('-', "_").to_uppercase();
                let flags = if self.toolchain.with_std {
                    format!("{AGENT} {}", smallest::FLAGS)
                } else {
                    AGENT.to_owned()
                };
                environment.push((format!("CARGO_TARGET_{target}_RUSTFLAGS"), flags));
            }
            Product::Controller { agents } => {
                environment.push(("SKEP_AGENTS".to_owned(), agents.display().to_string()));
            }
        }
        environment
    }

    fn binary(&self) -> PathBuf {
        self.directory().join(self.toolchain.target).join(self.profile()).join(self.name())
    }

    fn directory(&self) -> PathBuf {
        self.target_dir.join(self.toolchain.directory())
    }

    fn name(&self) -> &'static str {
        match self.product {
            Product::Agent => "skep-agent",
            Product::Controller { .. } => "skep",
        }
    }

    fn profile(&self) -> &'static str {
        match self.product {
            Product::Agent => "agent",
            Product::Controller { .. } => "release",
        }
    }
}

/// The directory of the repository: asked at run time, because a checkout may be moved with its `target/`.
pub(crate) fn repository() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().expect("xtask is a directory of the repository").to_owned()
}

/// The directory that cargo builds in.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Runs a program to its end; `what` names it in the error.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().map_err(Failure::io(what))?;
    if status.success() { Ok(()) } else { Err(Failure::Program { what: what.to_owned(), status }) }
}

/// Runs a program to its end; what it printed. `what` names it in the error.
pub(crate) fn output(command: &mut Command, what: &str) -> Result<Vec<u8>> {
    let output = command.stderr(std::process::Stdio::inherit()).output().map_err(Failure::io(what))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Failure::Program { what: what.to_owned(), status: output.status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{AARCH64, X86_64};

    fn build(product: Product, rustc: Option<&'static str>, target: &'static str) -> Build {
        let toolchain = Toolchain { target, rustc, linker: None, cc: None, with_std: false };
        Build { product, toolchain, target_dir: PathBuf::from("/src/target") }
    }

    #[test]
    fn the_agent_is_static_and_without_the_controller() {
        let build = build(Product::Agent, None, X86_64.gnu);
        let arguments = "--locked --package=skep --bin skep-agent --profile agent \
                         --target x86_64-unknown-linux-gnu --no-default-features --target-dir=/src/target/";
        assert_eq!(build.arguments().join(" "), arguments);
        let flags = ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", AGENT);
        assert_eq!(build.environment(), [(flags.0.to_owned(), flags.1.to_owned())]);
        assert_eq!(build.binary(), Path::new("/src/target/x86_64-unknown-linux-gnu/agent/skep-agent"));
    }

    #[test]
    fn the_smallest_agent_brings_its_standard_library() {
        let mut build = build(Product::Agent, Some("/usr/bin/rustc"), AARCH64.musl);
        build.toolchain.with_std = true;
        let arguments = build.arguments().join(" ");
        assert!(arguments.contains(" -Zbuild-std=std,panic_abort "), "{arguments}");
        let environment = build.environment();
        let flags = environment.iter().find(|(name, _)| name.ends_with("_RUSTFLAGS")).expect("it has flags");
        assert_eq!(flags.0, "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS");
        assert!(flags.1.starts_with(AGENT) && flags.1.contains("_Unwind_Backtrace=abort"), "{}", flags.1);
        // An empty archive.
        let library = repository().join("xtask/no-unwinder/libunwind.a");
        assert_eq!(std::fs::read(library).expect("it is in the repository"), b"!<arch>\n");
    }

    #[test]
    fn the_controller_embeds_the_agents_and_stays_dynamic() {
        let agents = PathBuf::from("/src/target/agents");
        let build = build(Product::Controller { agents }, Some("/usr/bin/rustc"), AARCH64.gnu);
        let arguments = "--locked --package=skep --bin skep --profile release \
                         --target aarch64-unknown-linux-gnu --target-dir=/src/target/cross";
        assert_eq!(build.arguments().join(" "), arguments);
        let expected = [("RUSTC", "/usr/bin/rustc"), ("SKEP_AGENTS", "/src/target/agents")];
        assert_eq!(build.environment(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(build.binary(), Path::new("/src/target/cross/aarch64-unknown-linux-gnu/release/skep"));
    }
}
