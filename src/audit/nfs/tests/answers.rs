//! What file servers answer.

use super::*;

#[test]
fn file_servers() {
    let server = || Server::at("192.168.2.1", PORT);
    let answer = |answer: Answer| nfs(healthy(), "n2", |nfs| drop(nfs.answers.insert(server(), answer)));
    for (audited, expected) in [
        (
            answer(Answer::Unreachable("no answer within 3 s".to_owned())),
            vec!["error: the file server 192.168.2.1:2049 does not answer: no answer within 3 s"],
        ),
        (answer(Answer::Refused), vec!["error: nothing listens at 192.168.2.1:2049"]),
        (
            answer(Answer::Silent),
            vec!["error: the file server 192.168.2.1:2049 takes connections, but does not answer"],
        ),
        (
            answer(Answer::Garbled("it answered \"HTTP\"".to_owned())),
            vec!["error: what answers at 192.168.2.1:2049 is no NFS server: it answered \"HTTP\""],
        ),
        (answer(Answer::NoNfs), vec!["error: 192.168.2.1:2049 answers, but serves no NFS"]),
        (answer(Answer::OtherVersions(2, 2)), vec!["error: 192.168.2.1:2049 serves NFS 2 to 2 only"]),
        (
            answer(Answer::Serves(vec![3])),
            vec!["error: 192.168.2.1:2049 serves NFS 3 only, and the share `shared` is mounted with 4.2"],
        ),
        (answer(Answer::Serves(vec![4])), vec![]),
        (
            answer(Answer::Unreachable("No route to host".to_owned())).off("n1"),
            vec![
                "error: the file server 192.168.2.1:2049 does not answer: No route to host; n1 does not answer skep either",
            ],
        ),
    ] {
        assert_eq!(said(&audited, &ANSWERS, "n2"), expected);
    }
    let dead = answer(Answer::Refused);
    assert_eq!(
        remedies(&dead, &ANSWERS),
        [
            "on n1: `systemctl restart nfs-server; systemctl status nfs-server`",
            "on n2, to let go of what waits: `umount -f -l /mnt/shared`"
        ]
    );
    let named = healthy().inventory(|inventory| inventory.nodes[0].address = "n1.lan".to_owned());
    let named = nfs(named, "n2", |nfs| {
        nfs.answers = [(Server::at("n1.lan", PORT), Answer::Unresolved("no such name".to_owned()))].into();
    });
    assert_eq!(
        said(&named, &ANSWERS, "n2"),
        ["error: the file server's name `n1.lan` has no address: no such name"]
    );
}

#[test]
fn servers_of_mounts_that_are_not_the_inventorys() {
    let line = "50 22 0:70 / /mnt/nas rw - nfs4 10.0.0.9:/x rw,vers=4.2,addr=10.0.0.9";
    let nas = |answer: Answer| {
        nfs(healthy(), "n2", |nfs| {
            nfs.mounts.push(row(line));
            nfs.answers.insert(Server::at("10.0.0.9", PORT), answer);
        })
    };
    assert_eq!(
        said(&nas(Answer::Silent), &ANSWERS, "n2"),
        [
            "warning: the file server 10.0.0.9:2049 takes connections, but does not answer; whatever touches /mnt/nas waits"
        ]
    );
    assert_eq!(nas(Answer::Serves(vec![4])).said(&ANSWERS), [""; 0]);
}

#[test]
fn several_shares_of_a_dead_server_are_one_fault() {
    let mut second = share(OPTIONS);
    (second.name, second.path) = ("more".to_owned(), PathBuf::from("/srv/more"));
    second.mount.as_mut().unwrap().at = "/mnt/more".into();
    let audited = healthy().inventory(|inventory| inventory.shares.push(second));
    let dead =
        nfs(audited, "n2", |nfs| drop(nfs.answers.insert(Server::at("192.168.2.1", PORT), Answer::Silent)));
    assert_eq!(said(&dead, &ANSWERS, "n2").len(), 1);
}
