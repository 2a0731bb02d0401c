//! The backend of iptables against what the kernel has.

use super::group::support_line;
use super::item::Item;
use super::remedy;
use super::target::Target;
use crate::audit::{Check, Family, Judgement};
use crate::resource::iptables::Backend;

pub(in crate::audit) const IPTABLES: Check = Check {
    id: "iptables",
    family: Family::Kernel,
    title: "iptables and the kernel's packet filters",
    explanation: "\
The engine writes its rules by running `iptables`, which is one of two programs: iptables-nft speaks to nftables in the \
kernel (NF_TABLES, NFT_COMPAT), iptables-legacy to the tables of old (IP_NF_FILTER, IP_NF_NAT). \
Kernels from 6.18 on have the latter only with NETFILTER_XTABLES_LEGACY; iptables-legacy then says `can't initialize \
iptables table nat: Table does not exist`, and the engine does not start. A program that the kernel does not go with \
is an error, and the remedy is the other one where the kernel goes with that. \
Read from the links of /usr/sbin/iptables and from the kernel's configuration. Where iptables is not installed yet, \
its default is judged, which is iptables-nft on Debian and Ubuntu.",
    examine: |case| case.each(|subject| examine(&Target::of(subject))),
};

fn works(backend: Backend, target: &Target<'_>) -> bool {
    backend.options().iter().all(|option| target.has(option))
}

fn fails(backend: Backend, target: &Target<'_>) -> bool {
    backend.options().iter().any(|option| target.lacks(option))
}

/// The line that changes to it.
fn switch(backend: Backend) -> String {
    let kind = backend.name().trim_start_matches("iptables-");
    format!(
        "update-alternatives --set iptables /usr/sbin/iptables-{kind} && update-alternatives --set ip6tables \
         /usr/sbin/ip6tables-{kind} && systemctl restart docker"
    )
}

fn examine(target: &Target<'_>) -> Option<Judgement> {
    let running = target.running?;
    let program = running.kernel.iptables.as_deref();
    let backend = match program {
        Some(program) if !program.contains("nft") => Backend::Legacy,
        _ => Backend::Nft,
    };
    let name = backend.name();
    let judgement = match program {
        _ if fails(backend, target) => {
            let judgement = Judgement::error(format!("the kernel has nothing that {name} can speak to"));
            let other = backend.other();
            if works(other, target) {
                judgement.remedy(format!("`skep up` makes iptables {}", other.name())).remedy(switch(other))
            } else {
                let items = backend.options().map(|option| Item::must(option, ""));
                let lacking: Vec<_> = items.iter().filter(|item| target.lacks(item.option)).collect();
                remedy::of_options(target, &lacking).into_iter().fold(judgement, Judgement::remedy)
            }
        }
        _ if !works(backend, target) => {
            let unknown =
                Judgement::unknown(format!("whether the kernel goes with {name} is not to be seen"));
            remedy::of_no_configuration(target).into_iter().fold(unknown, Judgement::remedy)
        }
        Some(_) => Judgement::ok(format!("the kernel goes with {name}")),
        None => Judgement::note("iptables is not installed; `skep up` installs it"),
    };
    let lines = backend.options().into_iter().chain(["NETFILTER_XTABLES_LEGACY"]);
    let lines: Vec<_> = lines.map(|option| support_line(target, option)).collect();
    Some(
        judgement
            .seen(
                "/usr/sbin/iptables",
                program.map_or_else(|| "is not there".to_owned(), |program| format!("-> {program}")),
            )
            .seen(target.looked_at(), lines.join("\n")),
    )
}
