//! Arguments for `ssh` in a variable: what skep has a key for, and what it has none for.

use super::draft::Candidate;
use super::findings::Findings;
use super::word::{Word, shown};
use super::words::split;

/// Options of ssh_config(5) that change nothing skep would do otherwise: it keeps one connection a host anyway.
const NEEDLESS: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "loglevel",
    "preferredauthentications",
    "requesttty",
    "serveralivecountmax",
    "serveraliveinterval",
    "tcpkeepalive",
];

/// Takes over what the arguments say, and tells of the rest. What the candidate has already counts more.
pub(super) fn apply(arguments: &Word, candidate: &mut Candidate, findings: &mut Findings) {
    let Ok(words) = split(&arguments.text, 0) else {
        findings.note(
            &arguments.span,
            "these arguments for ssh are not carried over".into(),
            "a quote in them is not closed",
        );
        return;
    };
    let mut words = words.into_iter().map(|word| word.text);
    while let Some(word) = words.next() {
        let Some((letter, joined)) = flag(&word) else {
            rest(arguments, "an argument for ssh", findings);
            continue;
        };
        if !"BbcDEeFIiJLlmOopQRSWw".contains(letter) {
            if !"46ACkqTtvxXY".contains(letter) {
                rest(arguments, &format!("`-{letter}`"), findings);
            }
            continue;
        }
        let value = if joined.is_empty() { words.next().unwrap_or_default() } else { joined.to_owned() };
        option(letter, &value, arguments, candidate, findings);
    }
}

/// The letter of `-i` or `-iFILE`, and what is joined to it.
fn flag(word: &str) -> Option<(char, &str)> {
    let mut rest = word.strip_prefix('-')?.chars();
    let letter = rest.next().filter(|letter| letter.is_ascii_alphanumeric())?;
    Some((letter, rest.as_str()))
}

fn option(letter: char, value: &str, at: &Word, candidate: &mut Candidate, findings: &mut Findings) {
    match letter {
        'J' => set(&mut candidate.jump, at.with(value)),
        'i' => candidate.keys.push(at.with(value)),
        'l' => set(&mut candidate.user, at.with(value)),
        'p' => set(&mut candidate.port, at.with(value)),
        'o' => {
            let (name, value) = value.split_once(['=', ' ']).unwrap_or((value, ""));
            named(name.trim(), value.trim(), at, candidate, findings);
        }
        other => rest(at, &format!("`-{other}`"), findings),
    }
}

fn named(name: &str, value: &str, at: &Word, candidate: &mut Candidate, findings: &mut Findings) {
    match name.to_ascii_lowercase().as_str() {
        "proxyjump" => set(&mut candidate.jump, at.with(value)),
        "proxycommand" => match jump_of(value) {
            Some(jump) => set(&mut candidate.jump, at.with(jump)),
            None if may_hold_a_secret(value) => findings.secret(
                &at.span,
                "this `ProxyCommand` may hold a password and is not carried over".into(),
                "write `proxy_command` into the result, and let it take the password from elsewhere",
            ),
            None => set(&mut candidate.proxy_command, at.with(value)),
        },
        "user" => set(&mut candidate.user, at.with(value)),
        "port" => set(&mut candidate.port, at.with(value)),
        "identityfile" => candidate.keys.push(at.with(value)),
        "userknownhostsfile" if value != "/dev/null" && !value.contains(' ') => {
            set(&mut candidate.known_hosts, at.with(value));
        }
        "stricthostkeychecking" | "userknownhostsfile" => findings.note(
            &at.span,
            format!("`{}` is not carried over", shown(name)),
            "skep always checks host keys: it asks about new ones once, or takes them with `--accept-new-host-keys`",
        ),
        needless if NEEDLESS.contains(&needless) => {}
        _ => rest(at, &format!("the option `{}` of ssh", shown(name)), findings),
    }
}

fn set(place: &mut Option<Word>, value: Word) {
    if place.is_none() && !value.text.is_empty() {
        *place = Some(value);
    }
}

fn rest(at: &Word, what: &str, findings: &mut Findings) {
    findings.note(
        &at.span,
        format!("{what} is not carried over"),
        "write it into ~/.ssh/config for these hosts",
    );
}

/// Rather too often: an inventory is likely in git.
fn may_hold_a_secret(command: &str) -> bool {
    let lower = command.to_ascii_lowercase();
    ["pass", "auth", "token", "secret", "://"].iter().any(|word| lower.contains(word))
}

/// The host that a ProxyCommand of the usual form goes through: `ssh -W %h:%p -q -p 2222 user@bastion`.
fn jump_of(command: &str) -> Option<String> {
    let words: Vec<String> = split(command, 0).ok()?.into_iter().map(|word| word.text).collect();
    let (program, arguments) = words.split_first()?;
    if program != "ssh" && !program.ends_with("/ssh") {
        return None;
    }
    let (mut host, mut user, mut port, mut forwards) = (None, None, None, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-W" => forwards = arguments.next()? == "%h:%p",
            "-p" => port = Some(arguments.next()?.clone()),
            "-l" => user = Some(arguments.next()?.clone()),
            "-q" | "-A" | "-C" | "-T" => {}
            // These say no more than skep's own rules for a jump host do.
            "-o" if arguments.next()?.to_ascii_lowercase().starts_with("stricthostkeychecking") => {}
            word if !word.starts_with('-') && host.is_none() => host = Some(word.to_owned()),
            _ => return None,
        }
    }
    let host = host.filter(|_| forwards)?;
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{user}{host}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(arguments: &str) -> (Candidate, usize) {
        let word = |text: &str| Word::new(text.into(), 0..1);
        let mut candidate = Candidate::new(word("n"), word("n"));
        let mut findings = Findings::default();
        apply(&word(arguments), &mut candidate, &mut findings);
        (candidate, findings.into_problems().len())
    }

    #[test]
    fn jump_hosts_are_found_in_each_form() {
        for (arguments, jump) in [
            ("-J bastion", "bastion"),
            ("-Jpi@bastion:2222", "pi@bastion:2222"),
            ("-o ProxyJump=a,b", "a,b"),
            ("-oProxyJump=a -J b", "a"),
            ("-o 'ProxyCommand=ssh -W %h:%p -q pi@bastion'", "pi@bastion"),
            ("-o ProxyCommand=\"ssh -p 2222 -l pi -W %h:%p bastion\"", "pi@bastion:2222"),
        ] {
            let (candidate, told) = applied(arguments);
            assert_eq!(candidate.jump.map(|jump| jump.text).as_deref(), Some(jump), "{arguments}");
            assert_eq!(told, 0, "{arguments}");
        }
    }

    #[test]
    fn what_has_a_key_is_taken_and_the_rest_is_told() {
        let (candidate, told) = applied("-C -i ~/a -p 23 -l pi -o IdentityFile=~/b -o ControlMaster=auto");
        let keys: Vec<_> = candidate.keys.iter().map(|key| key.text.as_str()).collect();
        assert_eq!((keys, told), (vec!["~/a", "~/b"], 0));
        assert_eq!(candidate.port.map(|port| port.text).as_deref(), Some("23"));
        let (candidate, told) = applied("-o ProxyCommand='nc -x proxy %h %p'");
        assert_eq!(candidate.proxy_command.map(|command| command.text).as_deref(), Some("nc -x proxy %h %p"));
        assert_eq!(told, 0);
        for (arguments, count) in [
            ("-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", 2),
            ("-o ProxyCommand='nc --proxy-auth pi:x -x proxy %h %p'", 1),
            ("-o ProxyCommand='sshpass -p x ssh -W %h:%p b'", 1),
            ("-L 1:b:2 word", 2),
            ("-o ForwardAgent=yes -Z", 2),
            ("'", 1),
            ("-o", 1),
            ("-J", 0),
        ] {
            let (candidate, told) = applied(arguments);
            assert_eq!((told, candidate.jump), (count, None), "{arguments}");
        }
    }
}
