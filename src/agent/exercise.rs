//! Uses a mounted share as containers would: read, write, lock, rename, remove.
//!
//! In a process of its own for each user, which is ended where the file server keeps it waiting.

use std::time::Duration;

use crate::resource::{Fault, Host};
use crate::wire::exercise::{Exercise, Exercised, Step};

/// A server that takes longer is told as one that hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// Each line it prints is a step, and what went wrong with it. Files of audits that were cut off are swept away.
const SCRIPT: &str = r#"
at=$1 file=$1/$2 writes=$3
step() {
    name=$1; shift
    if said=$("$@" 2>&1); then echo "$name"; else echo "$name" $said; exit 0; fi
}
step read ls -A "$at"
[ "$writes" = yes ] || exit 0
trap 'rm -f "$file" "$file.renamed"' EXIT
find "$at" -maxdepth 1 -name '.skep-audit-*' -mmin +60 -delete 2>/dev/null
step write dd if=/dev/zero of="$file" bs=4096 count=1 conv=excl,fsync status=none
step lock flock --timeout 5 "$file" true
step rename mv -T "$file" "$file.renamed"
echo owner $(stat -c '%u %g' "$file.renamed")
step remove rm "$file.renamed"
"#;

/// Does it as each user, one after the other.
pub(super) fn exercise(host: &Host, wanted: &Exercise) -> Result<Vec<Exercised>, Fault> {
    match wanted.users.as_slice() {
        [] => Ok(vec![as_user(host, wanted, 0, false)?]),
        users => users.iter().map(|user| as_user(host, wanted, *user, true)).collect(),
    }
}

fn as_user(host: &Host, wanted: &Exercise, user: u32, writes: bool) -> Result<Exercised, Fault> {
    let at = wanted.at.to_string_lossy();
    let user_id = user.to_string();
    let (reuid, regid) = (format!("--reuid={user_id}"), format!("--regid={user_id}"));
    // A file of its own for each: one user's may not be another's to remove.
    let file = format!("{}-{user_id}", wanted.file);
    let writes = if writes { "yes" } else { "no" };
    let script = ["/bin/sh", "-c", SCRIPT, "sh", &at, &file, writes];
    let output = match user {
        0 => host.run_within(LIMIT, script[0], &script[1..])?,
        _ => {
            let become_user = [&reuid, &regid, "--clear-groups"];
            host.run_within(LIMIT, "setpriv", &[&become_user[..], &script[..]].concat())?
        }
    };
    let done = read(&output.stdout, user);
    match done.steps.is_empty() {
        true => Err(Fault::new(format!("using {at} as user {user}"), output.last_words())),
        false => Ok(done),
    }
}

/// What the script printed.
fn read(text: &str, user: u32) -> Exercised {
    let mut done = Exercised { user, ..Exercised::default() };
    for line in text.lines() {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        if name == "owner" {
            let owner = rest
                .split_once(' ')
                .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
            done.owner = owner;
            continue;
        }
        let trouble = Some(rest.trim().to_owned()).filter(|trouble| !trouble.is_empty());
        done.steps.push(Step { name: name.to_owned(), trouble });
    }
    done
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn wanted(at: &std::path::Path, users: &[u32]) -> Exercise {
        Exercise { at: at.to_owned(), file: ".skep-audit-1".into(), users: users.to_vec() }
    }

    fn names(done: &Exercised) -> Vec<&str> {
        assert!(done.steps.iter().all(|step| step.trouble.is_none()), "{done:?}");
        done.steps.iter().map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn a_directory_is_used_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kept"), "").unwrap();
        let old = folder.path().join(".skep-audit-0-0");
        fs::write(&old, "of an audit that was cut off").unwrap();
        let before = std::time::SystemTime::now() - Duration::from_secs(7200);
        fs::File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
        let uid = fs::metadata(folder.path()).unwrap().uid();

        let done = exercise(&Host::real(), &wanted(folder.path(), &[0])).unwrap();
        assert_eq!(done.len(), 1);
        assert_eq!(names(&done[0]), ["read", "write", "lock", "rename", "remove"]);
        assert_eq!(done[0].owner.map(|(user, _)| user), Some(uid));
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn with_nobody_to_write_it_is_only_read() {
        let folder = tempfile::tempdir().unwrap();
        let done = exercise(&Host::real(), &wanted(folder.path(), &[])).unwrap();
        assert_eq!(names(&done[0]), ["read"]);
        assert_eq!(done[0].owner, None);
    }

    #[test]
    fn the_first_step_that_fails_is_the_last() {
        let done = exercise(&Host::real(), &wanted(std::path::Path::new("/proc"), &[0])).unwrap();
        let [read, write] = &done[0].steps[..] else { panic!("{done:?}") };
        assert_eq!((read.name.as_str(), &read.trouble), ("read", &None));
        assert!(write.name == "write" && write.trouble.is_some(), "{write:?}");

        let gone = exercise(&Host::real(), &wanted(std::path::Path::new("/nowhere/at all"), &[0])).unwrap();
        let trouble = gone[0].steps[0].trouble.as_deref().unwrap();
        assert!(trouble.contains("No such file"), "{trouble}");
    }

    #[test]
    fn whatever_is_printed_is_read() {
        let done = read("read\nwrite dd: failed:  no space\nowner 1000 x\n", 7);
        assert_eq!(done.steps[1].trouble.as_deref(), Some("dd: failed:  no space"));
        assert_eq!((done.user, done.owner), (7, None));
        assert_eq!(read("owner 1000 100\n", 0).owner, Some((1000, 100)));
        assert_eq!(read("", 0), Exercised::default());
    }
}
