//! What the first start left behind, and what waits for the next.

use super::{Check, Family, Judgement, Subject};
use crate::facts::inspection::boot::{FIRST_LOGIN, FIRST_RUN, REBOOT, RESIZE};

/// What makes `network-online.target` wait, by what manages the network.
const WAITING: &[(&str, &str)] = &[
    ("NetworkManager.service", "NetworkManager-wait-online.service"),
    ("systemd-networkd.service", "systemd-networkd-wait-online.service"),
];

/// What else does: ifupdown, and what comes with it.
const ALSO_WAITING: &[&str] =
    &["networking.service", "ifupdown-wait-online.service", "connman-wait-online.service"];

/// See its explanation.
pub(super) const REBOOT_PENDING: Check = Check {
    id: "pending-reboot",
    family: Family::System,
    title: "no reboot is due",
    explanation: "Some updates count only after a reboot, such as that of the kernel. Packages say so in \
        /run/reboot-required, which is worth a note. Where the modules of the running kernel are gone from /lib/modules, \
        since a newer kernel took its place, nothing that is not loaded yet can be loaded any more: overlay networks or \
        NFS fail then, and that is a warning. Reboot one manager at a time, so that the others keep the quorum.",
    examine: |case| case.each(reboot),
};

/// See its explanation.
pub(super) const FIRST_BOOT: Check = Check {
    id: "first-boot",
    family: Family::System,
    title: "the first start is through",
    explanation: "Armbian's images finish themselves at their first start and at the first login on a terminal. As long as \
        /root/.not_logged_in_yet is there, the next login shell starts a dialogue, root has the password that all images \
        have, and consoles log root in by themselves. As long as armbian-firstrun is enabled, SSH host keys and hardware \
        addresses may still change, and with them the address of the board. /run/resize2fs-reboot tells that the file \
        system grows only after another reboot. Each of these is a warning; the remedy says what to do where the dialogue \
        is passed by.",
    examine: |case| case.each(first_boot),
};

/// See its explanation.
pub(super) const AUTOLOGIN: Check = Check {
    id: "console-autologin",
    family: Family::System,
    title: "consoles ask who logs in",
    explanation: "Fresh images of Armbian log root in on every screen and serial console without a password, until the first \
        login on a terminal has been made. Whoever passes that by leaves the door open for everybody who can plug in a \
        keyboard. What is read are the drop-ins of getty@ and serial-getty@ below /etc/systemd/system. It is a warning; the \
        remedy removes the drop-ins.",
    examine: |case| case.each(|subject| [autologin(subject)]),
};

/// See its explanation.
pub(super) const WAIT_ONLINE: Check = Check {
    id: "wait-online",
    family: Family::System,
    title: "mounts wait for the network",
    explanation: "Shares are mounted after `network-online.target`, which is reached at once where nothing waits for the \
        network: the mount then fails at boot now and then, and containers write to the empty directory below it. \
        Armbian enables NetworkManager-wait-online or systemd-networkd-wait-online only at its first login. What is read \
        are the links below network-online.target.wants. It is a warning on nodes that mount shares; others are not \
        judged.",
    examine: |case| case.each(wait_online),
};

fn reboot(subject: &Subject<'_>) -> Vec<Judgement> {
    let boot = &subject.inspection.boot;
    let release = &subject.facts().kernel.release;
    let container = !subject.inspection.time.container.is_empty();
    let again = if subject.is_manager() {
        "run `systemctl reboot` on the host, one manager at a time"
    } else {
        "run `systemctl reboot` on the host"
    };
    let mut found = Vec::new();
    // A container has the kernel of another system, and no modules of its own.
    if boot.modular && !container && !boot.kernels.contains(release) {
        let others = if boot.kernels.is_empty() { "no kernel".to_owned() } else { boot.kernels.join(", ") };
        found.push(
            Judgement::warning(format!(
                "the modules of the running kernel {release} are gone: what is not loaded yet cannot be loaded"
            ))
            .seen("/lib/modules", format!("has {others}"))
            .remedy(again),
        );
    }
    if boot.reboot {
        let packages = boot.reboot_for.join(", ");
        let of = if packages.is_empty() { String::new() } else { format!(" of {packages}") };
        found.push(
            Judgement::note(format!("updates{of} count only after a reboot"))
                .seen(REBOOT, packages)
                .remedy(again),
        );
    }
    if found.is_empty() {
        found.push(Judgement::ok("no reboot is due").seen(REBOOT, "is not there"));
    }
    found
}

fn first_boot(subject: &Subject<'_>) -> Vec<Judgement> {
    let boot = &subject.inspection.boot;
    let address = &subject.node.address;
    let mut found = Vec::new();
    if boot.first_login {
        found.push(
            Judgement::warning(
                "Armbian's questions are not answered: the next login on a terminal meets them",
            )
            .seen(FIRST_LOGIN, "is there")
            .remedy(format!("answer them: `ssh -t root@{address}`"))
            .remedy(format!("or pass them by: `passwd root` on the host, then `rm {FIRST_LOGIN}`")),
        );
    }
    if boot.first_run {
        found.push(
            Judgement::warning(
                "Armbian's first start is not through: host keys and addresses may still change",
            )
            .seen(FIRST_RUN, "is enabled")
            .remedy(format!("wait for it: `systemctl status {FIRST_RUN}` on the host tells how far it is")),
        );
    }
    if boot.resize {
        found.push(
            Judgement::warning("the file system grows to the whole card only after another reboot")
                .seen(RESIZE, "is there")
                .remedy("run `systemctl reboot` on the host"),
        );
    }
    let armbian = subject.facts().system.armbian_board.is_some();
    if found.is_empty() && armbian {
        found.push(Judgement::ok("the first start is through").seen(FIRST_LOGIN, "is not there"));
    }
    found
}

fn autologin(subject: &Subject<'_>) -> Judgement {
    let files = &subject.inspection.boot.autologin;
    if files.is_empty() {
        return Judgement::ok("consoles ask who logs in")
            .seen("/etc/systemd/system/*getty@*.d", "no --autologin");
    }
    let judgement = Judgement::warning("consoles log somebody in without a password");
    let judgement = files.iter().fold(judgement, |judgement, file| judgement.seen(file, "--autologin"));
    judgement
        .remedy(format!("run `rm {} && systemctl daemon-reload` on the host, and reboot", files.join(" ")))
}

fn wait_online(subject: &Subject<'_>) -> Option<Judgement> {
    let share = subject.mounts().next()?;
    let boot = &subject.inspection.boot;
    let place = "network-online.target.wants";
    let waits = |unit: &&String| {
        let (bare, _) = unit.split_once('@').unwrap_or((unit.as_str(), ""));
        let bare = if bare.ends_with(".service") { bare.to_owned() } else { format!("{bare}.service") };
        WAITING.iter().any(|(_, waiting)| *waiting == bare) || ALSO_WAITING.contains(&bare.as_str())
    };
    if let Some(unit) = boot.online.iter().find(waits) {
        return Some(Judgement::ok("mounts wait for the network").seen(place, unit));
    }
    let listed = if boot.online.is_empty() { "nothing".to_owned() } else { boot.online.join(", ") };
    let known = WAITING.iter().find(|(manager, _)| boot.networks.iter().any(|running| running == manager));
    let Some((_, waiting)) = known else {
        return Some(
            Judgement::unknown("it is not known whether mounts wait for the network")
                .seen(place, listed)
                .seen("/sys/fs/cgroup/system.slice", "neither NetworkManager nor systemd-networkd"),
        );
    };
    let at = share.mount.as_ref().map(|mount| mount.at.display().to_string()).unwrap_or_default();
    Some(
        Judgement::warning(format!("nothing waits for the network at boot, so that {at} may not be mounted"))
            .seen(place, listed)
            .remedy(format!("run `systemctl enable {waiting}` on the host")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::world::{Audited, cluster, single};
    use super::*;
    use crate::facts::inspection::Boot;
    use crate::inventory::model::{Owner, Place, Share, ShareMount};

    fn with(change: impl FnOnce(&mut Boot)) -> Audited {
        single().inspection("n1", |inspection| change(&mut inspection.boot))
    }

    #[test]
    fn reboots_that_are_due() {
        assert_eq!(single().all(&REBOOT_PENDING), ["ok n1: no reboot is due"]);
        let due = with(|boot| {
            boot.reboot = true;
            boot.reboot_for = vec!["libc6".to_owned(), "linux-image-amd64".to_owned()];
        });
        assert_eq!(
            due.all(&REBOOT_PENDING),
            ["note n1: updates of libc6, linux-image-amd64 count only after a reboot"]
        );
        let gone = || with(|boot| boot.kernels = vec!["6.1.0-45-amd64".to_owned()]);
        assert_eq!(
            gone().all(&REBOOT_PENDING),
            [
                "warning n1: the modules of the running kernel 6.1.0-44-amd64 are gone: what is not loaded yet cannot be loaded"
            ]
        );
        assert!(gone().verdicts(&REBOOT_PENDING)[0].remedy[0].ends_with("one manager at a time"));
        for audited in [
            gone().inspection("n1", |seen| seen.boot.modular = false),
            gone().inspection("n1", |seen| seen.time.container = "lxc".to_owned()),
        ] {
            assert_eq!(audited.said(&REBOOT_PENDING), [""; 0]);
        }
    }

    #[test]
    fn boards_after_their_first_start() {
        assert_eq!(single().all(&FIRST_BOOT), [""; 0], "no board");
        let board =
            || single().facts("n1", |facts| facts.system.armbian_board = Some("Orange Pi 5".to_owned()));
        assert_eq!(board().all(&FIRST_BOOT), ["ok n1: the first start is through"]);
        let fresh = board().inspection("n1", |seen| {
            (seen.boot.first_login, seen.boot.first_run, seen.boot.resize) = (true, true, true);
        });
        let verdicts = fresh.verdicts(&FIRST_BOOT);
        assert_eq!(
            fresh.all(&FIRST_BOOT),
            [
                "warning n1: Armbian's questions are not answered: the next login on a terminal meets them",
                "warning n1: Armbian's first start is not through: host keys and addresses may still change",
                "warning n1: the file system grows to the whole card only after another reboot",
            ]
        );
        assert_eq!(verdicts[0].remedy[0], "answer them: `ssh -t root@192.168.2.1`");
    }

    #[test]
    fn consoles() {
        assert_eq!(single().all(&AUTOLOGIN), ["ok n1: consoles ask who logs in"]);
        let file = "/etc/systemd/system/getty@.service.d/override.conf";
        let open = with(|boot| boot.autologin = vec![file.to_owned()]);
        assert_eq!(open.all(&AUTOLOGIN), ["warning n1: consoles log somebody in without a password"]);
        assert!(open.verdicts(&AUTOLOGIN)[0].remedy[0].starts_with(&format!("run `rm {file} && systemctl")));
    }

    #[test]
    fn mounts_that_wait_for_the_network() {
        let mounting = |networks: &[&str], online: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            cluster()
                .inventory(|inventory| {
                    inventory.shares.push(Share {
                        name: "shared".to_owned(),
                        place: Place { line: 1, column: 1 },
                        server: "n1".into(),
                        path: "/srv".into(),
                        clients: vec!["192.168.2.0/24".to_owned()],
                        options: Vec::new(),
                        owner: Owner { uid: 0, gid: 0 },
                        mode: 0o755,
                        mount: Some(ShareMount {
                            at: "/mnt/shared".into(),
                            on: vec!["n2".into()],
                            options: Vec::new(),
                            remote: "/srv".into(),
                        }),
                    });
                })
                .inspection("n2", |seen| {
                    (seen.boot.networks, seen.boot.online) = (owned(networks), owned(online))
                })
        };
        for online in [
            "NetworkManager-wait-online.service",
            "networking.service",
            "systemd-networkd-wait-online@eth0.service",
        ] {
            assert_eq!(
                mounting(&[], &[online]).all(&WAIT_ONLINE),
                ["ok n2: mounts wait for the network"],
                "{online}"
            );
        }
        let hollow = mounting(&["systemd-networkd.service"], &["cloud-config.service"]);
        assert_eq!(
            hollow.all(&WAIT_ONLINE),
            ["warning n2: nothing waits for the network at boot, so that /mnt/shared may not be mounted"]
        );
        assert_eq!(
            hollow.verdicts(&WAIT_ONLINE)[0].remedy,
            ["run `systemctl enable systemd-networkd-wait-online.service` on the host"]
        );
        assert_eq!(
            mounting(&["dhcpcd.service"], &[]).all(&WAIT_ONLINE),
            ["unknown n2: it is not known whether mounts wait for the network"]
        );
        assert_eq!(cluster().all(&WAIT_ONLINE), [""; 0], "nothing is mounted");
    }
}
