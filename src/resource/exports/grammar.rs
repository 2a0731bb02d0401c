//! The grammar of exports(5), as `exportfs` of nfs-utils really reads it.
//!
//! Kept from there on purpose: a `#` begins a comment only where a word may begin; quotes may stand anywhere in a word;
//! octal escapes are resolved as soon as their last digit is read, so that an escaped backslash before three octal
//! digits is an escape again.

use std::fmt;
use std::path::PathBuf;

use super::{Entry, options};

/// What a text of exports says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The entries with the line each begins at, counted from 1.
    pub entries: Vec<(u64, Entry)>,
    /// What `exportfs` would stumble over, or quietly understand as something that is hardly meant.
    pub flaws: Vec<Flaw>,
}

/// Something wrong in a text of exports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Flaw {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: FlawKind,
}

/// What may be wrong in a text of exports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlawKind {
    /// `(rw)` with a blank before it, or no client at all.
    #[error("{} has no client named, so it is exported to everybody; is there a blank before `(`?", path.display())]
    World {
        /// The directory.
        path: PathBuf,
    },
    /// A parenthesis is missing, or something follows it: `(rw, sync)`.
    #[error("bad option list `{word}`: options stand in one pair of parentheses without blanks")]
    Options {
        /// The word.
        word: String,
    },
    /// Not an option of exports(5).
    #[error("unknown option `{option}`")]
    Unknown {
        /// The option.
        option: String,
    },
    /// The directory does not begin with `/`.
    #[error("`{path}` is no absolute path")]
    Relative {
        /// What stands there.
        path: String,
    },
    /// `[fd00::1]`, which is taken for a pattern.
    #[error("`{client}` is a pattern, not an address: IPv6 addresses stand without brackets")]
    Bracketed {
        /// The client.
        client: String,
    },
}

/// Reads a text of exports; goes on after a flaw, though `exportfs` would leave out all that follows some of them.
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut reader = Reader::new(text);
    while let Some((line, words)) = reader.line() {
        read_line(line, &words, &mut parsed);
    }
    parsed
}

fn read_line(line: u64, words: &[String], parsed: &mut Parsed) {
    let Some((path, mut clients)) = words.split_first() else { return };
    if !path.starts_with('/') {
        parsed.flaws.push(Flaw { line, kind: FlawKind::Relative { path: path.clone() } });
    }
    let path = PathBuf::from(path);
    let mut defaults = Vec::new();
    if let Some((first, rest)) = clients.split_first()
        && let Some(list) = first.strip_prefix('-')
    {
        defaults = split_options(line, list, parsed);
        clients = rest;
    }
    if clients.is_empty() {
        parsed.flaws.push(Flaw { line, kind: FlawKind::World { path: path.clone() } });
        parsed.entries.push((line, Entry { path, client: "*".to_owned(), options: defaults }));
        return;
    }
    for word in clients {
        match split_client(word) {
            Ok((client, list)) => {
                check_client(line, &path, client, parsed);
                let client = if client.is_empty() { "*" } else { client }.to_owned();
                let own = split_options(line, list, parsed);
                let options = defaults.iter().cloned().chain(own).collect();
                parsed.entries.push((line, Entry { path: path.clone(), client, options }));
            }
            Err(kind) => parsed.flaws.push(Flaw { line, kind }),
        }
    }
}

/// `client(options)` or `client` alone.
fn split_client(word: &str) -> Result<(&str, &str), FlawKind> {
    let Some((client, rest)) = word.split_once('(') else { return Ok((word, "")) };
    match rest.split_once(')') {
        Some((list, "")) => Ok((client, list)),
        _ => Err(FlawKind::Options { word: word.to_owned() }),
    }
}

fn check_client(line: u64, path: &std::path::Path, client: &str, parsed: &mut Parsed) {
    if client.is_empty() {
        parsed.flaws.push(Flaw { line, kind: FlawKind::World { path: path.to_owned() } });
    } else if client.starts_with('[') && client.contains(':') {
        parsed.flaws.push(Flaw { line, kind: FlawKind::Bracketed { client: client.to_owned() } });
    }
}

fn split_options(line: u64, list: &str, parsed: &mut Parsed) -> Vec<String> {
    let options: Vec<String> = list.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    for option in options.iter().filter(|option| !options::is_known(option)) {
        parsed.flaws.push(Flaw { line, kind: FlawKind::Unknown { option: option.clone() } });
    }
    options
}

/// Cuts a text into lines of words.
struct Reader<'t> {
    rest: std::iter::Peekable<std::str::Bytes<'t>>,
    line: u64,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text.bytes().peekable(), line: 1 }
    }

    /// The next logical line that is not empty, with the number of its first physical line; none at the end.
    fn line(&mut self) -> Option<(u64, Vec<String>)> {
        loop {
            let mut words = Vec::new();
            let mut first = self.line;
            while self.skip_to_word() {
                if words.is_empty() {
                    first = self.line;
                }
                words.push(self.word());
            }
            let ended = self.byte().is_none();
            if !words.is_empty() {
                return Some((first, words));
            }
            if ended {
                return None;
            }
        }
    }

    /// Passes over blanks and a comment; false at the end of the line, which it leaves to be read.
    fn skip_to_word(&mut self) -> bool {
        loop {
            match self.peek() {
                None | Some(b'\n') => return false,
                Some(b'#') => while !matches!(self.rest.peek(), None | Some(b'\n')) {
                    self.rest.next();
                },
                Some(byte) if is_space(byte) => {
                    self.byte();
                }
                Some(_) => return true,
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word: Vec<u8> = Vec::new();
        let mut quoted = false;
        while let Some(byte) = self.peek().filter(|byte| quoted || !is_space(*byte)) {
            self.byte();
            if byte == b'"' {
                quoted = !quoted;
                continue;
            }
            word.push(byte);
            fold_octal(&mut word);
        }
        String::from_utf8_lossy(&word).into_owned()
    }

    /// The next byte, a continued line's end being a blank.
    fn peek(&mut self) -> Option<u8> {
        let mut ahead = self.rest.clone();
        match (ahead.next()?, ahead.next()) {
            (b'\\', Some(b'\n')) => Some(b' '),
            (byte, _) => Some(byte),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.rest.next()?;
        if byte == b'\\' && self.rest.peek() == Some(&b'\n') {
            self.rest.next();
            self.line += 1;
            while self.rest.next_if(|byte| matches!(byte, b' ' | b'\t')).is_some() {}
            return Some(b' ');
        }
        self.line += u64::from(byte == b'\n');
        Some(byte)
    }
}

/// What C's `isspace` takes for a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Turns an octal escape at the end of the word into its byte.
fn fold_octal(word: &mut Vec<u8>) {
    let Some(start) = word.len().checked_sub(4) else { return };
    let [b'\\', digits @ ..] = &word[start..] else { return };
    if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return;
    }
    let value = digits.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    if let Ok(byte) = u8::try_from(value) {
        word.truncate(start);
        word.push(byte);
    }
}

impl Entry {
    /// Whether the grammar can say it: not a backslash before three octal digits, an empty client, a client or an
    /// option with characters that the grammar keeps for itself.
    pub fn is_writable(&self) -> bool {
        let path = self.path.to_string_lossy();
        let plain = |text: &str, forbidden: &str| {
            !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || forbidden.contains(letter))
        };
        self.path.is_absolute()
            && !path.contains('\0')
            && !has_octal_escape(path.as_bytes())
            && plain(&self.client, "()#\"\\")
            && !self.client.starts_with('-')
            && self.options.iter().all(|option| plain(option, "()#\"\\,"))
    }
}

fn has_octal_escape(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| {
        matches!(window, [b'\\', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7'])
    })
}

/// Writes the entry as a line of exports(5), without its line end; read again it says the same if it
/// [is writable](Entry::is_writable).
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.path.to_string_lossy().chars() {
            match letter {
                ' ' | '"' | '\\' | '#' | '\0'..='\x1f' | '\x7f' => write!(f, "\\{:03o}", u32::from(letter))?,
                other => write!(f, "{other}")?,
            }
        }
        write!(f, " {}({})", self.client, self.options.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(path: &str, client: &str, options: &[&str]) -> Entry {
        Entry {
            path: path.into(),
            client: client.into(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        }
    }

    fn entries(text: &str) -> Vec<Entry> {
        let parsed = parse(text);
        assert_eq!(parsed.flaws, [], "{text}");
        parsed.entries.into_iter().map(|(_, entry)| entry).collect()
    }

    fn flaws(text: &str) -> Vec<String> {
        parse(text).flaws.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_as_people_write_them() {
        let seed = "/var/shared/folder 192.168.2.0/24(rw,fsid=0,sync,crossmnt,no_subtree_check,all_squash,anonuid=1000,anongid=1000)\n";
        let options =
            ["rw", "fsid=0", "sync", "crossmnt", "no_subtree_check", "all_squash", "anonuid=1000", "anongid=1000"];
        assert_eq!(entries(seed), [entry("/var/shared/folder", "192.168.2.0/24", &options)]);
        for (text, expected) in [
            ("", vec![]),
            ("# nothing\n\n   # here\n", vec![]),
            ("/a b(ro) # why\n", vec![entry("/a", "b", &["ro"])]),
            ("/a b#c(ro)\n", vec![entry("/a", "b#c", &["ro"])]),
            ("/a b(ro) c(rw)", vec![entry("/a", "b", &["ro"]), entry("/a", "c", &["rw"])]),
            ("/a b(ro) \\\n   c(rw)\n", vec![entry("/a", "b", &["ro"]), entry("/a", "c", &["rw"])]),
            ("/a -sync,ro b c(rw)", vec![entry("/a", "b", &["sync", "ro"]), entry("/a", "c", &["sync", "ro", "rw"])]),
            ("\"/a b\" c(ro)", vec![entry("/a b", "c", &["ro"])]),
            ("/a\" \"b c(ro)", vec![entry("/a b", "c", &["ro"])]),
            ("/a\\040b c(ro)", vec![entry("/a b", "c", &["ro"])]),
            ("/a\\043b c(ro)", vec![entry("/a#b", "c", &["ro"])]),
            ("/a\\777b c(ro)", vec![entry("/a\\777b", "c", &["ro"])]),
            ("/gr\\303\\266\\303\\237e c(ro)", vec![entry("/größe", "c", &["ro"])]),
            ("/a\\134040b c(ro)", vec![entry("/a b", "c", &["ro"])]),
            ("/a fd00::/64(ro) @group(rw) *.lan(ro)", vec![
                entry("/a", "fd00::/64", &["ro"]),
                entry("/a", "@group", &["rw"]),
                entry("/a", "*.lan", &["ro"]),
            ]),
            ("/a *(ro)", vec![entry("/a", "*", &["ro"])]),
            ("/a b", vec![entry("/a", "b", &[])]),
            ("/a b()", vec![entry("/a", "b", &[])]),
        ] {
            assert_eq!(entries(text), expected, "{text:?}");
        }
    }

    #[test]
    fn traps_are_found() {
        for (text, flaw) in [
            // A blank before the options: the client read-only, and everybody else read-write.
            ("/a 10.0.0.0/8 (rw)", "line 1: /a has no client named"),
            ("/a", "line 1: /a has no client named"),
            ("\n/a -ro\n", "line 2: /a has no client named"),
            ("/a b(rw, sync)", "line 1: bad option list `b(rw,`"),
            ("/a b(rw)x", "line 1: bad option list `b(rw)x`"),
            ("/a b(rw", "line 1: bad option list `b(rw`"),
            ("# x\n/a \\\n b(rw,snyc)", "line 2: unknown option `snyc`"),
            ("/a -rx b(rw)", "line 1: unknown option `rx`"),
            ("a b(rw)", "line 1: `a` is no absolute path"),
            ("/a [fd00::1](rw)", "line 1: `[fd00::1]` is a pattern"),
        ] {
            assert!(flaws(text).iter().any(|found| found.starts_with(flaw)), "{text:?}: {:?}", flaws(text));
        }
        let world = parse("/a 10.0.0.0/8 (rw)").entries;
        assert_eq!(world[0].1, entry("/a", "10.0.0.0/8", &[]));
        assert_eq!(world[1].1, entry("/a", "*", &["rw"]));
    }

    #[test]
    fn lines_are_counted_through_continuations() {
        let lines: Vec<u64> = parse("# one\n/a b(ro) \\\n c(ro)\n\n/d e(ro)\n").entries.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 2, 5]);
    }

    #[test]
    fn what_cannot_be_written_is_known() {
        for (path, client, options, writable) in [
            ("/a b", "c", &["rw"][..], true),
            ("/a\\b", "c", &["rw"], true),
            ("/a\\040", "c", &["rw"], false),
            ("a", "c", &["rw"], false),
            ("/a", "", &["rw"], false),
            ("/a", "-ro", &["rw"], false),
            ("/a", "c d", &["rw"], false),
            ("/a", "c(", &["rw"], false),
            ("/a", "c", &["rw,ro"], false),
            ("/a", "c", &["r w"], false),
        ] {
            assert_eq!(entry(path, client, options).is_writable(), writable, "{path} {client} {options:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            parse(&text);
        }

        #[test]
        fn any_text_of_its_letters_is_read(text in "[/a0-7 \\\\\"#\n\t(),*-]{0,60}") {
            parse(&text);
        }

        #[test]
        fn what_is_written_is_read(
            path in "/[ -~äß\t\n]{0,20}",
            client in "[a-z0-9.:/*?@_-]{1,12}",
            chosen in proptest::sample::subsequence(vec!["rw", "sync", "fsid=0", "no_subtree_check", "anonuid=7"], 0..5),
        ) {
            let entry = entry(&path, &client, &chosen);
            prop_assume!(entry.is_writable());
            let parsed = parse(&format!("# before\n{entry}\n/after x(ro)\n"));
            prop_assert_eq!(parsed.flaws, vec![]);
            prop_assert_eq!(&parsed.entries[0], &(2, entry));
            prop_assert_eq!(parsed.entries.len(), 2);
        }
    }
}
