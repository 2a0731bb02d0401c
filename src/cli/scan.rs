//! `skep scan`: which hosts of the network answer SSH.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use serde_json::json;

use super::args::{Common, Scan};
use super::exit;
use super::failure::Failure;
use super::inputs::load;
use crate::inventory::edit::free_name;
use crate::inventory::model::Node;
use crate::report::{Cell, Table, Tone};
use crate::scan::{self, Found, Place, RangeError};
use crate::words::list;

/// A host, and which node it is.
struct Row {
    host: Found,
    place: Place,
}

pub(super) async fn run(common: &Common, command: &Scan) -> Result<u8, Failure> {
    let nodes = match common.inventory.exists() {
        true => Some(load(common)?.nodes),
        false => None,
    };
    let networks = match command.networks.as_slice() {
        [] => scan::own(&crate::facts::network::read()).map_err(refused)?,
        networks => networks.to_vec(),
    };
    let addresses = scan::addresses(&networks).map_err(refused)?;
    let printer = common.printer();
    printer.note(&format!("looking at {} of {}", count_addresses(addresses.len()), list(&networks)));
    let begun = Instant::now();
    let found = scan::scan(&addresses, command.port, command.timeout).await;
    let places = scan::places(&found, command.port, nodes.as_deref().unwrap_or_default())
        .map_err(|error| Failure::new(exit::FAILED, error).help("see who may read that file"))?;
    let rows: Vec<Row> = found.into_iter().zip(places).map(|(host, place)| Row { host, place }).collect();
    if common.json {
        rows.iter().for_each(|row| printer.result(&row.json().to_string()));
        return Ok(exit::OK);
    }
    let mut table = Table::new(&["address", "name", "machine", "system", "node"]);
    rows.iter().for_each(|row| table.row(row.cells()));
    if !rows.is_empty() {
        printer.result(&table.render(printer.stdout()));
    }
    printer.note(&format!(
        "{} SSH, in {:.1}s",
        if rows.len() == 1 { "1 host answers".to_owned() } else { format!("{} hosts answer", rows.len()) },
        begun.elapsed().as_secs_f64()
    ));
    remarks(&rows).iter().for_each(|remark| printer.note(remark));
    if let Some(lines) = proposal(&rows, command.port, nodes.as_deref()) {
        printer.note(&lines);
    }
    Ok(exit::OK)
}

fn refused(error: RangeError) -> Failure {
    let help = match error {
        RangeError::TooLarge { .. } => "name a smaller one, such as `skep scan 192.168.2.0/24`",
        RangeError::None => "name one: `skep scan 192.168.2.0/24`",
    };
    Failure::new(exit::USAGE, error).help(help)
}

fn count_addresses(number: usize) -> String {
    if number == 1 { "1 address".to_owned() } else { format!("{number} addresses") }
}

impl Row {
    fn cells(&self) -> Vec<Cell> {
        let Found { address, name, mac, system, identification, .. } = &self.host;
        let machine = match (self.host.machine(), mac) {
            (Some(machine), Some(mac)) => format!("{machine} ({mac})"),
            (None, Some(mac)) => mac.clone(),
            _ => String::new(),
        };
        let place = match &self.place {
            Place::New => Cell::new("new", Tone::Good),
            Place::Listed(node) => Cell::from(&node.0),
            Place::Moved(node, from) => Cell::new(format!("{node}, was at {from}"), Tone::Warn),
        };
        vec![
            Cell::from(address.to_string()),
            Cell::from(name.clone().unwrap_or_default()),
            Cell::from(machine),
            Cell::from(system.as_ref().unwrap_or(identification)),
            place,
        ]
    }

    fn json(&self) -> serde_json::Value {
        let Found { address, name, mac, system, identification, key } = &self.host;
        let (node, moved_from) = match &self.place {
            Place::New => (None, None),
            Place::Listed(node) => (Some(node), None),
            Place::Moved(node, from) => (Some(node), Some(from)),
        };
        json!({
            "address": address,
            "name": name,
            "mac": mac,
            "machine": self.host.machine(),
            "system": system,
            "identification": identification,
            "host_key": key.as_ref().map(|key| key.fingerprint()),
            "node": node,
            "moved_from": moved_from,
        })
    }
}

/// What the table does not say: nodes that moved, and hosts that share a key.
fn remarks(rows: &[Row]) -> Vec<String> {
    let moved = rows.iter().filter_map(|row| match &row.place {
        Place::Moved(node, from) => Some(format!(
            "{node} has moved: it is at {} now. Write that instead of {from} in the inventory, or let your router \
             give it the same address always.",
            row.host.address
        )),
        _ => None,
    });
    let mut keys: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for host in rows.iter().map(|row| &row.host) {
        if let Some(key) = &host.key {
            keys.entry(key.fingerprint()).or_default().push(host.address);
        }
    }
    let shared = keys.into_values().filter(|addresses| addresses.len() > 1).map(|addresses| {
        format!(
            "{} show one host key: one machine with {}, or clones of one card, or boards that are still in their \
             first boot.",
            list(&addresses),
            count_addresses(addresses.len())
        )
    });
    moved.chain(shared).collect()
}

/// What would take the new ones into the inventory.
fn proposal(rows: &[Row], port: u16, nodes: Option<&[Node]>) -> Option<String> {
    let new: Vec<&Found> = rows.iter().filter(|row| row.place == Place::New).map(|row| &row.host).collect();
    if new.is_empty() {
        return None;
    }
    let Some(nodes) = nodes else {
        let port = if port == 22 { String::new() } else { format!(":{port}") };
        let host = |host: &&Found| match host.address {
            IpAddr::V6(v6) if !port.is_empty() => format!("[{v6}]{port}"),
            address => format!("{address}{port}"),
        };
        let hosts: Vec<_> = new.iter().map(host).collect();
        return Some(format!("\nfor an inventory of them: skep init {}", hosts.join(" ")));
    };
    let mut names: Vec<String> = nodes.iter().map(|node| node.name.0.clone()).collect();
    let lines = new.iter().map(|host| {
        let name = free_name(names.iter().map(String::as_str));
        names.push(name.clone());
        let port = if port == 22 { String::new() } else { format!(", port: {port}") };
        let about: Vec<&str> = host.name.iter().chain(&host.system).map(String::as_str).collect();
        let about = if about.is_empty() { String::new() } else { format!("   # {}", about.join(", ")) };
        format!("  {name}: {{address: {}, role: worker{port}}}{about}", host.address)
    });
    let lines: Vec<_> = lines.collect();
    Some(format!(
        "\nto add to the inventory, or one by one by `skep node add`:\nnodes:\n{}",
        lines.join("\n")
    ))
}
