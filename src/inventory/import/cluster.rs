//! Host lists of k0sctl and launchpad: `spec.hosts`, each with a role and how to reach it.

use std::rc::Rc;

use super::Format;
use super::draft::{Candidate, Draft};
use super::findings::Findings;
use super::roles;
use super::word::Word;
use super::yaml::Value;
use crate::inventory::check::Problem;
use crate::inventory::model::Role;

/// The user that both tools log in as where the file names none.
const DEFAULT_USER: &str = "root";

/// The hosts of the first document that has any.
pub(super) fn draft(
    documents: &[Rc<Value>],
    format: Format,
    findings: &mut Findings,
) -> Result<Draft, Problem> {
    let found = documents.iter().find_map(|document| Some((document, document.get("spec")?.get("hosts")?)));
    let Some((document, list)) = found else {
        let span = documents.first().map_or(0..0, |document| document.span.start..document.span.start + 1);
        return Err(Problem::error(span, "there is no list `spec.hosts`".into())
            .help("name the format with `--format`, if it is another: ansible-ini, ansible-yaml"));
    };
    if list.items().is_empty() {
        return Err(Problem::error(list.span.clone(), "`spec.hosts` is no list of hosts".into())
            .help("each host has a `role` and `ssh: {address: …}`"));
    }
    let mut draft = Draft { name: name_of(document), ..Draft::default() };
    for (index, host) in list.items().iter().enumerate() {
        draft.hosts.extend(Host { value: host, number: index + 1, findings }.candidate());
    }
    for (key, value) in document.get("spec").into_iter().flat_map(|spec| spec.entries()) {
        match (key.text.as_str(), format) {
            ("hosts", _) => {}
            ("mcr" | "engine", Format::Launchpad) => draft.engine = Some(engine(key, value, findings)),
            _ => {
                let message = format!("`spec.{}` is not carried over", key.shown());
                findings.note(
                    &key.span,
                    message,
                    "it is no matter of a Docker Swarm, or has no key in an inventory of skep",
                );
            }
        }
    }
    Ok(draft)
}

fn name_of(document: &Value) -> Option<Word> {
    document.get("metadata")?.get("name")?.word()
}

/// What launchpad installed, and that skep should leave it as it is.
fn engine(key: &Word, value: &Value, findings: &mut Findings) -> String {
    let version = value.get("version").and_then(|version| version.word());
    let version = version.map(|version| format!(" {}", version.shown())).unwrap_or_default();
    let what = format!("Mirantis Container Runtime{version}");
    let message = format!("`spec.{}` is not carried over: skep does not install {what}", key.shown());
    findings.note(&key.span, message, "`engine: {source: keep}` leaves what is installed in place");
    what
}

struct Host<'a> {
    value: &'a Value,
    number: usize,
    findings: &'a mut Findings,
}

impl Host<'_> {
    /// The host as a candidate; none where it is not reached by SSH.
    fn candidate(mut self) -> Option<Candidate> {
        let login = self.login()?;
        let address = login.address.unwrap_or_else(|| Word::new(String::new(), self.start()));
        let mut candidate = Candidate::new(self.name(&address), address);
        candidate.role = self.role();
        candidate.user = login.user;
        candidate.port = login.port;
        candidate.keys.extend(login.key);
        candidate.jump = login.jump;
        candidate.advertise = self.text("privateAddress").or_else(|| self.text("swarmAddress"));
        candidate.labels = self.labels();
        self.rest();
        Some(candidate)
    }

    fn text(&self, key: &str) -> Option<Word> {
        self.value.get(key)?.word()
    }

    /// The first character of the host, to point at.
    fn start(&self) -> std::ops::Range<usize> {
        self.value.span.start..self.value.span.start + 1
    }

    /// Its host name where the file has one, else the name it is reached by, else a number.
    fn name(&self, address: &Word) -> Word {
        let is_name = address.text.parse::<std::net::IpAddr>().is_err() && !address.text.contains('$');
        let short = || address.text.split('.').next().filter(|name| is_name && !name.is_empty());
        match self.text("hostname") {
            Some(name) => name,
            None => Word::new(
                short().map_or_else(|| format!("n{}", self.number), str::to_owned),
                if address.text.is_empty() { self.start() } else { address.span.clone() },
            ),
        }
    }

    fn role(&mut self) -> Option<Role> {
        let Some(word) = self.text("role") else {
            let message = "this host has no role: it becomes a worker".to_owned();
            self.findings.note(&self.start(), message, "change `role` in the result to what you want");
            return Some(Role::Worker);
        };
        let role = match word.text.as_str() {
            "controller" | "controller+worker" | "single" => Some(Role::Manager),
            text => roles::of_group(text),
        };
        if role.is_none() {
            let message =
                format!("the role `{}` is none of a swarm: the host becomes a worker", word.shown());
            self.findings.note(&word.span, message, "change `role` in the result, or take the host out");
        }
        role.or(Some(Role::Worker))
    }

    fn login(&mut self) -> Option<Login> {
        if let Some(ssh) = self.value.get("ssh") {
            let mut login = self.section(ssh);
            let place = ssh.span.start..ssh.span.start + 1;
            login.user.get_or_insert_with(|| Word::new(DEFAULT_USER.into(), place));
            return Some(login);
        }
        if let Some(ssh) = self.value.get("openSSH") {
            return Some(self.section(ssh));
        }
        // The first versions of launchpad had it all beside the role.
        if self.value.get("address").is_some() {
            let user = Word::new(DEFAULT_USER.into(), self.start());
            return Some(Login {
                address: self.text("address"),
                user: self.text("user").or(Some(user)),
                port: self.text("sshPort"),
                key: self.text("sshKeyPath"),
                jump: None,
            });
        }
        let how = ["localhost", "winRM"].into_iter().find(|key| self.value.get(key).is_some());
        let message = match how {
            Some(how) => format!("a host is left out: it is reached by `{how}`"),
            None => "a host is left out: it has no `ssh` with an address".to_owned(),
        };
        self.findings.note(&self.start(), message, "skep reaches hosts by SSH only");
        None
    }

    fn section(&mut self, section: &Value) -> Login {
        let text = |key: &str| section.get(key).and_then(|value| value.word());
        let known = ["address", "user", "port", "keyPath", "bastion", "hostKey"];
        for (key, _) in section.entries().iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            let message = format!("`{}` is not carried over", key.shown());
            self.findings.note(&key.span, message, "write it into ~/.ssh/config for these hosts");
        }
        if let Some(key) = section.get("hostKey") {
            let message = "`hostKey` is not carried over".to_owned();
            self.findings.note(
                &key.span,
                message,
                "skep wants its fingerprint: `ssh-keygen -lf` prints it, `host_key` takes it",
            );
        }
        Login {
            address: text("address"),
            user: text("user"),
            port: text("port"),
            key: text("keyPath"),
            jump: section.get("bastion").and_then(|bastion| self.bastion(bastion)),
        }
    }

    fn bastion(&mut self, bastion: &Value) -> Option<Word> {
        let text = |key: &str| bastion.get(key).and_then(|value| value.word());
        let address = text("address")?;
        if let Some(key) = bastion.get("keyPath") {
            let message = "the key of a bastion is not carried over".to_owned();
            self.findings.note(
                &key.span,
                message,
                "give it to ssh-agent, or to the bastion in ~/.ssh/config",
            );
        }
        let user = text("user").map_or(DEFAULT_USER.to_owned(), |user| user.text);
        let port = text("port").map(|port| format!(":{}", port.text)).unwrap_or_default();
        let host =
            if address.text.contains(':') { format!("[{}]", address.text) } else { address.text.clone() };
        Some(address.with(format!("{user}@{host}{port}")))
    }

    /// Labels of the host itself, and those that k0s is installed with.
    fn labels(&self) -> Vec<(Word, Word)> {
        let own = self.value.get("labels").into_iter().flat_map(|labels| labels.entries());
        let mut labels: Vec<(Word, Word)> =
            own.filter_map(|(key, value)| Some((key.clone(), value.word()?))).collect();
        let flags = self.value.get("installFlags").into_iter().flat_map(|flags| flags.items());
        for flag in flags.filter_map(|flag| flag.word()) {
            let Some(list) = labels_flag(&flag.text) else { continue };
            labels.extend(list.split(',').filter_map(|label| {
                let (key, value) = label.split_once('=')?;
                Some((flag.with(key), flag.with(value)))
            }));
        }
        labels
    }

    /// Tells of each key that has no meaning here.
    fn rest(&mut self) {
        let known = [
            "role",
            "ssh",
            "openSSH",
            "hostname",
            "privateAddress",
            "swarmAddress",
            "labels",
            "address",
            "user",
            "sshPort",
            "sshKeyPath",
        ];
        for (key, value) in self.value.entries().iter().filter(|(key, _)| !known.contains(&key.text.as_str()))
        {
            let only_labels = key.text == "installFlags"
                && value
                    .items()
                    .iter()
                    .all(|flag| flag.word().is_some_and(|flag| labels_flag(&flag.text).is_some()));
            if only_labels {
                continue;
            }
            let help = match key.text.as_str() {
                "privateInterface" => {
                    "write the address of that interface as `advertise`, or let skep find one"
                }
                "noTaints" => "a manager of a swarm runs tasks unless it is drained",
                "hooks" => "skep does not run them",
                "environment" => "it is for the services of another tool",
                _ => "it has no key in an inventory of skep",
            };
            self.findings.note(&key.span, format!("`{}` is not carried over", key.shown()), help);
        }
    }
}

/// The list of a flag `--labels=a=b,c=d`.
fn labels_flag(flag: &str) -> Option<&str> {
    let list = flag.strip_prefix("--labels")?;
    let list = list.strip_prefix('=').or_else(|| list.strip_prefix(' '))?;
    Some(list.trim().trim_matches(['"', '\'']))
}

struct Login {
    address: Option<Word>,
    user: Option<Word>,
    port: Option<Word>,
    key: Option<Word>,
    jump: Option<Word>,
}
