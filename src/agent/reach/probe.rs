//! Sends to the other hosts: small datagrams, packets that must not be cut, beginnings of connections.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover, socket_error,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};

use super::{MARK, mark, words};
use crate::facts::network::{Interface, read};
use crate::resource::Host;
use crate::wire::reach::{Connection, Leads, Packets, Peer, Probe, Sent};

/// How long a connection is waited for: its beginning is sent again after a second (RFC 6298).
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Between copies of the same datagrams.
const GAP: Duration = Duration::from_millis(20);

/// How many hosts at once, so that there are enough file descriptors.
const AT_ONCE: usize = 100;

/// Sends all of it, and tells what became of it as far as that is seen here; in the order of the peers.
pub(in crate::agent) fn send(probe: &Probe, host: &Host) -> Vec<Sent> {
    let interfaces = read();
    probe.peers.chunks(AT_ONCE).flat_map(|peers| send_to(peers, probe, &interfaces, host)).collect()
}

fn send_to(peers: &[Peer], probe: &Probe, interfaces: &[Interface], host: &Host) -> Vec<Sent> {
    let mark = mark(probe.token, probe.from);
    let mut letters: Vec<Letters> = peers.iter().map(|peer| Letters::to(peer, interfaces, host)).collect();
    for copy in 0..peers.iter().map(|peer| peer.copies).max().unwrap_or_default() {
        if copy > 0 {
            thread::sleep(GAP);
        }
        for letters in letters.iter_mut().filter(|letters| copy < letters.peer.copies) {
            letters.send(&mark);
        }
    }
    let tcp = knock(peers);
    letters.into_iter().zip(tcp).map(|(letters, tcp)| letters.sent(tcp)).collect()
}

/// The datagrams to one host.
struct Letters<'p> {
    peer: &'p Peer,
    /// A socket for each port.
    udp: Vec<io::Result<UdpSocket>>,
    refusals: Vec<Option<String>>,
    packets: Option<(UdpSocket, &'p Packets)>,
    leads: Option<Leads>,
}

impl<'p> Letters<'p> {
    fn to(peer: &'p Peer, interfaces: &[Interface], host: &Host) -> Self {
        let udp: Vec<_> = peer.udp.iter().map(|port| open((peer.address, *port).into())).collect();
        let packets = peer.packets.as_ref().and_then(|packets| {
            let socket = open((peer.address, packets.port).into()).ok()?;
            whole(&socket, peer.address).ok()?;
            Some((socket, packets))
        });
        // Any port leads there the same way.
        let leads = open((peer.address, 9).into()).and_then(|socket| socket.local_addr());
        let leads = leads.ok().and_then(|own| leads_from(own.ip(), interfaces, host));
        Self { peer, refusals: vec![None; udp.len()], udp, packets, leads }
    }

    fn send(&mut self, mark: &[u8; MARK]) {
        for (socket, refusal) in self.udp.iter().zip(&mut self.refusals) {
            if let Ok(socket) = socket
                && let Err(error) = socket.send(mark)
            {
                refusal.get_or_insert(words(&error));
            }
        }
        let Some((socket, packets)) = &self.packets else { return };
        let largest = self.leads.as_ref().filter(|_| packets.largest).map(|leads| leads.mtu);
        for size in largest.iter().chain(&packets.sizes) {
            if let Some(datagram) = datagram(mark, *size, self.peer.address) {
                // One that is too large for the interface is told by its not arriving.
                let _ = socket.send(&datagram);
            }
        }
    }

    fn sent(self, tcp: Vec<Connection>) -> Sent {
        let late = |socket: &io::Result<UdpSocket>| match socket {
            Ok(socket) => socket.take_error().ok().flatten().map(|error| words(&error)),
            Err(error) => Some(words(error)),
        };
        let udp = self
            .refusals
            .into_iter()
            .zip(&self.udp)
            .map(|(refusal, socket)| refusal.or_else(|| late(socket)));
        Sent { tcp, udp: udp.collect(), interface: self.leads }
    }
}

/// A socket for datagrams to one place, so that refusals by others on the way are told.
fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    Ok(socket)
}

/// Has packets sent in one piece or not at all, whatever is known about the way already (ip(7), IP_PMTUDISC_PROBE).
fn whole(socket: &UdpSocket, to: IpAddr) -> io::Result<()> {
    match to {
        IpAddr::V4(_) => set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE)?,
        IpAddr::V6(_) => set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE)?,
    }
    Ok(())
}

/// The payload that makes a packet of that size; none where not even the mark fits.
fn datagram(mark: &[u8; MARK], size: u32, to: IpAddr) -> Option<Vec<u8>> {
    let headers = if to.is_ipv4() { 20 + 8 } else { 40 + 8 };
    let payload = usize::try_from(size).ok()?.checked_sub(headers).filter(|payload| *payload >= MARK)?;
    let mut datagram = mark.to_vec();
    datagram.resize(payload, 0);
    Some(datagram)
}

/// The interface that has the address `own`.
fn leads_from(own: IpAddr, interfaces: &[Interface], host: &Host) -> Option<Leads> {
    let name = interfaces.iter().find(|interface| interface.has(own))?.name.clone();
    let mtu = std::fs::read_to_string(host.path(format!("/sys/class/net/{name}/mtu"))).ok()?;
    Some(Leads { mtu: mtu.trim().parse().ok()?, name })
}

/// A connection that is being made.
enum Knock {
    Waiting(OwnedFd),
    Done(Connection),
}

/// Begins all connections at once and waits for them. Each is closed as soon as it is made.
fn knock(peers: &[Peer]) -> Vec<Vec<Connection>> {
    let begin_all = |peer: &Peer| peer.tcp.iter().map(|port| begin((peer.address, *port).into())).collect();
    let mut knocks: Vec<Vec<Knock>> = peers.iter().map(begin_all).collect();
    let end = Instant::now() + PATIENCE;
    loop {
        let waiting: Vec<&mut Knock> =
            knocks.iter_mut().flatten().filter(|knock| matches!(knock, Knock::Waiting(_))).collect();
        let left = end.saturating_duration_since(Instant::now());
        if waiting.is_empty() || left.is_zero() {
            break;
        }
        wait(waiting, left);
    }
    let done = |knock| match knock {
        Knock::Waiting(_) => Connection::Silence,
        Knock::Done(connection) => connection,
    };
    knocks.into_iter().map(|knocks| knocks.into_iter().map(done).collect()).collect()
}

fn begin(to: SocketAddr) -> Knock {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP)) {
        Ok(socket) => socket,
        Err(error) => return Knock::Done(Connection::Refused(words(&error.into()))),
    };
    match connect(&socket, &to) {
        Err(Errno::INPROGRESS) => Knock::Waiting(socket),
        Ok(()) => Knock::Done(Connection::Made),
        Err(error) => Knock::Done(refused(error)),
    }
}

/// Waits for any of them.
fn wait(waiting: Vec<&mut Knock>, left: Duration) {
    let ready: Vec<bool> = {
        let sockets = waiting.iter().filter_map(|knock| match knock {
            Knock::Waiting(socket) => Some(PollFd::new(socket, PollFlags::OUT)),
            Knock::Done(_) => None,
        });
        let mut fds: Vec<_> = sockets.collect();
        let Ok(left) = Timespec::try_from(left) else { return };
        match poll(&mut fds, Some(&left)) {
            Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
            Err(_) => return,
        }
    };
    for (knock, _) in waiting.into_iter().zip(ready).filter(|(_, ready)| *ready) {
        if let Knock::Waiting(socket) = knock {
            *knock = Knock::Done(match socket_error(&*socket) {
                Ok(Ok(())) => Connection::Made,
                Ok(Err(error)) | Err(error) => refused(error),
            });
        }
    }
}

fn refused(error: Errno) -> Connection {
    match error {
        Errno::CONNREFUSED => Connection::Reset,
        Errno::TIMEDOUT => Connection::Silence,
        error => Connection::Refused(words(&error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::*;
    use crate::agent::reach::sender;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn peer(tcp: Vec<u16>, udp: Vec<u16>, packets: Option<Packets>) -> Peer {
        Peer { address: LOOPBACK, tcp, udp, packets, copies: 2 }
    }

    fn send_one(peer: Peer) -> Sent {
        let probe = Probe { token: 7, from: 3, peers: vec![peer] };
        send(&probe, &Host::real()).pop().expect("one for each peer")
    }

    #[test]
    fn connections_are_made_or_reset() {
        let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let open = listener.local_addr().unwrap().port();
        let closed = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap().port();
        let sent = send_one(peer(vec![open, closed], vec![], None));
        assert_eq!(sent.tcp, [Connection::Made, Connection::Reset]);
        // An address of documentation that this computer can have no interface for.
        assert_eq!(send_one(peer(vec![], vec![], None)).tcp, []);
    }

    #[test]
    fn datagrams_are_marked_and_as_many_and_as_large_as_told() {
        let (small, large) =
            (UdpSocket::bind((LOOPBACK, 0)).unwrap(), UdpSocket::bind((LOOPBACK, 0)).unwrap());
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let packets = Packets { port: port(&large), sizes: vec![40, 576, 1500], largest: false };
        let sent = send_one(peer(vec![], vec![port(&small)], Some(packets)));
        assert_eq!(sent.udp, [None]);
        let sizes = |socket: &UdpSocket| {
            socket.set_nonblocking(true).unwrap();
            let mut buffer = [0; 2000];
            let mut sizes = Vec::new();
            while let Ok(read) = socket.recv(&mut buffer) {
                assert_eq!(sender(&buffer[..read], 7), Some(3));
                sizes.push(read);
            }
            sizes
        };
        assert_eq!(sizes(&small), [MARK, MARK]);
        // The mark does not fit into 40 bytes.
        assert_eq!(sizes(&large), [548, 1472, 548, 1472]);
    }

    #[test]
    fn a_port_that_nobody_has_is_told() {
        let closed = UdpSocket::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap().port();
        assert_eq!(send_one(peer(vec![], vec![closed], None)).udp, [Some("Connection refused".to_owned())]);
    }

    #[test]
    fn payloads_make_packets_of_their_size() {
        let mark = mark(1, 2);
        let length = |size, to| datagram(&mark, size, to).map(|datagram| datagram.len());
        assert_eq!(length(1500, LOOPBACK), Some(1472));
        assert_eq!(length(1280, Ipv6Addr::LOCALHOST.into()), Some(1232));
        assert_eq!(length(28 + MARK as u32, LOOPBACK), Some(MARK));
        assert_eq!(length(27 + MARK as u32, LOOPBACK), None);
        assert_eq!(length(0, LOOPBACK), None);
    }

    #[test]
    fn the_interface_is_told_by_its_address() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let directory = root.path().join("sys/class/net/eth0");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("mtu"), "1492\n").unwrap();
        let own: IpAddr = "192.168.2.1".parse().unwrap();
        let interface = |name: &str, address| Interface {
            name: name.into(),
            addresses: vec![(address, 24)],
            mac: String::new(),
        };
        let interfaces = [interface("eth1", LOOPBACK), interface("eth0", own)];
        assert_eq!(leads_from(own, &interfaces, &host), Some(Leads { name: "eth0".into(), mtu: 1492 }));
        assert_eq!(leads_from(LOOPBACK, &interfaces, &host), None);
    }
}
