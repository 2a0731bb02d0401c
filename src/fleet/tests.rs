//! The bootstrap by this computer's own shells, with agents that are scripts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::agents::{Agents, Build};
use super::bootstrap;
use super::elevation::Elevation;
use super::password::Passwords;
use super::remote::{Channel, Exit, Remote, Status};
use super::script::{Program, Start};
use super::{Bootstrap, Unfit};
use crate::ssh::ExecError;
use crate::wire;

mod privilege;

/// This computer, as if it were logged in to: a login's shell reads the command.
struct Local {
    shell: &'static str,
    /// What the shell's start-up files do first.
    startup: &'static str,
    path: String,
}

impl Remote for Local {
    fn exec<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<Channel, ExecError>> {
        async move {
            let mut child = Command::new(self.shell)
                .args(["-c", &format!("{}{command}", self.startup)])
                .env("PATH", &self.path)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("the shell starts");
            let input = child.stdin.take().expect("a pipe");
            let output = child.stdout.take().expect("a pipe");
            Ok(Channel {
                input: Box::new(input),
                output: BufReader::new(Box::new(output)),
                exit: Box::new(Running(child, String::new())),
            })
        }
        .boxed()
    }
}

/// A shell, and what it has said on standard error.
struct Running(Child, String);

impl Exit for Running {
    fn wait(&mut self) -> BoxFuture<'_, Result<Status, ExecError>> {
        async {
            if let Some(mut pipe) = self.0.stderr.take() {
                pipe.read_to_string(&mut self.1).await.expect("text");
            }
            let status = self.0.wait().await.expect("its own child");
            let code = status.code().and_then(|code| u32::try_from(code).ok());
            Ok(Status { code, stderr: self.1.clone() })
        }
        .boxed()
    }

    fn stderr_beyond(&mut self, beyond: u64) -> BoxFuture<'_, (u64, String)> {
        async move {
            let mut buffer = [0; 1024];
            while (self.1.len() as u64) <= beyond {
                let pipe = self.0.stderr.as_mut().expect("it has not been waited for");
                match pipe.read(&mut buffer).await.expect("a pipe can be read") {
                    0 => std::future::pending().await,
                    read => self.1.push_str(std::str::from_utf8(&buffer[..read]).expect("text")),
                }
            }
            (self.1.len() as u64, self.1.clone())
        }
        .boxed()
    }
}

/// A host with a directory for agents, and the agents to bring there.
struct Scene {
    directory: tempfile::TempDir,
    agents: Agents,
    remote: Local,
}

/// An agent that says hello and then repeats what it hears. The padding makes it longer than a pipe holds.
fn echo_agent(padding: usize) -> Vec<u8> {
    let noise: String =
        (0..padding).map(|n| format!("# {:x}\n", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    format!("#!/bin/sh\necho {}\necho arguments: $*\nexec cat\n{noise}", wire::hello()).into_bytes()
}

impl Scene {
    fn new(shell: &'static str, agent: Vec<u8>) -> Self {
        let path = std::env::var("PATH").expect("a PATH");
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            agents: Agents::of([(std::env::consts::ARCH.to_owned(), Build::new(agent))]),
            remote: Local { shell, startup: "", path },
        }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("skep")
    }

    fn starting<'s>(&'s self, places: &'s [String], elevation: Elevation) -> Start<'s> {
        Start {
            agents: &self.agents,
            places,
            program: Program::Agent("serve here"),
            elevation,
            password: false,
        }
    }

    async fn start(&self) -> (Result<Channel, Bootstrap>, Vec<(u64, u64)>) {
        self.start_in(&[&self.cache()]).await
    }

    async fn start_in(&self, places: &[&Path]) -> (Result<Channel, Bootstrap>, Vec<(u64, u64)>) {
        let mut pushed = Vec::new();
        let places: Vec<_> = places.iter().map(|place| place.to_str().expect("text").to_owned()).collect();
        let mut on_push = |done, total| pushed.push((done, total));
        let start = self.starting(&places, Elevation::None);
        let passwords = Passwords::default();
        let started =
            bootstrap::start(&self.remote, &start, "pi", &mut passwords.tries(), &mut on_push).await;
        (started, pushed)
    }

    async fn failure(&self) -> Bootstrap {
        self.start().await.0.expect_err("it cannot start")
    }

    fn cached(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.cache()) else { return Vec::new() };
        let mut names: Vec<_> =
            files.map(|file| file.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    fn agent_name(&self) -> String {
        let (_, build) = self.agents.iter().next().expect("one agent");
        format!("agent-{}", build.hash)
    }
}

async fn repeats(channel: &mut Channel, bytes: &[u8]) -> io::Result<Vec<u8>> {
    channel.input.write_all(bytes).await?;
    channel.input.shutdown().await?;
    drop(std::mem::replace(&mut channel.input, Box::new(tokio::io::sink())));
    let mut heard = Vec::new();
    channel.output.read_to_end(&mut heard).await?;
    Ok(heard)
}

fn shells() -> impl Iterator<Item = &'static str> {
    ["sh", "dash", "bash"].into_iter().filter(|shell| Path::new("/bin").join(shell).exists())
}

#[tokio::test]
async fn pushed_once_then_found() {
    for shell in shells() {
        let scene = Scene::new(shell, echo_agent(50_000));
        for round in 0..2 {
            let (channel, pushed) = scene.start().await;
            let mut channel = channel.unwrap_or_else(|failure| panic!("{shell}: {failure}"));
            assert_eq!(pushed.is_empty(), round == 1, "{shell}, round {round}");
            assert!(pushed.iter().all(|(done, total)| done <= total));
            assert!(pushed.last().is_none_or(|(done, total)| done == total));
            let heard = repeats(&mut channel, b"\0\x01frames\n").await.expect("it listens");
            assert_eq!(heard, b"arguments: serve here\n\0\x01frames\n", "{shell}");
        }
        assert_eq!(scene.cached(), [scene.agent_name()], "{shell}");
    }
}

#[tokio::test]
async fn the_agent_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new("sh", echo_agent(0));
    scene.start().await.0.expect("it starts");
    for (path, mode) in [(scene.cache(), 0o700), (scene.cache().join(scene.agent_name()), 0o700)] {
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn what_start_up_files_print_is_skipped() {
    for startup in [
        "echo Welcome; echo 'skepticism'; ",
        "printf 'no line end'; ",
        "echo to stderr >&2; ",
        "printf '\\377\\000\\033[31m'; ",
        "echo skep-agent 7 9.9.9; echo skep-push riscv64; echo skep-fail checksum; ",
        "echo 'sudo: a password is required' >&2; printf skep-password-of-pi: >&2; ",
    ] {
        let mut scene = Scene::new("sh", echo_agent(0));
        scene.remote.startup = startup;
        for round in 0..2 {
            let (started, pushed) = scene.start().await;
            started.unwrap_or_else(|failure| panic!("{startup}: {failure}"));
            assert_eq!(pushed.is_empty(), round == 1, "{startup}");
        }
    }
}

#[tokio::test]
async fn a_shell_becomes_the_agent_that_is_there_and_asks_sh_where_it_cannot() {
    for shell in shells() {
        let mut scene = Scene::new(shell, echo_agent(0));
        scene.start().await.0.expect("it is brought there");
        scene.remote.startup = "sh() { echo no sh; }; ";
        let (started, pushed) = scene.start().await;
        started.unwrap_or_else(|failure| panic!("{shell}: {failure}"));
        assert!(pushed.is_empty(), "{shell}");
        // Whatever is the matter with those words.
        scene.remote.startup = "test() { echo skep-script; exit 126; }; ";
        let (started, pushed) = scene.start().await;
        started.unwrap_or_else(|failure| panic!("{shell}: {failure}"));
        assert!(pushed.is_empty(), "{shell}");
    }
}

#[tokio::test]
async fn a_shell_that_does_something_else_is_told_with_what_it_said() {
    for (startup, expected) in [
        ("exit 0; ", "it did not run skep's command: exit code 0"),
        ("exit 1; ", "it did not run skep's command: exit code 1"),
        ("echo; exit 2; ", "it did not run skep's command: exit code 2"),
        (
            "echo 'Only backups here.'; exit 1; ",
            "it did not run skep's command: Only backups here. (exit code 1)",
        ),
        ("echo Hello; echo 'No.' >&2; exit 3; ", "it did not run skep's command: No. (exit code 3)"),
        ("exec cat /dev/null; ", "it did not run skep's command: exit code 0"),
    ] {
        let mut scene = Scene::new("sh", echo_agent(0));
        scene.remote.startup = startup;
        let failure = scene.failure().await;
        assert_eq!(failure.to_string(), expected, "{startup}");
        assert!(failure.help().expect("something helps").contains("ForceCommand"));
    }
}

#[tokio::test]
async fn endless_noise_is_given_up() {
    let mut scene = Scene::new("sh", echo_agent(0));
    scene.remote.startup = "while echo noise; do :; done; ";
    assert!(scene.failure().await.to_string().contains("prints without end"));
}

#[tokio::test]
async fn older_and_damaged_agents_are_replaced() {
    let scene = Scene::new("sh", echo_agent(0));
    fs::create_dir_all(scene.cache()).expect("a directory");
    fs::write(scene.cache().join("agent-0000"), "old").expect("a file");
    fs::write(scene.cache().join("new-1"), "of a push that goes on").expect("a file");
    // As after a power cut: the name is there, the content never reached the card.
    let own = scene.cache().join(scene.agent_name());
    fs::write(&own, "").expect("a file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&own, executable).expect("its owner may");
    let (started, pushed) = scene.start().await;
    started.expect("it starts");
    assert!(!pushed.is_empty());
    assert_eq!(scene.cached(), [scene.agent_name(), "new-1".to_owned()]);
}

#[tokio::test]
async fn an_architecture_without_agent_is_refused_by_name() {
    let mut scene = Scene::new("sh", vec![]);
    scene.agents = Agents::of([("riscv64".to_owned(), Build::new(vec![]))]);
    let expected = format!("its architecture is {}; there are agents for riscv64", std::env::consts::ARCH);
    assert_eq!(scene.failure().await.to_string(), expected);
    assert!(scene.cached().is_empty());
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let mut scene = Scene::new("/bin/sh", echo_agent(0));
    let bin = scene.directory.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    for program in ["sh", "uname", "head", "sha256sum", "id", "mkdir", "chmod", "rm", "mv"] {
        let real =
            ["/usr/bin", "/bin"].iter().map(|at| Path::new(at).join(program)).find(|path| path.exists());
        std::os::unix::fs::symlink(real.expect("it is installed"), bin.join(program)).expect("a link");
    }
    scene.remote.path = bin.to_str().expect("text").to_owned();
    let failure = scene.failure().await;
    assert_eq!(failure.to_string(), "it lacks the program gunzip");
    fs::remove_file(bin.join("uname")).expect("a link");
    assert_eq!(scene.failure().await.to_string(), "it lacks the program uname");
}

#[tokio::test]
async fn the_first_place_that_can_run_programs_is_taken_and_found_again() {
    for shell in shells() {
        let scene = Scene::new(shell, echo_agent(50_000));
        let at = |name: &str| scene.directory.path().join(name);
        fs::write(at("file"), "in the way").expect("a file");
        std::os::unix::fs::symlink(at("real"), at("link")).expect("a link");
        fs::create_dir(at("real")).expect("a directory");
        let places = [at("file/skep"), at("none/skep"), at("link"), at("good"), at("better")];
        let places: Vec<_> = places.iter().map(PathBuf::as_path).collect();
        if !nix::unistd::geteuid().is_root() {
            let Err(Bootstrap::NoPlace(unfit)) = scene.start_in(&places).await.0 else {
                panic!("it has no place")
            };
            assert_eq!(unfit.len(), 1, "others than root have the first place only: {unfit:?}");
            continue;
        }
        for round in 0..2 {
            let (started, pushed) = scene.start_in(&places).await;
            started.unwrap_or_else(|failure| panic!("{shell}: {failure}"));
            assert_eq!(pushed.is_empty(), round == 1, "{shell}, round {round}");
        }
        assert!(at("good").join(scene.agent_name()).exists(), "{shell}");
        assert!(!at("better").exists() && fs::read_dir(at("real")).expect("it stays").next().is_none());
        let Err(Bootstrap::NoPlace(unfit)) = scene.start_in(&places[..3]).await.0 else {
            panic!("it has no place")
        };
        let causes: Vec<_> = unfit.iter().map(|Unfit { cause, .. }| cause.as_str()).collect();
        assert_eq!(causes, ["Not a directory", "No such file or directory", "a symbolic link"], "{shell}");
        assert_eq!(Path::new(&unfit[0].directory), places[0]);
    }
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let scene = Scene::new("sh", b"#!/bin/sh\necho skep-agent 7 9.9.9\n".to_vec());
    for _ in ["when it is brought there", "when it is there"] {
        let failure = scene.failure().await;
        assert!(failure.to_string().contains("(version 9.9.9) speaks protocol 7"), "{failure}");
    }
}

#[tokio::test]
async fn an_agent_that_does_not_run_is_quoted() {
    for (agent, words) in [
        ("#!/bin/sh\necho 'version `GLIBC_2.99` not found' >&2\nexit 1\n", "GLIBC_2.99"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
        ("#!/no/such/interpreter\n", "not found"),
    ] {
        let scene = Scene::new("dash", agent.as_bytes().to_vec());
        for _ in ["when it is brought there", "when it is there"] {
            let failure = scene.failure().await.to_string();
            assert!(failure.contains("did not start") && failure.contains(words), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_mid_push_leaves_no_agent() {
    let scene = Scene::new("sh", echo_agent(200_000));
    let places = [scene.cache().to_str().expect("text").to_owned()];
    let command = scene.starting(&places, Elevation::None).command();
    let mut channel = scene.remote.exec(&command).await.expect("the shell starts");
    channel.input.write_all(b"100000\nhalf of it").await.expect("it reads");
    channel.input.shutdown().await.expect("it can be ended");
    drop(channel.input);
    let status = channel.exit.wait().await.expect("it ends");
    assert_eq!(status.code, Some(1));
    assert!(scene.cached().is_empty(), "{:?}", scene.cached());
}

#[tokio::test]
async fn many_at_once_do_not_disturb_each_other() {
    let scene = Arc::new(Scene::new("sh", echo_agent(50_000)));
    let starts = (0..8).map(|_| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move { scene.start().await.0.map(|_| ()) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.expect("no panic").unwrap_or_else(|failure| panic!("{failure}"));
    }
    assert_eq!(scene.cached(), [scene.agent_name()]);
}

#[tokio::test]
async fn the_hosts_own_perl_is_started_the_same_way() {
    let mut scene = Scene::new("sh", Vec::new());
    let passwords = Passwords::default();
    let places = [scene.cache().to_str().unwrap().to_owned()];
    let run = async |scene: &Scene| {
        let start = Start {
            agents: &scene.agents,
            places: &places,
            program: Program::Perl,
            elevation: Elevation::None,
            password: false,
        };
        bootstrap::start(&scene.remote, &start, "pi", &mut passwords.tries(), &mut |_, _| ()).await
    };
    let Channel { mut input, mut output, mut exit } = run(&scene).await.expect("it starts");
    input.write_all(b"print \"heard: \", <DATA>; exit 3;\n__END__\na secret\n").await.unwrap();
    input.shutdown().await.unwrap();
    drop(input);
    let mut printed = String::new();
    output.read_to_string(&mut printed).await.unwrap();
    assert_eq!(printed, "heard: a secret\n");
    assert_eq!(exit.wait().await.unwrap().code, Some(3));
    scene.remote.path = scene.directory.path().to_str().unwrap().to_owned();
    fs::create_dir_all(&scene.remote.path).unwrap();
    std::os::unix::fs::symlink("/bin/sh", format!("{}/sh", scene.remote.path)).unwrap();
    let failure = run(&scene).await.map(|_| ()).expect_err("there is no perl");
    assert_eq!(failure.to_string(), "it lacks the program perl");
}
