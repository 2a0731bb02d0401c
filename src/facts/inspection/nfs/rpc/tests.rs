use std::net::TcpListener;

use proptest::prelude::*;

use super::*;

const SHORT: Duration = Duration::from_millis(300);

/// A server on this computer that takes one connection.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    Server { address: "127.0.0.1".to_owned(), port }
}

/// Answers each call by what `answer` says of its version, after the reply's ID and kind.
fn rpc(answer: impl Fn(u32) -> Vec<u32> + Send + 'static) -> Server {
    server(move |mut stream| {
        let mut call = [0; 44];
        while stream.read_exact(&mut call).is_ok() {
            let words: Vec<_> =
                call.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
            assert_eq!((words[0], words[2], words[3], words[4], words[6]), (LAST | 40, 0, 2, 100_003, 0));
            let body = [vec![words[1], 1], answer(words[5])].concat();
            // In two fragments, as a server may.
            let (first, second) = body.split_at(2);
            let records =
                [vec![8], first.to_vec(), vec![LAST | (second.len() as u32 * 4)], second.to_vec()].concat();
            stream
                .write_all(&records.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>())
                .unwrap();
        }
    })
}

/// Accepted, with a verifier of this many bytes, in this state.
fn accepted(verifier: u32, state: &[u32]) -> Vec<u32> {
    [vec![0, 0, verifier], vec![7; verifier.div_ceil(4) as usize], state.to_vec()].concat()
}

#[test]
fn what_a_server_answers_is_understood() {
    let both = rpc(|_| accepted(0, &[0]));
    let newer = rpc(|version| if version == 4 { accepted(6, &[0]) } else { accepted(0, &[2, 4, 4]) });
    let older = rpc(|version| if version == 3 { accepted(0, &[0]) } else { accepted(0, &[2, 3, 3]) });
    let oldest = rpc(|_| accepted(0, &[2, 2, 2]));
    let none = rpc(|_| accepted(0, &[1]));
    let denied = rpc(|_| vec![1, 0, 2, 2]);
    let broken = rpc(|_| accepted(0, &[5]));
    for (server, expected) in [
        (both, Answer::Serves(vec![3, 4])),
        (newer, Answer::Serves(vec![4])),
        (older, Answer::Serves(vec![3])),
        (oldest, Answer::OtherVersions(2, 2)),
        (none, Answer::NoNfs),
        (denied, Answer::Garbled("it denies RPC".to_owned())),
        (broken, Answer::Garbled("it refuses NULL (status 5 of RFC 5531)".to_owned())),
    ] {
        assert_eq!(ask(&Host::real(), &server, PATIENCE), expected);
    }
}

#[test]
fn a_server_that_does_not_answer_is_told_from_one_that_is_not_there() {
    let silent = server(|stream| {
        thread::sleep(Duration::from_secs(5));
        drop(stream);
    });
    let dripping = server(|mut stream| {
        for _ in 0..50 {
            let _ = stream.write_all(&[0x80]);
            thread::sleep(Duration::from_millis(100));
        }
    });
    let closing = server(drop);
    let web = server(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let other = server(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(&[0x80, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
    });
    let host = Host::real();
    assert_eq!(ask(&host, &silent, SHORT), Answer::Silent);
    let drip = ask(&host, &dripping, SHORT);
    assert!(matches!(drip, Answer::Silent | Answer::Garbled(_)), "{drip:?}");
    for (server, words) in [(closing, "clos"), (web, "HTTP"), (other, "another question")] {
        let Answer::Garbled(cause) = ask(&Host::real(), &server, PATIENCE) else { panic!("{words}") };
        // A connection may also be seen to be reset.
        assert!(cause.contains(words) || cause.contains("reset"), "{cause}");
    }
    // Port 1 of this computer is nobody's.
    assert_eq!(ask(&host, &Server::at("127.0.0.1", 1), SHORT), Answer::Refused);
    let nobody = ask(&host, &Server::at("no-such-host.invalid", PORT), PATIENCE);
    assert!(matches!(nobody, Answer::Unresolved(_)), "{nobody:?}");
}

#[test]
fn a_servers_name_is_looked_up_by_the_host() {
    let Server { port, .. } = rpc(|_| accepted(0, &[0]));
    assert_eq!(ask(&Host::real(), &Server::at("localhost", port), PATIENCE), Answer::Serves(vec![3, 4]));

    let root = tempfile::tempdir().unwrap();
    let answer = ask(&Host::at(root.path()), &Server::at("n1.lan", PORT), PATIENCE);
    let Answer::Unresolved(cause) = answer else { panic!("{answer:?}") };
    assert!(cause.contains("no such program"), "{cause}");
}

#[test]
fn addresses_that_getent_tells() {
    for (line, address) in [
        ("192.168.2.1     STREAM n1.lan", Some("192.168.2.1:2049")),
        ("192.168.2.1     DGRAM  ", None),
        ("fd00::1         STREAM n1.lan", Some("[fd00::1]:2049")),
        // The first interface of every namespace.
        ("fe80::1%lo      STREAM n1", Some("[fe80::1%1]:2049")),
        ("fe80::1%nowhere STREAM n1", None),
        ("n1              STREAM n1", None),
        ("", None),
    ] {
        assert_eq!(of_line(line, PORT).map(|found| found.to_string()).as_deref(), address, "{line}");
    }
}

#[test]
fn all_are_asked_at_once_and_each_answers_for_itself() {
    let silent = || server(|stream| drop((thread::sleep(Duration::from_secs(20)), stream)));
    let servers: BTreeSet<_> = [silent(), silent(), silent(), rpc(|_| accepted(0, &[0]))].into();
    let answers: Vec<_> = ask_all(&Host::real(), servers).wait().into_values().collect();
    // Asked one after the other, the later ones would be given up.
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::Silent).count(), 3, "{answers:?}");
    assert!(answers.contains(&Answer::Serves(vec![3, 4])), "{answers:?}");
}

#[test]
fn servers_of_mounts() {
    let mount = |source: &str, options: &str| MountInfo {
        source: source.to_owned(),
        fstype: "nfs4".to_owned(),
        options: options.split(',').map(str::to_owned).collect(),
    };
    for (source, options, server) in [
        ("10.0.0.1:/srv", "vers=4.2,proto=tcp,addr=10.0.0.1", Some("10.0.0.1:2049")),
        ("n1:/srv", "vers=4.2,proto=tcp,port=0,addr=10.0.0.1", Some("10.0.0.1:2049")),
        ("n1:/", "vers=4.2", Some("n1:2049")),
        ("[fd00::1]:/srv", "vers=4.2,proto=tcp6,port=20049,addr=fd00::1", Some("[fd00::1]:20049")),
        ("n1:/srv", "vers=3,proto=udp,addr=10.0.0.1", None),
        ("n1:/srv", "vers=4.2,proto=rdma,port=20049,addr=10.0.0.1", None),
        ("systemd-1", "rw", None),
    ] {
        let found = Server::of(&mount(source, options));
        assert_eq!(found.as_ref().map(ToString::to_string).as_deref(), server, "{source} {options}");
        if let Some(server) = found {
            assert_eq!(Server::try_from(server.to_string()), Ok(server));
        }
    }
    assert!(Server::try_from("n1".to_owned()).is_err());
}

proptest! {
    #[test]
    fn any_reply_is_read(bytes in any::<Vec<u8>>()) {
        let _ = parse(&bytes, 7);
    }

    #[test]
    fn any_reply_to_the_question_is_read(rest in proptest::collection::vec(0u32..5, 0..12)) {
        let words = [vec![7, 1], rest].concat();
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        if parse(&bytes, 7) == Ok(Reply::Done) {
            prop_assert_eq!(words[2], 0);
        }
        prop_assert!(parse(&bytes, 8).is_err());
    }

    #[test]
    fn a_verifier_is_passed_over(length in 0u32..400) {
        let words = [vec![7, 1], accepted(length, &[2, 3, 4])].concat();
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        prop_assert_eq!(parse(&bytes, 7), Ok(Reply::OtherVersions(3, 4)));
    }
}
