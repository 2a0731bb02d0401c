//! From Ansible's hosts and variables to candidates: which variables mean what, and who is left out.

use super::draft::{Candidate, Draft, Placeholder};
use super::findings::Findings;
use super::groups::{ALL, Groups, Resolved, UNGROUPED, Var};
use super::roles;
use super::ssh_args;
use super::template;
use super::word::Word;
use super::yaml::{self, Kind, Value};
use crate::inventory::check::Problem;
use crate::inventory::mask::is_secret_key;

/// Variables that say one thing, the name that counts first.
const ADDRESS: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const KEY: &[&str] = &["ansible_ssh_private_key_file", "ansible_private_key_file"];
const PASSWORD: &[&str] = &["ansible_password", "ansible_ssh_password", "ansible_ssh_pass"];
const SUDO_PASSWORD: &[&str] =
    &["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass", "ansible_sudo_password"];
const KEY_PASSPHRASE: &[&str] = &["ansible_ssh_private_key_passphrase", "ansible_private_key_passphrase"];
const BECOME: &[&str] = &["ansible_become", "ansible_sudo"];
const BECOME_METHOD: &[&str] = &["ansible_become_method"];
const BECOME_USER: &[&str] = &["ansible_become_user", "ansible_sudo_user"];
const CONNECTION: &[&str] = &["ansible_connection"];
const SSH_ARGS: &[&str] = &["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"];
const ADVERTISE: &[&str] =
    &["docker_swarm_advertise_addr", "docker_swarm_advertise_address", "swarm_advertise_addr"];
const LABELS: &[&str] = &["docker_swarm_labels", "swarm_labels", "swarm_node_labels"];
const ROLE: &[&str] = &["docker_swarm_role", "swarm_role", "swarm_node_role"];
/// Followed already, or of no meaning once the hosts are resolved.
const FOLLOWED: &[&str] = &["ansible_group_priority"];

const KNOWN: &[&[&str]] = &[
    ADDRESS,
    PORT,
    USER,
    KEY,
    PASSWORD,
    SUDO_PASSWORD,
    KEY_PASSPHRASE,
    BECOME,
    BECOME_METHOD,
    BECOME_USER,
    CONNECTION,
    SSH_ARGS,
    ADVERTISE,
    LABELS,
    ROLE,
    FOLLOWED,
];

/// Connections that are SSH to the host itself.
const SSH_CONNECTIONS: &[&str] = &["ssh", "smart", "paramiko", "paramiko_ssh"];

/// The candidates among the hosts of `groups`.
pub(super) fn draft(groups: &Groups, findings: &mut Findings) -> Result<Draft, Problem> {
    let resolved = groups.resolve()?;
    let mut hosts = Vec::new();
    for host in &resolved {
        let reader = Reader { host, findings };
        hosts.extend(reader.candidate());
    }
    let present: Vec<&Resolved<'_>> = resolved
        .iter()
        .filter(|host| hosts.iter().any(|candidate: &Candidate| candidate.name == *host.name()))
        .collect();
    roles::from_groups(&mut hosts, &present, findings);
    unknown_variables(groups, findings);
    other_groups(groups, findings);
    Ok(Draft { hosts, ..Draft::default() })
}

fn unknown_variables(groups: &Groups, findings: &mut Findings) {
    for var in groups.vars().filter(|var| !KNOWN.iter().any(|names| names.contains(&var.name.text.as_str())))
    {
        let help = match var.name.text.as_str() {
            "ansible_python_interpreter" => "skep needs no Python on the hosts",
            name if is_secret_key(name) => {
                "give it to whatever needs it in another way; an inventory of skep holds no secrets"
            }
            name if name.starts_with("ansible_") => "skep has no such key",
            _ => "skep knows nothing of variables for playbooks",
        };
        findings.note(&var.name.span, format!("`{}` is not carried over", var.name.shown()), help);
    }
}

fn other_groups(groups: &Groups, findings: &mut Findings) {
    let told =
        |name: &Word| [ALL, UNGROUPED].contains(&name.text.as_str()) || roles::of_group(&name.text).is_some();
    for name in groups.names().filter(|name| !told(name)) {
        let message = format!("the group `{}` is not carried over", name.shown());
        let help =
            format!("skep has roles and labels: `labels: {{{}: \"true\"}}` tells nodes apart", name.shown());
        findings.note(&name.span, message, help);
    }
}

struct Reader<'a> {
    host: &'a Resolved<'a>,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    /// The host as a candidate; none where Ansible does not reach it by SSH.
    fn candidate(mut self) -> Option<Candidate> {
        let name = self.host.name().clone();
        if !self.is_reached_by_ssh() {
            return None;
        }
        let address = match self.var(ADDRESS) {
            None => name.clone(),
            // Without the address the host is lost, so `settle` says so, with the place of what it should have been.
            Some(var) => self.value(&var).unwrap_or_else(|| Word::new(String::new(), var.value.span.clone())),
        };
        let mut candidate = Candidate::new(name, address);
        candidate.user = self.word(USER);
        candidate.port = self.word(PORT);
        candidate.keys.extend(self.word(KEY));
        candidate.password = self.placeholder(PASSWORD);
        candidate.key_passphrase = self.placeholder(KEY_PASSPHRASE);
        candidate.sudo_password = self.placeholder(SUDO_PASSWORD);
        candidate.advertise = self.word(ADVERTISE);
        candidate.labels = self.labels();
        candidate.role = self.word(ROLE).and_then(|role| roles::of_group(&role.text));
        for names in SSH_ARGS {
            if let Some(arguments) = self.word(&[names]) {
                ssh_args::apply(&arguments, &mut candidate, self.findings);
            }
        }
        self.privilege(&mut candidate);
        Some(candidate)
    }

    fn var(&self, names: &[&str]) -> Option<Var> {
        names.iter().find_map(|name| self.host.var(name)).cloned()
    }

    /// The text of a variable, its template filled in; where that cannot be had the user is told.
    fn word(&mut self, names: &[&str]) -> Option<Word> {
        let var = self.var(names)?;
        self.value(&var)
    }

    fn value(&mut self, var: &Var) -> Option<Word> {
        let name = var.name.shown();
        let span = &var.value.span;
        if var.value.is_vault() {
            let message = format!("`{name}` is encrypted by ansible-vault and is not carried over");
            self.findings.secret(span, message, "`ansible-vault view` shows it; write it into the result");
            return None;
        }
        if var.value.kind == Kind::Null {
            return None;
        }
        let Some(word) = var.value.word() else {
            self.findings.note(
                span,
                format!("`{name}` is not one piece of text and is not carried over"),
                "",
            );
            return None;
        };
        match template::fill(&word.text, self.host) {
            Some(text) => Some(word.with(text)),
            None => {
                let message = format!(
                    "`{name}` holds a template that only Ansible can fill in, and is not carried over"
                );
                let help = "`ansible-inventory -i FILE --list --yaml` does not fill it in either: write the value into the result";
                self.findings.note(span, message, help);
                None
            }
        }
    }

    fn is_reached_by_ssh(&mut self) -> bool {
        let name = self.host.name().clone();
        if let Some(connection) = self.word(CONNECTION) {
            let short = connection.text.strip_prefix("ansible.builtin.").unwrap_or(&connection.text);
            if !SSH_CONNECTIONS.contains(&short) {
                let message =
                    format!("`{}` is left out: Ansible reaches it by `{}`", name.shown(), connection.shown());
                self.findings.note(&name.span, message, "skep reaches hosts by SSH only");
                return false;
            }
        } else if name.text == "localhost" && self.var(ADDRESS).is_none() {
            let message = "`localhost` is left out: that is the computer that Ansible runs on".to_owned();
            self.findings.note(
                &name.span,
                message,
                "to make it a node, give it `ansible_host` with an address",
            );
            return false;
        }
        true
    }

    /// A source to take the place of a password, which is never copied.
    fn placeholder(&mut self, names: &[&str]) -> Option<Placeholder> {
        let var = self.var(names)?;
        if var.value.kind == Kind::Null {
            return None;
        }
        let variable = var.value.word().and_then(|word| template::environment(&word.text));
        Some(Placeholder { variable, scope: var.scope.to_string(), span: var.value.span.clone() })
    }

    fn labels(&mut self) -> Vec<(Word, Word)> {
        let Some(var) = self.var(LABELS) else { return Vec::new() };
        let value = dictionary(&var.value);
        let mut labels = Vec::new();
        for (key, value) in value.entries() {
            match value.word().map(|word| (template::fill(&word.text, self.host), word)) {
                Some((Some(text), word)) => labels.push((key.clone(), word.with(text))),
                _ => {
                    let message = format!("the label `{}` is not carried over", key.shown());
                    self.findings.note(
                        &key.span,
                        message,
                        "its value is no plain text: write it into the result",
                    );
                }
            }
        }
        if labels.is_empty() && value.entries().is_empty() && value.kind != Kind::Null {
            let message = format!("`{}` is no mapping and is not carried over", var.name.shown());
            self.findings.note(&var.name.span, message, "write `labels: {NAME: VALUE}` into the result");
        }
        labels
    }

    /// skep works as root, by sudo where the user is another; what says so needs no key.
    fn privilege(&mut self, candidate: &mut Candidate) {
        let is_root = candidate.user.as_ref().is_some_and(|user| user.text == "root");
        if let Some(method) = self.word(BECOME_METHOD) {
            match method.text.rsplit('.').next() {
                Some("sudo") => {}
                Some("doas") => candidate.doas = true,
                _ => {
                    let message = format!("the way to root `{}` is not carried over", method.shown());
                    self.findings.note(
                        &method.span,
                        message,
                        "skep takes sudo or doas: see docs/privilege.md",
                    );
                }
            }
        }
        if let Some(user) = self.word(BECOME_USER).filter(|user| user.text != "root") {
            let message = format!("to become `{}` is not carried over", user.shown());
            self.findings.note(&user.span, message, "skep works as root");
        }
        if let Some(become_) = self.word(BECOME).filter(|value| !is_root && is_no(&value.text)) {
            let message = "not to become root is not carried over".to_owned();
            self.findings.note(
                &become_.span,
                message,
                "skep works as root: it takes sudo or doas unless the user is root",
            );
        }
    }
}

fn is_no(text: &str) -> bool {
    ["false", "no", "off", "n", "f", "0", "0.0"].contains(&text.to_lowercase().as_str())
}

/// A mapping, also where the INI format has one as text: `{'disk': 'ssd'}`.
fn dictionary(value: &Value) -> Value {
    let Kind::Scalar(text) = &value.kind else { return value.clone() };
    if !text.starts_with('{') || text.starts_with("{{") {
        return value.clone();
    }
    let read = yaml::documents(text).ok().and_then(|documents| documents.into_iter().next());
    let Some(read) = read else { return value.clone() };
    let here = |word: &Word| Word::new(word.text.clone(), value.span.clone());
    let entries = read.entries().iter().map(|(key, item)| {
        let item = Value { span: value.span.clone(), ..(**item).clone() };
        (here(key), item.into())
    });
    Value { kind: Kind::Map(entries.collect()), ..value.clone() }
}
