//! The running engine, as far as its options go: since when it runs, whether it answers, how to restart it.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::{Fault, Host, systemd};

/// The engine's unit.
const UNIT: &str = "docker.service";

/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 for programs on every architecture that Docker runs on.
const TICKS: u64 = 100;

/// How much younger than the engine the file must be to count: the engine's start is known to a few ticks only.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Process ID of the running engine; none where none runs.
pub(super) fn pid(host: &Host) -> Result<Option<u32>, Fault> {
    for file in ["/run/docker.pid", "/var/run/docker.pid"] {
        let Some(pid) = host.read_text(file)?.and_then(|text| text.trim().parse().ok()) else { continue };
        let name = host.read_text(format!("/proc/{pid}/comm"))?.unwrap_or_default();
        if name.trim() == "dockerd" {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// Whether `file` was written after the engine started, so that the engine does not know it. The start is counted back
/// from now, so that a clock set right since makes the file look older, never younger: no restart without need.
pub(super) fn is_stale(host: &Host, file: &str, pid: u32) -> Result<bool, Fault> {
    let Some(file) = host.metadata(file)? else { return Ok(false) };
    let stat = host.read_text(format!("/proc/{pid}/stat"))?.unwrap_or_default();
    let uptime = host.read_text("/proc/uptime")?.unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let Some(started) = started(&stat, &uptime, now) else { return Ok(false) };
    let seconds = u64::try_from(file.mtime()).unwrap_or_default();
    let written = Duration::new(seconds, u32::try_from(file.mtime_nsec()).unwrap_or_default());
    Ok(written > started + TOLERANCE)
}

/// When a process started, since 1970: `/proc/PID/stat` counts it in ticks since boot, `/proc/uptime` says when that was.
fn started(stat: &str, uptime: &str, now: Duration) -> Option<Duration> {
    // The name in parentheses may hold anything, so count from behind it: start time is field 22, that is the 20th there.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let up: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let up = Duration::try_from_secs_f64(up).ok()?;
    now.checked_sub(up)?.checked_add(Duration::from_millis(ticks * 1000 / TICKS))
}

/// Restarts the engine and waits until it answers.
pub(super) fn restart(host: &Host) -> Result<(), Fault> {
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

fn ping(socket: &std::path::Path) -> std::io::Result<bool> {
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
    fn a_start_is_counted_from_boot() {
        let stat = "812 (dock) er d) S 1 812 812 0 -1 4194560 1 0 0 0 5 5 0 0 20 0 9 0 4200 1 1";
        let now = Duration::from_secs(1_000_000);
        assert_eq!(started(stat, "100.50 90.1\n", now), Some(Duration::from_millis(1_000_000_000 - 100_500 + 42_000)));
        assert_eq!(started("", "100.5 1", now), None);
        assert_eq!(started(stat, "", now), None);
    }
}
