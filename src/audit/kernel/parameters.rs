//! Parameters of the running kernel.

use super::target::{Running, Target};
use crate::audit::{Check, Family, Judgement};
use crate::facts::Engine;

pub(in crate::audit) const FORWARDING: Check = Check {
    id: "kernel-forwarding",
    family: Family::Kernel,
    title: "packets between containers and networks",
    explanation: "\
Containers are behind bridges: the kernel has to forward packets (net.ipv4.ip_forward) and to show those of bridges to \
iptables (br_netfilter, net.bridge.bridge-nf-call-iptables), which a swarm's docker_gwbridge does not work without. \
The engine and `skep up` see to both, so that a host without an engine gets a note. With an engine that runs, \
forwarding that is switched off is a warning: somebody did so after it was started, and containers are cut off. \
The parameters for IPv6 are told, but matter to IPv6 networks only. \
Read from /proc/sys.",
    examine: |case| case.each(|subject| forwarding(&Target::of(subject))),
};

pub(in crate::audit) const LIMITS: Check = Check {
    id: "kernel-limits",
    family: Family::Kernel,
    title: "limits of the kernel",
    explanation: "\
Each container has a keyring of its own, of which root may have kernel.keys.root_maxkeys. moby's \
contrib/check-config.sh asks for more than 10000, and kernels have had 1000000 since 3.18; a smaller one makes containers \
fail with `disk quota exceeded` once there are many: a warning. \
Read from /proc/sys/kernel/keys/root_maxkeys.",
    examine: |case| case.each(|subject| limits(&Target::of(subject))),
};

const IP_FORWARD: &str = "net.ipv4.ip_forward";
const CALL_IPTABLES: &str = "net.bridge.bridge-nf-call-iptables";
const MAXKEYS: &str = "kernel.keys.root_maxkeys";

fn forwarding(target: &Target<'_>) -> Vec<Judgement> {
    let Some(running) = &target.running else { return Vec::new() };
    let value = |name: &str| running.kernel.parameters.get(name).map(String::as_str);
    let works = matches!(running.engine, Engine::Running(_));
    let (judgement, remedy) = match (value(IP_FORWARD), value(CALL_IPTABLES)) {
        (None, _) => (Judgement::unknown("whether packets are forwarded is not to be seen"), None),
        (Some("0"), _) if works => (
            Judgement::warning("packets are not forwarded, so that containers are cut off"),
            Some("skep up, or on the host, until its next boot: sysctl -w net.ipv4.ip_forward=1"),
        ),
        (Some("0"), _) => (Judgement::note("packets are not forwarded yet; `skep up` changes that"), None),
        (_, Some("0")) => (
            Judgement::warning("packets between containers of one bridge pass iptables by"),
            Some(
                "on the host, until its next boot: sysctl -w net.bridge.bridge-nf-call-iptables=1; \
                  `grep -rs bridge-nf /etc/sysctl*` shows what switches it off",
            ),
        ),
        (_, None) if works && target.has("BRIDGE_NETFILTER") => (
            Judgement::warning("br_netfilter is not loaded, which the networks of a swarm need"),
            Some("skep up, or on the host, until its next boot: modprobe br_netfilter"),
        ),
        (_, None) if target.has("BRIDGE_NETFILTER") => {
            (Judgement::note("br_netfilter is not loaded yet; `skep up` loads it"), None)
        }
        _ => (Judgement::ok("packets are forwarded"), None),
    };
    let lines: Vec<_> = running
        .kernel
        .parameters
        .iter()
        .filter(|(name, _)| name.starts_with("net."))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let judgement = judgement.seen("/proc/sys/net", lines.join("\n"));
    vec![remedy.into_iter().fold(judgement, Judgement::remedy)]
}

fn limits(target: &Target<'_>) -> Vec<Judgement> {
    let Some(running) = &target.running else { return Vec::new() };
    vec![maxkeys(running)]
}

fn maxkeys(running: &Running<'_>) -> Judgement {
    const ENOUGH: u64 = 10_000;
    let Some(text) = running.kernel.parameters.get(MAXKEYS) else {
        return Judgement::unknown("how many keys root may have is not to be seen")
            .seen("/proc/sys/kernel/keys/root_maxkeys", "is not there")
            .remedy("boot a kernel with CONFIG_KEYS=y, see kernel-necessary");
    };
    let judgement = match text.parse::<u64>() {
        Ok(number) if number > ENOUGH => Judgement::ok(format!("root may have {number} keys")),
        _ => Judgement::warning(format!("root may have {text} keys only, of which each container needs some")).remedy(
            "echo 'kernel.keys.root_maxkeys = 1000000' > /etc/sysctl.d/60-root-maxkeys.conf && sysctl --system",
        ),
    };
    judgement.seen("/proc/sys/kernel/keys/root_maxkeys", text)
}
