//! What comes of using shares.

use super::*;
use crate::audit::deep::STRANGER;
use crate::wire::exercise::{Exercised, Step};

/// All went well, and the file was the squashed user's.
fn well(user: u32) -> Exercised {
    let step = |name: &str| Step { name: name.to_owned(), trouble: None };
    Exercised {
        user,
        steps: ["read", "write", "lock", "rename", "remove"].map(step).into(),
        owner: Some((1000, 1000)),
    }
}

fn failed(user: u32, name: &str, trouble: &str) -> Exercised {
    let mut used = well(user);
    let place = used.steps.iter().position(|step| step.name == name).unwrap();
    used.steps.truncate(place + 1);
    used.steps[place].trouble = Some(trouble.to_owned());
    if name == "write" {
        used.owner = None;
    }
    used
}

fn deep(used: Result<Vec<Exercised>, String>) -> Audited {
    healthy().deep([(("n2".into(), POINT.into()), used)].into())
}

#[test]
fn shares_in_use() {
    let owned = |user, group| Exercised { owner: Some((user, group)), ..well(0) };
    for (used, expected) in [
        (Ok(vec![well(0), well(STRANGER)]), vec![]),
        (
            Ok(vec![failed(0, "read", "Stale file handle")]),
            vec!["error: user 0 cannot read in /mnt/shared: Stale file handle"],
        ),
        (
            Ok(vec![well(0), failed(STRANGER, "write", "Permission denied")]),
            vec!["error: user 64999 cannot write in /mnt/shared: Permission denied"],
        ),
        (
            Ok(vec![failed(0, "lock", "No locks available")]),
            vec!["error: user 0 cannot lock in /mnt/shared: No locks available"],
        ),
        (
            Ok(vec![owned(0, 0)]),
            vec!["error: what user 0 writes in /mnt/shared belongs to 0:0, not to 1000:1000"],
        ),
        (
            Ok(vec![owned(1000, 65534)]),
            vec!["error: what user 0 writes in /mnt/shared belongs to 1000:65534, not to 1000:1000"],
        ),
        (
            Err("did not end within 10 s".to_owned()),
            vec!["error: /mnt/shared could not be used: did not end within 10 s"],
        ),
    ] {
        let audited = deep(used.clone());
        assert_eq!(said(&audited, &USED, "n2"), expected, "{used:?}");
        assert_eq!(remedies(&audited, &USED).is_empty(), expected.is_empty());
    }
    assert_eq!(healthy().all(&USED), Vec::<String>::new(), "without --deep nothing is used");
    let fine = deep(Ok(vec![well(0)])).all(&USED);
    assert_eq!(fine, ["ok n2: files in /mnt/shared can be written, locked, renamed and removed"]);
}

#[test]
fn what_an_export_lets_whom_do() {
    let with = |options: &[&str], used: Vec<Exercised>| {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        deep(Ok(used)).inventory(|inventory| inventory.shares[0].options = options).all(&USED)
    };
    let denied = failed(0, "write", "dd: failed to open: Permission denied");
    let read = Exercised { owner: None, ..failed(0, "read", "") };
    let read = Exercised { steps: vec![Step { name: "read".into(), trouble: None }], ..read };
    let root = Exercised { owner: Some((0, 0)), ..well(0) };
    let nobody = Exercised { owner: Some((65534, 65534)), ..well(0) };
    assert_eq!(
        with(&["rw"], vec![denied.clone()]),
        ["note n2: root may not write in /mnt/shared: the server squashes it"]
    );
    let fine = "ok n2: files in /mnt/shared can be written, locked, renamed and removed";
    assert_eq!(with(&["rw"], vec![nobody]), [fine]);
    assert_eq!(with(&["rw", "no_root_squash"], vec![root.clone()]), [fine]);
    assert_eq!(
        with(&["rw", "no_root_squash"], vec![denied]),
        ["error n2: user 0 cannot write in /mnt/shared: dd: failed to open: Permission denied"]
    );
    assert_eq!(
        with(&["rw"], vec![root]),
        ["error n2: what user 0 writes in /mnt/shared belongs to 0:0, not to 65534:65534"]
    );
    assert_eq!(with(&["ro"], vec![read]), ["ok n2: /mnt/shared can be read"]);
}
