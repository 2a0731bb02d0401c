//! Lines of texts of many thousands of them: dpkg's record and a kernel's configuration are read at each look at a host.
//! [`str::lines`] takes several times as long in an agent that is built to be small.

use memchr::memchr_iter;

/// The lines of a text, without their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    ends.map(move |end| {
        let line = &text[start..end];
        start = end + 1;
        line
    })
}

/// The text of a file. Valid as a rule, and checking that costs less than looking for what is not.
pub(crate) fn to_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_between_their_ends() {
        for text in ["", "a", "a\n", "\n", "a\n\nb", "\n\n", "ä\nö ü\n"] {
            assert_eq!(lines(text).collect::<Vec<_>>(), text.split('\n').collect::<Vec<_>>(), "{text:?}");
        }
    }
}
