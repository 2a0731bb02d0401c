//! Traps 33 to 47 of docs/traps.md: each is in force on a real kernel, and skep tells it.

use super::support::Bench;

/// A network that neither of the machines is in.
const ELSEWHERE: &str = "10.255.0.0/16";

/// Springs them on a server `n1` and its client `n2`, takes them away again, and leaves the share as it was.
pub(crate) fn spring(bench: &Bench, server: &str) {
    written(bench, server);
    in_brackets(bench);
    volumes(bench, server);
    containers(bench);
    twice_and_rooted(bench, server);
    told(bench);
    taken_away(bench);
}

/// Tries to mount from the client: what is in it and whether it can be written to, or why it cannot be mounted.
fn mount(bench: &Bench, version: &str, source: &str) -> String {
    let try_it = format!("mount -t nfs -o vers={version},retry=0,nolock '{source}' /run/try");
    let use_it = "touch /run/try/by-n2; ls /run/try; umount /run/try";
    bench.on("n2", &format!("mkdir -p /run/try; exec 2>&1; if {try_it}; then {use_it}; fi"))
}

/// 33 to 36: lines that say something else than they seem to, and what exportfs ends with.
fn written(bench: &Bench, server: &str) {
    let subnet = bench.lab().subnet();
    let exported = bench.on(
        "n1",
        &format!(
            "mkdir -p /srv/blank /srv/alone /srv/lost /srv/six /srv/root-a /srv/root-b; chmod 1777 /srv/*
             touch /srv/root-a/a /srv/root-b/b; mkdir -p /etc/exports.d; cd /etc/exports.d
             printf '/srv/blank {ELSEWHERE} (rw)\n/srv/alone\n' >/etc/exports
             echo '/srv/lost nowhere.invalid(rw)' >gone.exports
             exportfs -ra; echo ends with $?; exportfs -s
             printf '/srv/alone {subnet}(rw,snyc)\n/srv/lost {subnet}(rw)\n' >late.exports
             exportfs -ra; echo ends with $?; exportfs -s | grep -c '^/var/shared/folder '"
        ),
    );
    let (fine, failed) = exported.split_once("ends with 0\n").expect("exportfs finds nothing amiss");
    assert_eq!(fine, "");
    let (served, failed) = failed.split_once("ends with 1\n").expect("exportfs finds the unknown option");
    assert!(
        served.lines().any(|line| line.starts_with("/srv/blank  *(") && line.contains(",rw,")),
        "{served}"
    );
    assert!(served.lines().any(|line| line.starts_with("/srv/alone  *(")), "{served}");
    assert!(!served.contains("/srv/lost"), "it ended well, and did not export: {served}");
    assert_eq!(failed, "1\n", "the share is in a file of its own");
    assert_eq!(mount(bench, "4.2", &format!("{server}:/srv/blank")), "by-n2\n", "n2 is not in {ELSEWHERE}");
    assert!(mount(bench, "4.2", &format!("{server}:/srv/alone")).contains("Read-only file system"));
    assert!(mount(bench, "4.2", &format!("{server}:/srv/lost")).contains("No such file"));
}

/// 40: brackets make a pattern of an address. A client of version 4 would take its connection over IPv4 for this server too.
fn in_brackets(bench: &Bench) {
    bench.on("n2", "ip address add fd00:77::2/64 dev eth0 nodad");
    let export = |client: &str| {
        let line = format!("/srv/six {client}(rw)");
        bench.on(
            "n1",
            &format!(
                "echo '{line}' >/etc/exports.d/six.exports; exportfs -ra; exportfs -s | grep -c /srv/six"
            ),
        );
    };
    bench.on("n1", "ip address add fd00:77::1/64 dev eth0 nodad; mv /etc/exports.d/late.exports /run");
    export("fd00:77::2");
    assert_eq!(mount(bench, "3", "[fd00:77::1]:/srv/six"), "by-n2\n");
    export("[fd00:77::2]");
    let refused = mount(bench, "3", "[fd00:77::1]:/srv/six");
    assert!(refused.contains("access denied"), "{refused}");
    bench.on("n1", "mv /run/late.exports /etc/exports.d");
}

/// 41 to 43: what Docker hands to the kernel as it is.
fn volumes(bench: &Bench, server: &str) {
    let volume = |fstype: &str, options: &str, name: &str| {
        format!(
            "docker volume create --opt type={fstype} --opt o={options} --opt device=:/var/shared/folder {name} >/dev/null
             docker volume inspect --format '{{{{.Options.o}}}}' {name}"
        )
    };
    let started = |name: &str| {
        format!(
            "docker run --rm --mount type=volume,src={name},dst=/data box:1 /usr/bin/busybox grep ' /data ' /proc/mounts 2>&1 || true"
        )
    };
    bench.on("n2", &format!("echo '{server} nas' >>/etc/hosts"));
    bench.on("n2", &volume("nfs", "addr=nas,rw", "old"));
    let three = bench.on("n2", &started("old"));
    assert!(three.contains(" nfs ") && three.contains("vers=3,"), "{three}");
    bench.on("n2", &volume("nfs4", "addr=nas,rw", "named"));
    let named = bench.on("n2", &started("named"));
    assert!(named.contains("invalid argument"), "{named}");
    let changed = "addr=nas,rw,vers=4.2";
    assert_eq!(bench.on("n2", &volume("nfs", changed, "old")).trim(), "addr=nas,rw", "without a word");
    assert_eq!(bench.on("n1", &volume("nfs", changed, "old")).trim(), changed);
}

/// 44 to 46: containers that come too early, on an automount, and that change owners.
fn containers(bench: &Bench) {
    let early = "while :; do echo >/data/early; sleep 1; done";
    bench.on(
        "n2",
        &format!(
            "systemctl stop mnt-shared.mount
             docker run -d --name early -v /mnt/shared:/data box:1 /usr/bin/busybox sh -c '{early}'
             printf '[Automount]\nWhere=/mnt/shared\n' >/etc/systemd/system/mnt-shared.automount
             systemctl daemon-reload; systemctl start mnt-shared.automount"
        ),
    );
    let bound = "docker run --rm --mount type=bind,src=/mnt,dst=/data box:1 /usr/bin/busybox ls /data/shared 2>&1 || true";
    let bound = bench.on("n2", bound);
    assert!(bound.contains("Too many levels of symbolic links"), "{bound}");
    // Whoever is no container gets it mounted.
    bench.on("n2", "ls /mnt/shared; findmnt -t nfs4 /mnt/shared");
    let write = "rm -f /data/early; sleep 3; ls /data";
    assert_eq!(
        bench.on("n2", &format!("docker exec early /usr/bin/busybox sh -c '{write}'")).trim(),
        "early"
    );
    bench.on("n1", "test ! -e /var/shared/folder/early");
    let change = "echo x >/data/db && chown 999 /data/db";
    let run = format!(
        "docker run --name db -v /mnt/shared:/data box:1 /usr/bin/busybox sh -c '{change}' 2>&1 || echo $?"
    );
    let changed = bench.on("n2", &run);
    assert!(changed.contains("Operation not permitted\n1"), "{changed}");
}

/// 37 to 39: a line that skep's comes second to, and two roots of NFSv4.
fn twice_and_rooted(bench: &Bench, server: &str) {
    let subnet = bench.lab().subnet();
    let line = format!("/var/shared/folder {subnet}(rw,sync,no_subtree_check,no_root_squash)");
    bench.on("n1", &format!("mv /etc/exports.d/late.exports /run; echo '{line}' >/etc/exports.d/armbian.exports; exportfs -ra || true"));
    let owner = "touch /mnt/shared/armbian; stat -c %u /mnt/shared/armbian; rm /mnt/shared/armbian";
    assert_eq!(bench.on("n2", owner).trim(), "0", "skep's `all_squash` is not in force");
    let roots = format!(
        "printf '/srv/root-a {subnet}(rw,fsid=0)\n/srv/root-b {subnet}(rw,fsid=0)\n' >/etc/exports.d/roots.exports
         rm /etc/exports.d/armbian.exports; exportfs -ra; echo $?; mv /run/late.exports /etc/exports.d
         echo '{line}' >/etc/exports.d/armbian.exports"
    );
    assert_eq!(bench.on("n1", &roots).trim(), "0", "without a word");
    let root = mount(bench, "4.2", &format!("{server}:/"));
    assert!(["a\nby-n2\n", "b\nby-n2\n"].contains(&root.as_str()), "one of the two is lost: {root}");
    let hidden = mount(bench, "4.2", &format!("{server}:/var/shared/folder"));
    assert!(hidden.contains("No such file"), "{hidden}");
    assert!(
        mount(bench, "3", &format!("{server}:/var/shared/folder")).contains("by-n2"),
        "version 3 has its own paths"
    );
}

/// What an audit says of it all.
fn told(bench: &Bench) {
    let run = bench.skep(&["audit", "--no-ports", "--json"]);
    let report = run.events().into_iter().find(|event| event["event"] == "audit").expect("a report");
    let verdicts = report["verdicts"].as_array().expect("verdicts").iter();
    let told = verdicts.map(|verdict| {
        let [severity, check, message] =
            ["severity", "check", "message"].map(|name| verdict[name].as_str().unwrap_or_default());
        format!("{severity} {check} {}: {message}", verdict["nodes"])
    });
    let told: Vec<_> = told.filter(|line| line.contains(" nfs-") && !line.starts_with("ok ")).collect();
    eprintln!("an audit tells:\n{}", told.join("\n"));
    for words in [
        &["error nfs-export-files", "/etc/exports:1 exports /srv/blank to everybody for writing"][..],
        &["warning nfs-export-files", "/etc/exports:2 exports /srv/alone to everybody"],
        &["warning nfs-export-files", "late.exports:1 has an error", "`snyc`", "nor the export after it"],
        &["warning nfs-export-files", "gone.exports:1 is not in force: /srv/lost"],
        &["warning nfs-export-files", "six.exports:1 exports to nobody"],
        &["error nfs-root", "have `fsid=0`"],
        &["error nfs-exports", "by /etc/exports.d/armbian.exports:1 already"],
        &["warning nfs-volumes", "`old` has no `vers=`"],
        &["error nfs-volumes", "`named` of `type=nfs4`"],
        &["warning nfs-volumes [\"n1\",\"n2\"]", "`old` has other options"],
        &["error nfs-containers", "began before /mnt/shared was mounted"],
        &["warning nfs-mounts", "Too many levels of symbolic links"],
        &["note nfs-containers", "`db` ended with an error", "`all_squash`"],
    ] {
        let found = told.iter().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(found, 1, "{words:?}");
    }
}

fn taken_away(bench: &Bench) {
    bench.on(
        "n2",
        "docker rm -f early db; docker volume rm old named
         systemctl stop mnt-shared.automount mnt-shared.mount
         rm /etc/systemd/system/mnt-shared.automount /mnt/shared/early; systemctl daemon-reload",
    );
    bench.on("n1", "rm -r /var/shared/folder/*; docker volume rm old; cd /etc/exports.d; mv skep.exports /run; rm *; mv /run/skep.exports .; >../exports; exportfs -ra");
}

/// 47: NAT gives the client a port from 1024 on, which `secure` refuses; `insecure` takes it.
pub(crate) fn translate(bench: &Bench, shares: impl Fn(&str)) {
    let nat = "iptables -t nat -A POSTROUTING -p tcp --dport 2049 -j MASQUERADE --to-ports 40000-50000";
    bench.on("n2", nat);
    bench.skep(&["up", "--yes"]).exits(1).says("behind NAT it also needs `insecure`");
    shares("insecure, ");
    bench.skep(&["up", "--yes"]).exits(0);
    let ports = bench.on("n1", "ss -Htn state established sport = :2049");
    assert!(
        ports.lines().any(|line| line
            .trim_end()
            .rsplit(':')
            .next()
            .is_some_and(|port| port.starts_with('4'))),
        "{ports}"
    );
    bench.skep(&["plan", "--exit-code"]).exits(0);
}
