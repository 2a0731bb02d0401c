//! What came through between the nodes, as a table of pairs.

use std::collections::BTreeMap;

use super::{tone, wrapped};
use crate::audit::{PathMtu, Protocol, Reach, Report, Try, TryResult};
use crate::inventory::model::NodeName;
use crate::report::surface::{Surface, Tone};
use crate::report::table::{Cell, Table};
use crate::report::text::clean;

/// Pairs that are shown unless all is asked for.
const MANY: usize = 30;

/// Every port that was tried, between every two nodes.
pub(super) struct Grid<'a> {
    /// The ports, in the order in which they were tried.
    pub(super) ports: Vec<(u16, Protocol)>,
    /// The pairs, in the order of the inventory.
    pub(super) pairs: Vec<Pair<'a>>,
}

/// What came through from one node to another.
pub(super) struct Pair<'a> {
    /// Who tried.
    pub(super) from: &'a NodeName,
    /// Whom.
    pub(super) to: &'a NodeName,
    /// The tries, by port.
    pub(super) tries: BTreeMap<(u16, Protocol), &'a Try>,
    /// The largest packet.
    pub(super) mtu: Option<&'a PathMtu>,
}

impl<'a> Grid<'a> {
    pub(super) fn of(report: &'a Report, reach: &'a Reach) -> Self {
        let place = |name: &NodeName| report.nodes.iter().position(|node| node.name == *name);
        let mut ports = Vec::new();
        let mut pairs: BTreeMap<_, Pair<'a>> = BTreeMap::new();
        let mut pair = |from: &'a NodeName, to: &'a NodeName, add: &mut dyn FnMut(&mut Pair<'a>)| {
            let known = pairs.entry((place(from), place(to), from, to));
            add(known.or_insert_with(|| Pair { from, to, tries: BTreeMap::new(), mtu: None }));
        };
        for one in &reach.tries {
            let port = (one.port, one.protocol);
            if !ports.contains(&port) {
                ports.push(port);
            }
            pair(&one.from, &one.to, &mut |pair| {
                let known = pair.tries.entry(port).or_insert(one);
                if badness(&one.result) > badness(&known.result) {
                    *known = one;
                }
            });
        }
        for mtu in &reach.mtus {
            pair(&mtu.from, &mtu.to, &mut |pair| pair.mtu = Some(mtu));
        }
        Self { ports, pairs: pairs.into_values().collect() }
    }

    /// The pairs with something in the way, and what; all pairs where all is asked for. None where there are none.
    pub(super) fn text(&self, surface: &Surface) -> Option<String> {
        let mut shown: Vec<_> =
            self.pairs.iter().filter(|pair| surface.verbose || !pair.is_clear()).collect();
        let left_out = if surface.verbose { 0 } else { shown.len().saturating_sub(MANY) };
        shown.truncate(shown.len() - left_out);
        if shown.is_empty() {
            return None;
        }
        let columns: Vec<String> =
            self.ports.iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect();
        let header: Vec<&str> =
            ["from", "to"].into_iter().chain(columns.iter().map(String::as_str)).chain(["mtu"]).collect();
        let mut table = Table::new(&header);
        shown.iter().for_each(|pair| table.row(self.row(pair, surface)));
        let mut lines = vec![self.heading(surface)];
        lines.extend(table.render(surface).lines().map(|line| format!("  {line}")));
        if left_out > 0 {
            lines.push(format!("  {} {left_out} more: -v shows all", surface.symbols().ellipsis));
        }
        lines.extend(self.causes(&shown, surface));
        Some(lines.join("\n"))
    }

    fn heading(&self, surface: &Surface) -> String {
        let tries: Vec<_> = self.pairs.iter().flat_map(|pair| pair.tries.values()).collect();
        let blocked = tries.iter().filter(|one| matches!(one.result, TryResult::Blocked(_))).count();
        match blocked {
            0 => surface.paint(Tone::Good, "between the nodes: each port that was tried is open"),
            _ => surface.paint(
                Tone::Bad,
                &format!("between the nodes: {} of {} tries did not arrive", blocked, tries.len()),
            ),
        }
    }

    fn row(&self, pair: &Pair<'_>, surface: &Surface) -> Vec<Cell> {
        let symbols = surface.symbols();
        let mark = |port| match pair.tries.get(port).map(|one| &one.result) {
            None => Cell::from(""),
            Some(TryResult::Open) => Cell::new(symbols.done, Tone::Good),
            Some(TryResult::Blocked(_)) => Cell::new(symbols.failed, Tone::Bad),
            Some(TryResult::Untried(_)) => Cell::new("?", Tone::Warn),
        };
        let mtu = match pair.mtu {
            None => Cell::from(""),
            Some(PathMtu { bytes: None, .. }) => Cell::new("none", Tone::Bad),
            Some(mtu @ PathMtu { bytes: Some(bytes), interface, .. }) => match mtu.loss() {
                Some(severity) => Cell::new(format!("{bytes} of {interface}"), tone(severity)),
                None => Cell::from(bytes.to_string()),
            },
        };
        let names = [Cell::new(&pair.from.0, Tone::Strong), Cell::new(&pair.to.0, Tone::Strong)];
        names.into_iter().chain(self.ports.iter().map(mark)).chain([mtu]).collect()
    }

    /// Why what is not open is not, each cause once for all ports and pairs that share it.
    fn causes(&self, shown: &[&Pair<'_>], surface: &Surface) -> Vec<String> {
        let mut causes: Vec<(&str, Vec<String>)> = Vec::new();
        for one in shown.iter().flat_map(|pair| self.ports.iter().filter_map(|port| pair.tries.get(port))) {
            let (TryResult::Blocked(cause) | TryResult::Untried(cause)) = &one.result else { continue };
            let what = format!("{}-{} {}/{}", clean(&one.from.0), clean(&one.to.0), one.port, one.protocol);
            match causes.iter_mut().find(|(known, _)| known == cause) {
                Some((_, whats)) => whats.push(what),
                None => causes.push((cause, vec![what])),
            }
        }
        let sign = surface.symbols().ellipsis;
        let told = |(cause, whats): &(&str, Vec<String>)| {
            let more =
                if whats.len() > 3 { format!(" {sign} {} more", whats.len() - 3) } else { String::new() };
            let whats = whats.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            wrapped(
                &format!("{}: {whats}{more}", clean(cause)),
                surface.width.map(|width| width.saturating_sub(4)),
            )
        };
        let lines = causes.iter().flat_map(|cause| {
            told(cause)
                .into_iter()
                .enumerate()
                .map(|(at, line)| format!("{}{line}", if at == 0 { "  " } else { "    " }))
        });
        lines.map(|line| surface.paint(Tone::Dim, &line)).collect()
    }
}

impl Pair<'_> {
    /// Whether whole packets arrive at every port that was tried.
    pub(super) fn is_clear(&self) -> bool {
        let is_lossy = self.mtu.is_some_and(|mtu| mtu.loss().is_some());
        self.tries.values().all(|one| one.result == TryResult::Open) && !is_lossy
    }
}

/// Where a port was tried at several addresses, the worst counts.
fn badness(result: &TryResult) -> u8 {
    match result {
        TryResult::Open => 0,
        TryResult::Untried(_) => 1,
        TryResult::Blocked(_) => 2,
    }
}
