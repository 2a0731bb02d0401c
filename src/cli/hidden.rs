//! Reads one line from a terminal without showing it.
//!
//! The terminal hands over each key at once and interprets none, so that Ctrl-C and Ctrl-D arrive here and the terminal
//! is always left as it was found.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;
use secrecy::{SecretSlice, SecretString};

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const CTRL_H: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Shows `prompt` and reads an answer from `terminal`, shown while it is typed where `echo` says so. None where the user
/// gives none: Ctrl-C, which then takes its usual course, Ctrl-D, or an empty line.
///
/// # Errors
/// Where the terminal cannot be set or read.
pub(super) fn read_line(
    terminal: &impl AsFd,
    screen: &mut impl Write,
    prompt: &str,
    echo: bool,
) -> io::Result<Option<SecretString>> {
    let raw = Raw::enter(terminal)?;
    write!(screen, "{prompt}")?;
    screen.flush()?;
    let line = edit(Keys(terminal), screen, echo);
    drop(raw);
    writeln!(screen)?;
    Ok(match line? {
        Line::Answer(bytes) if !bytes.is_empty() => text(bytes),
        Line::Answer(_) | Line::Ended => None,
        Line::Interrupted => {
            raise(Signal::SIGINT)?;
            None
        }
    })
}

enum Line {
    Answer(Vec<u8>),
    Ended,
    Interrupted,
}

fn edit(mut keys: impl Read, screen: &mut impl Write, echo: bool) -> io::Result<Line> {
    // Roomy, so that no copy of it is left behind by growing.
    let (mut line, mut key) = (Vec::with_capacity(1024), [0]);
    // One at a time: what is typed ahead is for whoever reads next.
    while keys.read(&mut key)? == 1 {
        match key[0] {
            b'\n' | b'\r' => return Ok(Line::Answer(line)),
            CTRL_C => return Ok(Line::Interrupted),
            CTRL_D => return Ok(Line::Ended),
            CTRL_U => erase(&mut line, usize::MAX, screen, echo)?,
            CTRL_H | DELETE => erase(&mut line, 1, screen, echo)?,
            key => {
                line.push(key);
                if echo {
                    screen.write_all(&[key])?;
                    screen.flush()?;
                }
            }
        }
    }
    Ok(Line::Ended)
}

/// Takes back the last `count` characters, in UTF-8.
fn erase(line: &mut Vec<u8>, count: usize, screen: &mut impl Write, echo: bool) -> io::Result<()> {
    for _ in 0..count {
        let Some(start) = line.iter().rposition(|byte| byte & 0xc0 != 0x80) else { break };
        line.truncate(start);
        if echo {
            screen.write_all(b"\x08 \x08")?;
        }
    }
    screen.flush()
}

/// What is not UTF-8 is no answer.
fn text(bytes: Vec<u8>) -> Option<SecretString> {
    let bytes = SecretSlice::from(bytes);
    let bytes = secrecy::ExposeSecret::expose_secret(&bytes);
    std::str::from_utf8(bytes).ok().map(SecretString::from)
}

struct Keys<'a, T>(&'a T);

impl<T: AsFd> Read for Keys<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(read(self.0, buffer)?)
    }
}

/// The terminal without echo, line editing and signals, until this is dropped.
struct Raw<'a, T: AsFd> {
    terminal: &'a T,
    before: Termios,
}

impl<'a, T: AsFd> Raw<'a, T> {
    fn enter(terminal: &'a T) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        // What was typed before the question is no answer to it.
        tcsetattr(terminal, SetArg::TCSAFLUSH, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Raw<'_, T> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::pty::openpty;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_line_is_edited_and_shown_only_where_it_may_be() {
        for (typed, echo, expected, shown) in [
            ("secret\n", false, Some("secret"), ""),
            ("secret\r", true, Some("secret"), "secret"),
            ("secré\x7f\x7fet\n", false, Some("secet"), ""),
            ("a\x08\x08b\n", true, Some("b"), "a\x08 \x08b"),
            ("wrong\x15right\n", false, Some("right"), ""),
            ("abc\x04", false, None, ""),
            ("abc", false, None, ""),
        ] {
            let mut screen = Vec::new();
            let line = edit(typed.as_bytes(), &mut screen, echo).unwrap();
            let answer = match line {
                Line::Answer(bytes) => Some(String::from_utf8(bytes).unwrap()),
                _ => None,
            };
            assert_eq!((answer.as_deref(), String::from_utf8(screen).unwrap().as_str()), (expected, shown));
        }
        assert!(matches!(edit(&b"abc\x03"[..], &mut Vec::new(), false).unwrap(), Line::Interrupted));
    }

    #[test]
    fn a_terminal_shows_nothing_meanwhile_and_is_left_as_it_was() {
        let pty = openpty(None, None).unwrap();
        let (mut keyboard, terminal) = (File::from(pty.master), File::from(pty.slave));
        let before = tcgetattr(&terminal).unwrap();
        let typist = std::thread::spawn({
            let terminal = terminal.try_clone().unwrap();
            move || {
                // Typed before the question, it would be thrown away.
                while tcgetattr(&terminal).unwrap().local_flags.contains(LocalFlags::ECHO) {
                    std::thread::yield_now();
                }
                keyboard.write_all(b"open sesame\n").unwrap();
                keyboard
            }
        });
        let mut screen = Vec::new();
        let answer = read_line(&terminal, &mut screen, "Word: ", false).unwrap().unwrap();
        assert_eq!(answer.expose_secret(), "open sesame");
        assert_eq!(screen, b"Word: \n");
        assert_eq!(tcgetattr(&terminal).unwrap().local_flags, before.local_flags);
        // What comes out on the keyboard's side is what the terminal echoed: this alone.
        let mut keyboard = typist.join().unwrap();
        (&terminal).write_all(b"!").unwrap();
        let mut echoed = [0; 64];
        let length = keyboard.read(&mut echoed).unwrap();
        assert_eq!(&echoed[..length], b"!");
    }
}
