//! `skep inventory` on the command line.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn skep(folder: &Path, arguments: &[&str]) -> Ran {
    let output =
        Command::new(env!("CARGO_BIN_EXE_skep")).current_dir(folder).args(arguments).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

const GOOD: &str = "nodes: {n1: {address: 192.168.2.1, role: manager}, n2: {address: 192.168.2.2, role: worker}}\n\
                    shares: {s: {server: n1, path: /srv/s, clients: [n2]}}\n";

#[test]
fn check_says_good_or_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.yml"), GOOD).unwrap();
    let ran = skep(folder.path(), &["-i", "good.yml", "inventory", "check"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "good.yml: 2 nodes (1 manager), 1 share: good\n"),
        "{}",
        ran.stderr
    );

    let warned = GOOD.replace("192.168.2.1", "10.1.2.3");
    fs::write(folder.path().join("warned.yml"), warned).unwrap();
    let ran = skep(folder.path(), &["-i", "warned.yml", "inventory", "check"]);
    assert!(ran.code == 0 && ran.stdout.ends_with("usable, with 1 warning\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("warning: "), "{}", ran.stderr);

    fs::write(folder.path().join("bad.yml"), GOOD.replace("role: manager", "rule: manager")).unwrap();
    let ran = skep(folder.path(), &["-i", "bad.yml", "inventory", "check"]);
    assert!(
        (ran.code, ran.stdout.as_str()) == (2, "") && ran.stderr.contains("bad.yml:1:"),
        "{}",
        ran.stderr
    );
    let ran = skep(folder.path(), &["-i", "bad.yml", "--json", "inventory", "check"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &answer["good"], &answer["diagnostics"][0]["line"]), (2, &false.into(), &1.into()));
}

#[test]
fn what_is_shown_can_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inventory")).unwrap();
    let text = GOOD.replace("role: manager", "role: manager, key: keys/id");
    fs::write(folder.path().join("inventory/cluster.yml"), text).unwrap();
    let ran = skep(folder.path(), &["inventory", "show"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let key = folder.path().canonicalize().unwrap().join("inventory/keys/id");
    assert!(ran.stdout.contains(&format!("{}", key.display())), "{}", ran.stdout);
    fs::write(folder.path().join("again.yml"), &ran.stdout).unwrap();
    assert_eq!(skep(folder.path(), &["-i", "again.yml", "inventory", "check"]).code, 0);

    let json = skep(folder.path(), &["inventory", "show", "--json", "n2"]);
    let node: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&node["n2"]["sudo"], node.as_object().unwrap().len()), (&"auto".into(), 1));
    let unknown = skep(folder.path(), &["inventory", "show", "n9"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("n1, n2"), "{}", unknown.stderr);
}

#[test]
fn import_writes_once_and_tells_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let hosts =
        "[managers]\nn1 ansible_host=192.168.2.1 ansible_password=hunter2 http_port=80\n[workers]\nn2\n";
    fs::write(folder.path().join("hosts.ini"), hosts).unwrap();
    let ran = skep(folder.path(), &["inventory", "import", "hosts.ini"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    for part in [
        "hosts.ini:2:",
        "`http_port` is not carried over",
        "an Ansible inventory, INI",
        "as it seems",
        "2 nodes (1 manager); 2 findings",
    ] {
        assert!(ran.stderr.contains(part), "{part} is not in {}", ran.stderr);
    }
    let path = folder.path().join("inventory/cluster.yml");
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.contains("password: {env: SSH_PASSWORD}"), "{written}");
    assert!(!format!("{written}{}", ran.stderr).contains("hunter2"), "{written}{}", ran.stderr);
    assert!(folder.path().join("inventory/schema.json").exists());
    assert_eq!(skep(folder.path(), &["inventory", "check"]).code, 0);

    let again = skep(folder.path(), &["inventory", "import", "hosts.ini"]);
    assert!(again.code == 2 && again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    assert_eq!(skep(folder.path(), &["inventory", "import", "hosts.ini", "--force"]).code, 0);
}

#[test]
fn import_prints_where_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hosts"), "n1\n").unwrap();
    let ran = skep(folder.path(), &["inventory", "import", "hosts", "-o", "-", "--format", "ansible-ini"]);
    assert!(ran.code == 0 && ran.stdout.contains("n1: {address: n1, role: manager}"), "{}", ran.stderr);
    assert!(
        !folder.path().join("inventory").exists() && !ran.stderr.contains("as it seems"),
        "{}",
        ran.stderr
    );
    let json = skep(folder.path(), &["--json", "inventory", "import", "hosts", "-o", "-"]);
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&answer["format"], &answer["nodes"], &answer["findings"][0]["line"]),
        (&"ansible-ini".into(), &1.into(), &1.into())
    );

    for (text, arguments, wanted) in [
        ("n1 'x\n", vec!["hosts"], "hosts:1:4"),
        ("n1\n", vec!["hosts", "--format", "toml"], "ansible-ini, ansible-yaml, k0sctl, launchpad"),
        ("n1\n", vec!["nowhere"], "nowhere"),
    ] {
        fs::write(folder.path().join("hosts"), text).unwrap();
        let ran = skep(folder.path(), &[&["inventory", "import", "-o", "-"], arguments.as_slice()].concat());
        assert!(
            (ran.code, ran.stdout.as_str()) == (2, "") && ran.stderr.contains(wanted),
            "{wanted}: {}",
            ran.stderr
        );
    }
}
