//! skep on real nodes: Debian with its own systemd, sshd, apt and Docker, in namespaces of this computer.
//!
//! Where this computer can have no lab, each test is told as ignored with the reason; with `SKEP_REQUIRE=all` that is
//! a failure.

mod audit_engine;
mod audit_host;
mod audit_kernel;
mod audit_network;
mod audit_nfs;
mod bare;
mod boot;
mod clones;
mod engine;
mod faults;
mod first_login;
mod hooks;
mod interrupted;
mod privilege;
mod repository;
mod scan;
mod support;
mod survive;
mod swarm;
mod systems;
mod undo;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use skep::lab;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let left_out = (!arguments.list).then(left_out).flatten();
    if let Some(reason) = &left_out {
        eprintln!("left out: tests on lab nodes: {reason}");
        if std::env::var("SKEP_REQUIRE").is_ok_and(|required| required == "all") {
            eprintln!("SKEP_REQUIRE=all: they should have run");
            return ExitCode::FAILURE;
        }
    } else if !arguments.list {
        support::remove_leftovers();
    }
    let rooms = [
        audit_network::trials(),
        audit_kernel::trials(),
        bare::trials(),
        boot::trials(),
        clones::trials(),
        swarm::trials(),
        faults::trials(),
        first_login::trials(),
        interrupted::trials(),
        privilege::trials(),
        survive::trials(),
        undo::trials(),
        engine::trials(),
        systems::trials(),
        scan::trials(),
        hooks::trials(),
        audit_nfs::trials(),
        audit_host::trials(),
        audit_engine::trials(),
    ];
    support::run(&arguments, rooms.concat(), left_out.is_some())
}

/// Why no lab can run here, after installing what one needs.
fn left_out() -> Option<String> {
    if let Some(reason) = lab::unavailable() {
        return Some(reason);
    }
    let missing = lab::missing();
    support::install(&missing, "a lab needs")
}
