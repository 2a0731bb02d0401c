//! Hosts are found that answer SSH, new ones told from nodes, and nodes found again that have moved.

use std::fs;

use serde_json::Value;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("a_scan_finds_new_hosts_moved_nodes_and_clones", scan),
        ("a_node_that_has_moved_is_found_by_its_hardware_address", moved),
    ]
}

fn moved() {
    let bench = Bench::bare("moved", 2);
    let (old, mac) = (bench.address("n1"), bench.on("n1", "cat /sys/class/net/host0/address"));
    let (network, _) = old.rsplit_once('.').unwrap();
    let (new, known) = (format!("{network}.240"), bench.lab().known_hosts());
    let inventory = |more: &str| {
        let (key, known) = (bench.lab().key(), known.display());
        let text = format!(
            "name: moved\ndefaults: {{user: root, key: {}, known_hosts: {known}}}\nnodes:\n  \
             n1: {{address: {old}, role: manager{more}}}\n",
            key.display()
        );
        fs::write(bench.inventory_path(), text).unwrap();
    };
    let by_mac = format!(", mac: \"{}\"", mac.trim());
    let before = fs::read_to_string(&known).unwrap();
    let told = format!("n1 has moved: its network card {} has the address {new}, not {old}", mac.trim());
    // An address takes the others of its network along when it goes.
    bench.on("n1", &format!("ip address flush dev host0 scope global && ip address add {new}/24 dev host0"));

    let plan = || bench.skep(&["plan", "--connect-timeout", "3"]);

    // Nobody is there any more.
    inventory("");
    plan().exits(5);
    inventory(&by_mac);
    plan().exits(0).prints(&told).prints(&format!("write `address: {new}` to n1"));
    // Somebody else is there: it is not taken for the node, nor the node for somebody else.
    bench.on("n2", &format!("ip address add {old}/24 dev host0"));
    plan().exits(0).prints(&told);
    inventory("");
    plan().exits(5).says("host key");
    assert_eq!(fs::read_to_string(&known).unwrap(), before, "it was known, and is known by what it was");
}

fn scan() {
    let bench = Bench::bare("scan", 3);
    let address = |node: &str| bench.address(node);
    let (network, _) =
        address("n1").rsplit_once('.').map(|(net, last)| (net.to_owned(), last.to_owned())).unwrap();
    bench.on("n3", "apt-get install -y -q avahi-daemon >/dev/null && systemctl start avahi-daemon");
    // It asks for a second whether the name is anybody else's.
    let up = "journalctl -u avahi-daemon -o cat | grep -o -m1 'Server startup complete' || true";
    bench.settles_to("n3", up, "Server startup complete");
    // A card that was copied has the host key of the first.
    let key = bench.on("n1", "base64 -w0 /etc/ssh/ssh_host_ed25519_key");
    bench.on(
        "n3",
        &format!("echo {key} | base64 -d > /etc/ssh/ssh_host_ed25519_key; rm /etc/ssh/ssh_host_ed25519_key.pub; systemctl restart ssh"),
    );

    // The inventory has n2 at another address, under which its key is known.
    let elsewhere = format!("{network}.250");
    let known = fs::read_to_string(bench.lab().known_hosts()).unwrap();
    fs::write(
        bench.file("known_hosts"),
        known.replace(&format!("{} ", address("n2")), &format!("{elsewhere} ")),
    )
    .unwrap();
    let inventory = format!(
        "name: scanned\ndefaults: {{user: root, known_hosts: {}}}\nnodes:\n  n1: {{address: {}, role: manager}}\n  \
         n2: {{address: {elsewhere}, role: worker}}\n",
        bench.file("known_hosts").display(),
        address("n1"),
    );
    fs::write(bench.inventory_path(), &inventory).unwrap();

    let network = format!("{network}.0/24");
    let found: Vec<Value> = bench.skep(&["scan", &network, "--json"]).exits(0).events();
    let of = |node: &str| found.iter().find(|host| host["address"] == address(node).as_str()).unwrap();
    for node in ["n1", "n2", "n3"] {
        let host = of(node);
        assert!(host["system"].as_str().unwrap().starts_with("Debian"), "{host}");
        let mac = bench.on(node, "cat /sys/class/net/host0/address");
        assert_eq!(host["mac"], mac.trim(), "{host}");
        let fingerprint = bench.on(node, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key");
        assert!(fingerprint.contains(host["host_key"].as_str().unwrap()), "{fingerprint} {host}");
    }
    assert_eq!((&of("n1")["node"], &of("n1")["moved_from"]), (&"n1".into(), &Value::Null));
    assert_eq!((&of("n2")["node"], &of("n2")["moved_from"]), (&"n2".into(), &elsewhere.as_str().into()));
    assert_eq!((&of("n3")["node"], &of("n3")["name"]), (&Value::Null, &"n3.local".into()));
    assert_eq!(of("n1")["name"], Value::Null, "it tells nobody its name");

    let shown = bench.skep(&["scan", &network]).exits(0);
    shown
        .prints("n2, was at")
        .says("n2 has moved: it is at")
        .says(&format!("{} and {} show one host key", address("n1"), address("n3")))
        .says(&format!("n3: {{address: {}, role: worker}}   # n3.local, Debian", address("n3")));
    assert_eq!(fs::read_to_string(bench.inventory_path()).unwrap(), inventory, "it only proposes");

    bench.skep(&["scan", "10.0.0.0/8"]).exits(2).says("16777216 addresses");
    bench.skep(&["scan", "192.168"]).exits(2).says("write a network with its prefix");
    fs::remove_file(bench.inventory_path()).unwrap();
    bench.skep(&["scan", &address("n1")]).exits(0).says(&format!("skep init {}", address("n1")));
}
