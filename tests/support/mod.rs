//! What several test files need.

use std::io::Write;

pub(crate) mod sshd;

/// Says that a test leaves something out because this computer lacks `what`; fails it where the tests must
/// leave nothing out (`SKEP_REQUIRE=all`, as in CI).
pub(crate) fn left_out(what: &str) {
    assert!(
        std::env::var_os("SKEP_REQUIRE").is_none_or(|required| required != "all"),
        "SKEP_REQUIRE=all, but this computer lacks {what}"
    );
    // Not by a macro, whose output the test harness would swallow.
    let _ = writeln!(std::io::stderr(), "left out: this computer lacks {what}");
}
