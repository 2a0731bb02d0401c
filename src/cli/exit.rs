//! Exit codes: documented constants, the same for every command.

/// Done, or nothing to do.
pub const OK: u8 = 0;
/// Something failed; the last lines say what, and what to run.
pub const FAILED: u8 = 1;
/// The command line or the inventory is wrong; nothing was connected to.
pub const USAGE: u8 = 2;
/// Changes are pending (`plan --exit-code` only).
pub const PENDING: u8 = 3;
/// The audit found errors.
pub const FINDINGS: u8 = 4;
/// Some hosts could not be reached; the others were done.
pub const UNREACHABLE: u8 = 5;
/// Refused for the cluster's safety; nothing was changed.
pub const REFUSED: u8 = 6;
/// Ended at once by a second Ctrl-C; the agents still finish the steps in hand.
pub const INTERRUPTED: u8 = 130;

/// Each code with what it means, for `skep help exit-codes`.
pub const ALL: &[(u8, &str)] = &[
    (OK, "done, or nothing to do"),
    (FAILED, "failed: the last lines say what, and what to run"),
    (USAGE, "the command line or the inventory is wrong; no host was connected to"),
    (PENDING, "changes are pending (`skep plan --exit-code` only)"),
    (FINDINGS, "the audit found errors"),
    (UNREACHABLE, "some hosts could not be reached; the others were done"),
    (REFUSED, "refused for the cluster's safety; nothing was changed"),
    (INTERRUPTED, "ended at once by a second Ctrl-C; run the command again, it carries on"),
];

/// The table of all codes.
pub fn table() -> String {
    ALL.iter().map(|(code, meaning)| format!("{code:>5}  {meaning}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_in_order() {
        let codes: Vec<u8> = ALL.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, [OK, FAILED, USAGE, PENDING, FINDINGS, UNREACHABLE, REFUSED, INTERRUPTED]);
        assert!(codes.is_sorted(), "{codes:?}");
    }
}
