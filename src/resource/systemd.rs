//! What several kinds ask of systemd.

mod bus;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Fault, Host};
pub(super) use bus::Bus;

/// Where skep puts units and drop-ins: the administrator's place.
pub(crate) const UNITS: &str = "/etc/systemd/system";

/// How long a unit may take to start or stop: a little longer than systemd's own 90 s, so that it speaks first.
const PATIENCE: Duration = Duration::from_secs(110);

/// Properties of a unit by name.
pub(super) type Properties = BTreeMap<String, String>;

/// Reads `properties` of all `units`, without a command where systemd itself can be asked; answers in their order.
pub(super) fn show(host: &Host, units: &[&str], properties: &str) -> Result<Vec<Properties>, Fault> {
    if let Some(shown) = bus::show(host, units, properties) {
        return Ok(shown);
    }
    // The test of sd_booted(3), which `systemctl` begins with as well.
    if !host.path("/run/systemd/system").is_dir() {
        return Err(Fault::new(units.join(", "), "systemd does not run this host")
            .help("boot it with systemd as its first process: `ps -p 1`"));
    }
    let output = host.command("systemctl").args(["show", "-p", properties, "--"]).args(units).run()?;
    let blocks = blocks(&output.expect_success(format!("systemctl show {}", units.join(" ")))?);
    if blocks.len() != units.len() {
        let cause = format!("{} units were asked about and {} were told of", units.len(), blocks.len());
        return Err(Fault::new(format!("systemctl show {}", units.join(" ")), cause));
    }
    Ok(blocks)
}

/// One block a unit, parted by empty lines.
fn blocks(text: &str) -> Vec<Properties> {
    text.split("\n\n")
        .map(|block| {
            block
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect::<Properties>()
        })
        .filter(|block| !block.is_empty())
        .collect()
}

/// One property of one unit; empty where it has none.
pub(super) fn property(host: &Host, unit: &str, name: &str) -> Result<String, Fault> {
    Ok(show(host, &[unit], name)?.remove(0).remove(name).unwrap_or_default())
}

/// Makes systemd read its files again.
pub(super) fn daemon_reload(host: &Host) -> Result<(), Fault> {
    host.run("systemctl", &["daemon-reload"])?.expect_success("systemctl daemon-reload").map(drop)
}

/// Enables or disables a unit; no fault where there is nothing to disable.
pub(super) fn set_enabled(host: &Host, unit: &str, enabled: bool) -> Result<(), Fault> {
    if !enabled && property(host, unit, "LoadState")? == "not-found" {
        return Ok(());
    }
    let verb = if enabled { "enable" } else { "disable" };
    let output = host.run("systemctl", &[verb, "--quiet", "--", unit])?;
    if output.success() {
        return Ok(());
    }
    Err(Fault::new(unit, format!("could not {verb}: {}", output.last_words()))
        .help(format!("look at `systemctl status {unit}` on the host")))
}

/// Starts, restarts or stops a unit and waits until it is there; `verb` is `start`, `restart` or `stop`.
pub(super) fn turn(host: &Host, verb: &str, unit: &str) -> Result<(), Fault> {
    if verb == "stop" && property(host, unit, "LoadState")? == "not-found" {
        return Ok(());
    }
    let failure = match host.run_within(PATIENCE, "systemctl", &[verb, "--", unit]) {
        Ok(output) if output.success() => None,
        Ok(output) => Some(output.last_words()),
        Err(fault) => Some(fault.cause),
    };
    let state = property(host, unit, "ActiveState")?;
    let arrived = if verb == "stop" { state == "inactive" || state == "failed" } else { state == "active" };
    match failure {
        None if arrived => Ok(()),
        failure => Err(explain(host, verb, unit, &failure.unwrap_or_else(|| format!("it is {state} now")))),
    }
}

/// A fault with what systemd and the unit itself said.
pub(super) fn explain(host: &Host, verb: &str, unit: &str, failure: &str) -> Fault {
    let result =
        property(host, unit, "Result").ok().filter(|result| !result.is_empty() && result != "success");
    let result = result.map(|result| format!(" (result: {result})")).unwrap_or_default();
    let journal = journal(host, unit).map(|journal| format!("\n{journal}")).unwrap_or_default();
    Fault::new(unit, format!("could not {verb}: {failure}{result}{journal}"))
        .help(format!("look at `systemctl status {unit}` and `journalctl -u {unit}` on the host"))
}

/// The unit's last words since it was started last; none where the journal has none.
fn journal(host: &Host, unit: &str) -> Option<String> {
    let run = property(host, unit, "InvocationID").unwrap_or_default();
    // What systemd says of a run, and what the run's own programs say; earlier runs would mislead.
    let (about, own) = (format!("INVOCATION_ID={run}"), format!("_SYSTEMD_INVOCATION_ID={run}"));
    let what: &[&str] = if run.is_empty() { &["-b", "-u", unit] } else { &[&about, "+", &own] };
    let output = host
        .command("journalctl")
        .args(["--no-pager", "-q", "-o", "cat", "-n", "15"])
        .args(what)
        .run()
        .ok()?;
    let text = output.stdout.trim_end();
    (output.success() && !text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_where_systemd_does_not_run() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let fault = || show(&host, &["a.service"], "LoadState").unwrap_err();
        assert_eq!(
            (fault().what.as_str(), fault().cause.as_str()),
            ("a.service", "systemd does not run this host")
        );
        std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert!(fault().what.contains("systemctl"), "its program is asked, and there is none: {}", fault());
    }

    #[test]
    fn each_block_is_one_unit_and_values_keep_their_equal_signs() {
        let blocks = blocks("LoadState=loaded\nDescription=a=b\n\nLoadState=not-found\nDescription=\n");
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0]["Description"], "a=b");
        assert_eq!(blocks[1]["LoadState"], "not-found");
        assert_eq!(blocks[1]["Description"], "");
    }
}
