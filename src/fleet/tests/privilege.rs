//! Becoming root, by scripts in the place of sudo and doas.

use std::sync::{Arc, Mutex};

use secrecy::SecretString;

use super::super::HostSession;
use super::super::password::Keyring;
use super::super::session::Privilege;
use super::*;
use crate::fleet::Denied;
use crate::fleet::first_login::sudo_takes;
use crate::inventory::model::NodeName;
use crate::ssh::AskSecret;

/// A sudo that wants the password `sesame` of `OWNER`, three times at most, as real ones do. It takes down how it was
/// called and what it was told.
const SUDO: &str = r#"
    echo "$*" | cut -c 1-40 >> BIN/calls
    [ "$LC_ALL" = C ] || exit 9
    [ "$1" = -S ] || { echo "sudo: a password is required" >&2; exit 1; }
    try=1
    echo "We trust you have received the usual lecture." >&2
    while :; do
        printf "skep-password-of-OWNER:" >&2
        IFS= read -r told || { printf "\nsudo: no password was provided\n" >&2; exit 1; }
        echo "$told" >> BIN/told
        [ "$told" = sesame ] && break
        [ $try = TRIES ] && { echo "sudo: TRIES incorrect password attempts" >&2; exit 1; }
        echo "Sorry, try again." >&2
        try=$((try + 1))
    done
    shift 3
    exec "$@"
"#;

/// A host with programs of its own before all others.
struct Odd {
    scene: Scene,
    bin: PathBuf,
}

impl Odd {
    fn new() -> Self {
        let mut scene = Scene::new("sh", echo_agent(0));
        let bin = scene.directory.path().join("bin");
        fs::create_dir(&bin).expect("a directory");
        scene.remote.path = format!("{}:{}", bin.display(), scene.remote.path);
        Self { scene, bin }
    }

    fn program(&self, name: &str, script: &str) -> &Self {
        use std::os::unix::fs::PermissionsExt;
        let path = self.bin.join(name);
        let script = script.replace("BIN", self.bin.to_str().expect("text"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its owner may");
        self
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.bin.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn open(&self, elevation: Elevation, passwords: Passwords) -> Result<HostSession, Bootstrap> {
        let Local { shell, startup, path } = &self.scene.remote;
        let remote = Box::new(Local { shell, startup, path: path.clone() });
        let places = vec![self.scene.cache().to_str().expect("text").to_owned()];
        let privilege = Privilege { elevation, passwords, places };
        let agents = Arc::new(self.scene.agents.clone());
        HostSession::open(NodeName::from("n1"), remote, agents, privilege, &mut |_, _| ()).await
    }

    async fn denied(&self, elevation: Elevation, passwords: Passwords) -> Denied {
        match self.open(elevation, passwords).await.expect_err("it is not let") {
            Bootstrap::Denied(denied) => denied,
            other => panic!("{other:?}"),
        }
    }
}

/// A user who types these, one after the other, and then nothing.
fn typed(answers: &[&'static str]) -> Passwords {
    let answers = Mutex::new(answers.iter().copied().collect::<std::collections::VecDeque<_>>());
    let ask: AskSecret = Arc::new(move |_| {
        let answer = answers.lock().expect("no panic").pop_front();
        Box::pin(async move { answer.map(SecretString::from) })
    });
    Passwords::of("n1", "pi", Arc::new(Keyring::new(Some(ask))))
}

fn known(password: &str) -> Passwords {
    Passwords { sudo: Some(SecretString::from(password)), ..Passwords::of("n1", "pi", Arc::default()) }
}

fn sudo(owner: &str, tries: &str) -> String {
    SUDO.replace("OWNER", owner).replace("TRIES", tries)
}

#[tokio::test]
async fn the_password_is_told_to_sudo_alone_and_again_for_each_relay() {
    let host = Odd::new();
    host.program("sudo", &sudo("pi", "3"));
    let session = host.open(Elevation::Auto, typed(&["sesame"])).await.expect("sudo lets it");
    let relay = session.dialer("/run/some.sock")().await;
    assert!(relay.is_ok(), "{:?}", relay.err());
    assert_eq!(host.lines("told"), ["sesame"; 2]);
    let calls = host.lines("calls");
    let options: Vec<_> = calls.iter().map(|call| call.split(' ').next().expect("a word")).collect();
    // Once without a password, once to ask whether one helps, and from then on with it at once.
    assert_eq!(options, ["-n", "-n", "-S", "-S"], "{calls:?}");
    assert!(!calls.concat().contains("sesame"));
}

#[tokio::test]
async fn one_from_the_inventory_needs_no_first_try() {
    let host = Odd::new();
    host.program("sudo", &sudo("pi", "3"));
    host.open(Elevation::Sudo, known("sesame")).await.expect("sudo lets it");
    assert_eq!(host.lines("calls").len(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_asked_for_again() {
    for tries in ["1", "3"] {
        let host = Odd::new();
        host.program("sudo", &sudo("pi", tries));
        host.open(Elevation::Sudo, typed(&["wrong", "sesame"])).await.expect("the second is right");
        assert_eq!(host.lines("told"), ["wrong", "sesame"], "{tries} tries");
        let host = Odd::new();
        host.program("sudo", &sudo("root", tries));
        let denied = host.denied(Elevation::Sudo, known("wrong")).await;
        assert_eq!(denied, Denied::Wrong { user: "pi".into(), owner: "root".into() });
        assert_eq!(host.lines("told"), ["wrong"], "nobody typed another");
    }
}

#[tokio::test]
async fn only_a_host_whose_sudo_takes_an_old_password_was_left_halfway() {
    for (old, taken, told) in [
        (["sesame", "x"], true, &["sesame"][..]),
        (["x", "sesame"], true, &["x", "sesame"]),
        (["x", "y"], false, &["x", "y"]),
    ] {
        let host = Odd::new();
        host.program("sudo", &sudo("pi", "3"));
        let old = old.map(SecretString::from);
        let took = sudo_takes(&host.scene.remote, &old).await.expect("it ends");
        assert_eq!((took, host.lines("told")), (taken, told.iter().map(|&word| word.to_owned()).collect()));
        assert_eq!(host.lines("calls").len(), 1);
    }
}

#[tokio::test]
async fn whoever_types_wrong_ones_is_asked_three_times() {
    let host = Odd::new();
    host.program("sudo", &sudo("pi", "9"));
    let denied = host.denied(Elevation::Sudo, typed(&["a", "b", "c", "d"])).await;
    assert_eq!(denied, Denied::Wrong { user: "pi".into(), owner: "pi".into() });
    assert_eq!(host.lines("told"), ["a", "b", "c"]);
}

#[tokio::test]
async fn what_was_typed_too_late_is_told_to_the_next_sudo() {
    let host = Odd::new();
    let late = r#"[ "$1" = -n ] || [ -e BIN/late ] || { touch BIN/late; printf "skep-password-of-pi:" >&2; read a
        printf "\nsudo: timed out reading password\n" >&2; exit 1; }"#;
    host.program("sudo", &format!("{late}\n{}", sudo("pi", "3")));
    host.open(Elevation::Sudo, typed(&["sesame"])).await.expect("the second sudo is told the same");
    assert_eq!(host.lines("told"), ["sesame"]);
}

#[tokio::test]
async fn nobody_to_ask_is_told_what_to_do() {
    let host = Odd::new();
    host.program("sudo", &sudo("pi", "3"));
    let denied = host.denied(Elevation::Auto, Passwords::of("n1", "pi", Arc::default())).await;
    assert_eq!(denied, Denied::Password { user: "pi".into(), owner: "pi".into() });
    assert!(denied.help().expect("something helps").contains("sudo_password: {command:"));
    assert!(host.lines("told").is_empty());
}

#[tokio::test]
async fn other_questions_are_not_answered_with_the_password() {
    let twice = r#"[ "$1" = -S ] || { echo "sudo: a password is required" >&2; exit 1; }
        printf "skep-password-of-pi:" >&2; read a; printf "skep-password-of-pi:" >&2; read b; echo "$b" >> BIN/told"#;
    let host = Odd::new();
    host.program("sudo", twice);
    assert_eq!(host.denied(Elevation::Sudo, typed(&["a", "b"])).await, Denied::Second { user: "pi".into() });
    assert!(host.lines("told").concat().is_empty());
    // A program that reads without asking hears nothing.
    let host = Odd::new();
    host.program("sudo", "echo 'Password:' >&2; read a; echo \"$a\" >> BIN/told; exit 1");
    let mut passwords = known("sesame");
    passwords.login = passwords.sudo.clone();
    let opened =
        tokio::time::timeout(std::time::Duration::from_secs(1), host.open(Elevation::Sudo, passwords)).await;
    assert!(opened.is_err(), "it waits");
    assert!(host.lines("told").concat().is_empty());
}

#[tokio::test]
async fn some_commands_alone_are_not_enough_and_no_password_is_asked_for() {
    let host = Odd::new();
    let denies = r#"[ "$2" = -l ] && exit 1; echo "sudo: a password is required" >&2; exit 1"#;
    host.program("sudo", denies);
    let denied = host.denied(Elevation::Sudo, typed(&["sesame"])).await;
    assert_eq!(denied, Denied::Restricted { user: "pi".into() });
}

#[tokio::test]
async fn doas_stands_in_for_sudo() {
    // This computer may have a sudo of its own: only these programs are to be found.
    let mut host = Odd::new();
    for program in ["sh", "id", "cut"] {
        let real =
            ["/usr/bin", "/bin"].iter().map(|at| Path::new(at).join(program)).find(|path| path.exists());
        std::os::unix::fs::symlink(real.expect("it is installed"), host.bin.join(program)).expect("a link");
    }
    host.scene.remote.path = host.bin.to_str().expect("text").to_owned();
    let missing = |tools: &[&str]| Denied::Missing {
        user: "pi".into(),
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
    };
    let nobody = || Passwords::of("n1", "pi", Arc::default());
    assert_eq!(host.denied(Elevation::Auto, nobody()).await, missing(&["sudo", "doas"]));
    assert_eq!(host.denied(Elevation::Sudo, nobody()).await, missing(&["sudo"]));
    host.program("doas", "echo 'doas: Authentication required' >&2; exit 1");
    assert_eq!(host.denied(Elevation::Auto, nobody()).await, Denied::DoasPassword { user: "pi".into() });
    host.program("doas", "[ \"$1 $2 $3\" = '-n /bin/sh -c' ] || exit 9; shift; exec \"$@\"");
    for elevation in [Elevation::Auto, Elevation::Doas] {
        host.open(elevation, known("not asked for")).await.expect("doas lets it");
    }
    // Where both are there, sudo comes first; who wants doas says so.
    host.program("sudo", "echo 'pi is not in the sudoers file.' >&2; exit 1");
    assert!(matches!(host.denied(Elevation::Auto, nobody()).await, Denied::Forbidden { .. }));
    host.open(Elevation::Doas, nobody()).await.expect("doas lets it");
}
