//! Blacks out the passwords of a foreign inventory before any line of it is shown. What [`crate::inventory::mask`]
//! does for `key: value` is done here for `key=value` and for options that take a password.

use std::ops::Range;

use crate::inventory::mask::is_secret_key;

/// The same text, byte for byte as long, with secret values blacked out.
pub(super) fn hide(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        for range in assigned(bare).chain(options(bare)) {
            bytes[offset + range.start..offset + range.end].fill(b'*');
        }
        offset += line.len();
    }
    // Ranges begin and end between characters.
    String::from_utf8(bytes).unwrap_or_default()
}

fn assigned(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices('=').filter_map(|(at, _)| {
        let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let value = line.len() - line[at + 1..].trim_start().len();
        is_secret_key(&before[start..]).then(|| value..value_end(line, start, value))
    })
}

/// Where a value ends; rather too late than too early.
fn value_end(line: &str, name: usize, value: usize) -> usize {
    let rest = &line[value..];
    // The first thing of a line: a `:vars` section, where blanks belong to the value.
    let alone = line[..name].trim_start_matches(['#', ';', ' ', '\t', '"', '\'', '-']).is_empty();
    let quotes_before = line[..value].matches(['"', '\'']).count();
    let end = match rest.chars().next() {
        _ if alone || quotes_before % 2 == 1 || rest.contains('\\') => None,
        Some(quote @ ('"' | '\'')) => rest[1..].rfind(quote).map(|at| at + 2),
        _ if rest.contains(['"', '\'']) => None,
        _ => rest.find(char::is_whitespace),
    };
    end.map_or(line.len(), |end| value + end)
}

/// What follows options that take a password: the whole rest of the line, whatever it is.
fn options(line: &str) -> impl Iterator<Item = Range<usize>> {
    let after = |words: &[&str]| {
        let mut at = 0;
        for word in words {
            at += line[at..].find(word)? + word.len();
        }
        Some(at..line.len())
    };
    [after(&["sshpass", "-p"]), after(&["-auth"])].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_secret_names_are_blacked_out() {
        for (plain, hidden) in [
            ("n1 ansible_password=sesame ansible_port=22", "n1 ansible_password=****** ansible_port=22"),
            ("n1 ansible_password='se same' port=22", "n1 ansible_password=********* port=22"),
            ("n1 \"ansible_password=se same\" port=22", "n1 \"ansible_password=****************"),
            ("n1 ansible_password=se\\ same port=22", "n1 ansible_password=****************"),
            ("ansible_ssh_pass = se same", "ansible_ssh_pass = *******"),
            ("# ansible_become_pass=se same", "# ansible_become_pass=*******"),
            ("  - --admin-password=sesame", "  - --admin-password=******"),
            ("x=\"sshpass -p sesame ssh -W %h:%p b\"", "x=\"sshpass -p***********************"),
            ("x='nc --proxy-auth pi:sesame -x p' y=1", "x='nc --proxy-auth********************"),
            ("n1 pass=é x\nn2", "n1 pass=** x\nn2"),
            ("n1 ansible_host=10.0.0.1", "n1 ansible_host=10.0.0.1"),
        ] {
            assert_eq!(hide(plain), hidden);
        }
    }

    proptest! {
        #[test]
        fn lengths_stay(text in "[pas=é\"'\\\\ \n]{0,40}|(n1 )?pass=\\PC{0,9}") {
            prop_assert_eq!(hide(&text).len(), text.len());
        }
    }
}
