//! Why a task ended without its result.

use std::fmt;
use std::io;
use std::process::ExitStatus;

use crate::arch::Arch;

/// The result of every task.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a task ended without its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line names no task.
    Usage,
    /// skep is built for x86_64 and aarch64, on one of the two.
    UnknownHost(&'static str),
    /// Nothing on this computer compiles for that architecture.
    NoToolchain(&'static Arch),
    /// A program could not be started, or a file not be read or written.
    Io { what: String, source: io::Error },
    /// A program ran and failed; it has said why itself.
    Program { what: String, status: ExitStatus },
    /// There is no fuzz target of that name.
    NoTarget { wanted: String, targets: Vec<String> },
    /// Fuzz targets that found something, one line each with what shows it again.
    Fuzz(Vec<String>),
    /// Dependencies that `deny.toml` does not allow, one line each.
    Policy(Vec<String>),
    /// An argument of `cargo bench-peers` that is not understood.
    BenchArgument { word: String, problem: String },
    /// What kept numbers from being measured or compared, one line each.
    Bench(Vec<String>),
    /// A file that is read here does not have the form expected.
    Format { file: &'static str, problem: String },
}

impl Failure {
    /// For `map_err` on anything that touches the system.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { what, source }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str(USAGE),
            Self::UnknownHost(name) => {
                write!(f, "this computer is {name}; skep is built on x86_64 or aarch64")
            }
            Self::NoToolchain(arch) => no_toolchain(f, arch),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Program { what, status } => write!(f, "`{what}` failed: {status}"),
            Self::NoTarget { wanted, targets } => {
                write!(f, "there is no fuzz target {wanted:?}; there are {}", targets.join(", "))
            }
            Self::Fuzz(lines) => {
                write!(
                    f,
                    "found; each shows again with its command, and belongs into fuzz/seeds once it is mended:\n  {}",
                    lines.join("\n  ")
                )
            }
            Self::Policy(lines) => {
                write!(f, "deny.toml does not allow:\n  {}", lines.join("\n  "))
            }
            Self::BenchArgument { word, problem } => {
                write!(f, "{word}: {problem}; `cargo bench-peers --help` shows what there is")
            }
            Self::Bench(lines) => f.write_str(&lines.join("\n  ")),
            Self::Format { file, problem } => write!(f, "{file}: {problem}"),
        }
    }
}

const USAGE: &str = "usage: cargo xtask TASK
  demo [ARGS]   build skep with its agent, then run `skep lab demo ARGS`
  dist          build skep and skep-agent for x86_64 and aarch64 into target/dist: binaries, archives,
                .deb packages, a bill of materials, checksums
  bench-peers [PART…]
                measure skep beside Ansible, mitogen, pyinfra and the floors; `--help` tells more
  fuzz [TARGET] [--seconds N]
                run the fuzz targets, each for a minute or N seconds
  policy        compare every dependency's licence and name with deny.toml";

fn no_toolchain(f: &mut fmt::Formatter<'_>, arch: &Arch) -> fmt::Result {
    let Arch { name, gnu, debian, gcc, gcc_package, .. } = arch;
    write!(
        f,
        "cannot build skep for {name}: no rustc here has the standard library of {gnu}, or {gcc} is missing.
Install, with rustup:
    rustup target add {gnu}
    apt-get install {gcc_package} libc6-dev-{debian}-cross
or from Debian's packages alone:
    dpkg --add-architecture {debian} && apt-get update
    apt-get install rustc-web libstd-rust-web-dev:{debian} {gcc_package} libc6-dev-{debian}-cross"
    )
}
