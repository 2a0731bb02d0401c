//! Makes a draft fit an inventory: names and addresses that skep takes, one of each, at least one manager.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::draft::{Candidate, Draft, Placeholder};
use super::findings::Findings;
use super::roles;
use super::word::{Word, shown};
use crate::inventory::HostArg;
use crate::inventory::address::{address_trouble, is_user_name};
use crate::inventory::check::Problem;
use crate::inventory::model::Role;

/// A node as it is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) manager: bool,
    pub(super) advertise: Option<String>,
    pub(super) login: Login,
    pub(super) labels: Vec<(String, String)>,
}

/// How to log in to a node: what may also stand under `defaults`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) keys: Vec<String>,
    /// The environment variable that shall hold it, as with the other secrets.
    pub(super) password: Option<String>,
    pub(super) key_passphrase: Option<String>,
    pub(super) known_hosts: Option<String>,
    pub(super) jump: Option<String>,
    pub(super) proxy_command: Option<String>,
    pub(super) doas: bool,
    pub(super) sudo_password: Option<String>,
}

/// A name that a swarm can have, made from the file's.
pub(super) fn swarm_name(draft: &Draft, otherwise: &str, findings: &mut Findings) -> String {
    let Some(word) = &draft.name else { return otherwise.to_owned() };
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String =
        word.text.chars().map(|c| if fits(c) { c } else { '-' }).skip_while(|c| *c == '-').take(63).collect();
    if name.is_empty() || word.text.contains('$') {
        let message = format!("the name `{}` is not carried over", word.shown());
        findings.note(&word.span, message, "write `name:` into the result");
        return otherwise.to_owned();
    }
    if name != word.text {
        let message = format!("`{}` becomes `{name}`", word.shown());
        findings.note(&word.span, message, "names of swarms have letters, digits, `.`, `_`, `-`");
    }
    name
}

/// The nodes that the candidates become.
pub(super) fn nodes(draft: Draft, findings: &mut Findings) -> Result<Vec<Node>, Problem> {
    let mut hosts = draft.hosts;
    let mut seen = HashMap::new();
    hosts.retain(|host| usable(host, &mut seen, findings));
    if hosts.is_empty() {
        return Err(Problem::error(0..0, "no host of this file can become a node".into())
            .help("the findings say why; `skep init USER@HOST HOST HOST` writes an inventory without it"));
    }
    roles::decide(&mut hosts, findings);
    roles::quorum(&hosts, findings);
    let of = |base, secret: fn(&Candidate) -> Option<&Placeholder>| {
        Variables::of(base, hosts.iter().filter_map(secret))
    };
    let mut settler = Settler {
        passwords: of("SSH_PASSWORD", |host| host.password.as_ref()),
        passphrases: of("KEY_PASSPHRASE", |host| host.key_passphrase.as_ref()),
        sudo_passwords: of("SUDO_PASSWORD", |host| host.sudo_password.as_ref()),
        findings,
        names: BTreeSet::new(),
        advertised: HashSet::new(),
    };
    Ok(hosts.into_iter().map(|host| settler.node(host)).collect())
}

/// Whether the address can be one, and is no other host's.
fn usable(host: &Candidate, seen: &mut HashMap<(String, u16), String>, findings: &mut Findings) -> bool {
    let (name, address) = (host.name.shown(), &host.address);
    if address.text.contains('$') || address.text.is_empty() {
        let message = format!("`{name}` is left out: its address is not in this file");
        let help = "fill it in first, for example with `envsubst`, or add the host to the result by `skep node add USER@HOST`";
        findings.note(&address.span, message, help);
        return false;
    }
    if let Some((trouble, help)) = address_trouble(&address.text) {
        findings.note(
            &address.span,
            format!("`{name}` is left out: its address `{}` {trouble}", address.shown()),
            help,
        );
        return false;
    }
    let normal = address.text.parse::<IpAddr>().map_or(address.text.to_lowercase(), |ip| ip.to_string());
    let port = host
        .port
        .as_ref()
        .and_then(|port| port.text.trim().parse().ok())
        .filter(|port| *port > 0)
        .unwrap_or(22);
    if let Some(first) = seen.get(&(normal.clone(), port)) {
        let message = format!(
            "`{name}` is left out: `{}` is the address of `{}` already",
            address.shown(),
            shown(first)
        );
        findings.note(&host.name.span, message, "each node is a machine of its own");
        return false;
    }
    seen.insert((normal, port), host.name.text.clone());
    true
}

struct Settler<'a> {
    findings: &'a mut Findings,
    names: BTreeSet<String>,
    advertised: HashSet<IpAddr>,
    passwords: Variables,
    passphrases: Variables,
    sudo_passwords: Variables,
}

impl Settler<'_> {
    fn node(&mut self, host: Candidate) -> Node {
        let jump = host.jump.as_ref().and_then(|jump| self.jump(jump));
        let proxy_command = host.proxy_command.as_ref().filter(|_| jump.is_none());
        Node {
            name: self.name(&host.name),
            manager: host.role == Some(Role::Manager),
            advertise: host.advertise.as_ref().and_then(|address| self.advertise(address)),
            login: Login {
                user: host.user.as_ref().and_then(|user| self.user(user)),
                port: host.port.as_ref().and_then(|port| self.port(port)),
                keys: self.keys(&host.keys),
                password: self.passwords.take(host.password.as_ref(), "password", self.findings),
                key_passphrase: self.passphrases.take(
                    host.key_passphrase.as_ref(),
                    "key_passphrase",
                    self.findings,
                ),
                known_hosts: host.known_hosts.as_ref().and_then(|file| self.path(file)),
                proxy_command: proxy_command.and_then(|command| self.proxy_command(command)),
                jump,
                doas: host.doas,
                sudo_password: self.sudo_passwords.take(
                    host.sudo_password.as_ref(),
                    "sudo_password",
                    self.findings,
                ),
            },
            labels: self.labels(&host.labels),
            address: host.address.text,
        }
    }

    /// Jump hosts, `[user@]host[:port]` each.
    fn jump(&mut self, word: &Word) -> Option<String> {
        let hops: Result<Vec<HostArg>, _> = word.text.split(',').map(|hop| hop.trim().parse()).collect();
        match hops {
            Ok(hops) if !word.text.contains('$') => {
                Some(hops.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
            _ => {
                let message = "the jump host is not carried over".to_owned();
                self.findings.note(&word.span, message, "write `jump: USER@HOST:PORT` into the result");
                None
            }
        }
    }

    fn proxy_command(&mut self, word: &Word) -> Option<String> {
        if word.text.trim().is_empty() || word.text.contains(char::is_control) {
            let message = "the proxy command is not carried over".to_owned();
            self.findings.note(&word.span, message, "write `proxy_command` into the result");
            return None;
        }
        Some(word.text.clone())
    }

    /// A name that a node can have and no other has.
    fn name(&mut self, word: &Word) -> String {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        let lower = word.text.to_lowercase();
        let base: String = lower
            .chars()
            .map(|c| if fits(c) { c } else { '-' })
            .skip_while(|c| ['.', '-'].contains(c))
            .take(63)
            .collect();
        let base = base.trim_end_matches(['.', '-']);
        let base = if base.is_empty() { "node" } else { base };
        // `all` stands for every node.
        let first = Some(base.to_owned()).filter(|name| name != "all");
        let numbered = (2..).map(|number| {
            let end = format!("-{number}");
            format!("{}{end}", base[..base.len().min(63 - end.len())].trim_end_matches(['.', '-']))
        });
        let free = |name: &String| !self.names.contains(name);
        let name = first.into_iter().chain(numbered).find(free).unwrap_or_default();
        if name != word.text {
            let message = format!("`{}` becomes `{name}`", word.shown());
            let help = "names of nodes are their own, with up to 63 lower-case letters, digits, `.` and `-`";
            self.findings.note(&word.span, message, help);
        }
        self.names.insert(name.clone());
        name
    }

    fn user(&mut self, word: &Word) -> Option<String> {
        if is_user_name(&word.text) && !word.text.contains('$') {
            return Some(word.text.clone());
        }
        self.findings.note(
            &word.span,
            "this user is not carried over".into(),
            "write `user:` into the result: a name alone",
        );
        None
    }

    fn port(&mut self, word: &Word) -> Option<u16> {
        match word.text.trim().parse() {
            Ok(0) | Err(_) => {
                let message = format!("`{}` is no port and is not carried over", word.shown());
                self.findings.note(&word.span, message, "write `port:` into the result: 1 to 65535");
                None
            }
            Ok(port) => Some(port),
        }
    }

    fn advertise(&mut self, word: &Word) -> Option<String> {
        let usable = |ip: &IpAddr| !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast());
        let Some(address) = word.text.parse::<IpAddr>().ok().filter(usable) else {
            let message = format!("`{}` is no address to advertise and is not carried over", word.shown());
            self.findings.note(
                &word.span,
                message,
                "write the node's own IP address as `advertise`, or let skep find it",
            );
            return None;
        };
        if !self.advertised.insert(address) {
            let message =
                format!("`{address}` is advertised by another node already and is not carried over");
            self.findings.note(&word.span, message, "each node has an address of its own");
            return None;
        }
        Some(address.to_string())
    }

    fn keys(&mut self, words: &[Word]) -> Vec<String> {
        let mut keys = Vec::new();
        for key in words.iter().filter_map(|word| self.path(word)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// A path on this computer.
    fn path(&mut self, word: &Word) -> Option<String> {
        let text = ["$HOME/", "${HOME}/"].into_iter().find_map(|home| word.text.strip_prefix(home));
        let path = text.map_or_else(|| word.text.clone(), |rest| format!("~/{rest}"));
        let others_home = path.starts_with('~') && !path.starts_with("~/");
        if path.is_empty() || others_home || path.contains('$') || path.contains(char::is_control) {
            let message = format!("the path `{}` is not carried over", word.shown());
            self.findings.note(&word.span, message, "write it in full into the result");
            return None;
        }
        if !path.starts_with(['/', '~']) {
            let message = format!("the path `{}` is relative", word.shown());
            self.findings.note(
                &word.span,
                message,
                "in the result it starts at the folder of the inventory: see that it is right",
            );
        }
        Some(path)
    }

    fn labels(&mut self, labels: &[(Word, Word)]) -> Vec<(String, String)> {
        let mut taken: Vec<(String, String)> = Vec::new();
        for (key, value) in labels {
            let odd = |c: char| c.is_whitespace() || c.is_control() || c == '=';
            if key.text.is_empty() || key.text.contains(odd) || key.text.starts_with("skep.") {
                let message = format!("the label `{}` is not carried over", key.shown());
                self.findings.note(
                    &key.span,
                    message,
                    "use letters, digits, `.`, `_`, `-`; `skep.` is skep's own",
                );
            } else {
                taken.retain(|(name, _)| *name != key.text);
                taken.push((key.text.clone(), value.text.clone()));
            }
        }
        taken
    }
}

/// The environment variables that take the places of secrets of one kind: one a place where a secret stands.
struct Variables {
    base: &'static str,
    by_place: HashMap<usize, String>,
}

impl Variables {
    fn of<'a>(base: &'static str, placeholders: impl Iterator<Item = &'a Placeholder>) -> Self {
        let mut scopes: Vec<(usize, &str)> = placeholders
            .filter(|one| one.variable.is_none())
            .map(|one| (one.span.start, one.scope.as_str()))
            .collect();
        scopes.sort_unstable();
        scopes.dedup_by_key(|(place, _)| *place);
        let alone = scopes.len() == 1;
        let mut taken = HashSet::new();
        let mut by_place = HashMap::new();
        for (place, scope) in scopes {
            let first = if alone { base.to_owned() } else { format!("{base}_{}", upper(scope)) };
            let numbered = (2..).map(|number| format!("{first}_{number}"));
            let name = std::iter::once(first.clone()).chain(numbered).find(|name| !taken.contains(name));
            let name = name.unwrap_or(first);
            taken.insert(name.clone());
            by_place.insert(place, name);
        }
        Self { base, by_place }
    }

    /// The variable for a secret, and the user told to set it.
    fn take(&self, secret: Option<&Placeholder>, key: &str, findings: &mut Findings) -> Option<String> {
        let secret = secret?;
        if let Some(variable) = &secret.variable {
            return Some(variable.clone());
        }
        let variable = self.by_place.get(&secret.span.start).map_or(self.base, String::as_str);
        let message = "a password stands here; it is not copied".to_owned();
        let help = format!(
            "the result has `{key}: {{env: {variable}}}`: set that variable, or write where it comes from: \
             `{{file: PATH}}`, `{{command: \"pass show pi\"}}`"
        );
        findings.secret(&secret.span, message, help);
        Some(variable.to_owned())
    }
}

fn upper(scope: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    scope.chars().take(40).map(fits).collect()
}
