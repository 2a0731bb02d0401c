//! What comes through between nodes, tried on real ones, and each fault that is planted there.

use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("blocked_ports_and_lost_packets_are_found_and_nothing_else", faults)]
}

/// A fault: where it is planted, by what, and what takes it away.
struct Fault {
    node: &'static str,
    plant: &'static str,
    mend: &'static str,
    /// What the checks of the network say, without notes: severity, check, nodes.
    said: &'static [&'static str],
    /// A word of the message and of a remedy.
    words: (&'static str, &'static str),
}

const FAULTS: &[Fault] = &[
    Fault {
        node: "n2",
        plant: "iptables -I INPUT -p udp --dport 7946 -j DROP",
        mend: "iptables -D INPUT 1",
        said: &["error ports n2"],
        words: ("7946/udp cannot be reached by n1 and n3", "iptables -I INPUT -s"),
    },
    Fault {
        node: "n1",
        plant: "iptables -I INPUT -p tcp --dport 2377 -j REJECT --reject-with icmp-admin-prohibited",
        mend: "iptables -D INPUT 1",
        said: &["error ports n1"],
        words: ("2377/tcp cannot be reached by n2 and n3: No route to host", "--dport 2377 -j ACCEPT"),
    },
    Fault {
        node: "n3",
        plant: "iptables -I INPUT -p tcp --dport 7946 -j REJECT --reject-with tcp-reset",
        mend: "iptables -D INPUT 1",
        said: &["error ports n3"],
        words: ("7946/tcp cannot be reached by n1 and n2: reset on the way", "--dport 7946 -j ACCEPT"),
    },
    Fault {
        node: "n3",
        plant: "iptables -I OUTPUT -p tcp --sport 7946 --tcp-flags SYN,ACK,RST RST,ACK -j DROP",
        mend: "iptables -D OUTPUT 1",
        said: &["error ports n3"],
        words: ("it arrives, but its answer does not come back", "n3 has no packet filter"),
    },
    Fault {
        node: "n2",
        plant: "iptables -I OUTPUT -p udp --dport 4789 -j DROP",
        mend: "iptables -D OUTPUT 1",
        said: &["error ports n2", "unknown mtu n2"],
        words: ("4789/udp of no other node can be reached from it", "on n2: `iptables -S OUTPUT"),
    },
    Fault {
        node: "n3",
        plant: "ip link set dev host0 mtu 1400",
        mend: "ip link set dev host0 mtu 1500",
        said: &["error mtu n3"],
        words: (
            "get lost between it and n1 and n2",
            "on n3, whose host0 takes 1400 bytes only: `ip link set dev host0 mtu 1500`",
        ),
    },
    Fault {
        node: "n2",
        plant: "mv /etc/resolv.conf /etc/resolv.conf.away; ip route show default > /run/route && ip route del default; echo net.ipv4.ip_forward=0 > /etc/sysctl.d/99-hardening.conf",
        mend: "mv /etc/resolv.conf.away /etc/resolv.conf; rm /etc/sysctl.d/99-hardening.conf; ip route add $(cat /run/route)",
        said: &["warning default-route n2", "warning dns n2", "warning ip-forwarding n2"],
        words: ("switches forwarding off", "on n2: `sed -i '1 s/^/#/' /etc/sysctl.d/99-hardening.conf`"),
    },
    Fault {
        node: "n1",
        plant: "ip link add wan9 type bridge && ip addr add 8.8.4.4/24 dev wan9 && ip link set wan9 up",
        mend: "ip link del wan9",
        said: &["warning firewall n1"],
        words: ("8.8.4.4 is public", "on n1: `iptables -I INPUT -p udp --dport 4789"),
    },
];

fn faults() {
    let bench = Bench::with_engine("network", 3);
    bench.inventory(&[("n1", "manager"), ("n2", "worker"), ("n3", "worker")], "");
    let healthy = audit(&bench, &[]);
    assert_eq!(said(&healthy), [""; 0], "{healthy:#}");
    let reach = &healthy["reach"];
    let tries = reach["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 2 + 3 * 6, "{reach:#}");
    assert!(tries.iter().all(|tried| tried["result"] == "open"), "{reach:#}");
    let mtus = reach["mtus"].as_array().unwrap();
    assert!(mtus.len() == 6 && mtus.iter().all(|path| path["bytes"] == 1500), "{reach:#}");
    assert!(audit(&bench, &["--no-ports"])["reach"].is_null());
    for fault in FAULTS {
        bench.on(fault.node, fault.plant);
        let found = audit(&bench, &[]);
        bench.on(fault.node, fault.mend);
        assert_eq!(said(&found), fault.said, "{}: {found:#}", fault.plant);
        let told =
            verdicts(&found).find(|verdict| verdict["message"].as_str().unwrap().contains(fault.words.0));
        let told = told.unwrap_or_else(|| panic!("{}: {found:#}", fault.plant));
        assert!(!told["evidence"].as_array().unwrap().is_empty(), "{told:#}");
        let remedies = told["remedy"].as_array().unwrap();
        assert!(remedies.iter().any(|line| line.as_str().unwrap().contains(fault.words.1)), "{told:#}");
    }
}

fn audit(bench: &Bench, options: &[&str]) -> Value {
    let run = bench.skep(&[&["audit", "--json"], options].concat());
    let report = run.events().into_iter().find(|event| event["event"] == "audit");
    report.unwrap_or_else(|| panic!("no report: {run:#?}"))
}

fn verdicts(report: &Value) -> impl Iterator<Item = &Value> {
    const CHECKS: &[&str] = &[
        "addresses",
        "default-route",
        "dns",
        "links",
        "ports",
        "mtu",
        "firewall",
        "bridge-networks",
        "ip-forwarding",
        "ipv6-advertisements",
        "network-manager",
    ];
    let verdicts = report["verdicts"].as_array().unwrap().iter();
    verdicts.filter(|verdict| CHECKS.contains(&verdict["check"].as_str().unwrap()))
}

/// What is amiss, without notes and what is well.
fn said(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let amiss =
        verdicts(report).filter(|verdict| !["ok", "note"].contains(&verdict["severity"].as_str().unwrap()));
    let line = |verdict: &Value| {
        let nodes: Vec<_> = verdict["nodes"].as_array().unwrap().iter().map(text).collect();
        format!("{} {} {}", text(&verdict["severity"]), text(&verdict["check"]), nodes.join(" "))
    };
    amiss.map(line).collect()
}
