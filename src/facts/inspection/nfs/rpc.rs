//! Whether an NFS server answers, and which versions it serves: asked of it directly, without any mount.
//!
//! The question is the procedure NULL of the program NFS, which every server answers to everybody (RFC 5531, RFC 8881).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use serde::{Deserialize, Serialize};

use crate::resource::Host;
use crate::resource::mount::MountInfo;

/// Where NFS servers listen.
pub const PORT: u16 = 2049;

/// How long a server may take for all that is asked of it: the second packet of a lost first one leaves after one.
const PATIENCE: Duration = Duration::from_secs(3);

/// The program NFS.
const NFS: u32 = 100_003;

/// The versions that are asked about.
const VERSIONS: [u32; 2] = [4, 3];

/// A longer answer than this is none to NULL.
const LONGEST: usize = 1024;

/// An NFS server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Server {
    /// An address without brackets, or a host name.
    pub address: String,
    /// The TCP port.
    pub port: u16,
}

/// What came of asking a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It serves NFS in these versions.
    Serves(Vec<u32>),
    /// It serves NFS in none of the versions 3 and 4, but from the one to the other.
    OtherVersions(u32, u32),
    /// It speaks RPC, and serves no NFS.
    NoNfs,
    /// The host is there and nothing listens.
    Refused,
    /// No connection came about, and why.
    Unreachable(String),
    /// It took the connection and did not answer in time.
    Silent,
    /// It answered something else than RPC.
    Garbled(String),
    /// Its name has no address, and why.
    Unresolved(String),
}

impl Server {
    /// The server at an address or a name, in brackets or without.
    pub fn at(address: &str, port: u16) -> Self {
        Self { address: address.trim_start_matches('[').trim_end_matches(']').to_owned(), port }
    }

    /// The server of a mount; none where it is not reached by TCP.
    pub fn of(mount: &MountInfo) -> Option<Self> {
        let option = |name: &str| mount.options.iter().find_map(|option| option.strip_prefix(name));
        if option("proto=").is_some_and(|proto| !proto.starts_with("tcp")) {
            return None;
        }
        let named = mount.source.split_once(":/").map(|(server, _)| server);
        // 0 is what the kernel tells where none was given.
        let port = option("port=").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        Some(Self::at(option("addr=").or(named)?, port.unwrap_or(PORT)))
    }
}

/// `192.168.2.1:2049`, `[fd00::1]:2049`.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.contains(':') {
            true => write!(f, "[{}]:{}", self.address, self.port),
            false => write!(f, "{}:{}", self.address, self.port),
        }
    }
}

impl From<Server> for String {
    fn from(server: Server) -> Self {
        server.to_string()
    }
}

impl TryFrom<String> for Server {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.rsplit_once(':').and_then(|(address, port)| Some((address, port.parse().ok()?)));
        parts.map(|(address, port)| Self::at(address, port)).ok_or_else(|| format!("`{text}` is no server"))
    }
}

/// Servers that have been asked.
pub(super) struct Asked {
    answers: Receiver<(Server, Answer)>,
    waiting: BTreeSet<Server>,
    until: Instant,
}

/// Asks all of them at once.
pub(super) fn ask_all(host: &Host, servers: BTreeSet<Server>) -> Asked {
    let (sender, answers) = mpsc::channel();
    for server in servers.clone() {
        let (host, sender) = (host.clone(), sender.clone());
        // On its own: each may take all of the time.
        thread::spawn(move || {
            let answer = ask(&host, &server, PATIENCE);
            let _ = sender.send((server, answer));
        });
    }
    Asked { answers, waiting: servers, until: Instant::now() + PATIENCE + Duration::from_millis(500) }
}

impl Asked {
    /// What they answered.
    pub(super) fn wait(mut self) -> BTreeMap<Server, Answer> {
        let mut all = BTreeMap::new();
        while !self.waiting.is_empty()
            && let Ok((server, answer)) =
                self.answers.recv_timeout(self.until.saturating_duration_since(Instant::now()))
        {
            self.waiting.remove(&server);
            all.insert(server, answer);
        }
        let late = "looking up its name took too long";
        all.extend(self.waiting.into_iter().map(|server| (server, Answer::Unresolved(late.to_owned()))));
        all
    }
}

/// Asks one server, within a bound.
fn ask(host: &Host, server: &Server, patience: Duration) -> Answer {
    let until = Instant::now() + patience;
    let addresses = match addresses(host, server, patience) {
        Ok(addresses) => addresses,
        Err(cause) => return Answer::Unresolved(cause),
    };
    let mut answer = Answer::Unresolved("the host knows none for it".to_owned());
    for address in addresses {
        answer = match left(until).map(|left| TcpStream::connect_timeout(&address, left)) {
            Some(Ok(stream)) => return versions(&stream, until),
            Some(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
            Some(Err(error)) if is_timeout(&error) => late(patience),
            Some(Err(error)) => Answer::Unreachable(plain(&error)),
            None => late(patience),
        };
    }
    answer
}

/// Where a server is, in the order to try. The host's own getent is asked about names: a static program knows nothing of
/// what `/etc/nsswitch.conf` adds to the DNS, such as the names of mDNS.
fn addresses(host: &Host, server: &Server, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    /// No such key, says getent(1).
    const UNKNOWN: i32 = 2;
    if let Some(address) = socket_address(&server.address, server.port) {
        return Ok(vec![address]);
    }
    let told =
        host.run_within(patience, "getent", &["ahosts", &server.address]).map_err(|fault| fault.cause)?;
    match told.status {
        0 | UNKNOWN => Ok(told.stdout.lines().filter_map(|line| of_line(line, server.port)).collect()),
        _ => Err(told.last_words()),
    }
}

/// `192.168.2.1     STREAM n1.lan`; each address has a line for each kind of socket.
fn of_line(line: &str, port: u16) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    let address = words.next()?;
    if words.next() == Some("STREAM") { socket_address(address, port) } else { None }
}

/// `192.168.2.1`, `fd00::1`, `fe80::1%eth0`.
fn socket_address(text: &str, port: u16) -> Option<SocketAddr> {
    let (address, interface) = text.split_once('%').map_or((text, None), |(text, zone)| (text, Some(zone)));
    let mut address = SocketAddr::new(address.parse().ok()?, port);
    if let (SocketAddr::V6(address), Some(interface)) = (&mut address, interface) {
        let index = interface.parse().ok().or_else(|| if_nametoindex(interface).ok());
        address.set_scope_id(index?);
    }
    Some(address)
}

fn late(patience: Duration) -> Answer {
    Answer::Unreachable(format!("no answer within {} s", patience.as_secs()))
}

/// Which versions are served at the other end.
fn versions(stream: &TcpStream, until: Instant) -> Answer {
    let mut served = Vec::new();
    let mut last = Answer::NoNfs;
    for version in VERSIONS {
        match null(stream, version, until) {
            Ok(Reply::Done) => served.push(version),
            Ok(Reply::OtherVersions(low, high)) => last = Answer::OtherVersions(low, high),
            Ok(Reply::NoProgram) => last = Answer::NoNfs,
            Ok(Reply::Refused(why)) => last = Answer::Garbled(why),
            // What it said before still counts.
            Err(_) if !served.is_empty() => break,
            Err(answer) => return answer,
        }
    }
    served.sort_unstable();
    if served.is_empty() { last } else { Answer::Serves(served) }
}

/// One call of NULL.
fn null(mut stream: &TcpStream, version: u32, until: Instant) -> Result<Reply, Answer> {
    let id = u32::from(std::process::id() as u16) << 16 | version;
    let failed = |error: std::io::Error| match error.kind() {
        _ if is_timeout(&error) => Answer::Silent,
        ErrorKind::UnexpectedEof => Answer::Garbled("it closed the connection".to_owned()),
        _ => Answer::Garbled(plain(&error)),
    };
    stream.set_write_timeout(left(until)).map_err(failed)?;
    stream.write_all(&call(id, version)).map_err(failed)?;
    let mut reply = Vec::new();
    loop {
        let head = u32::from_be_bytes(exactly(stream, until)?.map_err(failed)?);
        let length = (head & !LAST) as usize;
        if reply.len() + length > LONGEST {
            return Err(Answer::Garbled(format!(
                "it answered {:?}",
                String::from_utf8_lossy(&head.to_be_bytes())
            )));
        }
        for _ in 0..length {
            let [byte] = exactly(stream, until)?.map_err(failed)?;
            reply.push(byte);
        }
        if head & LAST != 0 {
            break;
        }
    }
    parse(&reply, id).map_err(|cause| Answer::Garbled(cause.to_owned()))
}

/// Reads some bytes; the outer error is that the time is over.
fn exactly<const N: usize>(
    mut stream: &TcpStream,
    until: Instant,
) -> Result<std::io::Result<[u8; N]>, Answer> {
    let left = left(until).ok_or(Answer::Silent)?;
    let mut bytes = [0; N];
    let read = stream.set_read_timeout(Some(left)).and_then(|()| stream.read_exact(&mut bytes));
    Ok(read.map(|()| bytes))
}

fn left(until: Instant) -> Option<Duration> {
    Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

/// An error without the system's number for it.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Marks the last fragment of a record.
const LAST: u32 = 1 << 31;

/// A call of NULL without credentials, as a record of one fragment.
fn call(id: u32, version: u32) -> [u8; 44] {
    const CALL: u32 = 0;
    const RPC: u32 = 2;
    const NULL: u32 = 0;
    let words = [LAST | 40, id, CALL, RPC, NFS, version, NULL, 0, 0, 0, 0];
    let mut bytes = [0; 44];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// A reply to a call.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Done,
    OtherVersions(u32, u32),
    NoProgram,
    Refused(String),
}

/// Reads the body of a reply (RFC 5531, section 9).
fn parse(bytes: &[u8], id: u32) -> Result<Reply, &'static str> {
    const REPLY: u32 = 1;
    const SHORT: &str = "its answer ends too early";
    let mut words =
        bytes.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")));
    let mut word = || words.next().ok_or(SHORT);
    if word()? != id {
        return Err("its answer is to another question");
    }
    if word()? != REPLY {
        return Err("its answer is none");
    }
    match word()? {
        0 => {
            let _flavour = word()?;
            for _ in 0..word()?.min(LONGEST as u32).div_ceil(4) {
                word()?;
            }
            match word()? {
                0 => Ok(Reply::Done),
                1 => Ok(Reply::NoProgram),
                2 => Ok(Reply::OtherVersions(word()?, word()?)),
                other => Ok(Reply::Refused(format!("it refuses NULL (status {other} of RFC 5531)"))),
            }
        }
        1 => Ok(Reply::Refused("it denies RPC".to_owned())),
        _ => Err("its answer is neither yes nor no"),
    }
}

#[cfg(test)]
mod tests;
