//! Errors and findings, each in one form: what it is about, why, and what helps.

use super::surface::{Surface, Tone};
use super::text::{clean, clean_lines, names};
use crate::inventory::model::NodeName;
use crate::plan::Finding;
use crate::resource::Fault;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It is not as it should be, or cannot be done.
    Error,
    /// The user should know.
    Warning,
}

/// An error of the program as a whole, such as a bad option: `error: MESSAGE`, then the help where there is some.
pub fn error(message: &str, help: Option<&str>, surface: &Surface) -> String {
    render(Level::Error, "", message, help, surface)
}

/// What went wrong on some nodes, or on none in particular where `nodes` is empty.
pub fn fault(nodes: &[NodeName], fault: &Fault, surface: &Surface) -> String {
    render(Level::Error, &names(nodes, surface), &fault.to_string(), fault.help.as_deref(), surface)
}

/// Something that a plan or a check has to say.
pub fn finding(level: Level, finding: &Finding, surface: &Surface) -> String {
    let help = Some(finding.help.as_str()).filter(|help| !help.is_empty());
    render(level, &names(&finding.nodes, surface), &finding.message, help, surface)
}

/// Several findings, in their order; empty where there are none.
pub(super) fn findings(level: Level, list: &[Finding], surface: &Surface) -> Vec<String> {
    list.iter().map(|one| finding(level, one, surface)).collect()
}

fn render(level: Level, about: &str, message: &str, help: Option<&str>, surface: &Surface) -> String {
    let label = match level {
        Level::Error => surface.paint(Tone::Bad, "error:"),
        Level::Warning => surface.paint(Tone::Warn, "warning:"),
    };
    let mut head = label;
    if !about.is_empty() && !names_all(message, about) {
        head.push(' ');
        head.push_str(&surface.paint(Tone::Strong, &format!("{}:", clean(about))));
    }
    let mut lines = vec![];
    let mut message = clean_lines(message).into_iter();
    lines.push(format!("{head} {}", message.next().unwrap_or_default()));
    lines.extend(message.map(|line| format!("  {line}")));
    lines.extend(help.map(|help| help_lines(help, surface)).unwrap_or_default());
    lines.join("\n")
}

/// Whether the message says itself which nodes it is about.
fn names_all(message: &str, about: &str) -> bool {
    let words: Vec<_> = message.split(|c: char| c.is_whitespace() || ":,;()`".contains(c)).collect();
    about.split(' ').all(|name| words.contains(&name))
}

fn help_lines(help: &str, surface: &Surface) -> Vec<String> {
    let label = surface.paint(Tone::Accent, "help:");
    let mut lines = clean_lines(help).into_iter().map(|line| commands(&line, surface));
    let first = lines.next().map(|line| format!("  {label} {line}"));
    first.into_iter().chain(lines.map(|line| format!("        {line}"))).collect()
}

/// A line with what stands between two backticks in the colour of things to type.
pub(super) fn commands(line: &str, surface: &Surface) -> String {
    let mut painted = String::new();
    let mut rest = line;
    while let Some((before, command, after)) = quoted(rest) {
        painted.push_str(before);
        painted.push_str(&surface.paint(Tone::Accent, command));
        rest = after;
    }
    painted + rest
}

/// The text before the first quoted command, the command with its backticks, and the text after it.
pub(super) fn quoted(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find('`')?;
    let end = start + 2 + text[start + 1..].find('`')?;
    Some((&text[..start], &text[start..end], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURED: Surface = Surface { colour: true, ..Surface::PLAIN };

    fn nodes(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| NodeName::from(*name)).collect()
    }

    #[test]
    fn a_fault_names_the_thing_the_cause_and_what_helps() {
        let broken = Fault::new("/etc/docker/daemon.json", "line 3, column 5: expected `,`")
            .help("mend the file, then run `skep plan` again");
        insta::assert_snapshot!(fault(&nodes(&["n2"]), &broken, &Surface::PLAIN), @r"
        error: n2: /etc/docker/daemon.json: line 3, column 5: expected `,`
          help: mend the file, then run `skep plan` again
        ");
    }

    #[test]
    fn a_cause_of_several_lines_is_set_in() {
        let broken =
            Fault::new("package docker.io", "apt-get failed\nE: Unmet dependencies.\nE: held packages\n")
                .help("run `apt-get -f install`\nor `skep up` again");
        insta::assert_snapshot!(fault(&nodes(&["n1", "n2"]), &broken, &Surface::PLAIN), @r"
        error: n1 n2: package docker.io: apt-get failed
          E: Unmet dependencies.
          E: held packages
          help: run `apt-get -f install`
                or `skep up` again
        ");
    }

    #[test]
    fn a_finding_about_all_names_no_node() {
        let even = Finding {
            nodes: vec![],
            message: "4 managers survive no more losses than 3".into(),
            help: "make it 3 or 5".into(),
        };
        insta::assert_snapshot!(finding(Level::Warning, &even, &Surface::PLAIN), @r"
        warning: 4 managers survive no more losses than 3
          help: make it 3 or 5
        ");
    }

    #[test]
    fn an_error_may_have_no_help() {
        assert_eq!(
            error("inventory/cluster.yml: no such file", None, &Surface::PLAIN),
            "error: inventory/cluster.yml: no such file"
        );
        let silent = Finding { nodes: vec![], message: "m".into(), help: String::new() };
        assert_eq!(finding(Level::Error, &silent, &Surface::PLAIN), "error: m");
    }

    #[test]
    fn a_node_that_the_message_names_is_not_named_twice() {
        let text = |message: &str| {
            let about = Finding { nodes: nodes(&["n2"]), message: message.into(), help: String::new() };
            finding(Level::Error, &about, &Surface::PLAIN)
        };
        assert_eq!(text("n2 is down, not ready"), "error: n2 is down, not ready");
        assert_eq!(text("the manager n2, a clone"), "error: the manager n2, a clone");
        assert_eq!(text("n20 is down"), "error: n2: n20 is down");
        assert_eq!(
            fault(&nodes(&["n2"]), &Fault::new("n2", "no connection"), &Surface::PLAIN),
            "error: n2: no connection"
        );
    }

    #[test]
    fn commands_are_coloured() {
        let text = error("no route", Some("run `ip route` and `ip addr`"), &COLOURED);
        insta::assert_snapshot!(text.escape_debug().to_string().replace("\\n", "\n"));
        assert_eq!(commands("a lone ` sign", &COLOURED), "a lone ` sign");
        assert_eq!(commands("", &COLOURED), "");
    }

    #[test]
    fn hosts_cannot_write_to_the_terminal() {
        let evil = Fault::new("\u{1b}[2Jfile", "cause\r\u{1b}]0;x\u{7}").help("\u{9b}2J");
        let text = fault(&nodes(&["n\u{1b}[1m1"]), &evil, &Surface::PLAIN);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}
