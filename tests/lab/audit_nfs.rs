//! Faults of exports, mounts and file servers, planted on nodes, and what `skep audit` says of them.

use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![("an_audit_finds_what_is_wrong_with_shares_and_waits_for_no_dead_server", shares)]
}

const SHARE: &str = "shares:\n  shared:\n    server: n1\n    path: /srv/shared\n    clients: [10.0.0.0/8, 172.16.0.0/12]\n    \
                     options: [rw, sync, no_subtree_check, all_squash, anonuid=1000, anongid=1000]\n    mount: {at: /mnt/shared}\n  \
                     small:\n    server: n1\n    path: /srv/small\n    clients: [10.0.0.0/8]\n    \
                     options: [rw, sync, no_subtree_check, all_squash, anonuid=1000, anongid=1000]\n";

/// A verdict of one of these checks: its severity, ID, nodes and message in one line, and its remedies.
type Said = (String, Vec<String>);

/// What the checks of shares and of room say, but for what is well.
fn audit(bench: &Bench, options: &[&str]) -> Vec<Said> {
    let run = bench.skep(&[&["audit", "--json"], options].concat());
    let events = run.events();
    let report = events.iter().find(|event| event["event"] == "audit").unwrap_or_else(|| panic!("{run:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let verdicts = report["verdicts"].as_array().expect("an audit has verdicts");
    let is_ours = |check: &str| check.starts_with("nfs-") || check == "disk-space";
    let shares =
        verdicts.iter().filter(|verdict| is_ours(&text(&verdict["check"])) && verdict["severity"] != "ok");
    shares
        .map(|verdict| {
            assert!(!list(&verdict["remedy"]).is_empty(), "{verdict}");
            let [severity, check, message] =
                ["severity", "check", "message"].map(|name| text(&verdict[name]));
            (
                format!("{severity} {check} {}: {message}", list(&verdict["nodes"]).join(" ")),
                list(&verdict["remedy"]),
            )
        })
        .collect()
}

/// The only one of the verdicts that says all of this.
#[track_caller]
fn one<'s>(said: &'s [Said], words: &[&str]) -> &'s Said {
    let found: Vec<_> =
        said.iter().filter(|(line, _)| words.iter().all(|word| line.contains(word))).collect();
    let [one] = found[..] else { panic!("{words:?}: {} of {said:#?}", found.len()) };
    one
}

fn shares() {
    let bench = Bench::with_engine("audit-nfs", 2);
    bench.inventory(&[("n1", "manager"), ("n2", "worker")], SHARE);
    let healthy = audit(&bench, &[]);
    let worse: Vec<_> =
        healthy.iter().filter(|(line, _)| !line.starts_with("note ") && line.contains(" nfs-")).collect();
    assert!(worse.is_empty(), "{worse:#?}");

    // On the server: files of other people, and a directory that is everybody's.
    bench.on(
        "n1",
        "mkdir -p /etc/exports.d /srv/shared /srv/other /etc/keys /run/volatile
         chown 1000:1000 /srv/shared; chmod 0777 /srv/shared
         printf '# mine\n/srv/other 10.0.0.0/8 (rw)\n/etc 10.0.0.0/8(ro)\n/srv *(rw)\n' > /etc/exports
         printf '/srv/other 10.1.0.0/16(ro,fsid=0)\n/srv/shared 10.0.0.0/8(rw,sync)\n' > /etc/exports.d/armbian.exports
         printf '/run/volatile 10.0.0.0/8(rw,snyc)\n/srv/other @late(ro)\n' > /etc/exports.d/late.exports
         mount -t tmpfs tmpfs /run/volatile
         echo 'LABEL=disc /srv/shared ext4 nofail 0 2' >> /etc/fstab",
    );
    // On the client: data at the mount point, a container that uses them, a line of fstab, and no server.
    bench.on(
        "n2",
        "mkdir -p /mnt/shared/web; echo hidden > /mnt/shared/web/file; mkdir -p /run/box
         echo '10.9.9.9:/x /mnt/shared nfs4 _netdev,x-systemd.automount 0 0' >> /etc/fstab
         systemd-run --quiet --unit=box -p PrivateMounts=yes -p BindPaths=/mnt/shared/web:/run/box sleep 600",
    );
    bench.lab().stop_node("n1").unwrap();
    let said = audit(&bench, &["--connect-timeout", "2"]);
    let (line, remedy) = one(&said, &["error nfs-answers n2", "does not answer"]);
    assert!(line.contains("n1 does not answer skep either"), "{line}");
    assert!(remedy[0].contains("2049/tcp"), "{remedy:?}");
    one(&said, &["error nfs-mounts n2", "files lie in /mnt/shared"]);
    let (_, remedy) = one(&said, &["warning nfs-mounts n2", "/etc/fstab:", "10.9.9.9:/x"]);
    assert!(remedy[0].starts_with("sed -i '"), "{remedy:?}");
    one(&said, &["warning nfs-mounts n2", "Too many levels of symbolic links"]);
    one(&said, &["error nfs-containers n2", "(sleep) uses /mnt/shared/web as /run/box"]);

    bench.lab().start_node("n1").unwrap();
    bench.on(
        "n1",
        "mkdir -p /run/volatile /srv/small; mount -t tmpfs tmpfs /run/volatile
         mount -t tmpfs -o size=8m tmpfs /srv/small; head -c 7M /dev/zero > /srv/small/filled",
    );
    let said = audit(&bench, &["--wait", "30"]);
    for words in [
        &[
            "error nfs-exports n1",
            "/srv/shared is exported to 10.0.0.0/8 by /etc/exports.d/armbian.exports:2 already",
        ][..],
        &["error nfs-export-files n1", "/etc/exports:2 exports /srv/other to everybody for writing"],
        &[
            "warning nfs-export-files n1",
            "/etc/exports.d/late.exports:1 has an error",
            "the export after it",
            "`snyc`",
        ],
        &["error nfs-root n1", "/srv/shared is hidden from NFSv4 clients by /srv/other"],
        &["error nfs-access n1", "/srv may be written by everybody"],
        &["error nfs-access n1", "/etc holds the system's own secrets"],
        &["warning nfs-directories n1", "/srv/shared is for everybody to write"],
        &["warning disk-space n1", "are left in /srv/small, 2 MiB are wanted"],
        &["error nfs-file-systems n1", "/run/volatile lies in memory"],
        &["error nfs-file-systems n1", "/srv/shared belongs on the disc of /srv/shared (/etc/fstab:"],
    ] {
        one(&said, words);
    }
    let (_, remedy) = one(&said, &["error nfs-export-files n1"]);
    assert_eq!(remedy[0], r"sed -i '2s/[[:space:]]\+(/(/g' /etc/exports && exportfs -ra");
    // The server is back, and nobody has set it up yet.
    one(&said, &["note nfs-answers n2", "n1 serves no NFS yet"]);
}
