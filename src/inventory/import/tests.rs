use proptest::prelude::*;

use super::*;
use crate::inventory::model::Inventory;

const FORMATS: [Option<Format>; 5] = [
    None,
    Some(Format::AnsibleIni),
    Some(Format::AnsibleYaml),
    Some(Format::K0sctl),
    Some(Format::Launchpad),
];

fn imported(name: &str, text: &str) -> Imported {
    import_text(Path::new(name), text, None, "home")
        .unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)))
}

fn loaded(text: &str) -> Inventory {
    let here = Surroundings { folder: "inventory".into(), home: Some("/home/me".into()), user: "me".into() };
    match read(Path::new("cluster.yml"), text, &here) {
        Ok(loaded) => loaded.inventory,
        Err(wrong) => panic!("{text}\n{}", wrong.render(false)),
    }
}

/// Nothing panics, and what is written loads.
fn survives(text: &str) {
    for format in FORMATS {
        match import_text(Path::new("hosts"), text, format, "home") {
            Ok(imported) => {
                let inventory = loaded(&imported.text);
                assert_eq!(inventory.nodes.len(), imported.nodes);
                assert!(!imported.findings.has_errors());
                imported.findings.render(false);
            }
            Err(wrong) => {
                let shown = wrong.render(false);
                assert!(wrong.has_errors() && !shown.contains("mistake of skep"), "{text}\n{shown}");
            }
        }
    }
}

#[test]
fn a_secret_is_nowhere() {
    for (name, text) in [
        (
            "a.ini",
            "n1 ansible_password=hunter2 http_port=1\n[all:vars]\nansible_become_pass = hunter2 hunter2\napi_token=hunter2\n",
        ),
        ("a.ini", "n1 ansible_ssh_common_args='-o ProxyCommand=\"sshpass -p hunter2 ssh -W %h:%p b\"'\n"),
        ("a.ini", "n1 ansible_password=hunter2 broken\n"),
        ("a.ini", "n1 ansible_password='hunter2\n"),
        (
            "a.yml",
            "all:\n  hosts:\n    n1: {ansible_password: hunter2, x: 1}\n  vars:\n    my_secret: hunter2\n",
        ),
        (
            "a.yml",
            "all:\n  hosts:\n    n1: {ansible_password: hunter2, ansible_user: '{{ ansible_password }}'\n",
        ),
        (
            "l.yml",
            "apiVersion: launchpad\nspec:\n  hosts: [{role: manager, ssh: {address: n1}}]\n  mke:\n    adminPassword: hunter2\n    installFlags: [--admin-password=hunter2]\n",
        ),
    ] {
        let shown = match import_text(Path::new(name), text, None, "home") {
            Ok(imported) => format!("{imported:?}{}{}", imported.findings.render(true), imported.findings),
            Err(wrong) => format!("{wrong:?}{wrong}{}", wrong.render(true)),
        };
        assert!(!shown.contains("hunter2"), "{text}\n{shown}");
    }
}

#[test]
fn passwords_become_variables_one_a_secret() {
    let one = imported("a.ini", "n1\nn2\n[all:vars]\nansible_password=x\n");
    assert!(one.text.contains("defaults:\n  password: {env: SSH_PASSWORD}\n"), "{}", one.text);
    let two = imported(
        "a.ini",
        "n1 ansible_password=x\nn2.a ansible_password=y\nn2-a ansible_password=z\nn3 ansible_password=\"{{ lookup('env', 'PW') }}\"\n",
    );
    for name in ["SSH_PASSWORD_N1", "SSH_PASSWORD_N2_A}", "SSH_PASSWORD_N2_A_2", "{env: PW}"] {
        assert!(two.text.contains(name), "{name} is not in {}", two.text);
    }
}

#[test]
fn names_are_made_to_fit_and_kept_apart() {
    let long = "x".repeat(70);
    let text = format!("WEB_1\nweb-1.\nall-\nböse\n{long}a\n{long}b\n_\n");
    let inventory = imported(
        "a.ini",
        &text
            .replace("böse", "b-se ansible_host=10.1.1.1")
            .replace(&format!("{long}a"), &format!("{long}a ansible_host=10.1.1.2"))
            .replace(&format!("{long}b"), &format!("{long}b ansible_host=10.1.1.3"))
            .replace("all-", "all- ansible_host=10.1.1.4"),
    );
    let names: Vec<_> = loaded(&inventory.text).nodes.into_iter().map(|node| node.name.0).collect();
    let (first, second) = ("x".repeat(63), "x".repeat(61) + "-2");
    assert_eq!(names, ["web-1", "web-1-2", "all-2", "b-se", &first, &second, "node"]);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn almost_ini_survives(lines in proptest::collection::vec(
        "\\[(managers|workers|a|all)(:vars|:children)?\\]|[a-cA-C_1.-]{1,4}(\\[[0-9a-c]:[0-9a-c]\\])?(:22|:0)?( (ansible_(host|user|port|password|connection|become|ssh_common_args|ssh_private_key_file)|docker_swarm_(advertise_addr|labels|role)|x)=('[^'\n]{0,8}'|[a-z0-9.:{}/~$-]{0,9})){0,3}|(ansible_user|a)=[a-z{} ]{0,9}", 0..12)
    ) {
        survives(&lines.join("\n"));
    }

    #[test]
    fn almost_yaml_survives(words in proptest::collection::vec(
        "all:|hosts:|children:|vars:|managers:|n[1-3]: |ansible_(host|user|port|password): |[a-z0-9.~]{1,4}|&a |\\*a|<<: |!vault |\\{\\{ x \\}\\}|[{}\\[\\],'\"|]|\n|\n  |\n    |\n      |\n        |- ", 0..60)
    ) {
        survives(&words.concat());
    }

    #[test]
    fn almost_clusters_survive(hosts in proptest::collection::vec(
        "\\{role: (manager|worker|controller\\+worker|single|msr|x), (ssh|openSSH|winRM): \\{address: (10.0.0.[0-9]|n[0-9]|'\\$X'|::1|0.0.0.0)(, user: [a-z@]{1,3})?(, port: [0-9]{1,6})?(, keyPath: '[~/a$]{0,4}')?(, bastion: \\{address: b\\})?\\}(, privateAddress: 10.0.0.[0-3])?(, labels: \\{[a.= ]{0,3}: x\\})?(, hostname: [A-Za-z_]{1,4})?(, installFlags: \\['--labels=a=b,c'\\])?\\}", 0..6), name in "[a-z$ ]{0,5}")
    {
        let list: String = hosts.iter().map(|host| format!("  - {host}\n")).collect();
        survives(&format!("apiVersion: k0sctl.k0sproject.io/v1beta1\nmetadata: {{name: '{name}'}}\nspec:\n  hosts:\n{list}  k0s: {{}}\n"));
    }
}
