//! The name that a host gives itself on the local link, by multicast DNS (RFC 6762).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, Question, TYPE};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const PORT: u16 = 5353;

/// Asks the host itself, not the link: section 5.5 lets responders answer that, and nobody else is bothered. None
/// where it does not answer within `patience`.
pub(super) async fn name(address: IpAddr, patience: Duration) -> Option<String> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    // A connected socket hears of nobody else, and of a closed port at once.
    socket.connect(SocketAddr::new(address, PORT)).await.ok()?;
    let mut answer = [0; 1500];
    // Twice, since a datagram may be lost.
    for _ in 0..2 {
        socket.send(&question(address)?).await.ok()?;
        if let Ok(length) = timeout(patience / 2, socket.recv(&mut answer)).await {
            return said(&answer[..length.ok()?], address);
        }
    }
    None
}

fn question(address: IpAddr) -> Option<Vec<u8>> {
    let reverse = reverse(address);
    let mut packet = Packet::new_query(0);
    packet.questions.push(Question::new(Name::new(&reverse).ok()?, TYPE::PTR.into(), CLASS::IN.into(), true));
    packet.build_bytes_vec().ok()
}

/// The name in an answer, if it is about this address.
fn said(answer: &[u8], address: IpAddr) -> Option<String> {
    let packet = Packet::parse(answer).ok()?;
    let reverse = reverse(address);
    packet.answers.iter().find_map(|record| match &record.rdata {
        RData::PTR(name) if record.name.to_string().eq_ignore_ascii_case(&reverse) => {
            Some(name.0.to_string()).filter(|_| name.0.is_valid_hostname())
        }
        _ => None,
    })
}

/// The name that stands for an address, RFC 1035 section 3.5 and RFC 3596 section 2.5.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, PTR};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn answer(of: &str, data: RData<'_>) -> Vec<u8> {
        let mut packet = Packet::new_reply(0);
        packet.answers.push(ResourceRecord::new(Name::new_unchecked(of), CLASS::IN, 120, data));
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn reverse_names() {
        assert_eq!(reverse(ip("192.168.2.7")), "7.2.168.192.in-addr.arpa");
        assert_eq!(
            reverse(ip("fd00::12")),
            "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"
        );
    }

    #[test]
    fn only_what_is_about_the_address_and_is_a_name_counts() {
        let ptr = |name| RData::PTR(PTR(Name::new_unchecked(name)));
        let address = ip("192.168.2.7");
        let told = |of, data| said(&answer(of, data), address);
        assert_eq!(told("7.2.168.192.in-addr.arpa", ptr("pi.local")).as_deref(), Some("pi.local"));
        assert_eq!(told("7.2.168.192.IN-ADDR.ARPA", ptr("pi.local")).as_deref(), Some("pi.local"));
        assert_eq!(told("8.2.168.192.in-addr.arpa", ptr("pi.local")), None);
        assert_eq!(told("7.2.168.192.in-addr.arpa", ptr("not a name.local")), None);
        assert_eq!(told("7.2.168.192.in-addr.arpa", RData::A(A { address: 1 })), None);
        assert_eq!(said(&question(address).unwrap(), address), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            said(&bytes, ip("192.168.2.7"));
        }
    }
}
