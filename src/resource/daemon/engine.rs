//! The running engine, as far as its options go: whether it knows them, whether it answers, how to restart it.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::super::{Fault, Host, systemd};
use crate::facts::clock::unix_ms;
use crate::facts::engine::process::Process;

/// The engine's unit.
pub(in super::super) const UNIT: &str = "docker.service";

/// How much younger than the engine the file must be to count: the engine's start is known to a second or so.
const TOLERANCE_MS: i64 = 2000;

/// What a restart of the engine interrupts.
pub(crate) fn restarts() -> String {
    "restarts docker, and every container on the host with it".to_owned()
}

/// Whether `file` was written after the engine started, so that the engine does not know it. What has a time to come, of a
/// clock that was wrong, tells nothing: it would be younger than each engine.
pub(in super::super) fn is_stale(host: &Host, file: impl AsRef<Path>, engine: &Process) -> Result<bool, Fault> {
    let Some(file) = host.metadata(file)? else { return Ok(false) };
    let written_unix_ms = file.mtime() * 1000 + file.mtime_nsec() / 1_000_000;
    // A start that is not known is no reason to restart anything.
    let started = Some(engine.started_unix_ms).filter(|ms| *ms > 0);
    let is_to_come = written_unix_ms > unix_ms() + TOLERANCE_MS;
    Ok(started.is_some_and(|started| !is_to_come && written_unix_ms > started + TOLERANCE_MS))
}

/// Restarts the engine and waits until it answers.
pub(in super::super) fn restart(host: &Host) -> Result<(), Fault> {
    // systemd refuses a unit that was started too often of late, however good its options are now.
    let _ = host.run("systemctl", &["reset-failed", "--", UNIT]);
    systemd::turn(host, "restart", UNIT)?;
    for _ in 0..60 {
        if answers(host) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Err(systemd::explain(host, "restart", UNIT, "it runs, but does not answer on /var/run/docker.sock"))
}

fn answers(host: &Host) -> bool {
    ["/run/docker.sock", "/var/run/docker.sock"].iter().any(|socket| ping(&host.path(socket)).unwrap_or(false))
}

fn ping(socket: &Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.") && answer.ends_with(b" 200"))
}

/// Asks the engine's own program about a text of options; engines before 23.0 cannot say.
pub(super) fn validate(host: &Host, text: &str) -> Result<(), Fault> {
    if !host.has_program("dockerd") || !host.run("dockerd", &["--help"])?.stdout.contains("--validate") {
        return Ok(());
    }
    let fault = |error| Fault::new("/etc/docker/daemon.json", error);
    let mut file = tempfile::Builder::new().prefix("skep-").suffix(".json").tempfile_in(host.path("/run")).map_err(fault)?;
    file.write_all(text.as_bytes()).map_err(fault)?;
    let path = file.path().to_string_lossy().into_owned();
    let output = host.run("dockerd", &["--validate", "--config-file", &path])?;
    if output.success() {
        return Ok(());
    }
    Err(Fault::new("/etc/docker/daemon.json", format!("dockerd refuses these options: {}", output.last_words()))
        .help("correct `engine.options` in the inventory; nothing was changed on the host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_younger_than_the_engine_is_stale() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let stale = |started_unix_ms| is_stale(&host, "/daemon.json", &Process { started_unix_ms }).unwrap();
        assert!(!stale(1), "there is no file");
        host.write_system_file("/daemon.json", "{}").unwrap();
        let written = std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        std::fs::File::options().write(true).open(host.path("/daemon.json")).unwrap().set_modified(written).unwrap();
        for (started_unix_ms, expected) in [
            (1_699_999_998_000, true),
            (1_699_999_998_500, false),
            (1_700_000_000_500, false),
            (1_800_000_000_000, false),
            (0, false),
        ] {
            assert_eq!(stale(started_unix_ms), expected, "{started_unix_ms}");
        }
        let to_come = std::time::SystemTime::now() + Duration::from_secs(3600);
        std::fs::File::options().write(true).open(host.path("/daemon.json")).unwrap().set_modified(to_come).unwrap();
        assert!(!stale(1_700_000_000_000), "a restart would not make it older than the engine");
    }
}
