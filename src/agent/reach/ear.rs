//! What arrives from other hosts, seen on raw sockets: they get a copy of each packet that the host's filter of
//! incoming packets lets pass (raw(7)), whoever has its port, and answer nothing.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, ipproto, recvfrom, socket_with,
};

use super::sender;
use crate::wire::reach::{Datagram, Heard, Knock};

/// Nobody listens longer, even where the controller forgets to end it.
const LIMIT: Duration = Duration::from_secs(60);

/// How soon the end of listening is noticed.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Room for packets that arrive faster than they are looked at: all hosts send at once.
const BUFFER: usize = 4 << 20;

/// More than this is no audit but somebody's flood.
const MOST: usize = 100_000;

/// The headers and the mark; the rest of a packet is not looked at.
const GLIMPSE: usize = 60 + 60 + super::MARK;

/// An ear that is open. It is closed when dropped.
pub(in crate::agent) struct Ear {
    noticed: Arc<Mutex<Noticed>>,
    closed: Arc<AtomicBool>,
}

#[derive(Default)]
struct Noticed {
    datagrams: BTreeSet<Datagram>,
    knocks: BTreeSet<Knock>,
}

/// What is listened for.
struct Listener {
    token: u64,
    tcp: Vec<u16>,
}

impl Ear {
    /// Listens for datagrams of the audit `token`, and for connections to the ports `tcp`.
    ///
    /// # Errors
    /// The system's, such as where the agent is not root.
    pub(in crate::agent) fn open(token: u64, tcp: Vec<u16>) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for protocol in [ipproto::UDP, ipproto::TCP] {
            sockets.push((false, protocol, raw(AddressFamily::INET, protocol)?));
            // A kernel may have no IPv6.
            sockets.extend(raw(AddressFamily::INET6, protocol).ok().map(|socket| (true, protocol, socket)));
        }
        let ear = Self { noticed: Arc::default(), closed: Arc::default() };
        let (noticed, closed) = (Arc::clone(&ear.noticed), Arc::clone(&ear.closed));
        thread::spawn(move || listen(&sockets, &Listener { token, tcp }, &noticed, &closed));
        Ok(ear)
    }

    /// What arrived so far.
    pub(in crate::agent) fn heard(&self) -> Heard {
        let noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        Heard {
            datagrams: noticed.datagrams.iter().cloned().collect(),
            knocks: noticed.knocks.iter().cloned().collect(),
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

fn raw(family: AddressFamily, protocol: Protocol) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::RAW, flags, Some(protocol))?;
    // Only root of the whole computer may exceed the limit; what there is does for a few hosts.
    let _ = set_socket_recv_buffer_size_force(&socket, BUFFER);
    Ok(socket)
}

fn listen(
    sockets: &[(bool, Protocol, OwnedFd)],
    listener: &Listener,
    noticed: &Mutex<Noticed>,
    closed: &AtomicBool,
) {
    let end = Instant::now() + LIMIT;
    while !closed.load(Ordering::Acquire) && Instant::now() < end {
        let mut fds: Vec<_> =
            sockets.iter().map(|(_, _, socket)| PollFd::new(socket, PollFlags::IN)).collect();
        if !matches!(poll(&mut fds, Some(&GLANCE)), Ok(ready) if ready > 0) {
            continue;
        }
        for (v6, protocol, socket) in sockets {
            let mut packet = [0; GLIMPSE];
            while let Ok((read, _, from)) = recvfrom(socket, &mut packet[..], RecvFlags::DONTWAIT) {
                let from = from.and_then(|from| SocketAddr::try_from(from).ok()).map(|from| from.ip());
                let Some(segment) = Segment::of(&packet[..read], v6.then_some(from).flatten()) else {
                    continue;
                };
                let mut noticed = noticed.lock().unwrap_or_else(PoisonError::into_inner);
                match *protocol == ipproto::UDP {
                    true => keep(&mut noticed.datagrams, listener.datagram(&segment)),
                    false => keep(&mut noticed.knocks, listener.knock(&segment)),
                }
            }
        }
    }
}

fn keep<T: Ord>(set: &mut BTreeSet<T>, item: Option<T>) {
    if set.len() < MOST {
        set.extend(item);
    }
}

/// What IP carries, and what IP says about it.
struct Segment<'a> {
    from: IpAddr,
    /// Bytes of the IP header; a raw socket of IPv6 does not show it.
    header: usize,
    /// Bytes of the whole packet; none where IP does not say.
    total: Option<u32>,
    payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Of a packet as a raw socket shows it: from its IP header on, or in IPv6, where the sender is told apart, after it.
    fn of(packet: &'a [u8], v6: Option<IpAddr>) -> Option<Self> {
        if let Some(from) = v6 {
            return Some(Self { from, header: 40, total: None, payload: packet });
        }
        let [first, _, high, low, ..] = *packet else { return None };
        let header = usize::from(first & 0x0f) * 4;
        let source: [u8; 4] = *packet.get(12..)?.first_chunk()?;
        Some(Self {
            from: Ipv4Addr::from(source).into(),
            header,
            total: Some(u16::from_be_bytes([high, low]).into()),
            payload: packet.get(header..)?,
        })
    }

    /// Destination port of both UDP and TCP.
    fn port(&self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.payload.get(2..)?.first_chunk()?))
    }
}

impl Listener {
    fn datagram(&self, segment: &Segment<'_>) -> Option<Datagram> {
        let from = sender(segment.payload.get(8..)?, self.token)?;
        let own: [u8; 2] = *segment.payload.get(4..)?.first_chunk()?;
        let bytes = segment.total.unwrap_or(segment.header as u32 + u32::from(u16::from_be_bytes(own)));
        Some(Datagram { from, port: segment.port()?, bytes })
    }

    /// A segment with SYN and without ACK.
    fn knock(&self, segment: &Segment<'_>) -> Option<Knock> {
        let (port, flags) = (segment.port()?, *segment.payload.get(13)?);
        (flags & 0x12 == 0x02 && self.tcp.contains(&port)).then_some(Knock { from: segment.from, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::reach::mark;

    fn v4(options: usize, protocol: &[u8]) -> Vec<u8> {
        let header = 20 + options;
        let mut packet = vec![0; header];
        packet[0] = 0x40 | u8::try_from(header / 4).unwrap();
        packet[2..4].copy_from_slice(&u16::try_from(header + protocol.len()).unwrap().to_be_bytes());
        packet[12..16].copy_from_slice(&[192, 168, 2, 1]);
        packet.extend(protocol);
        packet
    }

    fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
        datagram[2..4].copy_from_slice(&port.to_be_bytes());
        datagram[4..6].copy_from_slice(&u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
        datagram.extend(payload);
        datagram
    }

    fn tcp(port: u16, flags: u8) -> Vec<u8> {
        let mut segment = vec![0; 20];
        segment[2..4].copy_from_slice(&port.to_be_bytes());
        segment[13] = flags;
        segment
    }

    const LISTENER: fn() -> Listener = || Listener { token: 7, tcp: vec![2377, 7946] };

    #[test]
    fn marked_datagrams_are_noticed_with_the_size_of_their_packet() {
        let mut payload = mark(7, 3).to_vec();
        payload.resize(1472, 0);
        let datagram = udp(4789, &payload);
        let noticed = |packet: &[u8], v6| LISTENER().datagram(&Segment::of(packet, v6)?);
        assert_eq!(noticed(&v4(0, &datagram), None), Some(Datagram { from: 3, port: 4789, bytes: 1500 }));
        assert_eq!(noticed(&v4(8, &datagram), None), Some(Datagram { from: 3, port: 4789, bytes: 1508 }));
        let v6 = "fd00::1".parse().ok();
        assert_eq!(noticed(&datagram, v6), Some(Datagram { from: 3, port: 4789, bytes: 1520 }));
        // Only the beginning of a packet is read.
        assert_eq!(noticed(&v4(0, &datagram)[..60], None).map(|datagram| datagram.bytes), Some(1500));
        for other in [&b""[..], b"skep", &mark(8, 3), b"\x08\0\0\0\0\0\x01\0"] {
            assert_eq!(noticed(&v4(0, &udp(4789, other)), None), None, "{other:?}");
        }
    }

    #[test]
    fn only_beginnings_of_connections_to_the_ports_are_noticed() {
        let noticed = |packet: &[u8], v6| LISTENER().knock(&Segment::of(packet, v6)?);
        let n1 = "192.168.2.1".parse().unwrap();
        assert_eq!(noticed(&v4(0, &tcp(2377, 0x02)), None), Some(Knock { from: n1, port: 2377 }));
        let v6 = "fd00::1".parse().unwrap();
        assert_eq!(noticed(&tcp(7946, 0xc2), Some(v6)), Some(Knock { from: v6, port: 7946 }));
        for (port, flags) in [(2377, 0x12), (2377, 0x10), (2377, 0x04), (22, 0x02)] {
            assert_eq!(noticed(&v4(0, &tcp(port, flags)), None), None, "{port} {flags:#x}");
        }
    }

    #[test]
    fn cut_packets_are_no_reason_to_panic() {
        let whole = v4(40, &udp(4789, &mark(7, 3)));
        for end in 0..whole.len() {
            for v6 in [None, "fd00::1".parse().ok()] {
                let segment = Segment::of(&whole[..end], v6);
                assert!(segment.as_ref().and_then(|segment| LISTENER().datagram(segment)).is_none(), "{end}");
                let _ = segment.and_then(|segment| LISTENER().knock(&segment));
            }
        }
    }
}
