//! Clocks that nobody on the host sets right are set by this computer's; others that differ keep the run from going on.

use std::collections::BTreeMap;

use super::Finding;
use super::view::{Host, View};
use crate::inventory::model::NodeName;
use crate::resource::Kind;
use crate::resource::clock::{Change, Clock, Moment};

/// Clocks may be this far apart; joins and TLS fail long after, logs are unreadable long before.
pub(crate) const CLOCKS_APART_MS: i64 = 30_000;

/// How far behind this computer's clock one has to be to be taken for that of a board without a battery, which starts at
/// the date of its image. A smaller difference may as well be this computer's fault.
const IMAGES_DATE_MS: i64 = 24 * 3600 * 1000;

/// How a host's clock is set right: where it stands at the date of an image, and no time service answers for it. Not
/// where nodes whose clocks are kept contradict this computer's.
pub(super) fn set_right(host: &Host, view: &View<'_>) -> Option<Change> {
    let clock = &host.facts.clock;
    // First what the host itself tells: the others need to be asked for hardly any.
    if clock.synchronised || clock.boot_ms == 0 || host.clock_offset_ms > -IMAGES_DATE_MS {
        return None;
    }
    let kept = view.hosts.values().filter(|host| host.facts.clock.synchronised);
    let kept = kept.map(|host| host.clock_offset_ms);
    if median(kept).is_some_and(|offset| offset.abs() > CLOCKS_APART_MS) {
        return None;
    }
    let shown = Moment { boot_ms: clock.boot_ms, unix_ms: clock.unix_ms };
    let right = Moment { unix_ms: clock.unix_ms - host.clock_offset_ms, ..shown };
    Clock::diff(&right, &shown).ok().flatten()
}

/// Clocks too far apart once all are set that are to be.
pub(super) fn refusals(view: &View<'_>) -> Vec<Finding> {
    let offsets = view.hosts.iter().map(|(node, host)| {
        let offset = if set_right(host, view).is_some() { 0 } else { host.clock_offset_ms };
        (node.clone(), offset)
    });
    let wrong = apart(offsets.collect()).into_iter().filter(|(_, lead)| lead.abs() > CLOCKS_APART_MS);
    wrong.map(|(node, lead)| finding(node, lead)).collect()
}

/// That a node's clock goes so many milliseconds before the others'.
pub(crate) fn finding(node: NodeName, lead: i64) -> Finding {
    let direction = if lead > 0 { "ahead of" } else { "behind" };
    Finding {
        message: format!("{node}'s clock is {} s {direction} the other nodes'", lead.abs() / 1000),
        help: format!("set it right: `timedatectl set-ntp true` on {node}, then look at `timedatectl`"),
        nodes: vec![node],
    }
}

/// How far each node's clock is ahead of their median, in milliseconds.
pub(crate) fn leads(view: &View<'_>) -> BTreeMap<NodeName, i64> {
    apart(view.hosts.iter().map(|(node, host)| (node.clone(), host.clock_offset_ms)).collect())
}

/// A single wrong clock cannot move the median.
fn apart(mut offsets: BTreeMap<NodeName, i64>) -> BTreeMap<NodeName, i64> {
    let median = median(offsets.values().copied()).unwrap_or_default();
    offsets.values_mut().for_each(|offset| *offset -= median);
    offsets
}

/// How far the median of the nodes' clocks is ahead of this computer's, in milliseconds; none where there are no nodes.
pub(crate) fn offset(view: &View<'_>) -> Option<i64> {
    median(view.hosts.values().map(|host| host.clock_offset_ms))
}

/// Of an even number the one of the two in the middle that is nearer to this computer's clock, which so decides between two
/// nodes.
fn median(offsets: impl Iterator<Item = i64>) -> Option<i64> {
    let mut offsets: Vec<i64> = offsets.collect();
    offsets.sort_unstable();
    let middle = offsets.len().saturating_sub(1) / 2..=offsets.len() / 2;
    offsets.get(middle).unwrap_or_default().iter().copied().min_by_key(|offset| offset.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_decides_between_two() {
        for (offsets, expected) in [
            (vec![], None),
            (vec![-5], Some(-5)),
            (vec![-90_000, 300], Some(300)),
            (vec![200, 90_000], Some(200)),
            (vec![-90_000, 300, 400], Some(300)),
            (vec![-90_000, -80_000, 10, 90_000], Some(10)),
        ] {
            assert_eq!(median(offsets.iter().copied()), expected, "{offsets:?}");
        }
    }
}
