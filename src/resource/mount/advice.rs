//! What helps where a share cannot be mounted or unmounted.

use std::path::Path;

use super::super::Fault;

/// The fault with what helps against its cause, as mount.nfs(8), umount.nfs(8) and systemd name it (seen with nfs-utils
/// 2.6.2 and systemd 252); with the help that it has where the cause is another.
pub(super) fn advise(fault: Fault, source: &str, at: &Path) -> Fault {
    let server = source.split_once(":/").map_or(source, |(server, _)| server);
    let says = |words: &[&str]| words.iter().any(|words| fault.cause.contains(words));
    let help = if says(&["is busy"]) {
        format!(
            "see who uses it with `fuser -vm {}` (package psmisc) on the host, and stop them",
            at.display()
        )
    } else if says(&["access denied by server", "Operation not permitted", "Permission denied"]) {
        format!(
            "{server} does not let this host in: see `exportfs -s` there, and the share's `clients`; behind NAT it also \
             needs `insecure` in the share's `options`"
        )
    } else if says(&["No such file or directory"]) {
        format!(
            "{server} exports no such path to NFSv4 clients: see `exportfs -s` there; below `fsid=0` paths are shorter"
        )
    } else if says(&["result: timeout", "Connection timed out", "Connection refused", "No route to host"]) {
        format!(
            "{server} does not answer: see that it is on, that `systemctl status nfs-server` is well there, and that no \
             firewall keeps TCP port 2049 from this host"
        )
    } else {
        return fault;
    };
    fault.help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are those of Debian 12.
    #[test]
    fn each_cause_has_its_help() {
        for (cause, help) in [
            (
                "could not restart: Job failed. (result: exit-code)\nUnmounting mnt-shared.mount - Share shared of n1...\n\
                 umount.nfs4: /mnt/shared: device is busy",
                "`fuser -vm /mnt/shared`",
            ),
            (
                "could not start: Job failed. (result: exit-code)\nmount.nfs4: Operation not permitted",
                "behind NAT it also needs `insecure`",
            ),
            (
                "(result: exit-code)\nmount.nfs4: access denied by server while mounting 10.0.0.1:/",
                "10.0.0.1 does not let this host in",
            ),
            (
                "(result: exit-code)\nmount.nfs4: mounting 10.0.0.1:/srv failed, reason given by server: No such file or \
                 directory",
                "exports no such path",
            ),
            (
                "could not start: Job failed. (result: timeout)\nmnt-shared.mount: Mounting timed out. Terminating.",
                "10.0.0.1 does not answer",
            ),
            ("(result: exit-code)\nmount.nfs4: an incorrect mount option was specified", "what it had"),
        ] {
            let fault = Fault::new("mnt-shared.mount", cause).help("what it had");
            let told = advise(fault, "10.0.0.1:/srv", Path::new("/mnt/shared")).help.unwrap_or_default();
            assert!(told.contains(help), "{cause}: {told}");
        }
    }

    #[test]
    fn the_server_is_named_whatever_its_address() {
        for (source, server) in [("n1:/", "n1 "), ("[fd00::1]:/srv", "[fd00::1] "), ("n1:/a:/b", "n1 ")] {
            let fault = Fault::new("mnt-shared.mount", "(result: timeout)");
            let told = advise(fault, source, Path::new("/mnt/shared")).help.unwrap_or_default();
            assert!(told.starts_with(server), "{source}: {told}");
        }
    }
}
