//! What changes in a file's text, as a unified diff in which secrets are masked.

use similar::{Change, ChangeTag, DiffableStr, TextDiff};

use super::surface::{Surface, Tone};
use super::text::{clean, printable};
use crate::mask::masked;
use crate::resource::TextChange;
use crate::words::count;

/// Lines of a diff that are shown at most, unless the user wants it all.
const MOST: usize = 40;

/// The diff's lines. The file is named first unless `title` has named it already. `origin` tells for each line of the new
/// text which line of a template it comes from; that is shown to those who want it all.
pub(super) fn lines(change: &TextChange, title: &str, origin: &[String], surface: &Surface) -> Vec<String> {
    let mut lines = Vec::from_iter(heading(change, title).map(|path| surface.paint(Tone::Strong, &path)));
    let body = body(change, if surface.verbose { origin } else { &[] }, surface);
    let most = if surface.verbose { usize::MAX } else { MOST };
    let hidden = body.len().saturating_sub(most);
    lines.extend(body.into_iter().take(most));
    if hidden > 0 {
        let more = format!("{} {} more, shown by -v", surface.symbols().ellipsis, count(hidden, "line"));
        lines.push(surface.paint(Tone::Dim, &more));
    }
    lines
}

fn heading(change: &TextChange, title: &str) -> Option<String> {
    let path = clean(&change.path.display().to_string());
    let fate = match (&change.before, &change.after) {
        (None, _) => " (new)",
        (_, None) => " (removed)",
        _ => "",
    };
    (!title.contains(&path)).then(|| path + fate)
}

fn body(change: &TextChange, origin: &[String], surface: &Surface) -> Vec<String> {
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    let diff = TextDiff::from_lines(before, after);
    // The texts are compared as they are, so that a secret that changes is seen to, and shown as a whole masked, since a
    // secret may stand on another line than its name.
    let (before, after) = (masked(before), masked(after));
    let (before, after) = (before.tokenize_lines(), after.tokenize_lines());
    let shown = |change: &Change<&str>| {
        let old = change.old_index().and_then(|index| before.get(index));
        let line = old.or_else(|| change.new_index().and_then(|index| after.get(index)));
        line.copied().unwrap_or_default().to_owned()
    };
    let whole_file = change.before.is_none() || change.after.is_none();
    let mut lines = vec![];
    for hunk in diff.unified_diff().iter_hunks() {
        if !whole_file {
            lines.push(surface.paint(Tone::Accent, &hunk.header().to_string()));
        }
        for change in hunk.iter_changes() {
            let (sign, tone) = sign(change.tag());
            let text = printable(&shown(&change).trim_end_matches(['\n', '\r']).replace('\t', "    "));
            let mut line = surface.paint(tone, format!("{sign}{text}").trim_end());
            let from = change.new_index().filter(|_| change.tag() == ChangeTag::Insert);
            if let Some(from) = from.and_then(|index| origin.get(index)).filter(|from| !from.is_empty()) {
                line = format!("{line}  {}", surface.paint(Tone::Dim, &format!("({})", clean(from))));
            }
            lines.push(line);
            if change.missing_newline() {
                lines.push(surface.paint(Tone::Dim, "\\ No newline at end of file"));
            }
        }
    }
    lines
}

fn sign(tag: ChangeTag) -> (char, Tone) {
    match tag {
        ChangeTag::Insert => ('+', Tone::Good),
        ChangeTag::Delete => ('-', Tone::Bad),
        ChangeTag::Equal => (' ', Tone::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Option<&str>, after: Option<&str>) -> TextChange {
        let own = |text: Option<&str>| text.map(str::to_owned);
        TextChange { path: "/etc/docker/daemon.json".into(), before: own(before), after: own(after) }
    }

    fn show(change: &TextChange, title: &str) -> String {
        lines(change, title, &[], &Surface::PLAIN).join("\n")
    }

    #[test]
    fn a_changed_file_shows_what_is_around() {
        let before = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3,\n  \"d\": 4,\n  \"e\": 5\n}\n";
        let changed = change(Some(before), Some(&before.replace("\"e\": 5", "\"e\": 5,\n  \"f\": 6")));
        insta::assert_snapshot!(show(&changed, "change the engine's options"));
        assert!(!show(&changed, "write /etc/docker/daemon.json").contains("daemon.json"));
    }

    #[test]
    fn a_new_file_is_shown_whole() {
        insta::assert_snapshot!(show(&change(None, Some("[Unit]\n\tAfter=a\n\n")), "write it"));
    }

    #[test]
    fn a_file_that_goes_is_shown_as_gone() {
        insta::assert_snapshot!(show(&change(Some("a\nb"), None), "remove it"));
    }

    #[test]
    fn a_long_diff_is_cut_unless_all_is_wanted() {
        let long: String = (1..=100).map(|n| format!("line {n}\n")).collect();
        let added = change(None, Some(&long));
        let cut = lines(&added, "", &[], &Surface::PLAIN);
        assert_eq!((cut.len(), cut.last().map(String::as_str)), (42, Some("… 60 lines more, shown by -v")));
        assert_eq!(lines(&added, "", &[], &Surface { verbose: true, ..Surface::PLAIN }).len(), 101);
    }

    #[test]
    fn no_change_no_lines() {
        assert_eq!(show(&change(Some("a\n"), Some("a\n")), "/etc/docker/daemon.json"), "");
    }

    #[test]
    fn what_a_file_holds_cannot_steer_the_terminal() {
        let text = show(&change(Some("a\u{1b}[2J\r\n"), Some("b\u{7}\u{1b}]0;x\u{7}\n")), "");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }

    #[test]
    fn a_secret_that_changes_is_seen_to_but_not_shown() {
        let options = |password: &str| {
            format!(
                "{{\n  \"http-proxy\": \"http://bob:{password}@proxy\",\n  \"token\":\n    \"{password}\"\n}}\n"
            )
        };
        let text = show(&change(Some(&options("hunter2")), Some(&options("hunter3"))), "daemon.json");
        assert!(!text.contains("hunter"), "{text}");
        assert_eq!(text.matches("http://***@proxy").count(), 2, "{text}");
        assert!(text.contains("-    \"***\"") && text.contains("+    \"***\""), "{text}");
    }

    #[test]
    fn those_who_want_it_all_see_where_new_lines_come_from() {
        let origin = ["exports.j2:1", "", "exports.j2:5"].map(str::to_owned);
        let changed = change(Some("a\nold\n"), Some("a\nb\nc\n"));
        let show = |verbose| lines(&changed, "", &origin, &Surface { verbose, ..Surface::PLAIN }).join("\n");
        assert!(show(true).ends_with(" a\n-old\n+b\n+c  (exports.j2:5)"), "{}", show(true));
        assert!(!show(false).contains("exports.j2"), "{}", show(false));
    }

    #[test]
    fn additions_and_removals_are_coloured() {
        let surface = Surface { colour: true, ..Surface::PLAIN };
        let text = lines(&change(Some("a\nb\n"), Some("a\nc\n")), "", &[], &surface).join("\n");
        insta::assert_snapshot!(text.escape_debug().to_string().replace("\\n", "\n"));
    }
}
