//! The one command that starts an agent on a host, and brings it there first where it is missing.
//!
//! It asks for the machine's architecture, runs the agent that is there by the hash of its content, else asks for
//! it, checks what came and puts it in place by one rename. All in one go, since each command costs a round trip.

use super::agents::Agents;

/// How the script's own lines begin; whatever else a shell prints on the way is skipped.
pub(super) const MARK: &str = "skep-";

/// The command for the login's shell, whichever that is: one line, and nothing in the quotes that a shell of another
/// family (csh, fish) would read in its own way.
pub(super) fn command(agents: &Agents, directory: &str, arguments: &str, sudo: bool) -> String {
    let script = script(agents, directory, arguments);
    debug_assert!(!script.contains(['\'', '!', '\\', '\n']), "{script}");
    // sudo translates its messages by the login's locale, and is to be understood.
    let sudo = if sudo { "env LC_ALL=C sudo -n " } else { "" };
    format!("{sudo}sh -c '{script}'")
}

/// Whether a word means itself to every shell.
pub(super) fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
        && !word.starts_with('-')
}

fn script(agents: &Agents, directory: &str, arguments: &str) -> String {
    let cases: String = agents
        .iter()
        .map(|(machine, build)| format!("{machine}) h={} s={};; ", build.hash, build.size))
        .collect();
    [
        // Ends what a shell's start-up files may have printed without a line end.
        "echo",
        "LC_ALL=C",
        "export LC_ALL",
        "umask 077",
        "fail() { echo skep-fail $*; exit 1; }",
        &format!("case $(uname -m) in {cases}*) fail machine $(uname -m);; esac"),
        &format!("d={directory}"),
        "a=$d/agent-$h",
        // The length shows a file that a power cut has emptied. An empty one would even run, and do nothing.
        &format!("if [ -x $a ] && [ $(wc -c <$a) -eq $s ]; then exec $a {arguments}; fi"),
        "for c in head gunzip sha256sum; do command -v $c >/dev/null || fail tool $c; done",
        "mkdir -p $d || fail write $d",
        "t=$d/new-$$",
        "trap \"rm -f $t\" EXIT",
        "echo skep-push $(uname -m)",
        "read n || exit 1",
        "head -c $n | gunzip >$t || fail write $d",
        "echo \"$h  $t\" | sha256sum -c >/dev/null 2>&1 || fail checksum",
        "chmod 700 $t && { sync $t 2>/dev/null || sync; } && mv -f $t $a || fail write $d",
        "for o in $d/agent-*; do [ $o = $a ] || rm -f $o; done",
        // Whatever was left behind where a push was cut off; another skep may push at this moment.
        "find $d -name \"new-*\" -mmin +60 -exec rm -f {} +",
        "[ -x $a ] || fail noexec $d",
        &format!("exec $a {arguments}"),
    ]
    .join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::agents::Build;
    use super::*;

    fn agents() -> Agents {
        Agents::of([
            ("x86_64".to_owned(), Build::new(b"a".to_vec())),
            ("aarch64".to_owned(), Build::new(vec![])),
        ])
    }

    #[test]
    fn the_command_means_the_same_to_every_shell() {
        for sudo in [false, true] {
            let command = command(&agents(), "/var/lib/skep", "dial /run/docker.sock", sudo);
            assert_eq!(command.matches('\'').count(), 2, "{command}");
            assert!(!command.contains(['!', '\\', '\n']), "{command}");
            assert_eq!(command.contains("sudo -n"), sudo);
        }
    }

    #[test]
    fn plain_words() {
        for (word, plain) in [
            ("/var/run/docker.sock", true),
            ("/a b", false),
            ("/a'b", false),
            ("$x", false),
            ("-x", false),
            ("", false),
            ("/ä", false),
        ] {
            assert_eq!(is_plain(word), plain, "{word}");
        }
    }
}
