//! Options of sshd that lock skep out, or get in its way.
//!
//! They are read from disc: what they say holds from sshd's next start on, however the login went today.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Case, Check, Family, Judgement, Subject};
use crate::facts::inspection::access::Sshd;
use crate::inventory::model::{Jump, Node};
use crate::ssh::known_hosts::glob_matches;

/// Sessions that skep opens at once over one connection: the agent, and the ways to the engine.
const SESSIONS: u64 = 4;

/// Connections that are made at once: skep's own, and those through a jump host.
const STARTUPS: u64 = 4;

/// Seconds that a login takes on a slow board, or while somebody types a password.
const GRACE: u64 = 15;

/// Keys that are offered before the right one is found.
const TRIES: u64 = 3;

/// See its explanation.
pub(super) const LOGIN: Check = Check {
    id: "sshd-login",
    family: Family::Access,
    title: "sshd lets the login in",
    explanation: "An option of sshd that refuses the login locks skep out, and often its user too: `PermitRootLogin no` \
        where root logs in, `DenyUsers`, `AllowUsers`, `DenyGroups` and `AllowGroups` that leave the login out, \
        `PubkeyAuthentication no`, `AuthenticationMethods` that are switched off, `ForceCommand` and \
        `ChrootDirectory`. sshd itself is asked for what its files come to for this login from this address (`sshd -T`), so that drop-ins and `Match` blocks count. They are read from \
        disc and hold from sshd's next start on: a login that works today may fail after the next reboot, and so may \
        all of them where sshd does not take its own settings at all. All of these are errors; \
        `AuthenticationMethods` that take a person at each login are a note, and it is unknown where another SSH server \
        is in use.",
    examine: |case| case.each(|subject| [login(subject)]),
};

/// See its explanation.
pub(super) const LIMITS: Check = Check {
    id: "sshd-limits",
    family: Family::Access,
    title: "sshd lets enough in at once",
    explanation: "skep opens one connection to a host and several sessions over it: one for its agent and others to the \
        engine. `MaxSessions` below 4 makes it wait or fail, `MaxStartups`, `PerSourceMaxStartups` and `MaxAuthTries` \
        that are very low and a short `LoginGraceTime` break logins now and then; each is a warning, and fewer than 2 \
        sessions are an error. `PerSourcePenalties`, on by default from OpenSSH 9.8 on, is worth a note where the \
        inventory has passwords: after a few wrong ones sshd refuses this computer for a while.",
    examine: |case| case.each(limits),
};

/// See its explanation.
pub(super) const JUMP: Check = Check {
    id: "sshd-jump",
    family: Family::Access,
    title: "sshd lets others through",
    explanation: "Other nodes of the inventory are reached through this host (`jump`), which takes TCP forwarding: \
        `AllowTcpForwarding` or `DisableForwarding` in its sshd that forbid it, or a `PermitOpen` that names certain \
        places only, cut those nodes off from sshd's next start on. That is an error. Hosts that nobody goes through \
        need no forwarding and are not judged.",
    examine: |case| case.each(|subject| jump(case, subject)),
};

/// See its explanation.
pub(super) const PASSWORDS: Check = Check {
    id: "sshd-passwords",
    family: Family::Access,
    title: "root logs in by key only",
    explanation: "Where root may log in with a password, everybody who reaches the host may guess it, and fresh images \
        come with well-known ones. What is read is `PermitRootLogin` together with `PasswordAuthentication` and \
        `KbdInteractiveAuthentication`, as sshd tells them. It is a note: once a key is installed, `PermitRootLogin \
        prohibit-password` closes that door and leaves keys alone.",
    examine: |case| case.each(passwords),
};

/// sshd's options as it tells them itself.
#[derive(Clone, Copy)]
struct Options<'a>(&'a BTreeMap<String, Vec<String>>);

impl<'a> Options<'a> {
    fn of(subject: &Subject<'a>) -> Option<Self> {
        match &subject.inspection.access.sshd {
            Sshd::Options(options) => Some(Self(options)),
            _ => None,
        }
    }

    /// All values, in the order of the lines.
    fn all(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.get(name).into_iter().flatten().flat_map(|values| values.split_whitespace())
    }

    /// The only value; empty where sshd does not know the option.
    fn one(self, name: &str) -> &'a str {
        self.0.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    fn number(self, name: &str) -> Option<u64> {
        self.one(name).parse().ok()
    }

    fn is(self, name: &str, value: &str) -> bool {
        self.one(name) == value
    }
}

/// Where the options were read.
const PLACE: &str = "sshd -T";

/// What makes a changed option count.
const RELOAD: &str = "then `sshd -t && systemctl reload ssh`";

/// How an option is set. The first word on it counts, and Debian's file begins with its drop-ins: this one goes before those
/// of images, and of skep, whose own file `skep up` writes whole.
fn write(line: &str, option: &str) -> String {
    format!(
        "write `{line}` to /etc/ssh/sshd_config.d/00-local.conf, or first to /etc/ssh/sshd_config where that has no \
         `Include` (`grep -rniE 'include|{option}' /etc/ssh/sshd_config*` shows both), {RELOAD}"
    )
}

fn login(subject: &Subject<'_>) -> Judgement {
    let user = &subject.inspection.access.account.user;
    let options = match &subject.inspection.access.sshd {
        Sshd::Options(options) => Options(options),
        Sshd::Absent => {
            return Judgement::unknown("there is no sshd here: another SSH server lets logins in")
                .seen("/usr/sbin/sshd", "is not there");
        }
        Sshd::Unread(why) => return Judgement::unknown("sshd does not tell its settings").seen(PLACE, why),
        Sshd::Refused(words) => {
            return Judgement::error(
                "sshd does not take its own settings: after its next start nobody can log in",
            )
            .seen(PLACE, words)
            .remedy(
                "run `sshd -t` on the host and correct the line that it names, before sshd starts again",
            );
        }
    };
    let file = subject.inventory.path.display();
    match refusal(subject, options) {
        None if takes_a_person(subject, options) => Judgement::note(format!(
            "sshd wants more of {user} than a key, and the inventory gives no password: runs without a person cannot answer"
        ))
        .seen(PLACE, seen(options, "authenticationmethods"))
        .remedy(format!("write `password: {{env: SSH_PASSWORD}}` to {} in {file}", subject.node.name)),
        None => Judgement::ok(format!("sshd lets {user} in")).seen(PLACE, seen(options, "permitrootlogin")),
        Some(Refusal { option, cause, remedy }) => {
            Judgement::error(format!("from its next start on sshd refuses {user}: {cause}"))
                .seen(PLACE, seen(options, option))
                .remedy(format!(
                    "{remedy} (`grep -rni {option} /etc/ssh/sshd_config*` shows where), {RELOAD}"
                ))
        }
    }
}

fn seen(options: Options<'_>, name: &str) -> String {
    let values: Vec<_> = options.all(name).collect();
    format!("{name} {}", values.join(" "))
}

/// Why sshd will not let the login in.
struct Refusal {
    option: &'static str,
    cause: String,
    remedy: String,
}

/// In the order in which sshd itself asks.
fn refusal(subject: &Subject<'_>, options: Options<'_>) -> Option<Refusal> {
    by_name(subject, options).or_else(|| by_kind(subject, options))
}

fn by_name(subject: &Subject<'_>, options: Options<'_>) -> Option<Refusal> {
    let access = &subject.inspection.access;
    let (account, client) = (&access.account, access.connection.client.as_str());
    let user = &account.user;
    let in_groups = |pattern: &str| account.groups.iter().any(|group| glob_matches(pattern, group));
    let refuse = |option, cause: String, remedy: String| Some(Refusal { option, cause, remedy });
    if let Some(pattern) = options.all("denyusers").find(|pattern| names(pattern, user, client, false)) {
        return refuse(
            "denyusers",
            format!("DenyUsers has `{pattern}`"),
            format!("take `{pattern}` out of DenyUsers"),
        );
    }
    let mut allowed = options.all("allowusers").peekable();
    if allowed.peek().is_some() && !allowed.any(|pattern| names(pattern, user, client, true)) {
        return refuse(
            "allowusers",
            "AllowUsers leaves it out".to_owned(),
            format!("add `{user}` to AllowUsers"),
        );
    }
    if let Some(pattern) = options.all("denygroups").find(|pattern| in_groups(pattern)) {
        return refuse(
            "denygroups",
            format!("DenyGroups has `{pattern}`, which it is in"),
            format!("take `{pattern}` out of DenyGroups"),
        );
    }
    let mut allowed = options.all("allowgroups").peekable();
    // Of an account that the host's own files lack, the groups are not known.
    if account.local && allowed.peek().is_some() && !allowed.any(in_groups) {
        let group = options.all("allowgroups").next().unwrap_or_default();
        return refuse(
            "allowgroups",
            "it is in none of AllowGroups".to_owned(),
            format!("run `usermod -aG {group} {user}`, or add a group of {user} to AllowGroups"),
        );
    }
    None
}

fn by_kind(subject: &Subject<'_>, options: Options<'_>) -> Option<Refusal> {
    let user = subject.inspection.access.account.user.as_str();
    let refuse = |option, cause: String, remedy: String| Some(Refusal { option, cause, remedy });
    let root = options.one("permitrootlogin");
    if user == "root" && ["no", "forced-commands-only"].contains(&root) {
        return refuse(
            "permitrootlogin",
            format!("PermitRootLogin is {root}"),
            "write `PermitRootLogin prohibit-password`, or log in as another user with sudo".to_owned(),
        );
    }
    for (option, name) in [("forcecommand", "ForceCommand"), ("chrootdirectory", "ChrootDirectory")] {
        let value = options.one(option);
        if !["", "none"].contains(&value) {
            return refuse(
                option,
                format!("{name} is `{value}`, so that no command runs as it was asked for"),
                format!("take {name} out for {user}"),
            );
        }
    }
    let key = !options.is("pubkeyauthentication", "no");
    let keys_only = user == "root" && ["prohibit-password", "without-password"].contains(&root);
    let takes = |option| !keys_only && !options.is(option, "no");
    let (password, prompts) = (takes("passwordauthentication"), takes("kbdinteractiveauthentication"));
    let given = subject.node.login.password.is_some();
    if !key && !(given && (password || prompts)) {
        let cause = if given { "no password is taken either" } else { "the inventory gives no password" };
        return refuse(
            "pubkeyauthentication",
            format!("PubkeyAuthentication is no, and {cause}"),
            "write `PubkeyAuthentication yes`".to_owned(),
        );
    }
    // Whether a key, or somebody who types a password, is there is not known: only what is switched off is no way in.
    let can = |method: &str| match method.split(':').next() {
        Some("publickey") => key,
        Some("password") => password,
        Some("keyboard-interactive") => prompts,
        _ => true,
    };
    let lists: Vec<_> = options.all("authenticationmethods").collect();
    if !lists.is_empty() && !lists.iter().any(|list| list.split(',').all(can)) {
        return refuse(
            "authenticationmethods",
            format!("AuthenticationMethods is `{}`, which are not all switched on", lists.join(" ")),
            "write `AuthenticationMethods any`".to_owned(),
        );
    }
    None
}

/// Whether each way in has a question that the inventory cannot answer.
fn takes_a_person(subject: &Subject<'_>, options: Options<'_>) -> bool {
    let asks =
        |method: &str| ["password", "keyboard-interactive"].iter().any(|kind| method.starts_with(kind));
    let mut lists = options.all("authenticationmethods").peekable();
    subject.node.login.password.is_none()
        && lists.peek().is_some()
        && lists.all(|list| list.split(',').any(asks))
}

/// Whether a pattern of `AllowUsers` or `DenyUsers` means this login; `unsure` where it asks for an address that is not
/// known.
fn names(pattern: &str, user: &str, client: &str, unsure: bool) -> bool {
    match pattern.split_once('@') {
        None => glob_matches(pattern, user),
        Some((name, place)) => {
            glob_matches(name, user) && if client.is_empty() { unsure } else { is_at(place, client) }
        }
    }
}

/// Whether an address fits a pattern or a network. A host name could fit, but sshd itself does not look it up.
fn is_at(place: &str, client: &str) -> bool {
    let network = place.parse::<IpNet>().ok().zip(client.parse::<IpAddr>().ok());
    network.is_some_and(|(network, client)| network.contains(&client)) || glob_matches(place, client)
}

fn limits(subject: &Subject<'_>) -> Vec<Judgement> {
    let Some(options) = Options::of(subject) else { return Vec::new() };
    let low = |name: &str, least: u64| options.number(name).filter(|value| *value < least);
    let judge = |judgement: Judgement, option: &str, line: &str| {
        judgement.seen(PLACE, seen(options, option)).remedy(write(line, option))
    };
    let mut found = Vec::new();
    if let Some(sessions) = low("maxsessions", SESSIONS) {
        let message =
            format!("MaxSessions {sessions} is too few: skep opens up to {SESSIONS} sessions at once");
        let judgement = if sessions < 2 { Judgement::error(message) } else { Judgement::warning(message) };
        found.push(judge(judgement, "maxsessions", "MaxSessions 10"));
    }
    let startups = options.one("maxstartups").split(':').next().and_then(|begin| begin.parse::<u64>().ok());
    if let Some(startups) = startups.filter(|begin| *begin < STARTUPS) {
        let message = format!("MaxStartups drops logins as soon as {startups} are on their way");
        found.push(judge(Judgement::warning(message), "maxstartups", "MaxStartups 10:30:100"));
    }
    if let Some(startups) = low("persourcemaxstartups", STARTUPS) {
        let message = format!("PerSourceMaxStartups lets {startups} logins of one computer in at once");
        found.push(judge(Judgement::warning(message), "persourcemaxstartups", "PerSourceMaxStartups none"));
    }
    // 0 is no limit.
    if let Some(grace) = low("logingracetime", GRACE).filter(|grace| *grace > 0) {
        let message = format!("LoginGraceTime gives a login {grace} s, which a slow host may not keep to");
        found.push(judge(Judgement::warning(message), "logingracetime", "LoginGraceTime 120"));
    }
    if let Some(tries) = low("maxauthtries", TRIES) {
        let message = format!("MaxAuthTries {tries} ends a login after so many keys, right or wrong");
        found.push(judge(Judgement::warning(message), "maxauthtries", "MaxAuthTries 6"));
    }
    let penalties = options.one("persourcepenalties");
    if subject.node.login.password.is_some() && !["", "no"].contains(&penalties) {
        let message =
            "after a few wrong passwords sshd refuses this computer for a while (PerSourcePenalties)";
        found.push(Judgement::note(message).seen(PLACE, seen(options, "persourcepenalties")));
    }
    if found.is_empty() {
        found.push(Judgement::ok("sshd lets enough in at once").seen(PLACE, seen(options, "maxsessions")));
    }
    found
}

fn jump(case: &Case<'_>, subject: &Subject<'_>) -> Option<Judgement> {
    let options = Options::of(subject)?;
    let through: Vec<_> =
        case.inventory().nodes.iter().filter(|node| goes_through(node, subject.node)).collect();
    let behind = through.first()?;
    let behind = match through.len() {
        1 => behind.name.to_string(),
        others => format!("{} and {} more", behind.name, others - 1),
    };
    let forwarding = options.one("allowtcpforwarding");
    let (option, line) = match () {
        () if options.is("disableforwarding", "yes") => ("disableforwarding", "DisableForwarding no"),
        () if !["", "yes", "all", "local"].contains(&forwarding) => {
            ("allowtcpforwarding", "AllowTcpForwarding local")
        }
        () if !["", "any"].contains(&options.one("permitopen")) => ("permitopen", "PermitOpen any"),
        () => {
            return Some(
                Judgement::ok(format!("{behind} can be reached through it"))
                    .seen(PLACE, seen(options, "allowtcpforwarding")),
            );
        }
    };
    Some(
        Judgement::error(format!("sshd does not let others through, and {behind} is reached that way"))
            .seen(PLACE, seen(options, option))
            .remedy(write(line, option)),
    )
}

/// Whether a node's jump hosts, as the inventory has them, are this one.
fn goes_through(node: &Node, other: &Node) -> bool {
    match &node.login.jump {
        Some(Jump::Via(hops)) => hops.iter().any(|hop| hop.host == other.address || hop.host == other.name.0),
        _ => false,
    }
}

fn passwords(subject: &Subject<'_>) -> Option<Judgement> {
    let options = Options::of(subject)?;
    let by_password =
        options.is("passwordauthentication", "yes") || options.is("kbdinteractiveauthentication", "yes");
    let place = seen(options, "permitrootlogin");
    if !by_password || !options.is("permitrootlogin", "yes") {
        return Some(Judgement::ok("root cannot log in with a password").seen(PLACE, place));
    }
    let remedy = write("PermitRootLogin prohibit-password", "permitrootlogin");
    Some(
        Judgement::note("root may log in with a password, which anybody may guess")
            .seen(PLACE, place)
            .remedy(format!("once a key is installed, {remedy}")),
    )
}

#[cfg(test)]
mod tests;
