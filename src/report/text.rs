//! Words and columns: cleaning, counting, cutting and wrapping text.

use std::time::Duration;

use console::measure_text_width;

use super::surface::Surface;
use crate::inventory::model::NodeName;
use crate::mask::masked;

/// One line that is safe to print: no escapes, no control characters, nothing that turns the direction of writing.
///
/// Whatever came from a host passes here first: a host must not write to the user's terminal. Secrets in it are masked.
pub(super) fn clean(text: &str) -> String {
    let joined = masked(text).split_whitespace().collect::<Vec<_>>().join(" ");
    printable(&joined)
}

/// The same for text of several lines: empty ones at the end are dropped, tabs become four spaces.
pub(super) fn clean_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = masked(text).lines().map(|line| printable(&line.replace('\t', "    "))).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// A line without escapes, control characters and marks that steer the terminal; spaces stay as they are.
pub(super) fn printable(line: &str) -> String {
    let without_escapes = anstream::adapter::strip_str(line).to_string();
    without_escapes.chars().filter(|c| !c.is_control() && !steers(*c)).collect()
}

/// Characters that are no letters but change how others are shown: marks of writing direction, line separators,
/// invisible ones.
fn steers(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `text` with spaces up to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}

/// `text` cut to `width` columns, with a sign where something was cut.
pub(super) fn fit(text: &str, width: usize, surface: &Surface) -> String {
    console::truncate_str(text, width, surface.symbols().ellipsis).into_owned()
}

/// `text` broken between words into lines of at most `width` columns; a longer word stands alone, whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("it starts with a line and never loses one");
        if line.is_empty() {
            line.push_str(word);
        } else if measure_text_width(line) + 1 + measure_text_width(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A span of time, as short as it stays useful.
pub(super) fn duration(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    if tenths < 600 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else {
        seconds(Duration::from_millis(tenths * 100))
    }
}

/// The same without parts of a second, for a clock that runs.
pub(super) fn seconds(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number of bytes.
pub(super) fn bytes(count: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match count {
        0..KIB => format!("{count} B"),
        KIB..MIB => format!("{} KiB", count / KIB),
        _ => format!("{}.{} MiB", count / MIB, count % MIB * 10 / MIB),
    }
}

/// Names in a row; of many, runs of numbered ones are drawn together: `n1…n40 n42`.
pub(super) fn names(nodes: &[NodeName], surface: &Surface) -> String {
    const FEW: usize = 4;
    if nodes.len() <= FEW {
        return nodes.iter().map(|node| clean(&node.0)).collect::<Vec<_>>().join(" ");
    }
    let mut parts = Vec::new();
    let mut rest = nodes;
    while let Some((first, others)) = rest.split_first() {
        let run =
            1 + others.iter().zip(rest).take_while(|(next, previous)| follows(&previous.0, &next.0)).count();
        if run > 2 {
            parts.push(format!("{}{}{}", clean(&first.0), surface.symbols().range, clean(&rest[run - 1].0)));
            rest = &rest[run..];
        } else {
            parts.push(clean(&first.0));
            rest = others;
        }
    }
    parts.join(" ")
}

/// Whether `next` is `previous` counted up by one: `n9` and `n10`, `pi-09` and `pi-10`.
fn follows(previous: &str, next: &str) -> bool {
    let stem = previous.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some(number) = next.strip_prefix(stem) else { return false };
    let digits = previous.len() - stem.len();
    previous[stem.len()..].parse::<u64>().is_ok_and(|n| format!("{:0digits$}", n.saturating_add(1)) == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hosts_say_cannot_steer_the_terminal() {
        let cases = [
            ("plain", "plain"),
            ("", ""),
            ("two\nlines\r\n", "two lines"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("back\u{8}space\u{7f}", "backspace"),
            ("\u{9b}31mred", "31mred"),
            ("user\u{202e}gnp.exe", "usergnp.exe"),
            ("naïve 日本語 ok", "naïve 日本語 ok"),
            ("E: http://bob:hunter2@mirror/x\nfailed", "E: http://***@mirror/x failed"),
        ];
        for (text, wanted) in cases {
            assert_eq!(clean(text), wanted, "{text:?}");
        }
        assert_eq!(clean_lines("a\tb\n\n  c\u{1b}[2J\n\n"), ["a    b", "", "  c"]);
    }

    #[test]
    fn spans_of_time() {
        let cases = [
            (0, "0.0s"),
            (49, "0.0s"),
            (1_250, "1.3s"),
            (14_200, "14.2s"),
            (59_949, "59.9s"),
            (59_950, "1m 00s"),
            (60_000, "1m 00s"),
            (125_900, "2m 05s"),
            (3_600_000, "1h 00m"),
            (7_380_000, "2h 03m"),
        ];
        for (ms, wanted) in cases {
            assert_eq!(duration(ms), wanted);
        }
    }

    #[test]
    fn a_running_clock_shows_whole_seconds() {
        assert_eq!(
            [0, 999, 59_999, 61_000].map(|ms| seconds(Duration::from_millis(ms))),
            ["0s", "0s", "59s", "1m 01s"]
        );
    }

    #[test]
    fn amounts() {
        assert_eq!(
            [0, 1023, 1024, 450_000, 1 << 20, 3_670_016].map(bytes),
            ["0 B", "1023 B", "1 KiB", "439 KiB", "1.0 MiB", "3.5 MiB"]
        );
    }

    #[test]
    fn many_names_are_drawn_together() {
        let cases: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["n1", "n2", "n3"], "n1 n2 n3"),
            (&["n1", "n2", "n3", "n4", "n5"], "n1…n5"),
            (&["n8", "n9", "n10", "n11", "n13"], "n8…n11 n13"),
            (&["pi-08", "pi-09", "pi-10", "x", "y1", "y2"], "pi-08…pi-10 x y1 y2"),
            (&["a", "b", "c", "d", "e"], "a b c d e"),
            (&["7", "8", "9", "10", "12"], "7…10 12"),
        ];
        for (nodes, wanted) in cases {
            let nodes: Vec<NodeName> = nodes.iter().map(|name| NodeName::from(*name)).collect();
            assert_eq!(names(&nodes, &Surface::PLAIN), *wanted);
        }
    }

    #[test]
    fn columns_count_what_is_seen() {
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("\u{1b}[31mred\u{1b}[0m", 5), "\u{1b}[31mred\u{1b}[0m  ");
        assert_eq!(fit("日本語", 5, &Surface::PLAIN), "日本…");
        assert_eq!(wrap("install docker.io apparmor", 17), ["install docker.io", "apparmor"]);
        assert_eq!(wrap("averyveryverylongword b", 5), ["averyveryverylongword", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    proptest! {
        #[test]
        fn cleaned_text_has_no_controls(text in "\\PC*|[\\x00-\\x7f\u{80}-\u{9f}\u{2028}\u{202e}é日]*") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(char::is_control));
            prop_assert!(!cleaned.contains(steers), "{:?}", cleaned);
            prop_assert!(clean_lines(&text).iter().all(|line| !line.chars().any(char::is_control)));
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z ]{0,80}", width in 1_usize..40) {
            let joined = wrap(&text, width).join(" ");
            prop_assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        }
    }
}
