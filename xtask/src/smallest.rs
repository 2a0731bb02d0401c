//! The agent's smallest form: with musl instead of glibc, and with a standard library that is compiled along with it
//! from its source, for size and without the tables and the symboliser of backtraces.
//!
//! Half of a static agent would be glibc and those. Cargo's option for it, `build-std`, is not stable:
//! `RUSTC_BOOTSTRAP` has the stable compiler accept it. The sources are the stable ones, and everything else is
//! compiled without, by the tests too. What a panic says, and where it happened, stays; who called there does not.

use std::path::Path;

/// Has the stable cargo and rustc accept the arguments below.
pub(crate) const ENVIRONMENT: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");

/// What cargo is told besides: which libraries to compile. Those features stand for all the default ones.
pub(crate) const ARGUMENTS: [&str; 2] =
    ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];

/// What rustc is told besides. Paths count from the repository, where cargo starts rustc: the same sources must give
/// the same bytes wherever they lie.
///
/// The linker is musl's, so that rustup's own objects are not wanted. std names a library `libunwind` for backtraces,
/// which nobody asks for: an empty one does, and whoever calls it after all ends the program. musl formats text, floating
/// point and all, to name threads of other threads, which std never does.
pub(crate) const FLAGS: &str = "-C link-self-contained=no -L native=xtask/no-unwinder \
     -C link-arg=-Wl,--defsym=_Unwind_Backtrace=abort,--defsym=_Unwind_GetIP=abort,--defsym=snprintf=abort";

/// Whether the rustc of that sysroot has the source of its standard library; Debian's package is `rust-web-src`.
pub(crate) fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
}
