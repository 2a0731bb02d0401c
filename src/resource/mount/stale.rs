//! Whether a mount still leads anywhere.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::super::Host;

/// Asking a mount whose server is gone waits for it, so that a program asks, which can be ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which of them [are stale](is_stale), in their order; what is not mounted is not. All are asked at the same time, so
/// that many dead servers keep a look waiting no longer than one.
pub(super) fn are_stale<'m>(host: &Host, mounts: impl Iterator<Item = Option<&'m PathBuf>>) -> Vec<bool> {
    thread::scope(|scope| {
        let asked: Vec<_> = mounts.map(|at| at.map(|at| scope.spawn(move || is_stale(host, at)))).collect();
        let answers = asked.into_iter();
        answers.map(|asked| asked.is_some_and(|asked| asked.join().is_ok_and(|stale| stale))).collect()
    })
}

/// Whether the server no longer knows what was mounted, as after its disc or directory was replaced: every access then
/// fails until it is mounted anew. Not where the server does not answer, since it may come back with the same.
fn is_stale(host: &Host, at: &Path) -> bool {
    // The server is asked: what is remembered of it would still be in order, and so is `stat -f`.
    let asked = host
        .command("stat")
        .args(["--cached=never", "--"])
        .args([at.to_string_lossy()])
        .limit(PATIENCE)
        .run();
    asked.is_ok_and(|output| !output.success() && output.stderr.contains("Stale file handle"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn mounts_are_asked_at_the_same_time_and_told_in_their_order() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let stat = root.path().join("usr/bin/stat");
        fs::create_dir_all(stat.parent().expect("a parent")).expect("a directory");
        // One that is asked alone finds no other that waits, and its time runs out.
        let text = format!(
            "#!/bin/sh\ncd {}\ncase $3 in\n/a) touch a; other=b;;\n/b) touch b; other=a;;\n*) exit 0;;\nesac\n\
             until [ -e $other ]; do sleep 0.02; done\necho \"stat: '$3': Stale file handle\" >&2\nexit 1\n",
            root.path().display()
        );
        fs::write(&stat, text).expect("a file");
        fs::set_permissions(&stat, fs::Permissions::from_mode(0o755)).expect("a program");
        let host = Host::at(root.path());
        let [a, b, well] = ["/a", "/b", "/well"].map(PathBuf::from);
        let asked = [Some(&a), None, Some(&well), Some(&b)];
        assert_eq!(are_stale(&host, asked.into_iter()), [true, false, false, true]);
    }
}
