//! The stanzas of dpkg's record, of which a desktop has thousands: passed on one by one, so that its text is never in
//! memory as a whole. Fetching that memory from the kernel would take longer than all else.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read};

use memchr::{memchr, memmem};

/// How much is read at once, in bytes; more where a stanza is longer.
const CHUNK: usize = 64 << 10;

/// One package's part of the record, each line of which begins after the end of another, so that the first field is
/// found as the others are.
pub(super) struct Stanza<'t>(&'t [u8]);

/// A field of a stanza.
pub(super) struct Field(memmem::Finder<'static>);

impl Field {
    /// The field that is written so: `\nPackage:`.
    pub(super) fn new(written: &'static str) -> Self {
        Self(memmem::Finder::new(written))
    }

    /// What the stanza says of it, without white space around; lines that go on with it are part of it.
    pub(super) fn of<'t>(&self, stanza: &Stanza<'t>) -> Option<Cow<'t, str>> {
        let text = &stanza.0[self.0.find(stanza.0)? + self.0.needle().len()..];
        let mut end = 0;
        let value = loop {
            end += memchr(b'\n', &text[end..]).unwrap_or(text.len() - end);
            match text.get(end + 1) {
                Some(b' ' | b'\t') => end += 1,
                _ => break text[..end].trim_ascii(),
            }
        };
        // Valid as a rule, and checking that costs less than looking for what is not.
        Some(str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::from))
    }
}

/// Passes on the stanzas of a record, in its order.
pub(super) fn each(mut record: impl Read, mut pass_on: impl FnMut(&Stanza<'_>)) -> io::Result<()> {
    let gap = memmem::Finder::new("\n\n");
    let mut text = vec![0; CHUNK];
    text[0] = b'\n';
    let mut end = 1;
    loop {
        if end == text.len() {
            text.resize(2 * end, 0);
        }
        let read = match record.read(&mut text[end..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        end += read;
        let mut begin = 0;
        while let Some(length) = gap.find(&text[begin..end]) {
            pass_on(&Stanza(&text[begin..=begin + length]));
            begin += length + 1;
        }
        if read == 0 {
            pass_on(&Stanza(&text[begin..end]));
            return Ok(());
        }
        text.copy_within(begin..end, 0);
        end -= begin;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives as many bytes at once as its second part says, to meet every place between two of them.
    struct Slowly<'t>(&'t [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    fn all(text: &str, at_once: usize) -> Vec<(Option<String>, Option<String>)> {
        let (a, b) = (Field::new("\nA:"), Field::new("\nB:"));
        let mut all = Vec::new();
        let owned = |found: Option<Cow<'_, str>>| found.map(Cow::into_owned);
        each(Slowly(text.as_bytes(), at_once), |stanza| all.push((owned(a.of(stanza)), owned(b.of(stanza))))).unwrap();
        all.retain(|found| *found != (None, None));
        all
    }

    #[test]
    fn fields_are_found_wherever_they_stand() {
        let some = |text: &str| Some(text.to_owned());
        for (text, found) in [
            ("", vec![]),
            ("\n\n\n", vec![]),
            ("A: 1", vec![(some("1"), None)]),
            ("A:1\nB:  2  \n", vec![(some("1"), some("2"))]),
            ("B: 2\nX: A: 3\nA: 1\n\n\n\nA: 3\n\n", vec![(some("1"), some("2")), (some("3"), None)]),
            ("A: 1,\n 2,\n\t3\n B: 4\nB: 5\n", vec![(some("1,\n 2,\n\t3\n B: 4"), some("5"))]),
            ("A: first\nA: second\n", vec![(some("first"), None)]),
            ("A:\nB:\n \n", vec![(some(""), some(""))]),
            ("AA: 1\n\nB: 2", vec![(None, some("2"))]),
        ] {
            assert_eq!(all(text, 9), found, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_does_not_hide_the_rest() {
        let (a, mut found) = (Field::new("\nA:"), Vec::new());
        each(&b"A: \xff1\n\nA: 2\n"[..], |stanza| found.extend(a.of(stanza).map(Cow::into_owned))).unwrap();
        assert_eq!(found, ["\u{fffd}1", "2"]);
    }

    #[test]
    fn a_stanza_may_be_longer_than_what_is_read_at_once() {
        let long = "x".repeat(3 * CHUNK);
        let text = format!("A: 1\nC: {long}\nB: {long}\n\nA: 2\n");
        assert_eq!(all(&text, CHUNK), [(Some("1".to_owned()), Some(long)), (Some("2".to_owned()), None)]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_a_chunk_ends(text in "([AB]:|[ab \n]){0,40}", at_once in 1..9_usize) {
            prop_assert_eq!(all(&text, at_once), all(&text, CHUNK));
        }
    }
}
