//! The agent in this process, over pipes, on a host that is a directory with programs of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;

use super::*;
use crate::resource::file::{self, FileState};
use crate::resource::{Receipt, dropin};

/// A running agent and its host.
struct Agent {
    root: tempfile::TempDir,
    requests: Option<PipeWriter>,
    replies: BufReader<PipeReader>,
    end: Option<JoinHandle<io::Result<()>>>,
}

impl Agent {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (input, requests) = pipe().expect("a pipe");
        let (replies, output) = pipe().expect("a pipe");
        let streams =
            Streams { input: File::from(OwnedFd::from(input)), output: File::from(OwnedFd::from(output)) };
        let host = Host::at(root.path());
        let lock = root.path().join("run/skep/lock");
        let end = std::thread::spawn(move || serve(streams, &host, &lock));
        let mut replies = BufReader::new(replies);
        let mut hello = String::new();
        replies.read_line(&mut hello).expect("text");
        assert_eq!(hello.trim_end(), crate::wire::hello());
        Self { root, requests: Some(requests), replies, end: Some(end) }
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.root.path().join("usr/bin").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its owner may");
    }

    fn send(&mut self, id: u64, body: Body) {
        let requests = self.requests.as_mut().expect("not closed");
        frame::write(requests, &Request { id, body }).expect("the agent reads");
    }

    fn hear(&mut self) -> (u64, Answer) {
        let reply: Reply = frame::read(&mut self.replies).expect("whole frames").expect("an answer");
        (reply.id, reply.body)
    }

    fn lock(&mut self) {
        self.send(1, lock_for("me"));
        assert_eq!(self.hear(), (1, Answer::Locked));
    }

    fn close(&mut self) -> io::Result<()> {
        self.requests = None;
        self.end.take().expect("ended once").join().expect("no panic")
    }
}

fn lock_for(who: &str) -> Body {
    let text = str::to_owned;
    let owner = LockOwner {
        who: text(who),
        host: text("laptop"),
        reason: text("skep up"),
        since: text("2026-11-23T01:00:00Z"),
        run: text("r"),
    };
    Body::Lock { owner }
}

fn write(path: &str, text: &str) -> Body {
    let after = FileState {
        text: Some(text.to_owned()),
        sha256: crate::resource::file::sha256(text.as_bytes()),
        mode: 0o644,
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
    };
    Body::Apply { change: Change::File(file::FileChange { path: path.into(), before: None, after: Some(after) }) }
}
