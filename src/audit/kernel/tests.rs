//! Each check of a running host in each outcome, by its whole sentence.

use super::*;
use crate::audit::world::{Audited, single};
use crate::facts::inspection::kernel::{BootFile, Kernel};
use crate::facts::{Facts, Support};
use crate::inventory::model::{NodeName, Owner, Share, ShareMount};
use crate::swarm::world::{outside, running};

/// What a check says of `n1`, without what is well.
fn said(audited: &Audited, check: &Check) -> Vec<String> {
    let said = audited.said(check);
    said.iter().map(|line| line.replacen(" n1: ", ": ", 1)).collect()
}

fn remedies(audited: &Audited, check: &Check) -> Vec<String> {
    audited.verdicts(check).into_iter().flat_map(|verdict| verdict.remedy).collect()
}

fn with(support: Support, options: &[&str]) -> Audited {
    single().facts("n1", |facts| set(facts, support, options))
}

fn set(facts: &mut Facts, support: Support, options: &[&str]) {
    for option in options {
        facts.kernel.options.insert((*option).to_owned(), support);
    }
}

fn kernel(change: impl FnOnce(&mut Kernel)) -> Audited {
    single().inspection("n1", |inspection| change(&mut inspection.kernel))
}

fn engine(audited: Audited) -> Audited {
    audited.facts("n1", |facts| facts.engine = running(outside(crate::facts::SwarmState::Inactive)))
}

const ALL: [&Check; 17] = [
    &CONFIGURATION,
    &CGROUP,
    &NECESSARY,
    &OPTIONAL,
    &SWARM,
    &OVERLAY,
    &ENCRYPTED,
    &IPVLAN,
    &MACVLAN,
    &HELPERS,
    &STORAGE,
    &IPTABLES,
    &FORWARDING,
    &LIMITS,
    &APPARMOR,
    &SERVER,
    &CLIENT,
];

#[test]
fn on_a_healthy_host_each_check_that_applies_says_ok() {
    for check in ALL {
        let verdicts = single().verdicts(check);
        let applies = !["kernel-nfs-server", "kernel-nfs-client"].contains(&check.id);
        assert_eq!(verdicts.len(), usize::from(applies), "{}", check.id);
        assert!(verdicts.iter().all(|verdict| !verdict.evidence.is_empty()), "{}", check.id);
        assert_eq!(single().said(check), [""; 0], "{}", check.id);
    }
}

#[test]
fn options_that_are_missing_are_as_bad_as_what_is_lost() {
    for (option, check, line) in [
        ("NET_NS", &NECESSARY, "error: CONFIG_NET_NS is not set: containers cannot be told apart"),
        ("MEMCG", &NECESSARY, "warning: CONFIG_MEMCG is not set: no limits of memory"),
        ("CGROUP_DEVICE", &NECESSARY, "note: CONFIG_CGROUP_DEVICE is not set: the engine does not start"),
        ("SECCOMP", &OPTIONAL, "warning: CONFIG_SECCOMP is not set: containers may make any system call"),
        ("IP_SCTP", &OPTIONAL, "note: CONFIG_IP_SCTP is not set: no SCTP"),
        (
            "IP_VS_RR",
            &SWARM,
            "error: CONFIG_IP_VS_RR is not set: virtual IPs of services and the routing mesh do not work",
        ),
        ("VXLAN", &OVERLAY, "error: CONFIG_VXLAN is not set: no overlay networks"),
        ("INET_ESP", &ENCRYPTED, "note: CONFIG_INET_ESP is not set: no encrypted overlay networks"),
        ("IPVLAN", &IPVLAN, "note: CONFIG_IPVLAN is not set: no networks of the driver `ipvlan`"),
        ("MACVLAN", &MACVLAN, "note: CONFIG_MACVLAN is not set: no networks of the driver `macvlan`"),
        ("NF_NAT_FTP", &HELPERS, "note: CONFIG_NF_NAT_FTP is not set: no FTP out of containers"),
        ("OVERLAY_FS", &STORAGE, "warning: CONFIG_OVERLAY_FS is not set: no storage driver `overlay2`"),
    ] {
        assert_eq!(said(&with(Support::Missing, &[option]), check), [line], "{option}");
        let unknown = said(&with(Support::Unknown, &[option]), check);
        assert_eq!(unknown, [format!("unknown: whether the kernel has CONFIG_{option} is not to be seen")]);
        let missing = said(&with(Support::ModuleMissing, &[option]), check);
        assert_eq!(missing, [line.replace("is not set", "is not installed as a module")], "{option}");
    }
    let unwanted = with(Support::BuiltIn, &["LEGACY_VSYSCALL_NONE"]);
    let line = "note: CONFIG_LEGACY_VSYSCALL_NONE is set: programs with a glibc before 2.14 do not run";
    assert_eq!(said(&unwanted, &OPTIONAL), [line]);
    let none = with(Support::Missing, &["OVERLAY_FS", "BTRFS_FS"]);
    assert_eq!(said(&none, &STORAGE)[0], "error: CONFIG_OVERLAY_FS is not set: no storage driver `overlay2`");
    let zfs = none.inspection("n1", |inspection| inspection.kernel.zfs = true);
    assert!(said(&zfs, &STORAGE)[0].starts_with("warning"), "zfs will do");
}

#[test]
fn what_only_cgroups_of_the_other_version_use_is_worth_no_more_than_a_note() {
    let old = |option| {
        let audited = with(Support::Missing, &[option]);
        said(&audited.facts("n1", |facts| facts.kernel.cgroup = 1), &NECESSARY)
    };
    assert!(old("CGROUP_DEVICE")[0].starts_with("error"));
    assert!(old("CGROUP_BPF")[0].starts_with("note"));
    assert!(said(&with(Support::Missing, &["CGROUP_BPF"]), &NECESSARY)[0].starts_with("error"));
}

#[test]
fn each_severity_is_a_verdict_of_its_own_and_all_options_are_evidence() {
    let audited = with(Support::Missing, &["VETH", "MEMCG", "CGROUP_FREEZER"]);
    let verdicts = audited.verdicts(&NECESSARY);
    let severities: Vec<_> = verdicts.iter().map(|verdict| format!("{:?}", verdict.severity)).collect();
    assert_eq!(severities, ["Error", "Warning", "Note"]);
    let [amiss, well] = &verdicts[0].evidence[..] else { panic!("{verdicts:?}") };
    assert_eq!(
        (amiss.place.as_str(), amiss.text.as_str()),
        ("/boot/config-6.1.0-44-amd64", "CONFIG_VETH is not set")
    );
    assert!(
        well.text.lines().any(|line| line == "CONFIG_NET_NS=y") && well.text.lines().count() == 29,
        "{}",
        well.text
    );
    let many = with(Support::Missing, &["VETH", "BRIDGE", "KEYS", "NF_NAT", "POSIX_MQUEUE"]);
    let line = "error: CONFIG_KEYS, CONFIG_VETH, CONFIG_BRIDGE and 2 more are not set: no keyring of its own for a \
                container; containers have no network; published ports and masquerading do not work";
    assert_eq!(said(&many, &NECESSARY), [line]);
}

#[test]
fn the_remedy_is_the_package_of_that_system() {
    let on = |support, id: &str, variant: Option<&str>, release: &str, modules: bool| {
        let audited = with(support, &["VXLAN"]).facts("n1", |facts| {
            facts.system.id = id.to_owned();
            facts.system.ubuntu_codename = (id == "linuxmint").then(|| "noble".to_owned());
            facts.system.variant = variant.map(str::to_owned);
            facts.kernel.release = release.to_owned();
            let inspection = facts.inspection.as_mut().unwrap();
            inspection.kernel.modules_installed = modules;
        });
        remedies(&audited, &OVERLAY).join("; ")
    };
    let (gone, lacks) = (Support::ModuleMissing, Support::Missing);
    for (found, line) in [
        (
            on(gone, "ubuntu", None, "5.15.0-1005-raspi", true),
            "apt-get install linux-modules-extra-5.15.0-1005-raspi",
        ),
        (
            on(gone, "debian", None, "6.1.0-9-amd64", true),
            "apt-get install --reinstall linux-image-6.1.0-9-amd64",
        ),
        (
            on(gone, "debian", Some("Armbian"), "6.6.31-current-rockchip64", true),
            "apt-get install --reinstall linux-image-current-rockchip64",
        ),
        (
            on(gone, "ubuntu", Some("Armbian"), "6.12.58-current-rockchip64", true),
            "apt-get install --reinstall linux-image-current-rockchip64",
        ),
        (
            on(gone, "linuxmint", None, "6.8.0-31-generic", true),
            "apt-get install linux-modules-extra-6.8.0-31-generic",
        ),
        (
            on(gone, "debian", None, "6.1.0-9-amd64", false),
            "reboot: /lib/modules/6.1.0-9-amd64 is gone, so a newer kernel has been installed",
        ),
        (on(lacks, "debian", None, "6.1.0-fc", true), "apt-get install linux-image-amd64 && reboot"),
        (on(lacks, "ubuntu", None, "6.8.0-31-generic", true), "apt-get install linux-generic && reboot"),
        (on(lacks, "linuxmint", None, "6.8.0-31-generic", true), "apt-get install linux-generic && reboot"),
        (on(lacks, "ubuntu", None, "6.8.0-1005-raspi", true), "apt-get install linux-raspi && reboot"),
        (
            on(lacks, "debian", Some("Raspberry Pi OS"), "6.6.31+rpt-rpi-v8", true),
            "apt-get update && apt-get full-upgrade && reboot",
        ),
        (
            on(lacks, "debian", Some("Armbian"), "5.10.160-legacy-rk35xx", true),
            "install another of Armbian's kernels (`armbian-config`, System, Kernel) and reboot",
        ),
    ] {
        assert_eq!(found, line);
    }
    let swarm = remedies(&with(lacks, &["IP_VS"]), &SWARM);
    assert_eq!(swarm[1], "use `endpoint_mode: dnsrr` and ports in `mode: host`");
    assert_eq!(remedies(&with(lacks, &["IPVLAN"]), &IPVLAN), [""; 0], "a note asks for nothing");
}

#[test]
fn without_a_configuration_it_is_unknown_and_what_is_at_work_counts() {
    let audited = kernel(|kernel| kernel.configuration = None);
    assert_eq!(said(&audited, &CONFIGURATION), ["unknown: the kernel's configuration is not to be seen"]);
    assert!(
        remedies(&audited, &CONFIGURATION)[1]
            .ends_with("--kernel-config FILE --kernel-version 6.1.0-44-amd64")
    );
    assert_eq!(said(&audited, &OVERLAY), [""; 0]);
    assert_eq!(audited.verdicts(&OVERLAY)[0].evidence[0].text.lines().next(), Some("CONFIG_VXLAN: at work"));
}

#[test]
fn a_kernel_that_takes_no_modules_is_told() {
    let disabled = kernel(|kernel| {
        kernel.parameters.insert("kernel.modules_disabled".to_owned(), "1".to_owned());
    });
    assert_eq!(said(&disabled, &CONFIGURATION), ["warning: no module can be loaded until the next boot"]);
}

#[test]
fn cgroups_lack_what_is_not_among_their_controllers() {
    let having = |version, controllers: &str| {
        let audited = single().facts("n1", |facts| {
            facts.kernel.cgroup = version;
            facts.kernel.controllers = controllers.split_whitespace().map(str::to_owned).collect();
        });
        said(&audited, &CGROUP)
    };
    for (version, controllers, line) in [
        (2, "cpu cpuset io pids", "warning: cgroups have no memory: no limits of memory"),
        (
            2,
            "memory",
            "warning: cgroups have no cpu, cpuset, pids: no limits of processors, no binding to processors, no limits \
             of processes",
        ),
        (2, "", "error: no cgroup controllers are there, so that the engine does not start"),
        (1, "", "error: no cgroup controllers are there, so that the engine does not start"),
        (1, "cpu memory", "error: cgroups of version 1 without `devices`, so that the engine does not start"),
        (1, "cpu cpuset devices pids", "warning: cgroups have no memory: no limits of memory"),
        (1, "cpu cpuset devices memory pids", "note: cgroups are of version 1, which Docker has deprecated"),
    ] {
        assert_eq!(having(version, controllers), [line], "{version} {controllers}");
    }
}

#[test]
fn the_memory_controller_comes_back_by_the_boot_file_of_the_board() {
    let boot = |files: &[(&str, &[&str])], model: &str, release: &str, words: &str| {
        let audited = single().facts("n1", |facts| {
            facts.kernel.controllers.retain(|name| name != "memory");
            facts.kernel.release = release.to_owned();
            let kernel = &mut facts.inspection.as_mut().unwrap().kernel;
            kernel.model = Some(model.to_owned());
            kernel.command_line = words.split_whitespace().map(str::to_owned).collect();
            kernel.boot_files = files
                .iter()
                .map(|(path, lines)| BootFile {
                    path: (*path).to_owned(),
                    lines: lines.iter().map(|line| (*line).to_owned()).collect(),
                })
                .collect();
        });
        let remedies = remedies(&audited, &CGROUP);
        let place =
            remedies.iter().position(|remedy| !remedy.starts_with("`skep up --reboot` changes /")).unwrap();
        // Where skep can do it, that comes first.
        assert!(
            place < 2 && (place == 1) == (!files.is_empty() && !remedies[0].contains("device tree")),
            "{remedies:?}"
        );
        remedies[place].clone()
    };
    let armbian: (&str, &[&str]) = ("/boot/armbianEnv.txt", &[]);
    let new: (&str, &[&str]) = ("/boot/firmware/cmdline.txt", &[]);
    let old: (&str, &[&str]) = ("/boot/cmdline.txt", &[]);
    let (pi, downstream, disabled) =
        ("Raspberry Pi 4 Model B Rev 1.4", "6.6.31+rpt-rpi-v8", "cgroup_disable=memory");
    for (found, line) in [
        (
            boot(&[armbian], "Orange Pi 5", "6.1", ""),
            "grep -q ^extraargs= /boot/armbianEnv.txt && sed -i 's/^extraargs=.*/& cgroup_enable=memory/' \
             /boot/armbianEnv.txt || echo 'extraargs=cgroup_enable=memory' >> /boot/armbianEnv.txt; reboot",
        ),
        (
            boot(&[("/boot/armbianEnv.txt", &["docker_optimizations=off"])], "Orange Pi 5", "6.1", ""),
            "sed -i 's/^docker_optimizations=off/docker_optimizations=on/' /boot/armbianEnv.txt && reboot",
        ),
        (
            boot(&[new, old], pi, downstream, disabled),
            "sed -i '1s/$/ cgroup_enable=memory/' /boot/firmware/cmdline.txt && reboot",
        ),
        (
            boot(&[old], pi, "6.1.21-v8+", disabled),
            "sed -i '1s/$/ cgroup_enable=memory/' /boot/cmdline.txt && reboot",
        ),
        (
            boot(&[new], pi, "6.8.0-1005-raspi", disabled),
            "the firmware's device tree passes `cgroup_disable=memory`, which only Raspberry Pi's own kernel lets \
             cmdline.txt undo: boot Raspberry Pi OS",
        ),
        (
            boot(&[("/boot/firmware/cmdline.txt", &["cgroup_disable=memory"])], pi, "6.12.1-arm64", disabled),
            "sed -i 's/ *cgroup_disable=[a-z,]*//g' /boot/firmware/cmdline.txt && reboot",
        ),
        (
            boot(
                &[("/etc/default/grub", &["GRUB_CMDLINE_LINUX=\"cgroup_disable=memory\""])],
                "",
                "6.1",
                disabled,
            ),
            "sed -i 's/ *cgroup_disable=[a-z,]*//g' /etc/default/grub && update-grub && reboot",
        ),
        (
            boot(&[("/boot/extlinux/extlinux.conf", &[])], "Pine64", "6.1", ""),
            "sed -i 's/^[[:space:]]*append .*/& cgroup_enable=memory/I' /boot/extlinux/extlinux.conf && reboot",
        ),
        (
            boot(&[("/etc/default/u-boot", &[]), ("/boot/extlinux/extlinux.conf", &[])], "Pine64", "6.1", ""),
            "echo 'U_BOOT_PARAMETERS=\"$U_BOOT_PARAMETERS cgroup_enable=memory\"' >> /etc/default/u-boot && \
             u-boot-update && reboot",
        ),
        (
            boot(&[("/etc/default/grub", &[])], "", "6.1.0-44-amd64", ""),
            "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&cgroup_enable=memory /' /etc/default/grub && update-grub && reboot",
        ),
        (boot(&[], "", "6.1", ""), "add `cgroup_enable=memory` to the kernel's command line, and reboot"),
    ] {
        assert_eq!(found, line);
    }
}

#[test]
fn no_boot_file_helps_a_kernel_that_was_built_without_a_controller() {
    let lacks = |option: &str, words: &[&str]| {
        let audited = with(Support::Missing, &[option]).facts("n1", |facts| {
            facts.kernel.controllers.retain(|name| name != "memory");
            let kernel = &mut facts.inspection.as_mut().unwrap().kernel;
            kernel.command_line = words.iter().map(|word| (*word).to_owned()).collect();
            kernel.boot_files = vec![BootFile { path: "/boot/armbianEnv.txt".to_owned(), lines: Vec::new() }];
        });
        remedies(&audited, &CGROUP)
    };
    let another = ["boot a kernel that has them, see kernel-necessary and kernel-optional"];
    assert_eq!(lacks("MEMCG", &[]), another);
    assert_eq!(lacks("VXLAN", &["cgroup_enable=memory"]), another);
    assert!(lacks("VXLAN", &[])[0].starts_with("`skep up --reboot` changes /boot/armbianEnv.txt"));
}

#[test]
fn iptables_goes_with_the_kernel_or_the_other_one_is_named() {
    let with_program = |program: Option<&str>, lacks: &[&str], support| {
        with(support, lacks).inspection("n1", |inspection| {
            inspection.kernel.iptables = program.map(|name| format!("/usr/sbin/xtables-{name}-multi"));
        })
    };
    let lacking = Support::Missing;
    let (nft, legacy) = (Some("nft"), Some("legacy"));
    let old = with_program(legacy, &["IP_NF_FILTER", "IP_NF_NAT"], lacking);
    assert_eq!(said(&old, &IPTABLES), ["error: the kernel has nothing that iptables-legacy can speak to"]);
    assert!(
        remedies(&old, &IPTABLES)[1]
            .starts_with("update-alternatives --set iptables /usr/sbin/iptables-nft && ")
    );
    let new = with_program(nft, &["NFT_COMPAT"], lacking);
    assert_eq!(said(&new, &IPTABLES), ["error: the kernel has nothing that iptables-nft can speak to"]);
    assert!(
        remedies(&new, &IPTABLES)[1]
            .contains("--set ip6tables /usr/sbin/ip6tables-legacy && systemctl restart")
    );
    assert_eq!(remedies(&new, &IPTABLES)[0], "`skep up` makes iptables iptables-legacy");
    let neither = with_program(nft, &["NFT_COMPAT", "IP_NF_NAT"], lacking);
    assert_eq!(remedies(&neither, &IPTABLES), ["apt-get install linux-image-amd64 && reboot"]);
    for (program, lacks) in [(legacy, "NF_TABLES"), (nft, "IP_NF_NAT")] {
        assert_eq!(said(&with_program(program, &[lacks], lacking), &IPTABLES), [""; 0]);
    }
    let bare = with_program(None, &[], lacking);
    assert_eq!(said(&bare, &IPTABLES), ["note: iptables is not installed; `skep up` installs it"]);
    let unknown = with_program(nft, &["NF_TABLES"], Support::Unknown);
    assert_eq!(
        said(&unknown, &IPTABLES),
        ["unknown: whether the kernel goes with iptables-nft is not to be seen"]
    );
}

#[test]
fn forwarding_is_the_engines_to_switch_on_and_somebodys_to_switch_off() {
    let having = |forward: Option<&str>, bridge: Option<&str>| {
        kernel(|kernel| {
            kernel.parameters.clear();
            for (name, value) in
                [("net.ipv4.ip_forward", forward), ("net.bridge.bridge-nf-call-iptables", bridge)]
            {
                kernel.parameters.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            }
        })
    };
    for (forward, bridge, bare, works) in [
        (Some("1"), Some("1"), "", ""),
        (
            Some("0"),
            Some("1"),
            "note: packets are not forwarded yet; `skep up` changes that",
            "warning: packets are not forwarded, so that containers are cut off",
        ),
        (
            Some("1"),
            None,
            "note: br_netfilter is not loaded yet; `skep up` loads it",
            "warning: br_netfilter is not loaded, which the networks of a swarm need",
        ),
        (
            Some("1"),
            Some("0"),
            "warning: packets between containers of one bridge pass iptables by",
            "warning: packets between containers of one bridge pass iptables by",
        ),
        (
            None,
            None,
            "unknown: whether packets are forwarded is not to be seen",
            "unknown: whether packets are forwarded is not to be seen",
        ),
    ] {
        let lines = |line: &str| Vec::from_iter((!line.is_empty()).then(|| line.to_owned()));
        assert_eq!(said(&having(forward, bridge), &FORWARDING), lines(bare));
        assert_eq!(said(&engine(having(forward, bridge)), &FORWARDING), lines(works));
    }
}

#[test]
fn keys_are_enough_above_ten_thousand() {
    let having = |keys: &str| {
        kernel(|kernel| {
            kernel.parameters.insert("kernel.keys.root_maxkeys".to_owned(), keys.to_owned());
        })
    };
    assert_eq!(said(&having("10001"), &LIMITS), [""; 0]);
    let few = "warning: root may have 10000 keys only, of which each container needs some";
    assert_eq!(said(&having("10000"), &LIMITS), [few]);
    let none = kernel(|kernel| kernel.parameters.clear());
    assert_eq!(said(&none, &LIMITS), ["unknown: how many keys root may have is not to be seen"]);
}

#[test]
fn apparmor_needs_its_parser() {
    let without = || kernel(|kernel| kernel.apparmor_parser = false);
    assert_eq!(said(&without(), &APPARMOR), ["note: apparmor_parser is missing; `skep up` installs it"]);
    let warning = "warning: apparmor_parser is missing, so that containers run unconfined";
    assert_eq!(said(&engine(without()), &APPARMOR), [warning]);
    let off = single().facts("n1", |facts| facts.kernel.apparmor = false);
    let note = "note: AppArmor is switched off, so that containers are not confined by it";
    assert_eq!(said(&off, &APPARMOR), [note]);
    let lacking = off.facts("n1", |facts| set(facts, Support::Missing, &["SECURITY_APPARMOR"]));
    assert_eq!(lacking.all(&APPARMOR), [""; 0], "kernel-optional says so");
}

fn share(server: &str, on: &[&str], options: &[&str]) -> Share {
    Share {
        name: "shared".to_owned(),
        place: crate::inventory::model::Place { line: 1, column: 1 },
        server: server.into(),
        path: "/srv/shared".into(),
        clients: vec!["192.168.2.0/24".to_owned()],
        options: Vec::new(),
        owner: Owner { uid: 0, gid: 0 },
        mode: 0o755,
        mount: Some(ShareMount {
            at: "/mnt/shared".into(),
            on: on.iter().map(|name| NodeName::from(*name)).collect(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            remote: "/srv/shared".into(),
        }),
    }
}

#[test]
fn nfs_is_asked_of_those_that_serve_and_those_that_mount() {
    let sharing = |options: &[&str]| {
        let share = share("n1", &["n2"], options);
        crate::audit::world::cluster().inventory(|inventory| inventory.shares.push(share))
    };
    assert_eq!(sharing(&[]).all(&SERVER), ["ok n1: the kernel has all 3 options"]);
    assert_eq!(sharing(&[]).all(&CLIENT), ["ok n2: the kernel has all 5 options"]);
    assert_eq!(sharing(&["vers=4.0"]).all(&CLIENT), ["ok n2: the kernel has all 3 options"]);
    let lacks = |node: &str, options: &[&str], option: &str| {
        sharing(options).facts(node, |facts| set(facts, Support::Missing, &[option]))
    };
    for (option, line) in [
        ("NFSD", "error n1: CONFIG_NFSD is not set: no share is served"),
        ("SUNRPC", "error n1: CONFIG_SUNRPC is not set: no share is served"),
    ] {
        assert_eq!(lacks("n1", &[], option).said(&SERVER), [line]);
        assert_eq!(lacks("n2", &[], option).said(&SERVER), [""; 0]);
    }
    let client = |option, options: &[&str]| lacks("n2", options, option).said(&CLIENT).len();
    for (option, options, number) in [
        ("NFS_FS", &[][..], 1),
        ("NFS_V4", &[], 1),
        ("NFS_V4_2", &[], 1),
        ("NFS_V4_2", &["vers=4.1"], 0),
        ("NFS_V4_1", &["vers=4.1"], 0),
    ] {
        assert_eq!(client(option, options), number, "{option} {options:?}");
    }
}
