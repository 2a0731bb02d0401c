//! Whether a mount still leads anywhere.

use std::path::Path;
use std::time::Duration;

use super::super::Host;

/// Asking a mount whose server is gone waits for it, so that a program asks, which can be ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the server no longer knows what was mounted, as after its disc or directory was replaced: every access then
/// fails until it is mounted anew. Not where the server does not answer, since it may come back with the same.
pub(super) fn is_stale(host: &Host, at: &Path) -> bool {
    let asked = host.command("stat").args(["-f", "--"]).args([at.to_string_lossy()]).limit(PATIENCE).run();
    asked.is_ok_and(|output| !output.success() && output.stderr.contains("Stale file handle"))
}
