//! The architectures that skep is built for, and what Rust and Debian call them.

/// One architecture, under each of the names that tools give it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arch {
    /// As `uname -m` says on a host, and as the built files are named.
    pub(crate) name: &'static str,
    /// Rust's target with glibc.
    pub(crate) gnu: &'static str,
    /// Rust's target with musl.
    pub(crate) musl: &'static str,
    /// As `dpkg --print-architecture` says.
    pub(crate) debian: &'static str,
    /// The compiler that Debian's cross packages install.
    pub(crate) gcc: &'static str,
    /// The same with musl, of Debian's package `musl-dev` for that architecture; it runs [`Self::gcc`].
    pub(crate) musl_gcc: &'static str,
    /// The package that holds that compiler.
    pub(crate) gcc_package: &'static str,
}

/// Both architectures that skep knows.
pub(crate) const ALL: [&Arch; 2] = [&X86_64, &AARCH64];

/// 64-bit Intel and AMD.
pub(crate) const X86_64: Arch = Arch {
    name: "x86_64",
    gnu: "x86_64-unknown-linux-gnu",
    musl: "x86_64-unknown-linux-musl",
    debian: "amd64",
    gcc: "x86_64-linux-gnu-gcc",
    musl_gcc: "x86_64-linux-musl-gcc",
    gcc_package: "gcc-x86-64-linux-gnu",
};

/// 64-bit ARM.
pub(crate) const AARCH64: Arch = Arch {
    name: "aarch64",
    gnu: "aarch64-unknown-linux-gnu",
    musl: "aarch64-unknown-linux-musl",
    debian: "arm64",
    gcc: "aarch64-linux-gnu-gcc",
    musl_gcc: "aarch64-linux-musl-gcc",
    gcc_package: "gcc-aarch64-linux-gnu",
};

/// The architecture called `name`, as `uname -m` says it.
pub(crate) fn named(name: &str) -> Option<&'static Arch> {
    ALL.into_iter().find(|arch| arch.name == name)
}
