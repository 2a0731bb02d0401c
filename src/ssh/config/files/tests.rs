use super::*;
use crate::ssh::config::tokens::tests::here;

fn files(user: &str, system: &str) -> (tempfile::TempDir, Files) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".ssh")).unwrap();
    std::fs::write(dir.path().join(".ssh/config"), user).unwrap();
    std::fs::write(dir.path().join("system"), system).unwrap();
    let here = Here { home: Some(dir.path().to_owned()), ..here() };
    let files = Files::new(&here, &dir.path().join("system"));
    (dir, files)
}

fn question() -> Question {
    Question { host: "pi".into(), user: None, port: None, jump: None }
}

#[test]
fn the_first_word_counts() {
    let user =
        "Host p?\n  User root\n  HostName %h.lan%%1\n  UserKnownHostsFile \"/a b\" /c\n  IdentitiesOnly yes
Host n1\n  Port 1\nHost *\n  User me\n  ProxyCommand nc %h %p\n  Port 2222\n";
    let system = "Host *\n  ProxyJump late\n  User late\n  HashKnownHosts yes\n  ConnectTimeout 9\n";
    let (_dir, files) = files(user, system);
    let expected = Said::parse(
        "user root\nhostname pi.lan%1\nport 2222\nproxycommand nc %h %p\nuserknownhostsfile /a b /c
identitiesonly yes\nhashknownhosts yes\nconnecttimeout 9\n",
    );
    assert_eq!(files.ask(&question()), Ok(expected));
}

#[test]
fn without_files_nothing_is_said() {
    let (dir, _) = files("", "");
    let here = Here { home: Some(dir.path().join("nobody")), ..here() };
    let files = Files::new(&here, &dir.path().join("none"));
    assert_eq!(files.ask(&question()), Ok(Said::default()));
}

#[test]
fn what_only_ssh_understands_is_refused_by_name() {
    for text in ["Match host pi\n  User root\n", "Host x\n  MATCH all\n", "Include ~/.ssh/more\n"] {
        let (dir, files) = files(text, "");
        std::fs::write(dir.path().join(".ssh/more"), "Match exec true\n").unwrap();
        let error = files.ask(&question()).expect_err(text);
        let said = error.to_string();
        assert!(said.contains(".ssh/config: it has a `Match`"), "{said}");
        assert!(error.help().contains("openssh-client"));
    }
    let (_dir, files) = files("Port x\n", "");
    let said = files.ask(&question()).unwrap_err().to_string();
    assert!(said.contains(".ssh/config: expected port number"), "{said}");
}
