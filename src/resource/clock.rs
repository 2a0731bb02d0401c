//! The clock, where nothing on the host sets it right.
//!
//! A board without a battery starts at the date of its image, long ago: certificates are not valid yet, signatures of
//! repositories come from the future, and no swarm takes it in.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

/// Less is left to whoever keeps the host's time: joins and TLS fail long after.
const OFF_MS: i64 = 30_000;

/// The host's clock.
#[derive(Debug)]
pub enum Clock {}

/// What time it was at a moment since the host booted, by which a change that is made later, or twice, comes to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the host booted, sleep included.
    pub boot_ms: i64,
    /// Milliseconds since 1970.
    pub unix_ms: i64,
}

impl Moment {
    /// Now, as the host has it.
    ///
    /// # Errors
    /// The system's.
    pub fn now() -> nix::Result<Self> {
        let boot_ms = milliseconds(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        Ok(Self { boot_ms, unix_ms: milliseconds(clock_gettime(ClockId::CLOCK_REALTIME)?) })
    }

    /// How many milliseconds the clock that showed `other` goes before the one that showed this; negative where behind.
    pub fn lead_of(self, other: Self) -> i64 {
        (other.unix_ms - self.unix_ms) - (other.boot_ms - self.boot_ms)
    }
}

/// The clock set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What time it is really.
    pub right: Moment,
    /// By how many milliseconds the clock goes before that; negative where behind.
    pub lead_ms: i64,
}

impl Kind for Clock {
    type Key = ();
    type Desired = Moment;
    type Observed = Moment;
    type Change = Change;
    type Receipt = Change;

    fn key(_: &Moment) {}

    fn observe(keys: &[()], _: &Host) -> Result<Vec<Moment>, Fault> {
        let now = Moment::now().map_err(|error| Fault::new("the clock", error))?;
        Ok(vec![now; keys.len()])
    }

    fn diff(right: &Moment, observed: &Moment) -> Result<Option<Change>, Problem> {
        let lead_ms = right.lead_of(*observed);
        Ok((lead_ms.abs() > OFF_MS).then_some(Change { right: *right, lead_ms }))
    }

    fn apply(change: &Change, _: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        let fault = |error: nix::Error| Fault::new("setting the clock", error);
        let now = Moment::now().map_err(fault)?;
        let lead = change.right.lead_of(now);
        // Done already, by skep before it was interrupted or by a time service that came to its senses.
        if lead.abs() > OFF_MS {
            let right = u64::try_from(now.unix_ms - lead).map_err(|_| fault(nix::Error::EINVAL))?;
            clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(Duration::from_millis(right))).map_err(fault)?;
        }
        Ok(change.clone())
    }

    /// A wrong time is nothing to go back to.
    fn undo(_: &Change) -> Option<Change> {
        None
    }

    fn key_of(_: &Change) -> Option<()> {
        Some(())
    }

    fn rest(change: &Change, observed: &Moment) -> Rest<Change> {
        Rest::of(Self::diff(&change.right, observed).ok().flatten())
    }

    fn describe(change: &Change) -> Description {
        let direction = if change.lead_ms < 0 { "slow" } else { "fast" };
        Description::line(format!("set the clock ({} {direction})", span(change.lead_ms.unsigned_abs())))
    }
}

fn milliseconds(time: TimeSpec) -> i64 {
    time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000
}

/// In the largest unit that fits.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (number, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7200.. => (seconds / 3600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => (seconds, "seconds"),
    };
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_told_in_words() {
        for (ms, expected) in [
            (31_000, "31 seconds"),
            (119_999, "119 seconds"),
            (120_000, "2 minutes"),
            (7_200_000, "2 hours"),
            (400 * 86_400_000, "400 days"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }

    #[test]
    fn a_clock_that_is_right_is_not_touched() {
        let right = Moment::now().unwrap();
        let change = Change { right, lead_ms: -100_000 };
        let before = Moment::now().unwrap();
        Clock::apply(&change, &Host::real(), &mut |_| ()).unwrap();
        assert!(before.lead_of(Moment::now().unwrap()).abs() < 1000, "it was set");
    }

    proptest! {
        /// However late a change is made, it is the same change.
        #[test]
        fn time_that_passes_makes_no_difference(boot in 0_i64..1 << 40, unix in 0_i64..1 << 45, lead in -1_i64 << 40..1 << 40, later in 0_i64..1 << 40) {
            let right = Moment { boot_ms: boot, unix_ms: unix };
            let shown = Moment { boot_ms: boot + later, unix_ms: unix + later + lead };
            prop_assert_eq!(right.lead_of(shown), lead);
            let change = Clock::diff(&right, &shown).unwrap();
            prop_assert_eq!(change.is_some(), lead.abs() > OFF_MS);
        }
    }
}
