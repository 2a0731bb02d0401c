//! skep on machines with kernels of their own: what nodes that share this computer's kernel cannot show.
//!
//! A machine is emulated, so these tests take minutes: they run where `SKEP_MACHINES=1` or `SKEP_REQUIRE=all` asks for
//! them, one after another, and are told as ignored otherwise.

mod board;
mod nfs;
#[expect(dead_code, reason = "what the tests on lab nodes need besides")]
#[path = "../lab/support.rs"]
mod support;
mod traps;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use skep::lab::{self, Arch};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two machines at once are as much as a small computer can emulate.
    arguments.test_threads = Some(1);
    let left_out = (!arguments.list).then(left_out).flatten();
    if let Some(reason) = &left_out {
        eprintln!("left out: tests on machines: {reason}");
        if is_set("SKEP_REQUIRE", "all") {
            eprintln!("SKEP_REQUIRE=all: they should have run");
            return ExitCode::FAILURE;
        }
    } else if !arguments.list {
        support::remove_leftovers();
    }
    support::run(&arguments, [nfs::trials(), board::trials()].concat(), left_out.is_some())
}

fn is_set(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|is| is == value)
}

/// Why no machine can or shall run here, after installing what one needs.
fn left_out() -> Option<String> {
    if !is_set("SKEP_MACHINES", "1") && !is_set("SKEP_REQUIRE", "all") {
        return Some("they take minutes; SKEP_MACHINES=1 runs them".to_owned());
    }
    if let Some(reason) = lab::unavailable() {
        return Some(reason);
    }
    let mut missing = lab::missing();
    missing.extend(lab::missing_for(&[Arch::Amd64, Arch::Arm64]));
    support::install(&missing, "machines need")
}
