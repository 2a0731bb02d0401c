//! What it is told to do.

use super::*;

#[test]
fn its_options() {
    let stale = healthy().host("n1", |host| {
        let observed = daemon::Observed { stale: true, ..written(Some("{\"debug\": true}")) };
        host.observed.insert(Key::Daemon(()), Ok(Observed::Daemon(observed)));
    });
    let bare = || file("{}").facts("n1", |facts| facts.engine = Engine::Absent { swarm: false });
    let wanted = || json!({"log-opts": {"max-size": "10m"}, "mtu": 1400});
    table(
        &OPTIONS,
        vec![
            (healthy(), "ok n1: the engine has no options of its own"),
            (single(), ""),
            (file("{\"debug\": true}"), "ok n1: the engine's options are good"),
            (
                file("{\n  \"debug\": true,\n}"),
                "error n1: /etc/docker/daemon.json cannot be read at line 3, column 1: trailing comma",
            ),
            (
                file("{\"live-restore\": true}"),
                "error n1: a swarm does not work with `live-restore: true`, which is set by /etc/docker/daemon.json",
            ),
            (
                file("{\"firewall-backend\": \"nftables\"}"),
                "error n1: a swarm does not work with `firewall-backend: \"nftables\"`, which is set by /etc/docker/daemon.json",
            ),
            (
                runs(|engine| engine.live_restore = true),
                "error n1: the engine runs with live-restore, which a swarm refuses",
            ),
            (
                runs(|engine| engine.live_restore = true).inspection("n1", |inspection| {
                    inspection.engine.flags = vec!["--live-restore=true".into()]
                }),
                "error n1: the engine runs with live-restore, which a swarm refuses",
            ),
            (
                flagged("--firewall-backend=nftables"),
                "error n1: the engine is started with the nftables firewall backend, which a swarm refuses",
            ),
            (
                file("{\"log-driver\": \"local\"}").inspection("n1", |inspection| {
                    inspection.engine.flags = vec!["--host=fd://".into(), "--log-driver=json-file".into()]
                }),
                "error n1: `log-driver` keeps the engine from starting: /etc/docker/daemon.json sets it, and its unit has `--log-driver` already",
            ),
            (
                file("{\"log-opts\": {\"max-file\": \"3\"}}").inspection("n1", |inspection| {
                    inspection.engine.flags = vec!["--log-opt=max-size=10m".into()]
                }),
                "error n1: `log-opts` keeps the engine from starting: /etc/docker/daemon.json sets it, and its unit has `--log-opt` already",
            ),
            (
                file("{\"log-driver\": \"local\"}").inspection("n1", |inspection| {
                    inspection.engine.flags = vec!["--log-opt=max-size=10m".into(), "--ip-masq=true".into()]
                }),
                "ok n1: the engine's options are good",
            ),
            (
                file("{\"debgu\": true}"),
                "warning n1: `debgu` is no option that skep knows of, and dockerd starts with none it does not know",
            ),
            (
                wants(file("{\"mtu\": 1400}"), wanted()),
                "warning n1: /etc/docker/daemon.json lacks what the inventory wants: log-opts",
            ),
            (
                wants(file("{\"mtu\": 1400, \"log-opts\": {\"a\": \"b\", \"max-size\": \"10m\"}}"), wanted()),
                "ok n1: the engine's options are good",
            ),
            (
                wants(bare(), wanted()),
                "note n1: /etc/docker/daemon.json lacks what the inventory wants: log-opts, mtu",
            ),
            (file("{\"data-root\": \"/var/lib/docker/\"}"), "ok n1: the engine's options are good"),
            (
                file("{\"data-root\": \"/mnt/ssd\"}"),
                "warning n1: after its next start the engine looks for its data in /mnt/ssd, and they are in /var/lib/docker",
            ),
            (
                stale,
                "warning n1: the engine runs without what /etc/docker/daemon.json says: it is younger than the engine",
            ),
            (
                healthy().host("n1", |host| {
                    drop(host.observed.insert(Key::Daemon(()), Err(Fault::new(FILE, "permission denied"))))
                }),
                "unknown n1: /etc/docker/daemon.json cannot be read",
            ),
        ],
    );
    let secret =
        file("{\n  \"proxies\": {\"http-proxy\": \"http://u:s3cret@p\"} \"x\"\n}").verdicts(&OPTIONS);
    assert!(secret[0].evidence[0].text.starts_with("line 2:"), "{secret:?}");
    assert!(!format!("{secret:?}").contains("s3cret"), "{secret:?}");
}

#[test]
fn who_reaches_it() {
    let open =
        "error n1: whoever reaches tcp://0.0.0.0:2375 is root on this host: no certificate is asked for";
    table(
        &HOSTS,
        vec![
            (healthy(), "ok n1: only this host's own users reach the engine"),
            (flagged("--host=fd://"), "ok n1: only this host's own users reach the engine"),
            (flagged("--host=tcp://0.0.0.0:2375"), open),
            (file("{\"hosts\": [\"unix:///run/docker.sock\", \"tcp://0.0.0.0:2375\"]}"), open),
            (file("{\"hosts\": [\"tcp://0.0.0.0:2375\"], \"tls\": true}"), open),
            (
                file("{\"hosts\": [\"tcp://0.0.0.0:2376\"], \"tlsverify\": true}"),
                "ok n1: the engine asks for a certificate at tcp://0.0.0.0:2376",
            ),
            (
                flagged("--host=tcp://127.0.0.1:2375"),
                "note n1: every user of the host reaches the engine at tcp://127.0.0.1:2375, and is root by that",
            ),
            (
                flagged("--host=tcp://[::1]:2375"),
                "note n1: every user of the host reaches the engine at tcp://[::1]:2375, and is root by that",
            ),
            (
                flagged("--host=tcp://:2375"),
                "error n1: whoever reaches tcp://:2375 is root on this host: no certificate is asked for",
            ),
            (
                file("{\"hosts\": [\"fd://\"]}")
                    .inspection("n1", |inspection| inspection.engine.flags = vec!["--host=fd://".into()]),
                "error n1: `hosts` keeps the engine from starting: its unit already has `-H`",
            ),
            (single(), ""),
        ],
    );
    let group = |users: &[&str]| {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        healthy().inspection("n1", |inspection| inspection.engine.group = Some(users))
    };
    let named = |audited: Audited| audited.inventory(|inventory| inventory.engine.group = vec!["pi".into()]);
    table(
        &GROUP,
        vec![
            (healthy(), ""),
            (group(&[]), "ok n1: nobody is in the group docker whom the inventory does not name"),
            (named(group(&["pi"])), "ok n1: nobody is in the group docker whom the inventory does not name"),
            (
                named(group(&["pi", "bob"])),
                "note n1: bob is in the group docker, and may do whatever root may",
            ),
            (group(&["pi", "bob"]), "note n1: pi, bob are in the group docker, and may do whatever root may"),
        ],
    );
}

#[test]
fn its_networks_and_rules() {
    table(
        &NETWORKS,
        vec![
            (healthy(), ""),
            (file("{\"bip\": \"10.99.0.1/24\"}"), "ok n1: the engine's networks hold no node's address"),
            (
                file("{\"bip\": \"192.168.2.200/24\"}"),
                "error n1: `bip` is 192.168.2.0/24, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (
                file("{\"default-address-pools\": [{\"base\": \"192.168.0.0/16\", \"size\": 24}]}"),
                "warning n1: `default-address-pools` is 192.168.0.0/16, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (
                wants(healthy(), json!({"fixed-cidr": "192.168.2.0/28"})),
                "error n1: `fixed-cidr` is 192.168.2.0/28, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (
                flagged("--bip=192.168.2.5/24"),
                "error n1: `bip` is 192.168.2.0/24, which holds n1's address 192.168.2.1: the bridge hides it from this host",
            ),
            (file("{\"bip\": 7, \"default-address-pools\": \"x\"}"), ""),
        ],
    );
    let ok = "ok n1: the engine sets up its packet filter itself";
    let no_filter =
        "warning n1: the engine sets up no packet filter: published ports and the routing mesh do not work";
    table(
        &FIREWALL,
        vec![
            (healthy(), ok),
            (file("{\"iptables\": true, \"userland-proxy\": true}"), ok),
            (file("{\"iptables\": false}"), no_filter),
            (flagged("--iptables=false"), no_filter),
            (flagged("--iptables=true"), ok),
            (
                flagged("--ip-forward=false"),
                "warning n1: the engine does not turn forwarding on: containers reach nothing",
            ),
            (
                flagged("--ip-masq=false"),
                "warning n1: the engine does not hide containers behind the host: they reach nothing outside",
            ),
            (
                file("{\"ip-forward\": false}"),
                "warning n1: the engine does not turn forwarding on: containers reach nothing",
            ),
            (
                file("{\"ip-masq\": false}"),
                "warning n1: the engine does not hide containers behind the host: they reach nothing outside",
            ),
            (
                wants(healthy(), json!({"userland-proxy": false})),
                "note n1: without the userland proxy a host reaches its own published ports by hairpin NAT only",
            ),
        ],
    );
}

#[test]
fn its_logs() {
    let small = |audited: Audited| audited.facts("n1", |facts| facts.system.free_disk = 3 << 30);
    let endless = "note n1: logs of containers grow for ever: json-file has no max-size";
    table(
        &LOGS,
        vec![
            (healthy(), endless),
            (single(), endless),
            (
                small(healthy()),
                "warning n1: logs of containers grow for ever: json-file has no max-size, and 3 GiB are free",
            ),
            (
                small(file("{\"log-opts\": {\"max-size\": \"10m\"}}")),
                "ok n1: logs go to json-file, which ends somewhere",
            ),
            (
                wants(small(healthy()), json!({"log-driver": "local"})),
                "ok n1: logs go to local, which ends somewhere",
            ),
            (small(flagged("--log-opt=max-size=10m")), "ok n1: logs go to json-file, which ends somewhere"),
            (flagged("--log-driver=local"), "ok n1: logs go to local, which ends somewhere"),
            (flagged("--log-driver=json-file"), endless),
            (
                small(runs(|engine| engine.settings.log_driver = "journald".into())),
                "ok n1: logs go to journald, which ends somewhere",
            ),
        ],
    );
    let remedy = |audited: Audited| audited.verdicts(&LOGS)[0].remedy[0].clone();
    assert!(remedy(healthy()).contains("engine: {options: {log-driver: local}}"));
    let flag = remedy(flagged("--log-driver=json-file"));
    assert!(flag.contains("`--log-driver=local`") && !flag.contains("inventory"), "{flag}");
}
