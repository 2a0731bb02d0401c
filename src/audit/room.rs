//! Room on file systems and in memory.

use std::path::Path;

use super::{Check, Family, Judgement, Subject};
use crate::facts::Storage;
use crate::facts::inspection::room::Disk;
use crate::plan::storage::{self, LEAST_FILES};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How much each directory wants to have left, in bytes: less is a warning. Where less than [`storage::LEAST`] is left,
/// nothing can be done any more, which is an error.
const WANTED: &[(&str, u64)] = &[
    // Images, containers and volumes.
    ("/var/lib/docker", GIB),
    ("/var/lib/containerd", GIB),
    // The engine's packages take 300 MiB to 500 MiB.
    ("/usr", 512 * MIB),
    ("/var/lib", 512 * MIB),
    ("/", 256 * MIB),
    // A kernel with its initramfs.
    ("/boot", 64 * MIB),
    ("/boot/firmware", 64 * MIB),
    ("/etc", 16 * MIB),
    ("/tmp", 16 * MIB),
    // 50 MiB of RAM on Armbian.
    ("/var/log", 5 * MIB),
];

/// A small file system need not have more than a quarter left.
const PART: u64 = 4;

/// The engine's data wherever else they are, and what is shared.
const ELSEWHERE: u64 = GIB;

/// Of all files that a file system takes, so many in a hundred shall be left.
const FILES_PERCENT: u64 = 3;

/// See its explanation.
pub(super) const DISK: Check = Check {
    id: "disk-space",
    family: Family::System,
    title: "free disk and inodes",
    explanation: "Images, packages, logs and the swarm's own state need room. What is asked is each local file system \
        that holds /, /usr, /etc, /boot, /tmp, /var/lib, /var/log, the engine's data or what the host shares, by statvfs(3); network mounts are \
        never asked, since a dead server would never answer. Less than 16 MiB or 100 inodes, or a file system that is \
        read-only, is an error where packages or settings go: nothing can be installed or even remembered, and `skep up` \
        refuses it. Less than each directory wants (1 GiB for the engine's data and for each share that may be written to, 512 MiB for /usr and /var/lib, 64 MiB \
        for /boot, 5 MiB for /var/log, which is a small RAM disc on Armbian; of a small file system a quarter) or than 3 % of all inodes is a warning.",
    examine: |case| case.each(disks),
};

/// See its explanation.
pub(super) const MEMORY: Check = Check {
    id: "memory",
    family: Family::System,
    title: "memory and swap",
    explanation: "An engine takes about 100 MiB, a manager of a swarm as much again, and the kernel ends processes where \
        nothing is left. What is read is /proc/meminfo and /proc/swaps. Less than 384 MiB in all, or less than 48 MiB that \
        programs can still have, is a warning. Notes are given to managers with less than 900 MiB, to hosts with less \
        than 2 GiB and nothing to swap to, and to those that swap to a card, which wears it out: zram does better.",
    examine: |case| case.each(memory),
};

fn disks(subject: &Subject<'_>) -> Vec<Judgement> {
    let room = &subject.inspection.room;
    if room.disks.is_empty() {
        return vec![
            Judgement::unknown("no file system could be asked").seen("/proc/self/mountinfo", "nothing local"),
        ];
    }
    let amiss: Vec<_> = room.disks.iter().filter_map(|room| disk(subject, room)).collect();
    if !amiss.is_empty() {
        return amiss;
    }
    let least = room.disks.iter().min_by_key(|disk| disk.storage.free);
    let judgement = Judgement::ok("there is room on all file systems");
    vec![match least {
        Some(disk) => judgement.seen(place(disk), left(disk)),
        None => judgement,
    }]
}

/// What is wrong with a file system.
fn disk(subject: &Subject<'_>, disk: &Disk) -> Option<Judgement> {
    let told = |judgement: Judgement| judgement.seen(place(disk), left(disk));
    if let Some((cause, help)) = hopeless(disk) {
        return Some(told(Judgement::error(cause)).remedy(help));
    }
    // Of several that want the same, the first is meant.
    let written = disk.holds.iter().rev().filter(|path| !is_only_read(subject, path));
    let wants = written.map(|path| (path, wanted(path).min(disk.size / PART)));
    let (directory, wanted) = wants.max_by_key(|(_, wanted)| *wanted)?;
    let directory = directory.display();
    if disk.storage.read_only {
        return Some(told(Judgement::warning(format!("{directory} is read-only"))).remedy(format!(
            "look why: `dmesg | tail`, then `mount -o remount,rw {}`",
            disk.storage.directory.display()
        )));
    }
    if disk.storage.free < wanted {
        let message =
            format!("only {} are left in {directory}, {} are wanted", size(disk.storage.free), size(wanted));
        return Some(told(Judgement::warning(message)).remedy(make_room(disk)));
    }
    let (all, free) = disk.files.zip(disk.storage.free_files)?;
    (free < (all / 100 * FILES_PERCENT).max(LEAST_FILES)).then(|| {
        let at = disk.storage.directory.display();
        told(Judgement::warning(format!("only {free} inodes are left in {at}: each file takes one")))
            .remedy(format!("find the folder with the most: `du --inodes -xS {at} | sort -n | tail`"))
    })
}

/// Why a plan would be refused, if it has anything to do there: the same judgement, said of what skep and dpkg write to.
fn hopeless(disk: &Disk) -> Option<storage::Trouble> {
    let written = ["/", "/etc", "/usr", "/var/lib", "/var/lib/docker"];
    let one = disk.holds.iter().find(|path| written.iter().any(|written| *path == Path::new(written)))?;
    let seen = [Storage { directory: one.clone(), ..disk.storage.clone() }];
    let needs_programs = disk.holds.iter().any(|path| path == Path::new("/var/lib"));
    storage::unusable(&seen).or_else(|| storage::noexec(&seen).filter(|_| needs_programs))
}

/// Whether it is looked at as a share alone, and one that nobody may write to.
fn is_only_read(subject: &Subject<'_>, directory: &Path) -> bool {
    let is_system = WANTED.iter().any(|(path, _)| directory == Path::new(path));
    let mut shares = subject.serves().filter(|share| share.path == directory).peekable();
    !is_system
        && shares.peek().is_some()
        && shares.all(|share| !share.options.iter().any(|option| option == "rw"))
}

fn wanted(directory: &Path) -> u64 {
    WANTED.iter().find(|(path, _)| directory == Path::new(path)).map_or(ELSEWHERE, |(_, wanted)| *wanted)
}

fn make_room(disk: &Disk) -> String {
    let holds = |path: &str| disk.holds.iter().any(|held| held == Path::new(path));
    let ways = [
        (holds("/var/log"), "`journalctl --vacuum-size=10M && logrotate -f /etc/logrotate.conf`"),
        (holds("/boot"), "`apt-get autoremove --purge` removes old kernels"),
        (holds("/usr") || holds("/var/lib"), "`apt-get clean`"),
        (holds("/var/lib/docker"), "`docker system prune` removes what no container uses"),
    ];
    let ways: Vec<_> = ways.into_iter().filter(|(fits, _)| *fits).map(|(_, way)| way.to_owned()).collect();
    let at = disk.storage.directory.display();
    if ways.is_empty() {
        return format!("make room: `du -xh {at} | sort -h | tail` shows what takes it");
    }
    format!("make room: {}; `du -xh {at} | sort -h | tail` shows what takes the rest", ways.join("; "))
}

fn place(disk: &Disk) -> String {
    format!("statvfs {}", disk.storage.directory.display())
}

fn left(disk: &Disk) -> String {
    let files = disk.storage.free_files.map(|files| format!(", {files} inodes")).unwrap_or_default();
    let read_only = if disk.storage.read_only { ", read-only" } else { "" };
    let (free, all) = (size(disk.storage.free), size(disk.size));
    format!("{free} of {all} free{files}{read_only} on {} ({})", disk.source, disk.kind)
}

/// `1.5 GiB`, `20 MiB`.
fn size(bytes: u64) -> String {
    match bytes {
        GIB.. => format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB),
        _ => format!("{} MiB", bytes / MIB),
    }
}

fn memory(subject: &Subject<'_>) -> Vec<Judgement> {
    let room = &subject.inspection.room;
    let place = "/proc/meminfo";
    if room.memory == 0 {
        return vec![Judgement::unknown("the memory is not told").seen(place, "no MemTotal")];
    }
    let (all, left) = (size(room.memory), size(room.available));
    let told = |judgement: Judgement| judgement.seen(place, format!("{left} of {all} available"));
    let fewer = "give it less to do: `docker node update --availability drain`, or a host with more";
    let mut found = Vec::new();
    match room.memory {
        _ if room.available > 0 && room.available < 48 * MIB => found.push(
            told(Judgement::warning(format!(
                "only {left} of memory are left: the kernel will end processes"
            )))
            .remedy("see what takes it: `ps aux --sort=-rss | head`; `docker stats --no-stream`"),
        ),
        memory if memory < 384 * MIB => {
            found.push(
                told(Judgement::warning(format!("{all} of memory hardly suffice for an engine")))
                    .remedy(fewer),
            );
        }
        memory if memory < 900 * MIB && subject.is_manager() => {
            found.push(told(Judgement::note(format!("{all} of memory are little for a manager"))));
        }
        _ => {}
    }
    found.extend(swap(subject));
    if found.is_empty() {
        found.push(told(Judgement::ok(format!("{all} of memory"))));
    }
    found
}

fn swap(subject: &Subject<'_>) -> Option<Judgement> {
    let room = &subject.inspection.room;
    let place = "/proc/swaps";
    if room.swaps.is_empty() {
        let judgement = Judgement::note(format!("{} of memory, and nothing to swap to", size(room.memory)));
        return (room.memory < 2 * GIB).then(|| {
            judgement
                .seen(place, "empty")
                .remedy("`apt-get install -y zram-tools` gives compressed memory to swap to")
        });
    }
    let root = room.disks.iter().find(|disk| disk.holds.iter().any(|path| path == Path::new("/")));
    let on_card = root.is_some_and(|disk| disk.source.starts_with("/dev/mmcblk"));
    let wears = |path: &str| path.starts_with("/dev/mmcblk") || (on_card && !path.starts_with("/dev/"));
    let worn = room.swaps.iter().find(|swap| wears(&swap.path))?;
    Some(
        Judgement::note("it swaps to a card, which wears it out")
            .seen(place, format!("{} {}", worn.path, size(worn.size)))
            .remedy(format!(
                "`apt-get install -y zram-tools`, then `swapoff {0}` and take {0} out of /etc/fstab",
                worn.path
            )),
    )
}

#[cfg(test)]
mod tests {
    use super::super::world::{Audited, single};
    use super::*;
    use crate::facts::inspection::Room;
    use crate::facts::inspection::room::Swap;
    use crate::inventory::model::{Owner, Place, Share};

    fn with(change: impl FnOnce(&mut Room)) -> Audited {
        single().inspection("n1", |inspection| change(&mut inspection.room))
    }

    /// The first file system, which holds `/` and all of the system.
    fn root(change: impl FnOnce(&mut Disk)) -> Audited {
        with(|room| change(&mut room.disks[0]))
    }

    /// One more file system, on which this directory is.
    fn also(directory: &str, free: u64) -> Audited {
        with(|room| {
            let mut disk = room.disks[0].clone();
            disk.holds = vec![directory.into()];
            disk.storage.directory = directory.into();
            disk.storage.free = free;
            room.disks.push(disk);
        })
    }

    #[test]
    fn room_on_disks() {
        assert_eq!(single().all(&DISK), ["ok n1: there is room on all file systems"]);
        for (audited, expected) in [
            (also("/var/lib/docker", GIB), None),
            (
                also("/var/lib/docker", 900 * MIB),
                Some("warning n1: only 900 MiB are left in /var/lib/docker, 1.0 GiB are wanted"),
            ),
            (
                also("/mnt/ssd", 900 * MIB),
                Some("warning n1: only 900 MiB are left in /mnt/ssd, 1.0 GiB are wanted"),
            ),
            (also("/var/lib/docker", MIB), Some("error n1: less than 16 MiB are free in /var/lib/docker")),
            (also("/boot", 100 * MIB), None),
            (
                with(|room| {
                    let mut small = room.disks[0].clone();
                    (small.holds, small.size, small.storage.free) =
                        (vec!["/boot".into()], 64 * MIB, 20 * MIB);
                    room.disks.push(small);
                }),
                None,
            ),
            (also("/boot", 8 * MIB), Some("warning n1: only 8 MiB are left in /boot, 64 MiB are wanted")),
            (
                also("/var/log", 2 * MIB),
                Some("warning n1: only 2 MiB are left in /var/log, 5 MiB are wanted"),
            ),
            (also("/tmp", 0), Some("warning n1: only 0 MiB are left in /tmp, 16 MiB are wanted")),
            (root(|disk| disk.storage.free = 2 * MIB), Some("error n1: less than 16 MiB are free in /")),
            (
                root(|disk| disk.storage.free_files = Some(5)),
                Some("error n1: / takes no more files (inodes)"),
            ),
            (
                root(|disk| disk.storage.free_files = Some(20_000)),
                Some("warning n1: only 20000 inodes are left in /: each file takes one"),
            ),
            (root(|disk| disk.storage.free_files = None), None),
            (
                root(|disk| disk.storage.read_only = true),
                Some("error n1: / cannot be written: the file system is read-only"),
            ),
            (
                root(|disk| disk.storage.noexec = true),
                Some("error n1: / is mounted noexec, so that dpkg cannot run the scripts of packages"),
            ),
        ] {
            assert_eq!(audited.said(&DISK).first().map(String::as_str), expected);
        }
        let boot_read_only = with(|room| {
            let mut boot = room.disks[0].clone();
            boot.holds = vec!["/boot".into()];
            boot.storage.read_only = true;
            room.disks.push(boot);
        });
        assert_eq!(boot_read_only.said(&DISK), ["warning n1: /boot is read-only"]);
        assert_eq!(with(|room| room.disks.clear()).all(&DISK), ["unknown n1: no file system could be asked"]);
    }

    #[test]
    fn room_for_shares() {
        let shared = |option: &str, free: u64, size: u64| {
            let share = Share {
                name: "s".into(),
                place: Place { line: 1, column: 1 },
                server: "n1".into(),
                path: "/srv/s".into(),
                clients: vec!["10.0.0.0/8".into()],
                options: vec![option.into(), "sync".into()],
                owner: Owner { uid: 0, gid: 0 },
                mode: 0o755,
                mount: None,
            };
            let audited = also("/srv/s", free).inventory(|inventory| inventory.shares.push(share));
            audited.inspection("n1", |inspection| inspection.room.disks[1].size = size)
        };
        let few = "warning n1: only 0 MiB are left in /srv/s, 1.0 GiB are wanted";
        for (audited, expected) in [
            (shared("rw", GIB, 40 * GIB), None),
            (shared("rw", 0, 40 * GIB), Some(few)),
            (shared("rw", MIB, 8 * MIB), Some("warning n1: only 1 MiB are left in /srv/s, 2 MiB are wanted")),
            // A disc that is full for good, and on which nobody writes.
            (shared("ro", 0, 40 * GIB), None),
        ] {
            assert_eq!(audited.said(&DISK).first().map(String::as_str), expected);
        }
    }

    #[test]
    fn remedies_name_what_can_go() {
        let remedy = |audited: Audited| audited.verdicts(&DISK)[0].remedy[0].clone();
        assert!(remedy(also("/var/log", 0)).contains("journalctl --vacuum-size=10M"));
        assert!(remedy(also("/boot", 0)).contains("apt-get autoremove"));
        assert!(remedy(also("/var/lib/docker", 800 * MIB)).contains("docker system prune"));
        assert!(remedy(also("/tmp", 0)).contains("du -xh /tmp"));
    }

    #[test]
    fn memory_of_managers_and_workers() {
        assert_eq!(single().all(&MEMORY), ["ok n1: 4.0 GiB of memory"]);
        let zram = || vec![Swap { path: "/dev/zram0".to_owned(), size: GIB }];
        let sized = |memory: u64, available: u64| {
            with(|room| {
                (room.memory, room.available) = (memory, available);
                room.swaps = zram();
            })
        };
        for (audited, expected) in [
            (sized(256 * MIB, 100 * MIB), "warning n1: 256 MiB of memory hardly suffice for an engine"),
            (sized(512 * MIB, 100 * MIB), "note n1: 512 MiB of memory are little for a manager"),
            (
                sized(4 * GIB, 20 * MIB),
                "warning n1: only 20 MiB of memory are left: the kernel will end processes",
            ),
            (sized(0, 0), "unknown n1: the memory is not told"),
        ] {
            assert_eq!(audited.all(&MEMORY), [expected]);
        }
        let worker = sized(512 * MIB, 100 * MIB)
            .inventory(|inventory| inventory.nodes[0].role = crate::inventory::model::Role::Worker);
        assert_eq!(worker.said(&MEMORY), [""; 0]);
    }

    #[test]
    fn what_is_swapped_to() {
        let none = with(|room| room.memory = GIB);
        assert_eq!(none.said(&MEMORY), ["note n1: 1.0 GiB of memory, and nothing to swap to"]);
        let swapping = |path: &str, disk: &str| {
            with(|room| {
                room.swaps = vec![Swap { path: path.to_owned(), size: GIB }];
                disk.clone_into(&mut room.disks[0].source);
            })
        };
        let worn = ["note n1: it swaps to a card, which wears it out"];
        assert_eq!(swapping("/var/swap", "/dev/mmcblk0p2").said(&MEMORY), worn);
        assert_eq!(swapping("/dev/mmcblk0p3", "/dev/sda1").said(&MEMORY), worn);
        assert_eq!(swapping("/dev/zram0", "/dev/mmcblk0p2").said(&MEMORY), [""; 0]);
        assert_eq!(swapping("/swapfile", "/dev/sda1").said(&MEMORY), [""; 0]);
    }
}
