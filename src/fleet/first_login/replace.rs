//! The image's password goes, however the host was come into: by that password, or by a key that was there before.

use secrecy::{ExposeSecret, SecretString};

use super::password::{random, transition};
use super::{command, tell};
use crate::event::Sink;
use crate::fleet::session::HostSession;
use crate::inventory::model::FirstLogin;
use crate::plan::password_note;
use crate::resource::Fault;

/// Compares and replaces on the host itself: no attempt to log in tells as much, and servers count those.
const PROGRAM: &str = include_str!("replace.pl");

/// Gives the image's user another password where the image's is in force, or the one that follows it; one that somebody
/// chose stays. The host remembers that it was seen to.
pub(in crate::fleet) async fn replace(
    session: &HostSession,
    first: &FirstLogin,
    image: &SecretString,
    given: Option<SecretString>,
    sink: &Sink,
) -> Result<(), Fault> {
    let (node, user) = (session.node(), &first.user);
    tell(sink, node, &format!("seeing to the password of {user}"));
    // One that nobody knows would lock out whom sudo asks for it.
    let new = given.or_else(|| (!session.sudo_wants(user)).then(random));
    let program = program(first, image, new.as_ref());
    let told = command::within(command::LIMIT, &node.0, "`chpasswd`", session.perl(&program)).await;
    let (status, said) = told.map_err(|error| error.fault(&node.0))?;
    match (said.trim(), new) {
        ("replaced", Some(new)) => session.password_changed(user, &new),
        ("another", _) => {}
        ("kept", _) => {
            let cause = format!("the password of {user} is still the image's, and sudo wants it");
            return Err(Fault::new(node, cause).help(
                "give `first_login.new_password` and `sudo_password` the same source in the inventory",
            ));
        }
        // Neither perl nor chpasswd quotes what it reads.
        _ => {
            let cause = format!("the password of {user} could not be changed: {}", status.stderr.trim());
            return Err(Fault::new(node, cause).help(
                "look at `ls -ld /etc /var/lib/skep` there, or take another `first_login.new_password`",
            ));
        }
    }
    Ok(())
}

/// With what it works on behind its end.
fn program(first: &FirstLogin, image: &SecretString, new: Option<&SecretString>) -> SecretString {
    let user = &first.user;
    let note = password_note(user);
    let left = transition(user, image);
    let new = new.map_or("", |new| new.expose_secret());
    let lines = [user, &*note.to_string_lossy(), new, image.expose_secret(), left.expose_secret()];
    SecretString::from(format!("{PROGRAM}{}\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// What the program prints for a user whose hash is `hash`, and what was given to `chpasswd`.
    fn run(hash: &str, new: &str, old: &[&str]) -> (String, Option<String>, bool) {
        let folder = tempfile::tempdir().unwrap();
        let (given, note) = (folder.path().join("given"), folder.path().join("notes/note"));
        let bin = folder.path().join("chpasswd");
        std::fs::write(&bin, format!("#!/bin/sh\ncat > {}\n", given.display())).unwrap();
        Command::new("chmod").arg("755").arg(&bin).status().unwrap();
        // The user's entry is played; the rest is the program as it is.
        let entry = "(getpwnam($user))[1] // \"*\"";
        assert!(PROGRAM.contains(entry));
        let played = PROGRAM.replace(entry, &format!("'{hash}'")).replace("if $>;", "if 0;");
        let text = format!("{played}pi\n{}\n{new}\n{}\n", note.display(), old.join("\n"));
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut perl = Command::new("perl");
        perl.arg("-").env("PATH", path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = perl.spawn().expect("perl is there");
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        (said, std::fs::read_to_string(given).ok(), note.exists())
    }

    #[test]
    fn what_arrived_cut_short_is_neither_worked_on_nor_remembered() {
        for old in [&[][..], &["x"], &["x", "y", "z"]] {
            for hash in ["", "*"] {
                assert_eq!(run(hash, "new", old), (String::new(), None, false), "{old:?}");
            }
        }
    }

    #[test]
    fn only_a_password_that_was_told_is_replaced() {
        // Of `1234`, by crypt(3) with SHA-512 and few rounds.
        let image = "$6$rounds=1000$skepskep$JE0.XOApa.yYWc4kZU5vHZc86.701HxpuUeomap57muWZfS0TqwUJZ.SbxhYZrbOB0jcTQJCv.A9qAg.VivBX0";
        for (hash, new, old, said, given, noted) in [
            (image, "new", ["x", "1234"], "replaced", Some("pi:new\n"), true),
            (image, "new", ["x", "12345"], "another", None, true),
            (image, "", ["1234", "x"], "kept", None, false),
            ("", "new", ["x", "1234"], "replaced", Some("pi:new\n"), true),
            // No password opens these, and none is given.
            ("*", "new", ["*", "1234"], "another", None, true),
            ("!", "new", ["!", ""], "another", None, true),
        ] {
            let seen = run(hash, new, &old);
            assert_eq!(
                (seen.0.as_str(), seen.1.as_deref(), seen.2),
                (said, given, noted),
                "{hash:?} {old:?}"
            );
        }
    }
}
