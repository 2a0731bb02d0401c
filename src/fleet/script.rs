//! The one command that starts an agent on a host, and brings it there first where it is missing.
//!
//! It runs the agent that is there by the hash of its content, and starts no other program for that, as root not even a
//! second shell. Else it asks for the machine's architecture, looks for a place that takes an agent, asks for it, checks what came and puts it in place
//! by one rename. All in one go, since each command costs a round trip.

use super::agents::{Agents, Build};
use super::elevation::Elevation;
use crate::wire;

/// How the script's own lines begin; whatever else a shell prints on the way is skipped.
pub(super) const MARK: &str = "skep-";

/// What runs on a host as root.
#[derive(Debug, Clone, Copy)]
pub(super) enum Program<'a> {
    /// An agent, with these arguments.
    Agent(&'a str),
    /// The host's own perl, which reads its program; every Debian has it.
    Perl,
}

/// What an agent is started with.
pub(super) struct Start<'a> {
    pub(super) agents: &'a Agents,
    /// Where agents may be kept, the best place first.
    pub(super) places: &'a [String],
    pub(super) program: Program<'a>,
    pub(super) elevation: Elevation,
    /// Whether sudo may ask for a password.
    pub(super) password: bool,
}

impl Start<'_> {
    /// The command for the login's shell, whichever that is: one line, and nothing in the quotes that a shell of
    /// another family (csh, fish) would read in its own way.
    ///
    /// The script not by `exec`, although dash forks for it: rbash forbids that.
    ///
    /// The login's sh becomes root by the elevation's words, and then runs the script, which is its `$1`.
    pub(super) fn command(&self) -> String {
        let script = self.script();
        let command = match self.elevation.words(self.password) {
            None => format!("sh -c \'{script}\'"),
            // sudo translates its messages by the login's locale, and is to be understood.
            Some(words) => {
                format!(
                    "sh -c \'echo; echo skep-shell; LC_ALL=C; export LC_ALL; {words}\' sh \'{PATH}{script}\'"
                )
            }
        };
        debug_assert!(!command.contains(['!', '\\', '\n']), "{command}");
        command
    }

    /// The same for a login that is root already: its shell becomes the agent where that is in the best place, without a
    /// second one. None where there is something else to do first. A few shells cannot read these words (nushell, fish
    /// before 3.0), and one that finds its agent but cannot become it comes to no end of the line.
    pub(super) fn command_at_once(&self) -> Option<String> {
        let (Program::Agent(arguments), Elevation::None, Some(place)) =
            (self.program, self.elevation, self.places.first())
        else {
            return None;
        };
        let become_one = |(_, build): (&str, &Build)| {
            let agent = format!("{place}/agent-{}", build.hash);
            format!(
                "test -O {place} && test -O {agent} && test -s {agent} && test -x {agent} && echo && echo skep-script \
                 && exec {agent} {arguments}; "
            )
        };
        Some(self.agents.iter().map(become_one).collect::<String>() + &self.command())
    }

    fn script(&self) -> String {
        let arguments = match self.program {
            Program::Agent(arguments) => arguments,
            Program::Perl => return perl(),
        };
        let cases: String = self
            .agents
            .iter()
            .map(|(machine, build)| format!("{machine}) h={} s={};; ", build.hash, build.size))
            .collect();
        let hashes: Vec<&str> = self.agents.iter().map(|(_, build)| build.hash.as_str()).collect();
        [
            // Ends what a shell's start-up files may have printed without a line end.
            "echo",
            "echo skep-script",
            "LC_ALL=C",
            "export LC_ALL",
            "umask 077",
            "fail() { echo skep-fail $*; exit 1; }",
            &format!("p=\"{}\"", self.places.join(" ")),
            // A power cut may have emptied a file, and an empty one would even run, and do nothing. Half of one does not
            // get that name, since it is on the disc before it is given it.
            "found() { [ -O $d ] && [ -O $a ] && [ -x $a ] && [ -s $a ]; }",
            // A hash tells the architecture as well: the host was asked for it when the file was brought.
            &format!("for d in $p; do for h in {}; do a=$d/agent-$h", hashes.join(" ")),
            &format!("if found; then exec $a {arguments}; fi; done; done"),
            "m=$(uname -m)",
            &format!("case $m in {cases}*) fail machine $m;; esac"),
            &format!("for c in {TOOLS}; do command -v $c >/dev/null || fail tool $c; done"),
            // What anybody may write to is for root alone to use; others get one place, and hear what is in the way.
            "[ $(id -u) = 0 ] || p=${p%% *}",
            PLACE,
            "set -f",
            "t=",
            "for d in $p; do if e=$(place 2>&1); then t=$d/new-$$; break; fi; echo skep-no $d $e; done",
            "set +f",
            "[ $t ] || fail place",
            "a=$d/agent-$h",
            "trap \"rm -f $t\" EXIT",
            "echo skep-push $m",
            "read n || exit 1",
            "head -c $n | gunzip >$t || fail write $d",
            "echo \"$h  $t\" | sha256sum -c >/dev/null 2>&1 || fail checksum",
            "chmod 700 $t && { sync $t 2>/dev/null || sync; } && mv -f $t $a || fail write $d",
            "for o in $d/agent-*; do [ $o = $a ] || rm -f $o; done",
            // Whatever was left behind where a push was cut off; another skep may push at this moment.
            "find $d -name \"new-*\" -mmin +60 -exec rm -f {} + 2>/dev/null",
            &format!("exec $a {arguments}"),
        ]
        .join("; ")
    }
}

/// Greets as an agent does, for whatever comes next is the program's.
fn perl() -> String {
    let lacking = "command -v perl >/dev/null || { echo skep-fail tool perl; exit 1; }";
    format!("echo; echo skep-script; LC_ALL=C; export LC_ALL; {lacking}; echo {}; exec perl -", wire::hello())
}

/// sudo and doas choose the search path, and a rule may leave out where Debian has its programs.
const PATH: &str = "PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; ";

/// What a push needs.
const TOOLS: &str = "id mkdir chmod rm head gunzip sha256sum mv";

/// `place`: whether the directory `$d` takes a program of `$s` bytes and lets it run; else it says why not. Nothing is
/// left behind where not. `try` runs an empty file, which every sh takes for an empty script.
const PLACE: &str = "try() { true >$f && chmod 700 $f || return 1; \
    $f 2>/dev/null || { echo mounted noexec; return 1; }; head -c $s /dev/zero >$f; }; \
    place() { [ -d $d ] || mkdir $d || [ -d $d ] || return 1; f=$d/new-$$; \
    [ -L $d ] && { echo a symbolic link; return 1; }; [ -O $d ] || { echo owned by $(stat -c %U $d); return 1; }; \
    if try; then rm -f $f; else rm -f $f; rmdir $d 2>/dev/null; return 1; fi; }";

/// Whether a word means itself to every shell.
pub(super) fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
        && !word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> Agents {
        Agents::of([
            ("x86_64".to_owned(), Build::new(b"a".to_vec())),
            ("aarch64".to_owned(), Build::new(vec![])),
        ])
    }

    #[test]
    fn the_command_means_the_same_to_every_shell() {
        let (agents, places) = (agents(), super::super::PLACES.map(str::to_owned));
        let dial = Program::Agent("dial /run/docker.sock");
        for (program, elevation, password, words) in [
            (dial, Elevation::None, false, "sh -c"),
            (dial, Elevation::Auto, false, "exec sudo -n /bin/sh"),
            (dial, Elevation::Auto, true, "exec doas -n /bin/sh"),
            (dial, Elevation::Sudo, true, "exec sudo -S -p skep-password-of-%p: /bin/sh"),
            (dial, Elevation::Doas, false, "exec doas -n /bin/sh"),
            (Program::Perl, Elevation::None, false, "exec perl -"),
            (Program::Perl, Elevation::Auto, false, "exec sudo -n /bin/sh"),
        ] {
            let start = Start { agents: &agents, places: &places, program, elevation, password };
            let command = start.command();
            let quotes = if elevation == Elevation::None { 2 } else { 4 };
            assert_eq!(command.matches('\'').count(), quotes, "{command}");
            assert!(!command.contains(['!', '\\', '\n']), "{command}");
            assert!(command.contains(words), "{command}");
            let at_once = elevation == Elevation::None && matches!(program, Program::Agent(_));
            let words = start.command_at_once();
            assert_eq!(words.is_some(), at_once, "{command}");
            assert!(words.is_none_or(|words| {
                words.starts_with("test -O /var/lib/skep && test -O /var/lib/skep/agent-")
            }));
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
