//! The whole way from files to a target, by `ssh` itself and by the parser.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::ssh::target::{NewHostKeys, WhichAgent};

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".ssh")).unwrap();
        std::fs::write(dir.path().join(".ssh/config"), config).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As it is used: `ssh` is asked where the configuration is not plain.
    fn quick(&self, ssh: Option<PathBuf>) -> SshConfig {
        SshConfig::new(ssh, Some(self.dir.path().to_owned()), &self.path("system"))
    }

    fn config(&self, ssh: Option<PathBuf>) -> SshConfig {
        SshConfig { plain: None, ..self.quick(ssh) }
    }

    async fn target(&self, ssh: Option<PathBuf>, given: Given) -> Result<Target, ConfigError> {
        self.config(ssh).target(given).await
    }
}

fn ssh() -> PathBuf {
    program::find().expect("OpenSSH's client (package openssh-client) is needed by this test")
}

/// By `ssh`, and by the parser.
fn both() -> [Option<PathBuf>; 2] {
    [Some(ssh()), None]
}

fn given(address: &str) -> Given {
    Given { node: "n1".into(), address: address.into(), ..Given::default() }
}

/// The way to a host, last hop first.
fn way(target: &Target) -> Vec<String> {
    let one = format!("{}@{}:{}", target.user, target.host, target.port);
    let before = match &target.route {
        Route::Direct => Vec::new(),
        Route::Command(command) => vec![format!("`{command}`")],
        Route::Jump(hop) => way(hop),
    };
    [one].into_iter().chain(before).collect()
}

#[tokio::test]
async fn without_a_configuration_all_is_as_the_inventory_says() {
    let home = Home::with("");
    let user = Here::of_process(None).user;
    for ssh in both() {
        let target = home.target(ssh, given("Pi.Lan")).await.unwrap();
        assert_eq!(way(&target), [format!("{user}@Pi.Lan:22")]);
        assert_eq!((target.node.as_str(), target.asked.as_str()), ("n1", "Pi.Lan"));
        assert!(target.configured.is_empty() && target.keys.is_empty() && target.certificates.is_empty());
        assert_eq!((target.agent, target.new_host_keys), (WhichAgent::Usual, NewHostKeys::Ask));
        let files = ["known_hosts", "known_hosts2"].map(|name| home.path(".ssh").join(name));
        assert_eq!(target.known_hosts.files, files);
        assert_eq!(target.known_hosts.global.len(), 2);
        assert_eq!((target.connect_timeout, target.host_key_algorithms), (None, None));
    }
}

#[tokio::test]
async fn the_configuration_supplies_what_the_inventory_leaves_out() {
    let home = Home::with(
        "Host pi\n  HostName 10.0.0.7\n  User admin\n  Port 2222\n  IdentityFile ~/.ssh/%r_key\n  ConnectTimeout 3
  StrictHostKeyChecking accept-new\n  UserKnownHostsFile ~/.ssh/boards\n  HostKeyAlias board\n  IdentityAgent none\n",
    );
    for ssh in both() {
        let target = home.target(ssh.clone(), given("pi")).await.unwrap();
        assert_eq!(way(&target), ["admin@10.0.0.7:2222"]);
        assert_eq!(target.configured, ["HostName", "Port", "User"]);
        assert_eq!(target.keys, [home.path(".ssh/admin_key")]);
        assert_eq!(target.known_hosts.alias.as_deref(), Some("board"));
        assert_eq!((target.agent, target.new_host_keys), (WhichAgent::None, NewHostKeys::Accept));
        assert_eq!(target.connect_timeout, Some(Duration::from_secs(3)));

        let full = Given {
            user: Some("root".into()),
            port: Some(22),
            keys: vec!["/k".into()],
            known_hosts: Some("/known".into()),
            connect_timeout: Some(Duration::from_secs(9)),
            ..given("pi")
        };
        let target = home.target(ssh, full).await.unwrap();
        assert_eq!(way(&target), ["root@10.0.0.7:22"]);
        assert_eq!(target.configured, ["HostName"]);
        assert_eq!((target.keys, target.known_hosts.files), (vec!["/k".into()], vec!["/known".into()]));
        assert_eq!(target.connect_timeout, Some(Duration::from_secs(9)));
    }
}

#[tokio::test]
async fn ways_through_jump_hosts() {
    let config = "Host a\n  HostName a.lan\n  User ja\n  IdentityFile ~/.ssh/ja\nHost b\n  HostName b.lan\n  Port 23\n  User jb
Host two\n  User x\n  ProxyJump a,b\nHost one\n  User x\n  ProxyJump chained\nHost chained\n  User y\n  ProxyJump a
Host over\n  User x\n  ProxyCommand nc -x %r %h %p\nHost none\n  User x\n  ProxyJump none\nHost n* o*\n  ProxyJump b\nHost *\n  User z\n";
    let home = Home::with(config);
    let (a, b) = ("ja@a.lan:22", "jb@b.lan:23");
    for ssh in both() {
        let jump = |address: &str, jump: &str| Given { jump: Some(jump.parse().unwrap()), ..given(address) };
        for (given, expected) in [
            (given("plain"), vec!["z@plain:22"]),
            (given("two"), vec!["x@two:22", b, a]),
            (given("one"), vec!["x@one:22", "y@chained:22", a]),
            (given("over"), vec!["x@over:22", "`nc -x x over 22`"]),
            (given("none"), vec!["x@none:22"]),
            (given("n7"), vec!["z@n7:22", b]),
            (jump("two", "none"), vec!["x@two:22"]),
            (jump("over", "none"), vec!["x@over:22"]),
            (jump("two", "me@c:9"), vec!["x@two:22", "me@c:9"]),
            (jump("plain", "chained,b"), vec!["z@plain:22", b, "y@chained:22", a]),
            (Given { proxy_command: Some("nc %h".into()), ..given("two") }, vec!["x@two:22", "`nc two`"]),
        ] {
            let name = format!("{} {:?}", given.address, given.jump);
            let target =
                home.target(ssh.clone(), given).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(way(&target), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn a_jump_host_has_the_inventorys_keys_and_file_but_never_the_password() {
    let home = Home::with("Host a\n  IdentityFile /ja\n");
    let given = Given {
        jump: Some("a,b".parse().unwrap()),
        keys: vec!["/k".into()],
        known_hosts: Some("/known".into()),
        password: Some("secret".into()),
        key_passphrase: Some("phrase".into()),
        host_key: Some("SHA256:x".into()),
        ..given("pi")
    };
    let target = home.target(Some(ssh()), given).await.unwrap();
    let Route::Jump(b) = &target.route else { panic!("{target:?}") };
    let Route::Jump(a) = &b.route else { panic!("{b:?}") };
    assert_eq!((b.node.as_str(), a.node.as_str()), ("jump host b", "jump host a"));
    assert_eq!((&b.keys, &a.keys), (&vec!["/k".into()], &vec!["/ja".into()]));
    let user = &target.user;
    assert_eq!(target.arguments(), format!("-o ProxyJump=a,b -p 22 {user}@pi"));
    assert_eq!(b.arguments(), format!("-o ProxyJump=a -p 22 {user}@b"));
    assert_eq!(a.arguments(), format!("-p 22 {user}@a"));
    for hop in [a, b] {
        assert!(hop.password.is_none() && hop.jump_host && hop.host_key.is_none());
        assert!(hop.key_passphrase.is_some());
        assert_eq!(hop.known_hosts.files, [PathBuf::from("/known")]);
    }
}

#[tokio::test]
async fn circles_are_refused() {
    for (config, ssh_says, parser_says) in [
        ("Host *\n  ProxyJump b\n", "jumphost loop via b", "pi through b through b"),
        (
            "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\nHost pi\n  ProxyJump a\n",
            "pi through a through b through a",
            "pi through a through b through a",
        ),
    ] {
        for (ssh, expected) in [(Some(ssh()), ssh_says), (None, parser_says)] {
            let error = Home::with(config).target(ssh, given("pi")).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.help().contains("none"), "{}", error.help());
        }
    }
}

#[tokio::test]
async fn an_error_is_told_in_the_words_of_ssh_with_file_and_line() {
    let home = Home::with("Host pi\n  Include more\n  Portt 3\n");
    let error = home.target(Some(ssh()), given("pi")).await.unwrap_err();
    let path = home.path(".ssh/config");
    let expected = format!(
        "ssh cannot use its configuration: {}: line 3: Bad configuration option: portt",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.help(), "correct it until `ssh -G pi` is content");

    let error = home.target(Some("/nowhere/ssh".into()), given("pi")).await.unwrap_err();
    assert!(error.to_string().starts_with("`ssh -G pi` cannot be run"), "{error}");
}

#[tokio::test]
async fn both_configurations_count_where_home_is_not_that_of_the_account() {
    let home = Home::with("Host pi\n  User mine\n");
    std::fs::write(home.path("system"), "Host *\n  User theirs\n  Port 2222\n").unwrap();
    for ssh in both() {
        let target = home.target(ssh, given("pi")).await.unwrap();
        assert_eq!(way(&target), ["mine@pi:2222"]);
    }
}

#[test]
fn plain_files_mean_what_ssh_takes_them_for() {
    let pattern = prop_oneof!["[ab]{1,2}", "[ab]?\\*", "![ab]", "a\\?", Just("*".to_owned())];
    let option = prop_oneof![
        "User (x|y)",
        "Port (1|22|2222|022)",
        "HostName (h|Pi\\.Lan|10\\.0\\.0\\.7)",
        "IdentityFile (/k|~/k|/k2)",
        "IdentitiesOnly (yes|no)",
        "UserKnownHostsFile (/u|~/u)",
        "ConnectTimeout (3|9)",
        "StrictHostKeyChecking (yes|no|ask|accept-new)",
        "HashKnownHosts (yes|no)",
        "(SendEnv LANG LC_\\*|ForwardAgent yes|ServerAliveInterval 5|# Port 7)",
        "Include ~/\\.ssh/none",
        "ProxyCommand nc %h",
    ];
    let section = (prop::collection::vec(pattern, 1..3), prop::collection::vec(option, 0..5));
    let section = section
        .prop_map(|(patterns, options)| format!("Host {}\n  {}\n", patterns.join(" "), options.join("\n  ")));
    let sections = || prop::collection::vec(section.clone(), 0..4);
    let port = prop::option::of(Just(2222u16));
    let user = prop::option::of(Just("me".to_owned()));
    let case = (sections(), sections(), "[ab]{1,2}", user, port);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let plain = std::cell::Cell::new(0);
    TestRunner::new(config)
        .run(&case, |(first, second, address, user, port)| {
            let home = Home::with(&first.concat());
            std::fs::write(home.path("system"), second.concat()).unwrap();
            let given = Given { user, port, ..given(&address) };
            let quick = home.quick(Some(ssh()));
            let question = Question { host: address, user: given.user.clone(), port, jump: None };
            plain.set(plain.get() + usize::from(quick.plain.as_ref().unwrap().ask(&question).is_some()));
            let by_ssh = runtime.block_on(home.target(Some(ssh()), given.clone())).unwrap();
            let quickly = runtime.block_on(quick.target(given)).unwrap();
            prop_assert_eq!(format!("{by_ssh:?}"), format!("{quickly:?}"), "{:?} {:?}", first, second);
            Ok(())
        })
        .unwrap();
    assert!(plain.get() > 20, "of 96 cases, {} were plain", plain.get());
}

#[test]
fn the_parser_agrees_with_ssh() {
    let pattern = prop_oneof!["[ab]{1,2}", "[ab]?\\*", "![ab]", "a\\?", Just("*".to_owned())];
    let option = prop_oneof![
        "User (x|y)",
        "Port (1|22|2222)",
        "HostName (h|%h\\.lan|a%%b)",
        "ProxyJump (j|u@j:3)",
        "ProxyCommand (nc %h|none)",
        "IdentityFile (/k|~/k_%r)",
        "IdentitiesOnly (yes|no)",
        "IdentityAgent (none|/s|SSH_AUTH_SOCK)",
        "UserKnownHostsFile (/u|/u /v|none)",
        "HostKeyAlias (x|y)",
        "ConnectTimeout (3|9)",
        "StrictHostKeyChecking (yes|no|ask|accept-new)",
        "HashKnownHosts (yes|no)",
    ];
    let section = (prop::collection::vec(pattern, 1..3), prop::collection::vec(option, 0..4)).prop_map(
        |(patterns, mut options)| {
            // Of an option that stands twice in one section the parser takes the last, `ssh` the first.
            let mut seen = std::collections::HashSet::new();
            options.retain(|option: &String| seen.insert(option.split(' ').next().map(str::to_owned)));
            // Likewise it does not tell which of these two came first.
            let proxies = options.iter().filter(|option| option.starts_with("Proxy")).count();
            options.retain(|option| proxies < 2 || !option.starts_with("ProxyCommand"));
            format!("Host {}\n  {}\n", patterns.join(" "), options.join("\n  "))
        },
    );
    let case = (prop::collection::vec(section, 0..5), "[ab]{1,2}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case, |(sections, address)| {
            let text = sections.concat();
            let home = Home::with(&text);
            let [by_ssh, by_parser] = both().map(|ssh| runtime.block_on(home.target(ssh, given(&address))));
            match (by_ssh, by_parser) {
                (Ok(one), Ok(two)) => prop_assert_eq!(format!("{one:?}"), format!("{two:?}"), "{}", text),
                (one, two) => prop_assert!(one.is_err() && two.is_err(), "{text}{one:?}\n{two:?}"),
            }
            Ok(())
        })
        .unwrap();
}
