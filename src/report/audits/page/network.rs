//! What came through between the nodes: one small table a port, and one of packet sizes.

use std::collections::HashMap;

use serde::Serialize;

use super::parts::sign;
use crate::audit::{OVERLAY, Protocol, Reach, Report, Severity, Try, TryResult};
use crate::inventory::model::NodeName;
use crate::report::audits::findings::Finding;
use crate::report::audits::ports::{Grid, Pair};

/// More nodes than that are shown only where something is in the way.
const MANY: usize = 40;
/// More columns than that stand upright.
const LEVEL: usize = 6;

/// The numbers of findings, by check and place of their evidence.
type Findings<'a> = HashMap<(&'a str, &'a str), usize>;

/// Ports and packet sizes.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    tables: Vec<PortTable>,
    /// Nodes that are left out, since everything reaches them and they reach everything.
    left_out: usize,
}

/// One port, or the packet sizes.
#[derive(Debug, Serialize)]
struct PortTable {
    name: String,
    purpose: &'static str,
    /// What did not come through, in words.
    trouble: Vec<String>,
    untried: Vec<String>,
    upright: bool,
    columns: Vec<String>,
    rows: Vec<PortRow>,
}

#[derive(Debug, Serialize)]
struct PortRow {
    name: String,
    cells: Vec<PortCell>,
}

#[derive(Debug, Clone, Serialize)]
struct PortCell {
    class: &'static str,
    text: String,
    told: String,
    /// The number of the finding that tells more.
    finding: Option<usize>,
}

impl Network {
    pub(super) fn of(report: &Report, reach: &Reach, found: &[Finding<'_>]) -> Self {
        let findings = by_way(found);
        let grid = Grid::of(report, reach);
        let pairs: HashMap<_, _> = grid.pairs.iter().map(|pair| ((pair.from, pair.to), pair)).collect();
        let all: Vec<_> = report.nodes.iter().map(|node| &node.name).collect();
        let known = |name: &&NodeName| grid.pairs.iter().any(|pair| pair.from == *name || pair.to == *name);
        let mut nodes: Vec<_> = all.into_iter().filter(known).collect();
        let tried = nodes.len();
        if tried > MANY {
            let bad: Vec<_> = grid.pairs.iter().filter(|pair| !pair.is_clear()).collect();
            nodes.retain(|name| bad.iter().any(|pair| pair.from == *name || pair.to == *name));
        }
        let table = |(name, purpose), cell: &dyn Fn(&Pair<'_>) -> PortCell| {
            let cells = |from: &NodeName| {
                let cell = |to: &&NodeName| {
                    pairs.get(&(from, *to)).map_or_else(|| empty(from == *to), |pair| cell(pair))
                };
                nodes.iter().map(cell).collect()
            };
            let rows: Vec<_> =
                nodes.iter().map(|from| PortRow { name: from.0.clone(), cells: cells(from) }).collect();
            let of = |class: &str| {
                let cells = rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.class == class);
                cells.map(|cell| cell.told.clone()).collect::<Vec<_>>()
            };
            PortTable {
                name,
                purpose,
                trouble: [of("error"), of("warning")].concat(),
                untried: of("unknown"),
                upright: nodes.len() > LEVEL,
                columns: nodes.iter().map(ToString::to_string).collect(),
                rows,
            }
        };
        let ports = grid.ports.iter().map(|port| {
            table((format!("{}/{}", port.0, port.1), purpose(*port)), &|pair| of_port(pair, *port, &findings))
        });
        let mut tables: Vec<_> = ports.collect();
        if !reach.mtus.is_empty() {
            let name = ("packet size".to_owned(), "largest that arrives whole, in bytes");
            tables.push(table(name, &|pair| of_mtu(pair, &findings)));
        }
        Self { tables, left_out: tried - nodes.len() }
    }
}

/// What Swarm or NFS uses a port for.
fn purpose(port: (u16, Protocol)) -> &'static str {
    match port {
        (2377, Protocol::Tcp) => "joining, and managers among themselves",
        (7946, Protocol::Tcp) => "nodes among themselves",
        (7946, Protocol::Udp) => "nodes among themselves",
        (4789, Protocol::Udp) => "overlay networks",
        // Nothing else is tried: 2049, or the port of `mount.options`.
        (_, Protocol::Tcp) => "NFS",
        _ => "",
    }
}

fn empty(itself: bool) -> PortCell {
    let class = if itself { "self" } else { "none" };
    PortCell { class, text: String::new(), told: String::new(), finding: None }
}

/// The number of the finding about each way, by its check and the place of its evidence.
fn by_way<'a>(found: &'a [Finding<'_>]) -> Findings<'a> {
    let bad = found.iter().enumerate().filter(|(_, finding)| finding.severity < Severity::Ok);
    let ways = bad.flat_map(|(number, finding)| {
        let evidence = finding.evidence.iter().flat_map(|said| said.items);
        evidence.map(move |seen| ((finding.check, seen.place.as_str()), number))
    });
    // Of several the first, which is the worst.
    ways.rev().collect()
}

fn of_port(pair: &Pair<'_>, port: (u16, Protocol), findings: &Findings<'_>) -> PortCell {
    let Some(one) = pair.tries.get(&port) else { return empty(false) };
    let way = format!("{} to {} at {}", one.from, one.to, one.address);
    let (class, text, told) = match &one.result {
        TryResult::Open => ("ok", "\u{2713}", format!("{way}: open")),
        TryResult::Blocked(cause) => ("error", "\u{2715}", format!("{way}: {cause}")),
        TryResult::Untried(cause) => ("unknown", "?", format!("{way}: not tried, {cause}")),
    };
    PortCell { class, text: text.to_owned(), told, finding: finding_of(one, findings) }
}

/// The finding about a port that is not open.
fn finding_of(one: &Try, findings: &Findings<'_>) -> Option<usize> {
    let amiss = one.result != TryResult::Open;
    amiss.then(|| findings.get(&("ports", one.way().as_str())).copied()).flatten()
}

fn of_mtu(pair: &Pair<'_>, findings: &Findings<'_>) -> PortCell {
    let Some(mtu) = pair.mtu else { return empty(false) };
    let way = format!("{} to {}", mtu.from, mtu.to);
    let (loss, interface) = (mtu.loss(), mtu.interface);
    let (text, told) = match mtu.bytes {
        None => ("\u{2715}".to_owned(), format!("{way}: no packet arrived")),
        Some(bytes) if loss.is_some() => {
            (bytes.to_string(), format!("{way}: {bytes} bytes, and the interface sends {interface}"))
        }
        Some(bytes) => (bytes.to_string(), format!("{way}: {bytes} bytes")),
    };
    // Where nothing arrives at all, that is told of the port.
    let port = pair.tries.get(&(OVERLAY, Protocol::Udp));
    let finding = findings.get(&("mtu", mtu.way().as_str())).copied();
    let finding = finding.or_else(|| finding_of(port?, findings)).filter(|_| loss.is_some());
    PortCell { class: sign(loss.unwrap_or(Severity::Ok)).class, text, told, finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::world::cluster;
    use crate::audit::{PathMtu, Verdict, check};
    use crate::report::audits::findings::merged;
    use crate::report::audits::tests::sample;

    type Result = fn(&str, &str, u16) -> TryResult;
    type Size = fn(&str, &str) -> (Option<u32>, u32);

    /// Every cell that is amiss between three nodes, with what its finding says: `n1>n2 7946/tcp error: it is …`.
    fn amiss(result: Result, size: Size) -> Vec<String> {
        let names = ["n1", "n2", "n3"];
        let mut reach = Reach::default();
        for (from, to) in names.iter().flat_map(|from| names.map(|to| (*from, to))) {
            if from == to {
                continue;
            }
            for (port, protocol) in [(7946, Protocol::Tcp), (OVERLAY, Protocol::Udp)] {
                let address = format!("192.168.2.{}", &to[1..]).parse().unwrap();
                let result = result(from, to, port);
                reach.tries.push(Try { from: from.into(), to: to.into(), address, port, protocol, result });
            }
            let (bytes, interface) = size(from, to);
            reach.mtus.push(PathMtu { from: from.into(), to: to.into(), bytes, interface });
        }
        let audited = cluster().reach(reach.clone());
        let said = |id: &str| {
            let verdicts = audited.verdicts(check(id).unwrap()).into_iter();
            verdicts.map(|verdict| Verdict { check: id.to_owned(), ..verdict }).collect::<Vec<_>>()
        };
        let verdicts = [said("ports"), said("mtu")].concat();
        let found = merged(&verdicts);
        let network = Network::of(&sample(), &reach, &found);
        let mut amiss = Vec::new();
        for table in &network.tables {
            for (row, cell) in table.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)))
            {
                let column = row.cells.iter().position(|other| std::ptr::eq(other, cell)).unwrap();
                let way = format!("{}>{} {}", row.name, table.columns[column], table.name);
                match cell.finding {
                    Some(number) => amiss.push(format!("{way} {}: {}", cell.class, found[number].message)),
                    None => assert!(["ok", "self"].contains(&cell.class), "{way} leads nowhere: {cell:?}"),
                }
            }
        }
        amiss
    }

    #[test]
    fn each_cell_that_is_amiss_leads_to_its_finding() {
        let open: Result = |_, _, _| TryResult::Open;
        let whole: Size = |_, _| (Some(1500), 1500);
        let one: Result = |from, to, port| match (from, to, port) {
            ("n1", "n2", 7946) => TryResult::Blocked("no answer".to_owned()),
            _ => TryResult::Open,
        };
        let held_in: Result = |from, _, port| match (from, port) {
            ("n2", OVERLAY) => TryResult::Blocked("it does not arrive".to_owned()),
            _ => TryResult::Open,
        };
        let deaf: Result = |_, to, port| match (to, port) {
            ("n3", OVERLAY) => TryResult::Untried("not root".to_owned()),
            _ => TryResult::Open,
        };
        let small: Size =
            |from, to| if (from, to) == ("n1", "n2") { (Some(1400), 1500) } else { (Some(1500), 1500) };
        let jumbo: Size =
            |from, to| if (from, to) == ("n1", "n2") { (Some(4000), 9000) } else { (Some(9000), 9000) };
        let nothing: Size = |from, _| if from == "n2" { (None, 1500) } else { (Some(1500), 1500) };
        let table: &[(Result, Size, &[&str])] = &[
            (open, whole, &[]),
            (one, whole, &["n1>n2 7946/tcp error: 7946/tcp cannot be reached by n1: no answer"]),
            (
                deaf,
                whole,
                &[
                    "n1>n3 4789/udp unknown: 4789/udp could not be tried from n1 and n2",
                    "n2>n3 4789/udp unknown: 4789/udp could not be tried from n1 and n2",
                ],
            ),
            (
                open,
                small,
                &["n1>n2 packet size error: packets of more than 1400 bytes get lost from n1 to n2"],
            ),
            (
                open,
                jumbo,
                &["n1>n2 packet size warning: jumbo frames of more than 4000 bytes get lost from n1 to n2"],
            ),
            // Where no packet arrives at all, the port is what is told.
            (
                held_in,
                nothing,
                &[
                    "n2>n1 4789/udp error: 4789/udp of no other node can be reached from it, though others do",
                    "n2>n3 4789/udp error: 4789/udp of no other node can be reached from it, though others do",
                    "n2>n1 packet size error: 4789/udp of no other node can be reached from it, though others do",
                    "n2>n3 packet size error: 4789/udp of no other node can be reached from it, though others do",
                ],
            ),
        ];
        for (result, size, wanted) in table {
            assert_eq!(amiss(*result, *size), *wanted);
        }
    }
}
