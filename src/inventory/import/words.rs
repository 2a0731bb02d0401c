//! Splitting a line as a POSIX shell does, with the place of each word.

use std::ops::Range;

use super::word::Word;
use crate::inventory::check::Problem;

/// A word of a line, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) text: String,
    pub(super) span: Range<usize>,
    /// The first `=` outside of what escapes it: where in `text`, and where in the file.
    equals: Option<(usize, usize)>,
}

impl Split {
    /// The two sides of `name=value`.
    pub(super) fn assignment(&self) -> Option<(Word, Word)> {
        let (at, place) = self.equals.filter(|(at, _)| *at > 0)?;
        let name = Word::new(self.text[..at].to_owned(), self.span.start..place);
        Some((name, Word::new(self.text[at + 1..].to_owned(), place + 1..self.span.end)))
    }
}

/// The words of `line`, which begins at byte `offset` of its file. A `#` outside of quotes begins a comment.
pub(super) fn split(line: &str, offset: usize) -> Result<Vec<Split>, Problem> {
    let mut words = Vec::new();
    let mut word: Option<Split> = None;
    let mut chars = line.char_indices();
    while let Some((at, char)) = chars.next() {
        let place = offset + at;
        if char.is_whitespace() || char == '#' {
            words.extend(word.take().map(|word| ended(word, place)));
            if char == '#' {
                return Ok(words);
            }
            continue;
        }
        let word =
            word.get_or_insert_with(|| Split { text: String::new(), span: place..place, equals: None });
        match char {
            '\'' | '"' => quoted(&mut chars, char, word, place)?,
            '\\' => word.text.extend(chars.next().map(|(_, next)| next)),
            _ => {
                if char == '=' && word.equals.is_none() {
                    word.equals = Some((word.text.len(), place));
                }
                word.text.push(char);
            }
        }
    }
    words.extend(word.map(|word| ended(word, offset + line.len())));
    Ok(words)
}

fn ended(word: Split, end: usize) -> Split {
    Split { span: word.span.start..end, ..word }
}

/// Takes what is in quotes into the word.
fn quoted(
    chars: &mut std::str::CharIndices<'_>,
    quote: char,
    word: &mut Split,
    place: usize,
) -> Result<(), Problem> {
    while let Some((_, char)) = chars.next() {
        match char {
            _ if char == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next() {
                Some((_, next @ ('"' | '\\'))) => word.text.push(next),
                Some((_, next)) => word.text.extend(['\\', next]),
                None => break,
            },
            _ => word.text.push(char),
        }
    }
    Err(Problem::error(place..place + 1, "this quote is not closed".into())
        .help("close it on the same line; a quote that is meant as such needs a `\\` before it"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line, 0).expect("words").into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn lines_are_split_as_a_shell_does() {
        for (line, words) in [
            ("a b\tc", vec!["a", "b", "c"]),
            ("a='x y' b=\"z w\"", vec!["a=x y", "b=z w"]),
            ("a=\"x \\\"y\\\" \\n\" # c", vec!["a=x \"y\" \\n"]),
            ("a=x#c b", vec!["a=x"]),
            ("a=x\\ y '' ", vec!["a=x y", ""]),
            ("a='#' b", vec!["a=#", "b"]),
            ("# c", vec![]),
            ("é='ü'x", vec!["é=üx"]),
        ] {
            assert_eq!(texts(line), words, "{line}");
        }
    }

    #[test]
    fn assignments_know_their_places() {
        let words = split("n1 key='a b' =x y \"q=1\"", 10).expect("words");
        let (name, value) = words[1].assignment().expect("an assignment");
        assert_eq!((name.text.as_str(), name.span), ("key", 13..16));
        assert_eq!((value.text.as_str(), value.span), ("a b", 17..22));
        assert_eq!(words.iter().filter(|word| word.assignment().is_some()).count(), 1);
    }

    #[test]
    fn an_open_quote_is_refused_where_it_opens() {
        for line in ["a='x", "a=\"x\\\"", "\"\\"] {
            assert!(split(line, 5).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn spans_are_within_the_line(line in "[a= '\"\\\\#é]{0,30}") {
            for word in split(&line, 0).into_iter().flatten() {
                prop_assert!(line.get(word.span.clone()).is_some());
                if let Some((name, value)) = word.assignment() {
                    prop_assert!(line.get(name.span).is_some() && line.get(value.span).is_some());
                }
            }
        }
    }
}
