use super::super::world::{Audited, cluster, single};
use super::*;
use crate::facts::inspection::Access;
use crate::inventory::secret::SecretSource;

fn with(change: impl FnOnce(&mut Access)) -> Audited {
    single().inspection("n1", |inspection| change(&mut inspection.access))
}

/// The login `pi`, in the groups `sudo` and `pi`, from 192.168.2.9, with these options besides the usual ones.
fn pi(options: &[(&str, &str)]) -> Audited {
    set(options, "pi", &["sudo", "pi"])
}

fn set(options: &[(&str, &str)], user: &str, groups: &[&str]) -> Audited {
    with(|access| {
        access.account.user = user.to_owned();
        access.account.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        access.connection.client = "192.168.2.9".to_owned();
        let Sshd::Options(all) = &mut access.sshd else { panic!("{access:?}") };
        for (name, value) in options {
            all.insert((*name).to_owned(), value.split('|').map(str::to_owned).collect());
        }
    })
}

fn password(audited: Audited) -> Audited {
    audited.inventory(|inventory| {
        inventory.nodes[0].login.password = Some(SecretSource::Env("PASSWORD".to_owned()));
    })
}

#[test]
fn logins_that_sshd_lets_in() {
    for options in [
        &[][..],
        &[("denyusers", "maya|root")],
        &[("denyusers", "pi@10.0.0.0/8")],
        &[("allowusers", "maya|p?")],
        &[("allowusers", "pi@192.168.2.0/24")],
        &[("allowusers", "pi@192.168.2.*")],
        &[("allowgroups", "wheel|sudo")],
        &[("denygroups", "wheel")],
        &[("permitrootlogin", "no")],
        &[("forcecommand", "none"), ("chrootdirectory", "none")],
    ] {
        assert_eq!(pi(options).all(&LOGIN), ["ok n1: sshd lets pi in"], "{options:?}");
    }
    for value in ["yes", "without-password", "prohibit-password"] {
        let audited = set(&[("permitrootlogin", value)], "root", &["root"]);
        assert_eq!(audited.all(&LOGIN), ["ok n1: sshd lets root in"]);
    }
}

#[test]
fn logins_that_sshd_refuses() {
    for (options, cause, remedy) in [
        (("denyusers", "maya|pi"), "DenyUsers has `pi`", "take `pi` out of DenyUsers"),
        (
            ("denyusers", "*@192.168.2.0/24"),
            "DenyUsers has `*@192.168.2.0/24`",
            "take `*@192.168.2.0/24` out",
        ),
        (("allowusers", "maya"), "AllowUsers leaves it out", "add `pi` to AllowUsers"),
        (("allowusers", "pi@10.0.0.0/8"), "AllowUsers leaves it out", "add `pi` to AllowUsers"),
        (("denygroups", "su*"), "DenyGroups has `su*`, which it is in", "take `su*` out of DenyGroups"),
        (("allowgroups", "wheel|ssh"), "it is in none of AllowGroups", "run `usermod -aG wheel pi`"),
        (
            ("forcecommand", "/bin/true"),
            "ForceCommand is `/bin/true`, so that no command runs as it was asked for",
            "take ForceCommand out for pi",
        ),
        (
            ("chrootdirectory", "/srv"),
            "ChrootDirectory is `/srv`, so that no command runs as it was asked for",
            "take ChrootDirectory out for pi",
        ),
        (
            ("pubkeyauthentication", "no"),
            "PubkeyAuthentication is no, and the inventory gives no password",
            "write `PubkeyAuthentication yes`",
        ),
    ] {
        let audited = pi(&[options]);
        assert_eq!(
            audited.all(&LOGIN),
            [format!("error n1: from its next start on sshd refuses pi: {cause}")],
            "{options:?}"
        );
        let verdict = &audited.verdicts(&LOGIN)[0];
        assert!(verdict.remedy[0].starts_with(remedy), "{:?}", verdict.remedy);
        assert!(verdict.evidence[0].text.starts_with(options.0), "{:?}", verdict.evidence);
    }
    for value in ["no", "forced-commands-only"] {
        let audited = set(&[("permitrootlogin", value)], "root", &["root"]);
        assert_eq!(
            audited.all(&LOGIN),
            [format!("error n1: from its next start on sshd refuses root: PermitRootLogin is {value}")]
        );
    }
    assert_eq!(password(pi(&[("pubkeyauthentication", "no")])).said(&LOGIN), [""; 0]);
}

#[test]
fn ways_in_that_are_switched_off() {
    let refused =
        |user: &str, cause: &str| format!("error n1: from its next start on sshd refuses {user}: {cause}");
    let no_key = ("pubkeyauthentication", "no");
    let no_password = ("passwordauthentication", "no");
    // Prompts are switched off by the usual options.
    let closed = "PubkeyAuthentication is no, and no password is taken either";
    let root = |value: &str| password(set(&[no_key, ("permitrootlogin", value)], "root", &["root"]));
    assert_eq!(password(pi(&[no_key, no_password])).said(&LOGIN), [refused("pi", closed)]);
    assert_eq!(root("prohibit-password").said(&LOGIN), [refused("root", closed)]);
    assert_eq!(root("yes").said(&LOGIN), [""; 0]);
    let prompts = ("kbdinteractiveauthentication", "yes");
    assert_eq!(password(pi(&[no_key, no_password, prompts])).said(&LOGIN), [""; 0]);
    let methods = |methods: &'static str| ("authenticationmethods", methods);
    for (options, lists) in [
        (vec![methods("publickey,password"), no_password], "publickey,password"),
        (vec![methods("publickey"), no_key], "publickey"),
        (vec![methods("publickey,keyboard-interactive:pam")], "publickey,keyboard-interactive:pam"),
        (vec![methods("password publickey,password"), no_password], "password publickey,password"),
    ] {
        let cause = format!("AuthenticationMethods is `{lists}`, which are not all switched on");
        assert_eq!(password(pi(&options)).said(&LOGIN), [refused("pi", &cause)]);
    }
    // A key may be in an agent or a file, and an alternative will do.
    for lists in [
        "any",
        "publickey",
        "publickey,password",
        "publickey,password keyboard-interactive",
        "gssapi-with-mic",
    ] {
        assert_eq!(password(pi(&[methods(lists)])).said(&LOGIN), [""; 0], "{lists}");
    }
    for lists in ["any", "publickey,publickey", "publickey,password publickey"] {
        assert_eq!(pi(&[methods(lists)]).said(&LOGIN), [""; 0], "{lists}");
    }
    for lists in ["publickey,password", "password publickey,password"] {
        let audited = pi(&[methods(lists)]);
        assert_eq!(
            audited.said(&LOGIN),
            [
                "note n1: sshd wants more of pi than a key, and the inventory gives no password: runs without a person cannot answer"
            ]
        );
        assert_eq!(
            audited.verdicts(&LOGIN)[0].remedy,
            ["write `password: {env: SSH_PASSWORD}` to n1 in cluster.yml"]
        );
    }
}

/// Debian's own file begins with its drop-ins, and the first word counts.
#[track_caller]
fn is_written_where_it_counts(audited: &Audited, check: &Check, line: &str, option: &str) {
    let remedy = &audited.verdicts(check)[0].remedy[0];
    assert!(
        remedy.contains(&format!("write `{line}` to /etc/ssh/sshd_config.d/00-local.conf, or ")),
        "{remedy}"
    );
    assert!(remedy.contains(&format!("`grep -rniE 'include|{option}' /etc/ssh/sshd_config*`")), "{remedy}");
}

#[test]
fn what_is_not_known_is_no_refusal() {
    for options in [("allowusers", "pi@10.0.0.0/8"), ("denyusers", "pi@192.168.2.0/24")] {
        let audited = pi(&[options]).inspection("n1", |seen| seen.access.connection.client.clear());
        assert_eq!(audited.said(&LOGIN), [""; 0], "{options:?}");
    }
    let of_a_directory =
        pi(&[("allowgroups", "wheel")]).inspection("n1", |seen| seen.access.account.local = false);
    assert_eq!(of_a_directory.said(&LOGIN), [""; 0]);
}

#[test]
fn an_sshd_that_tells_nothing() {
    for (sshd, expected) in [
        (Sshd::Absent, "unknown n1: there is no sshd here: another SSH server lets logins in"),
        (Sshd::Unread("why".to_owned()), "unknown n1: sshd does not tell its settings"),
        (
            Sshd::Refused("line 3: Bad configuration option: Prot".to_owned()),
            "error n1: sshd does not take its own settings: after its next start nobody can log in",
        ),
    ] {
        let audited = with(|access| access.sshd = sshd);
        assert_eq!(audited.all(&LOGIN), [expected]);
        for check in [&LIMITS, &JUMP, &PASSWORDS] {
            assert_eq!(audited.all(check), [""; 0]);
        }
    }
}

#[test]
fn limits_that_are_too_low() {
    assert_eq!(single().all(&LIMITS), ["ok n1: sshd lets enough in at once"]);
    for (option, expected) in [
        (("maxsessions", "1"), "error n1: MaxSessions 1 is too few: skep opens up to 4 sessions at once"),
        (("maxsessions", "3"), "warning n1: MaxSessions 3 is too few: skep opens up to 4 sessions at once"),
        (("maxstartups", "2:30:10"), "warning n1: MaxStartups drops logins as soon as 2 are on their way"),
        (
            ("persourcemaxstartups", "1"),
            "warning n1: PerSourceMaxStartups lets 1 logins of one computer in at once",
        ),
        (
            ("logingracetime", "5"),
            "warning n1: LoginGraceTime gives a login 5 s, which a slow host may not keep to",
        ),
        (("maxauthtries", "1"), "warning n1: MaxAuthTries 1 ends a login after so many keys, right or wrong"),
    ] {
        assert_eq!(pi(&[option]).all(&LIMITS), [expected]);
        if option.0 == "maxsessions" {
            is_written_where_it_counts(&pi(&[option]), &LIMITS, "MaxSessions 10", option.0);
        }
    }
    for option in [("maxsessions", "4"), ("persourcemaxstartups", "none"), ("logingracetime", "0")] {
        assert_eq!(pi(&[option]).said(&LIMITS), [""; 0], "{option:?}");
    }
    let penalties = || pi(&[("persourcepenalties", "crash:90 authfail:5")]);
    assert_eq!(penalties().said(&LIMITS), [""; 0]);
    assert_eq!(
        password(penalties()).said(&LIMITS),
        ["note n1: after a few wrong passwords sshd refuses this computer for a while (PerSourcePenalties)"]
    );
}

#[test]
fn jump_hosts_let_others_through() {
    let through = |hop: &str, options: &[(&str, &str)]| {
        let hop = hop.parse().unwrap();
        cluster()
            .inventory(|inventory| {
                inventory.nodes[1].login.jump = Some(Jump::Via(vec![hop]));
            })
            .inspection("n1", |inspection| {
                let Sshd::Options(all) = &mut inspection.access.sshd else { panic!() };
                all.extend(
                    options.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])),
                );
            })
    };
    for hop in ["192.168.2.1", "root@n1:22"] {
        assert_eq!(through(hop, &[]).all(&JUMP), ["ok n1: n2 can be reached through it"]);
        for option in [("allowtcpforwarding", "no"), ("disableforwarding", "yes"), ("permitopen", "nas:22")] {
            assert_eq!(
                through(hop, &[option]).all(&JUMP),
                ["error n1: sshd does not let others through, and n2 is reached that way"]
            );
        }
        let cut = through(hop, &[("permitopen", "nas:22")]);
        is_written_where_it_counts(&cut, &JUMP, "PermitOpen any", "permitopen");
        assert_eq!(through(hop, &[("allowtcpforwarding", "local")]).said(&JUMP), [""; 0]);
    }
    assert_eq!(through("elsewhere", &[("allowtcpforwarding", "no")]).all(&JUMP), [""; 0]);
}

#[test]
fn passwords_of_root() {
    let note = "note n1: root may log in with a password, which anybody may guess";
    let ok = "ok n1: root cannot log in with a password";
    for (root, password, interactive, expected) in [
        ("yes", "yes", "no", note),
        ("yes", "no", "yes", note),
        ("yes", "no", "no", ok),
        ("without-password", "yes", "yes", ok),
        ("no", "yes", "no", ok),
    ] {
        let options = [
            ("permitrootlogin", root),
            ("passwordauthentication", password),
            ("kbdinteractiveauthentication", interactive),
        ];
        assert_eq!(pi(&options).all(&PASSWORDS), [expected], "{options:?}");
    }
    let line = "PermitRootLogin prohibit-password";
    is_written_where_it_counts(&pi(&[("permitrootlogin", "yes")]), &PASSWORDS, line, "permitrootlogin");
}
