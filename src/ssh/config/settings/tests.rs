use proptest::prelude::*;

use super::*;
use crate::ssh::config::tokens::tests::here;

/// What `ssh -F none -G` prints, cut down.
const DEFAULTS: &str = "user me\nhostname localhost\nport 22\nidentitiesonly no\nhashknownhosts no
stricthostkeychecking ask\nhostkeyalgorithms ssh-ed25519,rsa-sha2-512\nconnecttimeout none
identityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519
globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2\n";

fn question() -> Question {
    Question { host: "Pi".into(), user: None, port: None, jump: None }
}

/// What is said where a configuration holds these lines.
fn settings_of(lines: &str, question: &Question) -> Result<Settings, ConfigError> {
    let mut said = Said::parse(lines);
    said.first("hostname", Some("pi".into()));
    for (option, values) in Said::parse(DEFAULTS).0 {
        said.0.entry(option).or_insert(values);
    }
    Settings::of(&said, &Said::parse(DEFAULTS), question, &here())
}

fn settings(lines: &str) -> Settings {
    settings_of(lines, &question()).expect("settings")
}

fn plain() -> Settings {
    Settings {
        user: "me".into(),
        host_name: "Pi".into(),
        port: 22,
        proxy: Proxy::None,
        keys: None,
        certificates: Vec::new(),
        identities_only: false,
        agent: WhichAgent::Usual,
        known_hosts: ["known_hosts", "known_hosts2"].map(|name| here().in_ssh(name)).into(),
        global_known_hosts: vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()],
        revoked_host_keys: None,
        hash_known_hosts: false,
        host_key_alias: None,
        new_host_keys: NewHostKeys::Ask,
        host_key_algorithms: None,
        connect_timeout: None,
    }
}

#[test]
fn without_a_configuration_nothing_is_named() {
    assert_eq!(settings(""), plain());
    // Not a word is as good.
    let silent = Settings::of(&Said::default(), &Said::default(), &question(), &here());
    assert_eq!(silent, Ok(plain()));
}

#[test]
fn each_option() {
    let paths = |paths: &[&str]| -> Vec<PathBuf> { paths.iter().map(PathBuf::from).collect() };
    let hops = |text: &str| match text.parse() {
        Ok(Jump::Via(hops)) => Proxy::Jump(hops),
        other => panic!("{other:?}"),
    };
    for (lines, expected) in [
        ("user root", Settings { user: "root".into(), ..plain() }),
        ("port 2222", Settings { port: 2222, ..plain() }),
        ("hostname 10.0.0.7", Settings { host_name: "10.0.0.7".into(), ..plain() }),
        ("proxyjump a@b:2,c", Settings { proxy: hops("a@b:2,c"), ..plain() }),
        ("proxyjump none", plain()),
        ("proxycommand none", plain()),
        ("proxycommand nc %h %p # x", Settings { proxy: Proxy::Command("nc %h %p # x".into()), ..plain() }),
        ("proxyusefdpass no", plain()),
        (
            "identityfile ~/.ssh/id_ed25519",
            Settings { keys: Some(paths(&["/home/me/.ssh/id_ed25519"])), ..plain() },
        ),
        (
            "identityfile ~/%h_%r\nidentityfile /with space/id\nidentityfile none\nidentityfile ~/%h_%r",
            Settings { keys: Some(paths(&["/home/me/Pi_me", "/with space/id"])), ..plain() },
        ),
        (
            "certificatefile ~ann/%n-cert.pub",
            Settings { certificates: paths(&["/home/ann/Pi-cert.pub"]), ..plain() },
        ),
        ("identitiesonly yes", Settings { identities_only: true, ..plain() }),
        ("identityagent none", Settings { agent: WhichAgent::None, ..plain() }),
        ("identityagent SSH_AUTH_SOCK", plain()),
        ("identityagent $WORK", Settings { agent: WhichAgent::At("/srv/50%".into()), ..plain() }),
        ("identityagent $NOTHING", Settings { agent: WhichAgent::None, ..plain() }),
        ("identityagent /run/agent", Settings { agent: WhichAgent::At("/run/agent".into()), ..plain() }),
        ("userknownhostsfile none", Settings { known_hosts: paths(&["/dev/null"]), ..plain() }),
        (
            "userknownhostsfile /a /b c ~/d",
            Settings { known_hosts: paths(&["/a", "/b c", "/home/me/d"]), ..plain() },
        ),
        ("userknownhostsfile here there", Settings { known_hosts: paths(&["here", "there"]), ..plain() }),
        ("globalknownhostsfile /g", Settings { global_known_hosts: paths(&["/g"]), ..plain() }),
        ("revokedhostkeys ~/no", Settings { revoked_host_keys: Some("/home/me/no".into()), ..plain() }),
        ("revokedhostkeys none", plain()),
        ("hashknownhosts yes", Settings { hash_known_hosts: true, ..plain() }),
        ("hostkeyalias board", Settings { host_key_alias: Some("board".into()), ..plain() }),
        ("stricthostkeychecking true", Settings { new_host_keys: NewHostKeys::Refuse, ..plain() }),
        ("stricthostkeychecking yes", Settings { new_host_keys: NewHostKeys::Refuse, ..plain() }),
        ("stricthostkeychecking false", Settings { new_host_keys: NewHostKeys::Accept, ..plain() }),
        ("stricthostkeychecking accept-new", Settings { new_host_keys: NewHostKeys::Accept, ..plain() }),
        (
            "hostkeyalgorithms rsa-sha2-512,ssh-ed25519",
            Settings {
                host_key_algorithms: Some(vec!["rsa-sha2-512".into(), "ssh-ed25519".into()]),
                ..plain()
            },
        ),
        ("connecttimeout 7", Settings { connect_timeout: Some(Duration::from_secs(7)), ..plain() }),
    ] {
        assert_eq!(settings(lines), expected, "{lines}");
    }
}

#[test]
fn the_inventory_counts_first() {
    let given = Question { user: Some("ann".into()), port: Some(23), jump: Some(Jump::None), ..question() };
    let lines = "user root\nport 2222\nproxyjump b\nidentityfile /k/%r-%p";
    let expected = Settings { user: "ann".into(), port: 23, keys: Some(vec!["/k/ann-23".into()]), ..plain() };
    assert_eq!(settings_of(lines, &given), Ok(expected));
}

#[test]
fn what_cannot_be_used_is_named() {
    for (lines, option, why) in [
        ("port x", "Port", "`x`"),
        ("port 0", "Port", "`0`"),
        ("proxyjump a,,b", "ProxyJump", "[USER@]HOST[:PORT]"),
        ("identityfile ~bob/id", "IdentityFile", "bob"),
        ("identityfile %C", "IdentityFile", "%C"),
        ("certificatefile ${NONE}/x", "CertificateFile", "NONE"),
        ("connecttimeout soon", "ConnectTimeout", "soon"),
    ] {
        let error = settings_of(lines, &question()).expect_err(lines);
        let text = error.to_string();
        assert!(
            text.contains(&format!("{option} in ssh's configuration of Pi")) && text.contains(why),
            "{text}"
        );
        assert!(error.help().contains("ssh -G Pi"), "{}", error.help());
    }
}

proptest! {
    #[test]
    fn no_words_panic(text in "((user|port|hostname|proxyjump|proxycommand|identityfile|identityagent|userknownhostsfile|connecttimeout|x) [ -~]{0,12}\n){0,6}") {
        let _ = Settings::of(&Said::parse(&text), &Said::parse(DEFAULTS), &question(), &here());
    }

    #[test]
    fn absolute_paths_are_told_apart(paths in prop::collection::vec("/[a-z]{1,3}( [a-z]{1,3})?", 1..4)) {
        prop_assert_eq!(split_paths(&paths.join(" ")), paths);
    }
}
