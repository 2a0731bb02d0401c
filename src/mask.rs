//! Hides what looks secret in text that is shown or kept: files of hosts, and JSON lines that hold them.

use std::ops::Range;

/// What stands where a secret stood.
const MASK: &str = "***";

/// How the names of keys end whose values are secret.
const SECRET_KEYS: &[&str] = &["password", "passwd", "secret", "token", "auth"];

/// The text with `***` for the user and password in URLs, and for the string values of JSON keys that look secret.
///
/// JSON inside of JSON strings is found too, however deep, and JSON stays JSON. No line break is lost.
pub(crate) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    while let Some(offset) = text[at..].find(['"', ':']) {
        at += offset;
        let secret =
            if text.as_bytes()[at] == b':' { userinfo(text, at) } else { secret_value(text, copied, at) };
        if let Some(secret) = secret {
            shown.push_str(&text[copied..secret.start]);
            shown.push_str(MASK);
            (copied, at) = (secret.end, secret.end);
        } else {
            at += 1;
        }
    }
    shown.push_str(&text[copied..]);
    shown
}

/// Where users and passwords stand in the URLs of a text.
pub(crate) fn userinfos(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(':').filter_map(|(colon, _)| userinfo(text, colon))
}

/// The user and password of the URL whose scheme ends at `colon`, as RFC 3986 (3.2) has it: up to the last `@`
/// before the host ends. The slashes may be escaped, as JSON allows.
fn userinfo(text: &str, colon: usize) -> Option<Range<usize>> {
    let slash = |text: &'_ str| text.trim_start_matches('\\').strip_prefix('/').map(str::len);
    let first = text.len() - slash(&text[colon + 1..])?;
    let start = text.len() - slash(&text[first..])?;
    let mut end = None;
    for (index, char) in text[start..].char_indices() {
        match char {
            '@' => end = Some(start + index),
            // `\u0026`, which some write for `&`.
            '\\' if text[start + index..].trim_start_matches('\\').starts_with('u') => {}
            '/' | '?' | '#' | '"' | '\\' | '<' | '>' | '`' => break,
            char if char.is_whitespace() || char.is_control() => break,
            _ => {}
        }
    }
    end.map(|end| start..end)
}

/// The string value of the key that ends at `quote`, where the key, which begins not before `from`, looks secret.
fn secret_value(text: &str, from: usize, quote: usize) -> Option<Range<usize>> {
    let key = text[from..quote].trim_end_matches('\\');
    let slashes = quote - from - key.len();
    // A quote within one string is `\"`, within a string within a string `\\\"`: 1, 3, 7 backslashes.
    if !(slashes + 1).is_power_of_two() || !looks_secret(key) {
        return None;
    }
    let value = skip_blanks(skip_blanks(&text[quote + 1..]).strip_prefix(':')?);
    let value = value.strip_prefix(&text[quote - slashes..=quote])?;
    let start = text.len() - value.len();
    Some(start..start + string_end(value, slashes.trailing_ones()))
}

fn looks_secret(key: &str) -> bool {
    let ends_with = |word: &&str| {
        let end = key.len().checked_sub(word.len()).and_then(|start| key.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    SECRET_KEYS.iter().any(ends_with)
}

/// Without the blanks at the start, be they escaped or not.
fn skip_blanks(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let unescaped = text.trim_start_matches('\\');
        match unescaped.strip_prefix(['n', 'r', 't']) {
            Some(rest) if unescaped.len() < text.len() => text = rest,
            _ => return text,
        }
    }
}

/// Where a string ends that stands within `depth` others: before the quote that closes it or one of those, with the
/// quote's own backslashes. A string that is not closed ends with its line.
fn string_end(value: &str, depth: u32) -> usize {
    for (index, found) in value.match_indices(['"', '\n', '\r']) {
        if found != "\"" {
            return index;
        }
        let slashes = index - value[..index].trim_end_matches('\\').len();
        let closes = slashes.trailing_ones();
        if closes <= depth {
            return index + 1 - (1 << closes);
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let cases = [
            ("", ""),
            ("plain: text@host", "plain: text@host"),
            ("http://10.0.0.1:3128/a@b", "http://10.0.0.1:3128/a@b"),
            ("http://host?x=a@b, c@d", "http://host?x=a@b, c@d"),
            ("http://bob:hunter2@proxy:3128", "http://***@proxy:3128"),
            ("http://bob:hun@ter2@proxy", "http://***@proxy"),
            ("https://token@host and ftp://a:b@c", "https://***@host and ftp://***@c"),
            (r"http:\/\/bob:hun\u0026ter@proxy", r"http:\/\/***@proxy"),
            (r#"{"auth": "Ym9i", "author": "Bob"}"#, r#"{"auth": "***", "author": "Bob"}"#),
            ("{\"identitytoken\"\n :\n\t\"abc\"}", "{\"identitytoken\"\n :\n\t\"***\"}"),
            (r#""Registry-Password":"a\"b\\","c":"d""#, r#""Registry-Password":"***","c":"d""#),
            (r#""password": 7, "secret": "#, r#""password": 7, "secret": "#),
            ("\"password\": \"open\nnext", "\"password\": \"***\nnext"),
            (r#""secret":"token":"x""#, r#""secret":"***":"x""#),
        ];
        for (text, wanted) in cases {
            assert_eq!(masked(text), wanted, "{text}");
        }
    }

    /// `value` as the text of a file in a line of JSON.
    fn within(value: &Value) -> Value {
        json!({"text": serde_json::to_string_pretty(value).unwrap()})
    }

    #[test]
    fn json_within_json_is_masked_and_stays_json() {
        let secret = |password: &str, url: &str| json!({"proxies": {"http-proxy": format!("http://{url}@h:1")}, "passwd": password, "b": "c\\"});
        let (mut given, mut wanted) = (secret("a\"b\\", "bob:hunter2"), secret("***", "***"));
        for depth in 0..4 {
            let line = masked(&given.to_string());
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), wanted, "{depth}: {line}");
            (given, wanted) = (within(&given), within(&wanted));
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        let words = [
            "\"", "\\", "\\\"", "token", "Auth", ":", "://", "/", "@", " ", "\n", "\r", "a", "é", "***", "u",
            "n",
        ];
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..30)
            .prop_map(|words| words.concat())
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any_text().prop_map(Value::from), any::<u8>().prop_map(Value::from)];
        leaf.prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                inner.prop_map(|value| within(&value)),
                proptest::collection::vec(any_json_leaf(), 0..3).prop_map(Value::from),
                proptest::collection::hash_map(any_text(), any_json_leaf(), 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_json_leaf() -> impl Strategy<Value = Value> {
        prop_oneof![any_text().prop_map(Value::from), any::<bool>().prop_map(Value::from)]
    }

    proptest! {
        #[test]
        fn masking_twice_is_masking_once(text in any_text()) {
            let once = masked(&text);
            prop_assert_eq!(masked(&once), once);
        }

        #[test]
        fn lines_stay(text in any_text()) {
            let breaks = |text: &str| text.matches(['\n', '\r']).collect::<String>();
            prop_assert_eq!(breaks(&masked(&text)), breaks(&text));
        }

        #[test]
        fn json_stays_json(value in any_json()) {
            let line = masked(&value.to_string());
            prop_assert!(serde_json::from_str::<Value>(&line).is_ok(), "{}", line);
        }

        #[test]
        fn a_secret_is_never_shown(
            password in "[A-Za-z0-9!$&'()*+,;=%._~-]{0,8}QQQ[A-Za-z0-9:@%]{0,8}",
            free in "\\PC{0,9}QQQ\\PC{0,9}",
            key in "(http-|registry_)?(password|passwd|secret|token|auth|identitytoken|PassWord)",
            depth in 0_usize..4,
        ) {
            let mut value = json!({"a": format!("http://bob:{password}@proxy:3128"), key: free, "z": "kept"});
            for _ in 0..depth {
                value = within(&value);
            }
            let line = masked(&value.to_string());
            prop_assert!(!line.contains("QQQ") && !line.contains("bob"), "{}", line);
            prop_assert!(line.contains("proxy:3128") && line.contains("kept"), "{}", line);
        }
    }
}
