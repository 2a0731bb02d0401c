//! The least of D-Bus that asks systemd for the properties of units: over systemd's own socket for root, without a
//! process. The wire is that of the D-Bus Specification, version 1, little-endian.
//!
//! Whatever is not as expected here is left to `systemctl`, which knows better and has words for it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;
use std::time::Duration;

use nix::unistd::geteuid;

use super::{Host, Properties};

/// Where systemd itself listens, to root alone.
const SOCKET: &str = "/run/systemd/private";

/// How long it may keep silent. It answers within a millisecond, unless it reads its files anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longer than any answer to a question about one property.
const MOST: usize = 1 << 20;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const SIGNAL: u8 = 4;

/// The values of `properties` of each of `units`, in their order and written as `systemctl show` writes them; none
/// where they are to be had only from there.
///
/// One look at a host asks all over one connection: a new one costs systemd far more than a question.
pub(super) fn show(host: &Host, units: &[&str], properties: &str) -> Option<Vec<Properties>> {
    let Some(look) = host.in_this_look() else {
        return Bus::connect(host).ok()?.show(units, properties).ok();
    };
    let mut kept = look.systemd.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bus = kept.take().or_else(|| Bus::connect(host).ok())?;
    let shown = bus.show(units, properties).ok()?;
    // One that failed is not asked again: a late answer would be taken for another.
    *kept = Some(bus);
    Some(shown)
}

/// A connection to systemd.
#[derive(Debug)]
pub(crate) struct Bus {
    stream: UnixStream,
    serial: u32,
}

impl Bus {
    fn connect(host: &Host) -> io::Result<Self> {
        let mut stream = UnixStream::connect(host.path(SOCKET))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Who asks is known to systemd by the socket; its number is repeated in hexadecimal digits of decimal ones.
        let user: String = geteuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        // All at once, and no question before the answer: systemd lets one lie that it reads together with the BEGIN.
        stream.write_all(format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").as_bytes())?;
        if !line(&mut stream)?.starts_with(b"OK ") {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(Self { stream, serial: 0 })
    }

    /// Asks for all of it at once; systemd answers in the same order.
    fn show(&mut self, units: &[&str], properties: &str) -> io::Result<Vec<Properties>> {
        let names: Vec<&str> = properties.split(',').collect();
        let mut questions = Vec::new();
        for (unit, name) in units.iter().flat_map(|unit| names.iter().map(move |name| (unit, name))) {
            self.serial += 1;
            questions.extend(get(self.serial, unit, name));
        }
        self.stream.write_all(&questions)?;
        let mut of_unit = || names.iter().map(|name| Ok(((*name).to_owned(), self.answer()?))).collect();
        units.iter().map(|_| of_unit()).collect()
    }

    fn answer(&mut self) -> io::Result<String> {
        loop {
            let (kind, body) = receive(&mut self.stream)?;
            match kind {
                METHOD_RETURN => return value(&body).ok_or(ErrorKind::InvalidData.into()),
                // Nobody subscribed to any, but they would be no answer.
                SIGNAL => {}
                _ => return Err(ErrorKind::Other.into()),
            }
        }
    }
}

/// The line of the greeting, which nothing follows before a question is asked.
fn line(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 256];
    let mut length = 0;
    while !buffer[..length].ends_with(b"\r\n") {
        match stream.read(&mut buffer[length..])? {
            0 => return Err(ErrorKind::InvalidData.into()),
            more => length += more,
        }
    }
    Ok(buffer[..length].to_vec())
}

/// The call of `org.freedesktop.DBus.Properties.Get` for a property of a unit.
fn get(serial: u32, unit: &str, name: &str) -> Vec<u8> {
    let mut body = Message::default();
    body.string("org.freedesktop.systemd1.Unit");
    body.string(name);
    let mut message = Message::default();
    message.bytes(&[b'l', METHOD_CALL, 0, 1]);
    message.number(body.len());
    message.bytes(&serial.to_le_bytes());
    let mut fields = Message::default();
    fields.field(1, "o", &path(unit));
    fields.field(2, "s", "org.freedesktop.DBus.Properties");
    fields.field(3, "s", "Get");
    // A signature has a length of one byte.
    fields.pad(8);
    fields.bytes(&[8, 1, b'g', 0, 2, b's', b's', 0]);
    message.number(fields.len());
    // The length of the fields does not count what fills up to the body.
    message.bytes(&fields.0);
    message.pad(8);
    message.bytes(&body.0);
    message.0
}

/// The path of a unit: what is neither letter nor digit is written as `_` and its number.
fn path(unit: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for (place, byte) in unit.bytes().enumerate() {
        let plain = byte.is_ascii_alphabetic() || (place > 0 && byte.is_ascii_digit());
        if plain { path.push(char::from(byte)) } else { path += &format!("_{byte:02x}") }
    }
    path
}

/// A message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn pad(&mut self, to: usize) {
        self.0.resize(self.len().next_multiple_of(to), 0);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: usize) {
        self.pad(4);
        // No unit's name is longer than 255 bytes.
        self.bytes(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.number(text.len());
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    /// A field of the header, which holds a string or a path.
    fn field(&mut self, code: u8, signature: &str, text: &str) {
        self.pad(8);
        self.bytes(&[code, 1]);
        self.bytes(signature.as_bytes());
        self.bytes(&[0]);
        self.string(text);
    }
}

/// The kind of the next message, and its body.
fn receive(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 16];
    stream.read_exact(&mut head)?;
    let number = |at: usize| {
        let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
        usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    };
    let (body, fields) = (number(4), number(12));
    if head[0] != b'l' || body > MOST || fields > MOST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut rest = vec![0; fields.next_multiple_of(8) + body];
    stream.read_exact(&mut rest)?;
    Ok((head[1], rest.split_off(fields.next_multiple_of(8))))
}

/// The string or boolean in a body that is one variant, as `systemctl` writes it.
fn value(body: &[u8]) -> Option<String> {
    let number = |at: usize| Some(u32::from_le_bytes(*body.get(at..)?.first_chunk()?));
    match body {
        [1, b's', 0, ..] => {
            let length = usize::try_from(number(4)?).ok()?;
            String::from_utf8(body.get(8..)?.get(..length)?.to_vec()).ok()
        }
        [1, b'b', 0, ..] => match number(4)? {
            0 => Some("no".to_owned()),
            1 => Some("yes".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const ERROR: u8 = 3;

    #[test]
    fn paths_of_units() {
        for (unit, name) in [
            ("docker.service", "docker_2eservice"),
            ("srv-m\\x2d1.mount", "srv_2dm_5cx2d1_2emount"),
            ("9p.mount", "_39p_2emount"),
            ("getty@tty1.service", "getty_40tty1_2eservice"),
        ] {
            assert_eq!(path(unit), format!("/org/freedesktop/systemd1/unit/{name}"));
        }
    }

    #[test]
    fn a_question_is_laid_out_as_the_specification_says() {
        let message = get(7, "a.b", "X");
        let (fields, body) = (usize::from(message[12]), usize::from(message[4]));
        assert_eq!(&message[..4], b"l\x01\x00\x01");
        assert_eq!((message[8], message.len()), (7, 16 + fields.next_multiple_of(8) + body));
        assert_eq!(&message[16..24], b"\x01\x01o\x00\x24\x00\x00\x00", "the path, 36 bytes long");
        assert_eq!(&message[message.len() - body..][..4], b"\x1d\x00\x00\x00");
        assert!(message.ends_with(b"\x01\x00\x00\x00X\x00"));
        let (kind, read) = receive(&mut &message[..]).expect("one whole message");
        assert_eq!((kind, read.len()), (METHOD_CALL, body));
    }

    #[test]
    fn values_are_written_as_systemctl_writes_them() {
        for (body, written) in [
            (&b"\x01s\0\0\x06\0\0\0loaded\0"[..], Some("loaded")),
            (b"\x01s\0\0\0\0\0\0\0", Some("")),
            (b"\x01b\0\0\x01\0\0\0", Some("yes")),
            (b"\x01b\0\0\0\0\0\0", Some("no")),
            (b"\x01b\0\0\x02\0\0\0", None),
            (b"\x01s\0\0\x07\0\0\0loaded", None),
            (b"\x01u\0\0\x01\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(value(body).as_deref(), written, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = value(&bytes);
            let _ = receive(&mut &bytes[..]);
        }
    }

    /// A host whose systemd gives these answers, each to one question, and then hangs up.
    fn systemd(greeting: &'static [u8], answers: Vec<Vec<u8>>) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let socket = root.path().join(SOCKET.trim_start_matches('/'));
        std::fs::create_dir_all(socket.parent().expect("a parent")).expect("a directory");
        let listener = UnixListener::bind(socket).expect("a socket");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let asked = line(&mut stream).expect("both lines");
            assert!(asked.starts_with(b"\0AUTH EXTERNAL 3") && asked.ends_with(b"\r\nBEGIN\r\n"));
            stream.write_all(greeting).expect("it listens");
            for answer in answers {
                receive(&mut stream).expect("a question");
                stream.write_all(&answer).expect("it listens");
            }
        });
        let host = Host::at(root.path());
        (root, host)
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = Message::default();
        message.bytes(&[b'l', kind, 1, 1]);
        message.number(body.len());
        message.bytes(&[1, 0, 0, 0]);
        // One field: the serial that is answered.
        message.bytes(&[8, 0, 0, 0, 5, 1, b'u', 0, 1, 0, 0, 0]);
        message.pad(8);
        message.bytes(body);
        message.0
    }

    fn said(text: &str) -> Vec<u8> {
        let mut body = Message::default();
        body.bytes(&[1, b's', 0]);
        body.string(text);
        message(METHOD_RETURN, &body.0)
    }

    #[test]
    fn units_are_told_of_in_their_order() {
        let signal = [message(SIGNAL, b"x"), said("not-found")].concat();
        let (_root, host) =
            systemd(b"OK 0\r\n", vec![said("loaded"), said("active"), signal, said("inactive")]);
        let shown = show(&host, &["a.service", "b.service"], "LoadState,ActiveState").expect("all answers");
        let of = |unit: usize, name: &str| shown[unit][name].as_str();
        assert_eq!((of(0, "LoadState"), of(0, "ActiveState")), ("loaded", "active"));
        assert_eq!((of(1, "LoadState"), of(1, "ActiveState")), ("not-found", "inactive"));
    }

    #[test]
    fn one_look_asks_over_one_connection_until_that_fails() {
        let (_root, host) = systemd(b"OK 0\r\n", vec![said("active"), said("inactive"), message(ERROR, b"")]);
        let look = host.look();
        let state = |unit| show(&look, &[unit], "ActiveState")?.remove(0).remove("ActiveState");
        assert_eq!(state("a.service").as_deref(), Some("active"));
        assert_eq!(state("b.service").as_deref(), Some("inactive"));
        assert!(look.in_this_look().expect("a look").systemd.lock().expect("no panic").is_some());
        assert_eq!(state("c.service"), None);
        assert!(look.in_this_look().expect("a look").systemd.lock().expect("no panic").is_none());
    }

    #[test]
    fn what_is_not_as_expected_is_left_to_systemctl() {
        for (greeting, answers) in [
            (&b"REJECTED EXTERNAL\r\n"[..], vec![]),
            (b"", vec![]),
            (b"OK 0\r\n", vec![]),
            (b"OK 0\r\n", vec![message(ERROR, b"")]),
            (b"OK 0\r\n", vec![message(METHOD_RETURN, b"\x01u\0\0\x01\0\0\0")]),
            (b"OK 0\r\n", vec![b"B\x02\0\x01aaaaaaaaaaaa".to_vec()]),
        ] {
            let (_root, host) = systemd(greeting, answers);
            assert_eq!(show(&host, &["a.service"], "LoadState"), None, "{greeting:?}");
        }
        let root = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(show(&Host::at(root.path()), &["a.service"], "LoadState"), None);
    }
}
