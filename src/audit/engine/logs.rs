//! What keeps the logs of containers, and whether it ever ends.

use serde_json::Value;

use super::{INFO, UNIT, WHERE, flags, options, running, source_of};
use crate::audit::{Check, Family, Judgement, Subject};

/// With less than this left, logs without an end are a matter of weeks.
const SMALL: u64 = 16 << 30;

pub(in crate::audit) const LOGS: Check = Check {
    id: "engine-logs",
    family: Family::Engine,
    title: "logs of containers end somewhere",
    explanation: "The driver `json-file`, which is Docker's choice, keeps every line for ever unless `log-opts` has a \
        `max-size`: one container that complains each second fills a card within weeks, and a full disc stops the engine. \
        It is a warning where less than 16 GiB are free, else a note. The driver is what the engine tells, the options are \
        those of its flags, of the file and the inventory; containers that are there keep the options they were made with. `local` \
        rotates by itself, and `journald` has journald's own limits.",
    examine: |case| case.each(|subject| [logs(subject)]),
};

fn logs(subject: &Subject<'_>) -> Judgement {
    let options = options(subject);
    let by_flag = flags(subject, "--log-driver").last();
    let named = options.get("log-driver").and_then(Value::as_str);
    let running = running(subject)
        .map(|running| running.settings.log_driver.as_str())
        .filter(|driver| !driver.is_empty());
    // What the inventory wants holds soon, whatever the engine has now.
    let (driver, place) = match (by_flag, named, running) {
        (Some(flag), ..) => (flag, UNIT.into()),
        (None, Some(named), _) => (named, source_of(subject, "log-driver")),
        (None, None, Some(running)) => (running, INFO.into()),
        (None, None, None) => ("json-file", "Docker's own choice".into()),
    };
    let limit = options.get("log-opts").and_then(|options| options.get("max-size")).and_then(Value::as_str);
    let limit =
        limit.or_else(|| flags(subject, "--log-opt").find_map(|option| option.strip_prefix("max-size=")));
    let seen = |judgement: Judgement| {
        judgement.seen(place.as_ref(), format!("log-driver: {driver}, max-size: {}", limit.unwrap_or("none")))
    };
    if driver != "json-file" || limit.is_some() {
        return seen(Judgement::ok(format!("logs go to {driver}, which ends somewhere")));
    }
    let free = subject.facts().system.free_disk;
    let message = "logs of containers grow for ever: json-file has no max-size";
    let judgement = match free < SMALL {
        true => Judgement::warning(format!("{message}, and {} GiB are free", free >> 30)),
        false => Judgement::note(message),
    };
    // The engine does not start where a flag and the file name a driver each.
    seen(judgement).remedy(match by_flag {
        Some(driver) => format!(
            "on {}: replace `--log-driver={driver}` with `--log-driver=local` in the unit or drop-in of docker ({WHERE}), then \
             `systemctl daemon-reload` and `systemctl restart docker`; containers made from then on have it",
            subject.node.name
        ),
        None => "write `engine: {options: {log-driver: local}}` to the inventory, then `skep up`; containers made from then \
             on have it"
            .to_owned(),
    })
}
