//! Blacks out passwords before source lines are shown.
//!
//! A password does not belong in the inventory, but the very message that says so shows the line it stands
//! in, and so would any other message about that line.

use std::ops::Range;

use crate::mask::userinfos;

/// A key whose value may be a secret, misspelt ones (`passwrod`) included.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "secret", "token"].iter().any(|part| key.contains(part))
        || !similar::get_close_matches(key.as_str(), &["password"], 1, 0.7).is_empty()
}

/// The same text, byte for byte as long, with the values of secret keys, users and passwords in URLs, and `hidden`
/// blacked out.
pub(super) fn mask(source: &str, hidden: Option<Range<usize>>) -> String {
    let mut ranges = secret_values(source);
    ranges.extend(userinfos(source));
    ranges.extend(hidden);
    let mut bytes = source.as_bytes().to_vec();
    for range in ranges {
        let end = range.end.min(bytes.len());
        for byte in bytes.get_mut(range.start..end).unwrap_or_default() {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b'*';
            }
        }
    }
    // A range that cuts a character in two leaves half of it behind: show nothing rather than that.
    String::from_utf8(bytes).unwrap_or_else(|_| blank(source))
}

fn blank(source: &str) -> String {
    let keep = |c: char| if c == '\n' { "\n".to_owned() } else { "*".repeat(c.len_utf8()) };
    source.chars().map(keep).collect()
}

fn secret_values(source: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut offset = 0;
    // Lines that are indented deeper than a secret key without a value on its own line are its value.
    let mut below: Option<usize> = None;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        let indent = text.len() - text.trim_start().len();
        if below.is_some_and(|key_indent| text.is_empty() || indent > key_indent) {
            if !names_a_source(text) {
                ranges.push(offset..offset + text.len());
            }
        } else {
            below = None;
            for range in values_in_line(text) {
                if opens_a_block(&text[range.clone()]) {
                    below = Some(indent);
                } else {
                    ranges.push(offset + range.start..offset + range.end);
                }
            }
        }
        offset += line.len();
    }
    ranges
}

fn opens_a_block(value: &str) -> bool {
    value.is_empty() || value.starts_with(['|', '>', '#'])
}

fn names_a_source(text: &str) -> bool {
    ["env:", "file:", "command:"].iter().any(|key| text.trim_start().starts_with(key))
}

/// Values of secret keys in one line. In a flow mapping a value ends at `,` or `}`, elsewhere at the line's end.
fn values_in_line(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let start = text.len() - text[colon + 1..].trim_start().len();
        let value = &text[start..];
        let refers = value.starts_with('*') || value.strip_prefix('{').is_some_and(names_a_source);
        if refers || !is_secret_key(word_before(text, colon)) {
            continue;
        }
        let in_flow = text[..colon].contains('{');
        let end = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].rfind(quote).map(|at| at + 2),
            _ if in_flow => value.find([',', '}']),
            _ => None,
        };
        ranges.push(start..start + end.unwrap_or(value.len()));
    }
    ranges
}

fn word_before(text: &str, colon: usize) -> &str {
    let before = text[..colon].trim_end().trim_end_matches(['"', '\'']);
    let start = before
        .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    &before[start..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_secret_keys_are_blacked_out() {
        for (plain, masked) in [
            ("password: sesame", "password: ******"),
            ("  password:   'se,same' # x", "  password:   ********* # x"),
            ("passwrod: sesame", "passwrod: ******"),
            ("n: {password: sesame, port: 1}", "n: {password: ******, port: 1}"),
            ("n: {\"password\": \"se}same\", port: 1}", "n: {\"password\": *********, port: 1}"),
            ("password: &pw sesame", "password: **********"),
            ("password: |\n  sesame\n  open\nport: 1", "password: |\n********\n******\nport: 1"),
            ("a:\n  password:\n    sesame\n  port: 1", "a:\n  password:\n**********\n  port: 1"),
            ("api_token: é", "api_token: **"),
            ("password: {sesame: open}", "password: **************"),
            ("password: [sesame]", "password: ********"),
        ] {
            assert_eq!(mask(plain, None), masked);
        }
    }

    #[test]
    fn users_and_passwords_in_urls_are_blacked_out() {
        assert_eq!(
            mask("http-proxy: http://bob:hunter2@proxy:1", None),
            "http-proxy: http://***********@proxy:1"
        );
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "password: {env: PI}",
            "password: {command: \"pass show pi\"}",
            "password:\n  command: pass show pi\nuser: pi",
            "password: *pw",
            "user: pi # password of pi",
            "port: 22\r\nkey: ~/.ssh/id",
            "",
        ] {
            assert_eq!(mask(text, None), text);
        }
    }

    #[test]
    fn a_hidden_range_is_blacked_out() {
        assert_eq!(mask("a: b\nc", Some(3..6)), "a: *\n*");
        assert_eq!(mask("é", Some(0..1)), "**");
    }

    proptest! {
        #[test]
        fn masking_keeps_lengths_and_lines(text in "[ a:{}'\",|é\npassword]{0,60}", start in 0usize..70, len in 0usize..9) {
            let masked = mask(&text, Some(start..start + len));
            prop_assert_eq!(masked.len(), text.len());
            prop_assert_eq!(masked.matches('\n').count(), text.matches('\n').count());
        }
    }
}
