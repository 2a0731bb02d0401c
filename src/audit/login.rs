//! Who the agent is, and until when the login may be used.

use super::{Check, Family, Judgement, Subject, days};

/// Days before the end of a password or an account on which it is warned of.
const WARNED_BEFORE: i64 = 14;

/// See its explanation.
pub(super) const LOGIN: Check = Check {
    id: "login",
    family: Family::Access,
    title: "login and privilege",
    explanation: "skep installs packages and writes to /etc, so the agent has to run as root: because root logs in, \
        or through sudo or doas. What is read is who the agent runs as, and for sudo the rules that it lists for the \
        login. It is an error where the agent is not root: nothing can be changed then. A sudo that asks for a \
        password is worth a note, since runs without a person need it from the inventory (`sudo_password`).",
    examine: |case| case.each(|subject| [login(subject)]),
};

/// See its explanation.
pub(super) const ACCOUNT: Check = Check {
    id: "login-expiry",
    family: Family::Access,
    title: "password and account do not expire",
    explanation: "A password that has expired lets nobody run a command any more, not even with a key: sshd asks for a \
        new one and then closes the connection. What is read is the login's line of /etc/shadow: when the password was \
        changed last, how long it may be used (shadow(5), `chage -l`), and when the account is closed. It is a \
        warning two weeks before, and an error from that day on. `chage -M -1 USER` lets a password live for ever.",
    examine: |case| case.each(account),
};

fn login(subject: &Subject<'_>) -> Judgement {
    let access = &subject.inspection.access;
    let user = match access.account.user.as_str() {
        "" => "an unknown user",
        user => user,
    };
    if !access.root {
        let file = subject.inventory.path.display();
        return Judgement::error(format!(
            "the agent runs as {user}, not as root, so that nothing can be changed"
        ))
        .seen("geteuid", "not 0")
        .remedy(format!("take `sudo: never` out of {file}, or write `user: root` to {}", subject.node.name));
    }
    match access.by.as_str() {
        "" => Judgement::ok(format!("{user} logs in")).seen("geteuid", "0"),
        "sudo" => through_sudo(subject, user),
        by => Judgement::ok(format!("{user} becomes root through {by}")).seen("geteuid", "0"),
    }
}

fn through_sudo(subject: &Subject<'_>, user: &str) -> Judgement {
    let place = format!("sudo -l -U {user}");
    let Some(rule) = rule(&subject.inspection.access.rules) else {
        return Judgement::ok(format!("{user} becomes root through sudo")).seen("geteuid", "0");
    };
    if !rule.password {
        return Judgement::ok(format!("{user} becomes root through sudo, without a password"))
            .seen(place, rule.text);
    }
    let login = &subject.node.login;
    let given = login.sudo_password.is_some() || login.password.is_some();
    let message = format!("sudo asks {user} for a password");
    if given {
        return Judgement::note(format!("{message}, which the inventory gives")).seen(place, rule.text);
    }
    // sudo passes by files whose names have a dot, or end in a tilde.
    let rule_file = user.replace(['.', '~'], "_");
    Judgement::note(format!("{message}: runs without a person cannot answer")).seen(place, rule.text).remedy(
        format!(
            "write `sudo_password: {{env: SUDO_PASSWORD}}` to {} in {}, or on the host: \
             `echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/010-{rule_file}`",
            subject.node.name,
            subject.inventory.path.display()
        ),
    )
}

/// What lets a login run a shell as root.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    text: String,
    password: bool,
}

/// The rule that counts: of those that `sudo -l` lists the last that fits; none where no plain one does.
fn rule(listed: &str) -> Option<Rule> {
    let exempt = listed.contains("!authenticate");
    let mut rules = listed.lines().map(str::trim).filter_map(|line| {
        let (run_as, commands) = line.strip_prefix('(')?.split_once(')')?;
        let as_root =
            run_as.split([':', ',']).next().is_some_and(|user| ["ALL", "root"].contains(&user.trim()));
        let password = asks(commands).filter(|_| as_root)?;
        Some(Rule { text: line.to_owned(), password: password && !exempt })
    });
    rules.next_back()
}

/// Whether these commands hold a shell, and ask for a password before they run it. A tag counts for all that follow.
fn asks(commands: &str) -> Option<bool> {
    let mut password = true;
    let mut found = None;
    for command in commands.split(',') {
        let words: Vec<_> = command.split_whitespace().collect();
        for word in &words {
            match *word {
                "NOPASSWD:" => password = false,
                "PASSWD:" => password = true,
                _ => {}
            }
        }
        let is_shell = words.last().is_some_and(|last| ["ALL", "/bin/sh"].contains(last));
        found = if is_shell { Some(password) } else { found };
    }
    found
}

fn account(subject: &Subject<'_>) -> Option<Judgement> {
    let account = &subject.inspection.access.account;
    if !account.local {
        return None;
    }
    let user = &account.user;
    let password = account.password_expires.map(|day| ("password", day, format!("chage -M -1 {user}")));
    let closing = account.closes.map(|day| ("account", day, format!("chage -E -1 {user}")));
    let Some((what, day, remedy)) = [password, closing].into_iter().flatten().min_by_key(|(_, day, _)| *day)
    else {
        return Some(
            Judgement::ok(format!("{user} may log in for as long as it likes")).seen("/etc/shadow", "no end"),
        );
    };
    let left = day - days::today(subject);
    let judgement = match left {
        ..=0 => Judgement::error(format!("the {what} of {user} has expired: nobody can use it any more")),
        1..=WARNED_BEFORE => Judgement::warning(format!("the {what} of {user} expires in {left} days")),
        _ => Judgement::ok(format!("the {what} of {user} expires in {left} days")),
    };
    let judgement = judgement.seen("/etc/shadow", format!("ends on {}", days::date(day)));
    Some(if left > WARNED_BEFORE {
        judgement
    } else {
        judgement.remedy(format!("run `{remedy}` on the host"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::world::{Audited, single};
    use super::*;
    use crate::facts::inspection::Access;
    use crate::inventory::secret::SecretSource;

    const RULES: &str = "Matching Defaults entries for pi on n1:\n    env_reset\n\nUser pi may run the following commands on n1:\n";

    fn with(change: impl FnOnce(&mut Access)) -> Audited {
        single().inspection("n1", |inspection| change(&mut inspection.access))
    }

    fn sudo(rules: &str) -> Audited {
        with(|access| {
            access.by = "sudo".to_owned();
            access.account.user = "pi".to_owned();
            access.rules = format!("{RULES}{rules}");
        })
    }

    #[test]
    fn who_the_agent_is() {
        assert_eq!(single().all(&LOGIN), ["ok n1: root logs in"]);
        let no_root = with(|access| {
            access.root = false;
            access.account.user = "pi".to_owned();
        });
        assert_eq!(
            no_root.all(&LOGIN),
            ["error n1: the agent runs as pi, not as root, so that nothing can be changed"]
        );
        assert_eq!(
            no_root.verdicts(&LOGIN)[0].remedy,
            ["take `sudo: never` out of cluster.yml, or write `user: root` to n1"]
        );
        let doas = with(|access| access.by = "doas".to_owned());
        assert_eq!(doas.all(&LOGIN), ["ok n1: root becomes root through doas"]);
        assert_eq!(sudo("").all(&LOGIN), ["ok n1: pi becomes root through sudo"]);
        assert_eq!(
            sudo("    (ALL : ALL) ALL\n    (ALL) NOPASSWD: ALL\n").all(&LOGIN),
            ["ok n1: pi becomes root through sudo, without a password"]
        );
        let asks = sudo("    (ALL : ALL) ALL\n");
        assert_eq!(
            asks.all(&LOGIN),
            ["note n1: sudo asks pi for a password: runs without a person cannot answer"]
        );
        assert!(asks.verdicts(&LOGIN)[0].remedy[0].contains("pi ALL=(ALL) NOPASSWD: ALL"));
        for (user, file) in [("pi", "010-pi`"), ("maya.b~", "010-maya_b_`")] {
            let asks = asks.clone().inspection("n1", |seen| seen.access.account.user = user.to_owned());
            assert!(asks.verdicts(&LOGIN)[0].remedy[0].ends_with(&format!(" > /etc/sudoers.d/{file}")));
        }
        let given = asks.inventory(|inventory| {
            inventory.nodes[0].login.sudo_password = Some(SecretSource::Env("SUDO_PASSWORD".to_owned()));
        });
        assert_eq!(given.all(&LOGIN), ["note n1: sudo asks pi for a password, which the inventory gives"]);
    }

    #[test]
    fn rules_of_sudo() {
        for (rules, password) in [
            ("    (ALL : ALL) ALL", Some(true)),
            ("    (ALL) NOPASSWD: ALL", Some(false)),
            ("    (root) NOPASSWD: /usr/bin/apt, PASSWD: ALL", Some(true)),
            ("    (root) NOPASSWD: /usr/bin/apt, /bin/sh", Some(false)),
            ("    (ALL) NOPASSWD: ALL\n    (ALL) ALL", Some(true)),
            ("    (www-data) NOPASSWD: ALL", None),
            ("    (ALL) NOPASSWD: /usr/bin/apt", None),
            ("    !authenticate\n    (ALL) ALL", Some(false)),
            ("", None),
        ] {
            assert_eq!(rule(rules).map(|rule| rule.password), password, "{rules}");
        }
    }

    #[test]
    fn ends_of_passwords_and_accounts() {
        // The world's clocks stand at the first day.
        for (password, closes, expected) in [
            (None, None, "ok n1: root may log in for as long as it likes"),
            (Some(90), None, "ok n1: the password of root expires in 90 days"),
            (Some(14), None, "warning n1: the password of root expires in 14 days"),
            (Some(90), Some(3), "warning n1: the account of root expires in 3 days"),
            (Some(0), Some(3), "error n1: the password of root has expired: nobody can use it any more"),
        ] {
            let audited = with(|access| {
                access.account.password_expires = password;
                access.account.closes = closes;
            });
            assert_eq!(audited.all(&ACCOUNT), [expected]);
        }
        let soon = with(|access| access.account.closes = Some(3));
        assert_eq!(soon.verdicts(&ACCOUNT)[0].remedy, ["run `chage -E -1 root` on the host"]);
        assert_eq!(with(|access| access.account.local = false).all(&ACCOUNT), [""; 0]);
    }
}
