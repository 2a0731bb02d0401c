//! skep itself on a terminal: who is asked, how often, and what is seen of the answer.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;

use crate::support::sshd::{self, Sshd};

/// A server of three addresses that runs no commands, and an inventory of these with an encrypted key.
fn three_hosts() -> Option<(Sshd, tempfile::TempDir)> {
    let server =
        Sshd::start_with("ListenAddress 127.0.0.2\nListenAddress 127.0.0.3\nForceCommand /bin/false\n")?;
    let folder = tempfile::tempdir().unwrap();
    let key = sshd::generate_key(folder.path(), "locked", "ed25519", "open sesame");
    server.authorize(&key);
    let node = |n: usize| format!("  n{n}: {{address: 127.0.0.{n}, role: manager}}\n");
    let inventory = format!(
        "defaults: {{user: {}, port: {}, key: locked, known_hosts: known_hosts}}\nnodes:\n{}",
        sshd::this_user(),
        server.port,
        (1..=3).map(node).collect::<String>()
    );
    std::fs::write(folder.path().join("three.yml"), inventory).unwrap();
    Some((server, folder))
}

fn skep(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    // A question that the test does not know would wait for ever.
    let mut command = Command::new("timeout");
    command.args(["--foreground", "60", env!("CARGO_BIN_EXE_skep")]);
    command.current_dir(folder.path()).env("HOME", folder.path()).env_remove("SSH_AUTH_SOCK");
    command.args(["status", "--accept-new-host-keys", "--inventory"]).arg(folder.path().join("three.yml"));
    command.args(arguments);
    command
}

/// Runs it on a terminal where each answer is typed as soon as its prompt is seen; gives all that was to be seen.
fn on_terminal(mut command: Command, answers: &[(&str, &str)]) -> String {
    let pty = openpty(None, None).unwrap();
    for end in [&pty.master, &pty.slave] {
        // Not for the programs of other tests, which would keep the terminal open.
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    }
    let (mut keyboard, terminal) = (File::from(pty.master), File::from(pty.slave));
    let end = || Stdio::from(terminal.try_clone().unwrap());
    let mut child: Child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    drop((command, terminal));
    let (mut seen, mut answered, mut piece) = (String::new(), 0, [0; 4096]);
    let mut answers = answers.iter();
    let mut next = answers.next();
    // A terminal that nobody has open any more is an error, not an end.
    while let Ok(length @ 1..) = keyboard.read(&mut piece) {
        seen += &String::from_utf8_lossy(&piece[..length]);
        if let Some((prompt, answer)) = next
            && let Some(at) = seen[answered..].find(prompt)
        {
            answered += at + prompt.len();
            writeln!(keyboard, "{answer}").unwrap();
            next = answers.next();
        }
    }
    child.wait().unwrap();
    seen
}

#[test]
fn one_question_for_all_hosts_and_nothing_of_the_answer_is_seen() {
    let Some((_server, folder)) = three_hosts() else { return };
    let key = folder.path().join("locked");
    let prompt = format!("Passphrase of {}: ", key.display());
    let seen = on_terminal(skep(&folder, &[]), &[(&prompt, "wrong"), (&prompt, "open sesame")]);
    // The second time with the remark that the first did not do.
    assert_eq!(seen.matches(&prompt).count(), 2, "{seen}");
    assert_eq!(seen.matches(&format!("That does not open it. {prompt}")).count(), 1, "{seen}");
    assert!(!seen.contains("sesame") && !seen.contains("wrong"), "{seen}");
    // All are let in; that they run no commands is told after that.
    assert!(!seen.contains("refuses the login"), "{seen}");
    for node in ["n1", "n2", "n3"] {
        assert!(seen.contains(node), "{seen}");
    }
}

#[test]
fn where_nobody_can_be_asked_nobody_is() {
    let Some((_server, folder)) = three_hosts() else { return };
    for arguments in [&["--json"][..], &["--quiet"], &[]] {
        let seen = match arguments {
            [] => {
                let output = skep(&folder, &[]).stdin(Stdio::null()).output().unwrap();
                String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
            }
            _ => on_terminal(skep(&folder, arguments), &[]),
        };
        assert!(!seen.contains("Passphrase of"), "{seen}");
        let told: String = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("nobody can be asked for its passphrase here"), "{seen}");
        assert!(told.contains("ssh-add") && told.contains("key_passphrase"), "{seen}");
    }
}

#[test]
fn ctrl_c_at_a_question_ends_the_run() {
    let Some((_server, folder)) = three_hosts() else { return };
    // The terminal hands it over as a key.
    let seen = on_terminal(skep(&folder, &[]), &[("Passphrase of ", "\x03")]);
    assert!(seen.contains("stopped before anything was changed"), "{seen}");
}
