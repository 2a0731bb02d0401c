//! Version patterns.

/// Whether `text` is `pattern`, in which `*` stands for any run of characters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|place| text.is_char_boundary(*place)).any(|place| matches(rest, &text[place..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("20.10.*", "20.10.24+dfsg1", true),
            ("20.10.*", "20.1", false),
            ("20.10", "20.10.24", false),
            ("20.10.24", "20.10.24", true),
            ("*", "", true),
            ("5:28.*~debian.12*", "5:28.2.1-1~debian.12~bookworm", true),
            ("5:28.*~debian.12*", "5:28.2.1-1~debian.11~bullseye", false),
            ("*ü*", "aüb", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
