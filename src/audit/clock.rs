//! The hosts' clocks, and what keeps them right.

use super::{Case, Check, Family, Judgement, Subject, Verdict};
use crate::plan::clocks::{self, CLOCKS_APART_MS};

/// Clocks this far apart do no harm yet, but tell that nothing keeps one of them right.
const TOLD_APART_MS: i64 = 2_000;

/// See its explanation.
pub(super) const CLOCK: Check = Check {
    id: "clock",
    family: Family::System,
    title: "clocks agree",
    explanation: "Nodes of a swarm trust each other by certificates that hold from one hour before they are made: a clock that \
        is far behind refuses them, and fetching packages over TLS fails for the same reason. Each host is asked for \
        its time when the audit connects, and compared with the median of all of them, which a single wrong clock \
        cannot move; of an even number the one of the middle two that is nearer to this computer's clock. More than 30 s is an error, and `skep up` refuses it; more than 2 s is a warning, since the logs \
        of several nodes can no longer be read side by side. Where all nodes differ from this computer together, that \
        is one warning: boards without a clock of their own start at the date of their image.",
    examine: clocks,
};

/// See its explanation.
pub(super) const SOURCE: Check = Check {
    id: "time-source",
    family: Family::System,
    title: "a service keeps the clock right",
    explanation: "A clock that is right today drifts by seconds a week unless a service sets it by the network: \
        systemd-timesyncd, chrony, ntpsec, ntpd or openntpd. What is read is which of them runs, by its group of \
        processes, and whether the kernel holds the clock to be synchronised. None of them, or one that has not yet \
        reached a server, is a warning; two at once is a note, since they pull at one clock. Containers have the clock \
        of the computer that they run on and need none.",
    examine: |case| case.each(|subject| [source(subject)]),
};

/// See its explanation.
pub(super) const RTC: Check = Check {
    id: "real-time-clock",
    family: Family::System,
    title: "a clock runs while the host is off",
    explanation: "Many boards have no clock that runs while they are off. They start with the time of their last shutdown \
        (fake-hwclock) or of their image, until the network tells them better; until then certificates and TLS fail. \
        What is read is /sys/class/rtc. It is a note: services wait for `time-sync.target` where they need to, and the \
        engine does so on Debian.",
    examine: |case| case.each(rtc),
};

fn clocks(case: &Case<'_>) -> Vec<Verdict> {
    let leads = clocks::leads(case.view);
    let mut verdicts = case.each(|subject| {
        let name = &subject.node.name;
        let lead = leads.get(name).copied().unwrap_or_default();
        [clock(subject, lead, case.view.hosts.len() > 1)]
    });
    let all = clocks::offset(case.view).unwrap_or_default();
    if all.abs() > CLOCKS_APART_MS {
        let direction = if all > 0 { "ahead of" } else { "behind" };
        let judgement = Judgement::warning(format!(
            "the nodes' clocks are {} s {direction} this computer's: one of the two is wrong",
            all.abs() / 1000
        ));
        let judgement = judgement
            .seen("clock_gettime on each node", format!("{all} ms from this computer's (median)"))
            .remedy("look at `timedatectl` here and on a node; `timedatectl set-ntp true` sets a clock by the network");
        verdicts.push(judgement.about([]));
    }
    verdicts
}

fn clock(subject: &Subject<'_>, lead: i64, has_others: bool) -> Judgement {
    let finding = clocks::finding(subject.node.name.clone(), lead);
    let direction = if lead > 0 { "ahead of" } else { "behind" };
    let seconds = format!("{}.{} s", lead.abs() / 1000, lead.abs() % 1000 / 100);
    let message = format!("the clock is {seconds} {direction} the other nodes'");
    let agrees = match has_others {
        true => "the clock agrees with the other nodes'",
        false => "there is no other node whose clock could differ",
    };
    let judgement = match lead.abs() {
        lead if lead > CLOCKS_APART_MS => Judgement::error(message).remedy(finding.help),
        lead if lead > TOLD_APART_MS => Judgement::warning(message).remedy(finding.help),
        _ => Judgement::ok(agrees),
    };
    let here = subject.host.clock_offset_ms;
    judgement.seen(
        "clock_gettime",
        format!("{lead} ms from the median of all nodes, {here} ms from this computer"),
    )
}

fn source(subject: &Subject<'_>) -> Judgement {
    let time = &subject.inspection.time;
    let synchronised = subject.facts().clock.synchronised;
    let flag = if synchronised { "synchronised" } else { "not synchronised" };
    let judgement = match &time.running[..] {
        _ if !time.container.is_empty() => {
            Judgement::ok("a container has the clock of the computer that it runs on")
                .seen("/run/systemd/container", &time.container)
        }
        [] if synchronised => {
            Judgement::note("the clock is synchronised, but no service that is known does that")
        }
        [] => Judgement::warning("no service sets the clock").remedy(match time.installed.first() {
            Some(unit) => format!("run `systemctl enable --now {unit}` on the host"),
            None => "run `apt-get install -y systemd-timesyncd` on the host".to_owned(),
        }),
        [unit] if synchronised => Judgement::ok(format!("{} keeps the clock right", bare(unit))),
        [unit] => Judgement::warning(format!("{} runs, but has not set the clock yet", bare(unit)))
            .remedy(format!("see on the host what it says: {}", ask(unit))),
        units => {
            let names: Vec<_> = units.iter().map(|unit| bare(unit)).collect();
            Judgement::note(format!("{} pull at one clock", names.join(" and ")))
                .remedy(format!("keep one: `systemctl disable --now {}`", units[units.len() - 1]))
        }
    };
    let judgement = judgement.seen("/sys/fs/cgroup/system.slice", listed(&time.running));
    // Nobody was asked about the clock of a container.
    if time.container.is_empty() { judgement.seen("adjtimex", flag) } else { judgement }
}

fn bare(unit: &str) -> &str {
    unit.trim_end_matches(".service")
}

/// What makes a service tell of its servers.
fn ask(unit: &str) -> String {
    match bare(unit) {
        "chrony" | "chronyd" => "`chronyc -n sources`".to_owned(),
        "ntp" | "ntpd" | "ntpsec" => "`ntpq -pn`".to_owned(),
        "systemd-timesyncd" => "`timedatectl timesync-status`".to_owned(),
        other => format!("`journalctl -u {other}`"),
    }
}

fn listed(units: &[String]) -> String {
    if units.is_empty() { "no service for the clock".to_owned() } else { units.join(", ") }
}

fn rtc(subject: &Subject<'_>) -> Option<Judgement> {
    let time = &subject.inspection.time;
    if !time.container.is_empty() {
        return None;
    }
    let place = "/sys/class/rtc/rtc0";
    if time.rtc {
        return Some(Judgement::ok("a clock runs while it is off").seen(place, "is there"));
    }
    let saved = if time.saved { "when it was shut down" } else { "when its image was made" };
    Some(
        Judgement::note(format!(
            "no clock runs while it is off: it starts at the time {saved}, until the network tells it better"
        ))
        .seen(place, "is not there"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::world::{Audited, cluster, single};
    use super::*;
    use crate::facts::inspection::Time;

    fn off_by(offsets: [i64; 3]) -> Audited {
        let names = ["n1", "n2", "n3"];
        names.into_iter().zip(offsets).fold(cluster(), |audited, (name, offset)| {
            audited.host(name, |host| host.clock_offset_ms = offset)
        })
    }

    fn with(change: impl FnOnce(&mut Time)) -> Audited {
        single().inspection("n1", |inspection| change(&mut inspection.time))
    }

    fn running(units: &[&str]) -> Audited {
        with(|time| time.running = units.iter().map(|unit| (*unit).to_owned()).collect())
    }

    fn unsynchronised(audited: Audited) -> Audited {
        audited.facts("n1", |facts| facts.clock.synchronised = false)
    }

    #[test]
    fn clocks_that_differ() {
        assert_eq!(off_by([0, 1_900, -400]).said(&CLOCK), [""; 0]);
        assert_eq!(off_by([0, 1_900, -400]).all(&CLOCK).len(), 3);
        assert_eq!(
            off_by([0, 5_700, 100]).said(&CLOCK),
            ["warning n2: the clock is 5.6 s ahead of the other nodes'"]
        );
        assert_eq!(single().all(&CLOCK), ["ok n1: there is no other node whose clock could differ"]);
        let behind = off_by([0, 0, -86_400_000]);
        assert_eq!(behind.said(&CLOCK), ["error n3: the clock is 86400.0 s behind the other nodes'"]);
        assert!(behind.verdicts(&CLOCK)[2].remedy[0].contains("`timedatectl set-ntp true` on n3"));
        assert_eq!(
            off_by([-60_000, -60_000, -60_100]).said(&CLOCK),
            ["warning: the nodes' clocks are 60 s behind this computer's: one of the two is wrong"]
        );
    }

    #[test]
    fn services_that_set_the_clock() {
        assert_eq!(single().all(&SOURCE), ["ok n1: systemd-timesyncd keeps the clock right"]);
        let waiting = unsynchronised(running(&["chrony.service"]));
        assert_eq!(waiting.all(&SOURCE), ["warning n1: chrony runs, but has not set the clock yet"]);
        assert!(waiting.verdicts(&SOURCE)[0].remedy[0].contains("chronyc -n sources"));
        let none = unsynchronised(running(&[]));
        assert_eq!(none.all(&SOURCE), ["warning n1: no service sets the clock"]);
        assert!(none.verdicts(&SOURCE)[0].remedy[0].contains("apt-get install -y systemd-timesyncd"));
        let stopped =
            none.inspection("n1", |inspection| inspection.time.installed = vec!["chrony.service".into()]);
        assert!(stopped.verdicts(&SOURCE)[0].remedy[0].contains("systemctl enable --now chrony.service"));
        assert_eq!(
            running(&[]).all(&SOURCE),
            ["note n1: the clock is synchronised, but no service that is known does that"]
        );
        assert_eq!(
            running(&["systemd-timesyncd.service", "chrony.service"]).all(&SOURCE),
            ["note n1: systemd-timesyncd and chrony pull at one clock"]
        );
        let container = unsynchronised(with(|time| {
            time.running.clear();
            time.container = "systemd-nspawn".to_owned();
        }));
        assert_eq!(
            container.all(&SOURCE),
            ["ok n1: a container has the clock of the computer that it runs on"]
        );
        assert_eq!(container.all(&RTC), [""; 0]);
    }

    #[test]
    fn clocks_that_stand_still_while_the_host_is_off() {
        assert_eq!(single().all(&RTC), ["ok n1: a clock runs while it is off"]);
        for (saved, when) in [(true, "when it was shut down"), (false, "when its image was made")] {
            let board = with(|time| (time.rtc, time.saved) = (false, saved));
            assert!(board.all(&RTC)[0].starts_with("note n1: no clock runs while it is off"));
            assert!(board.all(&RTC)[0].contains(when));
        }
    }
}
