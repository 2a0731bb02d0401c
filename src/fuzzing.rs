//! What the fuzz targets in `fuzz/` call, one function a target: any bytes, no panic, and what is understood of them
//! keeps its meaning when it is written and read again. `tests/seeds.rs` calls them with the seeds.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::facts::system::assignments;
use crate::inventory::import::import_text;
use crate::inventory::model::{Inventory, Place};
use crate::inventory::show::Show;
use crate::inventory::{Diagnostics, Loaded, Surroundings, read};
use crate::resource::exports::parse;
use crate::resource::packages::status::Status;
use crate::ssh::known_hosts::{HostRecords, Names, Records, Verdict, line};
use crate::wire::{Reply, Request, frame, parse_hello};

/// A fuzz target: takes any bytes.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("exports", exports),
    ("frame", frame),
    ("import", import),
    ("inventory", inventory),
    ("known_hosts", known_hosts),
    ("os_release", os_release),
];

/// An ed25519 key of nobody.
const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A known_hosts file after a first line with host and port.
pub fn known_hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, file) = text.split_once('\n').unwrap_or((&text, ""));
    let (host, port) = first.rsplit_once(' ').unwrap_or((first, "22"));
    let port = port.parse().unwrap_or(22);
    let Ok(key) = russh::keys::parse_public_key_base64(KEY) else { unreachable!("the key is a key") };
    let names = Names::of(host, port, None);
    let before = HostRecords::find(file, &names);
    let verdict = before.judge(&key);
    before.algorithms().for_each(drop);
    before.authority();
    Records::revocations(file);
    // A host that can be connected to: its own line is found again.
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-".contains(c);
    if verdict == Verdict::Unknown && !host.is_empty() && host.chars().all(plain) {
        let more = format!("{file}{}", line(names.own(), &key, !file.is_empty() && !file.ends_with('\n')));
        assert_eq!(HostRecords::find(&more, &names).judge(&key), Verdict::Known, "{more}");
    }
}

/// An inventory file.
pub fn inventory(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match read(Path::new("cluster.yml"), &text, &surroundings()) {
        Ok(Loaded { inventory, file, warnings }) => {
            render(&warnings);
            let show = Show { file: &file, inventory: &inventory, folder: Path::new("/inventory") };
            let shown = show.all().yaml();
            match read(Path::new("shown.yml"), &shown, &surroundings()) {
                Ok(again) if !shown.contains("***") => {
                    assert_eq!(meaning(again.inventory), meaning(inventory))
                }
                Ok(_) => {}
                Err(wrong) => panic!("{shown}\n{}", wrong.render(false)),
            }
        }
        Err(wrong) => {
            assert!(wrong.has_errors());
            render(&wrong);
        }
    }
}

/// What an inventory means, wherever it stands.
pub fn meaning(mut inventory: Inventory) -> String {
    let nowhere = Place { line: 0, column: 0 };
    inventory.path = "".into();
    inventory.nodes.iter_mut().for_each(|node| node.place = nowhere);
    inventory.shares.iter_mut().for_each(|share| share.place = nowhere);
    format!("{inventory:#?}")
}

fn surroundings() -> Surroundings {
    Surroundings { folder: "/inventory".into(), home: Some("/home/me".into()), user: "me".into() }
}

/// Drawing many of them takes longer than all that came before, and shows no more than drawing some.
fn render(diagnostics: &Diagnostics) {
    if diagnostics.len() < 5 {
        diagnostics.render(false);
    }
    diagnostics.to_string();
}

/// Another tool's inventory, its format guessed.
pub fn import(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match import_text(Path::new("hosts"), &text, None, "home") {
        Ok(imported) => {
            render(&imported.findings);
            if let Err(wrong) = read(Path::new("cluster.yml"), &imported.text, &surroundings()) {
                panic!("{}\n{}", imported.text, wrong.render(false));
            }
        }
        Err(wrong) => {
            render(&wrong);
            assert!(wrong.has_errors() && !wrong.to_string().contains("mistake of skep"), "{wrong}");
        }
    }
}

/// Frames of requests and of replies; then the bytes as the JSON of one of them.
pub fn frame(bytes: &[u8]) {
    frames::<Request>(bytes);
    frames::<Reply>(bytes);
    json::<Request>(bytes);
    json::<Reply>(bytes);
    parse_hello(&String::from_utf8_lossy(bytes));
}

fn frames<M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(mut bytes: &[u8]) {
    while let Ok(Some(message)) = frame::read::<M>(&mut bytes) {
        let Ok(written) = frame::encode(&message) else { unreachable!("it was shorter than a frame may be") };
        assert_eq!(frame::read::<M>(&mut &written[..]).ok().flatten(), Some(message));
    }
}

fn json<M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<M>(bytes) {
        let Ok(written) = serde_json::to_vec(&message) else { unreachable!("it was JSON before") };
        assert_eq!(serde_json::from_slice::<M>(&written).ok(), Some(message));
    }
}

/// An exports file.
pub fn exports(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (_, entry) in parse(&text).entries.into_iter().filter(|(_, entry)| entry.is_writable()) {
        let written = entry.to_string();
        let again: Vec<_> = parse(&written).entries.into_iter().map(|(_, entry)| entry).collect();
        assert_eq!(again, [entry], "{written}");
    }
}

/// An os-release file; the same bytes as dpkg's record.
pub fn os_release(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assignments(&text);
    let status = Status::parse(bytes).expect("memory can be read");
    assert!(status.broken.iter().all(|name| status.unfinished.contains(name)));
}
