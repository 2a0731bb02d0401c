//! Writing one value as YAML.

/// Words that some YAML reader takes for something other than text.
const NOT_TEXT: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// The text as a YAML scalar that is read back as the same text, in block and in flow style; plain where that is safe.
pub(super) fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
    // Something that begins like a number may be one; an address with three dots is none.
    let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
        && text.matches('.').count() != 3;
    // A `~` alone is nothing, but `~/` begins a path.
    let path = text.strip_prefix("~/").unwrap_or(text);
    let plain = (text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        || path.len() < text.len())
        && path.chars().all(safe)
        && !number
        && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_where_it_is_safe() {
        for text in ["n1", "192.168.2.1", "pi", "board.lan", "/var/shared", "~/.ssh/id", "~/"] {
            assert_eq!(scalar(text), text);
        }
        for text in ["fd00::1", "", "no", "Y", "1", "1.5", "0x1f", "a: b", "#a", "é", "-", "~", "~a"] {
            assert!(scalar(text).starts_with('"'), "{text}");
        }
    }

    proptest! {
        #[test]
        fn read_back_the_same(text in "\\PC{0,20}") {
            for yaml in [format!("a: {}", scalar(&text)), format!("{{a: {}, b: 1}}", scalar(&text))] {
                let read: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
                prop_assert_eq!(&read["a"], &serde_json::Value::from(text.as_str()));
            }
        }
    }
}
