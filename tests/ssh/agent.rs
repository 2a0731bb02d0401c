//! Keys, certificates and security keys that an agent holds.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skep::ssh::{Identities, Options, Target, WhichAgent, connect};

use crate::support::sshd::{self, Sshd};
use crate::support::{self};
use crate::{KEYS_ONLY, refusal, target, trusting};

/// OpenSSH's own software security key, for its tests.
const DUMMY_SECURITY_KEY: &str = "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so";

/// An agent of its own that holds the keys of these files.
pub(crate) struct Agent {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Agent {
    pub(crate) fn start(socket: PathBuf, keys: &[PathBuf]) -> Self {
        let mut command = Command::new("ssh-agent");
        // The security key's library is allowed by name: by default, only those in /usr/lib and /usr/local/lib.
        command.arg("-D").args(["-P", "/usr/lib/*,/usr/local/lib/*"]).arg("-a").arg(&socket);
        // Nobody is there to confirm anything.
        command.env("SSH_ASKPASS", "/bin/false").env("DISPLAY", "none");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let agent = Self { child: child.expect("ssh-agent starts"), socket };
        while std::os::unix::net::UnixStream::connect(&agent.socket).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        for key in keys {
            agent.add(&[], key);
        }
        agent
    }

    fn add(&self, options: &[&str], key: &Path) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").args(options).arg(key).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null());
        assert!(add.status().expect("ssh-add runs").success(), "{}", key.display());
    }

    pub(crate) fn options(&self) -> Options {
        let identities = Identities::new(None, Some(self.socket.clone()));
        Options { accept_new_host_keys: true, ..Options::new(Arc::new(identities)) }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A login by what the agent holds.
fn by_agent(server: &Sshd) -> Target {
    Target { keys: Vec::new(), ..target(server) }
}

/// Exchanges the keys that the server lets in.
fn only(server: &Sshd, key: &Path) {
    std::fs::write(server.path("authorized_keys"), "").unwrap();
    server.authorize(key);
}

#[tokio::test]
async fn the_agent_signs_with_each_kind_of_key() {
    let Some(server) = Sshd::start() else { return };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = sshd::generate_key(server.dir.path(), &format!("agent_{kind}"), kind, "");
        only(&server, &key);
        let agent = Agent::start(server.path(&format!("agent_{kind}.sock")), std::slice::from_ref(&key));
        connect(&by_agent(&server), &agent.options()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        // The file need not be there, if its public half is.
        std::fs::remove_file(&key).unwrap();
        let named = Target { keys: vec![key], identities_only: true, ..target(&server) };
        connect(&named, &agent.options()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn a_security_key_signs_through_the_agent_alone() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    if !Path::new(DUMMY_SECURITY_KEY).exists() {
        return support::left_out("OpenSSH's software security key (Debian package openssh-tests)");
    }
    for kind in ["ed25519-sk", "ecdsa-sk"] {
        let key = server.path(kind);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", kind, "-N", "", "-w", DUMMY_SECURITY_KEY, "-f"]).arg(&key);
        assert!(keygen.status().expect("ssh-keygen runs").success());
        only(&server, &key);
        let by_file = Target { keys: vec![key.clone()], ..target(&server) };
        let text = refusal(&by_file, &trusting()).await.to_string();
        let path = key.display();
        let expected = format!(
            "key {path}: belongs to a security key, and the agent does not hold it; `ssh-add {path}`"
        );
        assert!(text.ends_with(&expected), "{text}");

        let agent = Agent::start(server.path(&format!("{kind}.sock")), &[]);
        agent.add(&["-S", DUMMY_SECURITY_KEY], &key);
        for target in [by_file, by_agent(&server)] {
            connect(&target, &agent.options()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
    }
}

#[tokio::test]
async fn certificates_that_the_agent_holds_go_before_their_keys() {
    let Some(server) = Sshd::start_with("TrustedUserCAKeys {dir}/ca.pub\n") else { return };
    std::fs::write(server.path("authorized_keys"), "").unwrap();
    let ca = sshd::generate_key(server.dir.path(), "ca", "ed25519", "");
    for kind in ["ed25519", "rsa"] {
        let key = sshd::generate_key(server.dir.path(), &format!("certified_{kind}"), kind, "");
        crate::keys::certify(&ca, &key, &["-n", &sshd::this_user()]);
        // ssh-add adds the certificate beside the key as well.
        let agent = Agent::start(server.path(&format!("certified_{kind}.sock")), std::slice::from_ref(&key));
        connect(&by_agent(&server), &agent.options()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));

        // The key alone in the agent, the certificate in a file.
        let certificate = server.path(&format!("certified_{kind}-cert.pub"));
        let elsewhere = server.path(&format!("elsewhere_{kind}.pub"));
        std::fs::rename(&certificate, &elsewhere).unwrap();
        let agent = Agent::start(server.path(&format!("plain_{kind}.sock")), std::slice::from_ref(&key));
        refusal(&by_agent(&server), &agent.options()).await;
        let named = Target { certificates: vec![elsewhere], identities_only: true, ..by_agent(&server) };
        connect(&named, &agent.options()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test]
async fn an_agent_that_does_not_sign_is_told_and_the_next_key_tried() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let key = sshd::generate_key(server.dir.path(), "confirmed", "ed25519", "");
    server.authorize(&key);
    let agent = Agent::start(server.path("agent.sock"), &[]);
    agent.add(&["-c"], &key);
    let error = refusal(&by_agent(&server), &agent.options()).await;
    let expected = format!(
        "tried: agent key confirmed (ssh-ed25519 {}): the server accepts it, but the agent did not sign; \
         see whether the agent waits for a touch or a confirmation: `ssh-add -T KEY.pub`",
        sshd::fingerprint(&key)
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
    agent.add(&[], &server.path("client"));
    connect(&by_agent(&server), &agent.options()).await.expect("a session by the other key");
}

#[tokio::test]
async fn identities_only_keeps_the_agents_other_keys_back() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let other = sshd::generate_key(server.dir.path(), "other", "ed25519", "");
    let agent = Agent::start(server.path("agent.sock"), &[server.path("client")]);
    let target = Target { keys: vec![other.clone()], ..target(&server) };
    connect(&target, &agent.options()).await.expect("the agent's key after the file");

    let target = Target { identities_only: true, ..target };
    let error = refusal(&target, &agent.options()).await;
    let expected = format!(
        "n1: cannot log in as {user} on 127.0.0.1 port {port}: it refuses the login (it accepts publickey); tried: \
         1 other key of the agent: not offered, since IdentitiesOnly is set; \
         key {key} (ssh-ed25519 {print}): refused; \
         install the key there: `ssh-copy-id -i {key} -p {port} {user}@127.0.0.1`",
        user = target.user,
        port = server.port,
        key = other.display(),
        print = sshd::fingerprint(&other),
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_host_may_have_its_own_agent_or_none() {
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let mine = Agent::start(server.path("mine.sock"), &[server.path("client")]);
    let empty = Agent::start(server.path("empty.sock"), &[]);
    let its = |agent| Target { agent, ..by_agent(&server) };
    let at = |socket: &Path| WhichAgent::At(socket.to_owned());
    connect(&its(at(&mine.socket)), &empty.options()).await.expect("a session by the host's own agent");
    for agent in [at(&empty.socket), WhichAgent::None] {
        let error = refusal(&its(agent), &mine.options()).await;
        assert!(error.to_string().contains("tried: keys: there is none to offer; make one"), "{error}");
    }
    let dead = server.path("dead.sock");
    let error = refusal(&its(at(&dead)), &mine.options()).await;
    assert!(error.to_string().contains(&format!("tried: agent at {}: ", dead.display())), "{error}");
    // A key file works all the same.
    let by_file = Target { agent: WhichAgent::At(dead), ..target(&server) };
    connect(&by_file, &mine.options()).await.expect("a session by the key file");
}

#[tokio::test]
async fn an_agent_full_of_keys_leaves_room_for_what_is_wanted() {
    let Some(server) = Sshd::start() else { return };
    let keys: Vec<_> =
        (0..7).map(|n| sshd::generate_key(server.dir.path(), &format!("other{n}"), "ed25519", "")).collect();
    let agent = Agent::start(server.path("agent.sock"), &keys);
    connect(&target(&server), &agent.options()).await.expect("the named file first");

    let error = refusal(&by_agent(&server), &agent.options()).await.to_string();
    for part in [
        "(it said: Too many authentication failures)",
        &format!("agent key other5 (ssh-ed25519 {}): the server hung up", sshd::fingerprint(&keys[5])),
        "1 more key: not offered any more",
        "name the right one as `key` in the inventory",
    ] {
        assert!(error.contains(part), "{error}");
    }
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    let password = crate::prompts::by_password(&server, sshd::USER, sshd::PASSWORD);
    connect(&password, &agent.options()).await.expect("a session by password");
}
