//! Passwords, keyboard-interactive prompts, one-time codes, and logins in two steps.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use secrecy::SecretString;
use skep::ssh::{AskSecret, ConnectFailure, Options, Question, Target, connect};

use crate::support::sshd::{self, EXPIRED_USER, PASSWORD, Sshd, USER};
use crate::support::{self};
use crate::{KEYS_ONLY, refusal, target, trusting};

/// A user who gives these answers one after the other, and none after the last.
#[derive(Clone)]
pub(crate) struct Answers {
    answers: Vec<String>,
    delay: Duration,
    asked: Arc<Mutex<Vec<Question>>>,
}

impl Answers {
    pub(crate) fn new(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Self { answers, delay: Duration::ZERO, asked: Arc::default() }
    }

    /// The same, who takes this long over each.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// New hosts are trusted, and this user is asked.
    pub(crate) fn options(&self) -> Options {
        let user = self.clone();
        let ask: AskSecret = Arc::new(move |question| {
            let mut asked = user.asked.lock().unwrap();
            let answer = user.answers.get(asked.len()).cloned();
            asked.push(question);
            let delay = user.delay;
            async move {
                tokio::time::sleep(delay).await;
                answer.map(SecretString::from)
            }
            .boxed()
        });
        Options { ask_secret: Some(ask), ..trusting() }
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn prompts(&self) -> Vec<String> {
        self.questions().into_iter().map(|question| question.prompt).collect()
    }
}

/// A login by password only, on a server that runs as root.
pub(crate) fn by_password(server: &Sshd, user: &str, password: &str) -> Target {
    Target {
        user: user.into(),
        keys: Vec::new(),
        password: Some(SecretString::from(password)),
        ..target(server)
    }
}

/// A login about which nothing is known but the user.
fn by_asking(server: &Sshd) -> Target {
    Target { password: None, ..by_password(server, USER, "") }
}

const KEYBOARD_ONLY: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication yes\n";
const PASSWORD_ONLY: &str = "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n";

#[tokio::test]
async fn the_password_logs_in_by_either_method() {
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    for config in [PASSWORD_ONLY, KEYBOARD_ONLY] {
        let Some(server) = Sshd::start_with(config) else { return };
        let session = connect(&by_password(&server, USER, PASSWORD), &trusting()).await;
        let session = session.unwrap_or_else(|error| panic!("{config}: {error}"));
        let output = session.run("id -un", b"").await.unwrap();
        assert_eq!(output.stdout, format!("{USER}\n").into_bytes());
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_never_shown() {
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    let Some(server) = Sshd::start_with(PASSWORD_ONLY) else { return };
    let target = by_password(&server, USER, "wrong-secret");
    let error = refusal(&target, &trusting()).await;
    assert!(error.to_string().contains("tried: password: refused"), "{error}");
    for text in [error.to_string(), format!("{error:?}"), format!("{target:?}")] {
        assert!(!text.contains("wrong-secret"), "{text}");
    }
}

#[tokio::test]
async fn two_step_logins_take_key_and_password() {
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    for order in ["publickey,password", "password,publickey"] {
        let config = format!("{PASSWORD_ONLY}AuthenticationMethods {order}\n");
        let Some(server) = Sshd::start_with(&config) else { return };
        let both = Target { keys: vec![server.path("client")], ..by_password(&server, USER, PASSWORD) };
        connect(&both, &trusting()).await.unwrap_or_else(|error| panic!("{order}: {error}"));
        let error = refusal(&Target { password: None, ..both }, &trusting()).await;
        assert!(matches!(*error.cause, ConnectFailure::AuthFailed { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_expired_password_is_told_whichever_way_one_logs_in() {
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    for config in [PASSWORD_ONLY, KEYBOARD_ONLY] {
        let Some(server) = Sshd::start_with(config) else { return };
        let password = by_password(&server, EXPIRED_USER, PASSWORD);
        let key = Target { keys: vec![server.path("client")], password: None, ..password.clone() };
        for target in [password, key] {
            let error = refusal(&target, &trusting()).await;
            assert!(matches!(*error.cause, ConnectFailure::PasswordExpired { .. }), "{config}: {error}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_still_booting_is_worth_another_try() {
    // What pam_nologin prints goes through the same banner.
    let Some(server) = Sshd::start() else { return };
    let banner = server.path("banner");
    std::fs::write(&banner, "System is booting up. Unprivileged users are not permitted to log in yet.\n")
        .unwrap();
    let Some(server) = Sshd::start_with(&format!("Banner {}\n", banner.display())) else { return };
    let error = refusal(&Target { keys: Vec::new(), ..target(&server) }, &trusting()).await;
    assert!(error.is_transient() && !error.is_unreachable(), "{error}");
}

#[tokio::test]
async fn a_password_is_asked_for_once_for_all_hosts() {
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    let mut servers = Vec::new();
    for config in [PASSWORD_ONLY, KEYBOARD_ONLY, PASSWORD_ONLY] {
        let Some(server) = Sshd::start_with(config) else { return };
        servers.push(server);
    }
    let answers = Answers::new(&[PASSWORD]);
    let options = answers.options();
    let targets: Vec<_> = servers.iter().map(by_asking).collect();
    let logins = targets.iter().map(|target| connect(target, &options));
    for session in futures_util::future::join_all(logins).await {
        session.unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(answers.prompts(), [format!("Password of {USER} (for n1 and each host that asks for it): ")]);
    assert!(!answers.questions()[0].echo);

    // A key that the server takes comes first, and a server that takes no password is not asked about one.
    let silent = Answers::new(&[]);
    let by_key = Target { keys: vec![servers[0].path("client")], ..by_asking(&servers[0]) };
    connect(&by_key, &silent.options()).await.expect("a session by key");
    let Some(server) = Sshd::start_with(KEYS_ONLY) else { return };
    let error = refusal(&by_asking(&server), &silent.options()).await;
    assert!(error.to_string().contains("tried: keys: there is none to offer; make one"), "{error}");
    assert_eq!(silent.prompts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_password_that_nobody_knows_is_told_with_each_way_out() {
    if !sshd::is_root() {
        return support::left_out("root, without whom sshd knows no throwaway logins");
    }
    let Some(server) = Sshd::start_with(PASSWORD_ONLY) else { return };
    let told = |tried: &str, help: &str| {
        format!(
            "n1: cannot log in as {USER} on 127.0.0.1 port {}: it refuses the login (it accepts publickey, password); \
             tried: keys: there is none to offer; {tried}; make one (`ssh-keygen -t ed25519`), or name yours as `key` \
             in the inventory{help}",
            server.port
        )
    };
    for (options, tried, help) in [
        (
            trusting(),
            "password: none is known, and nobody can be asked for it here",
            "; or give `password` a source in the inventory, or run skep on a terminal",
        ),
        (Answers::new(&[]).options(), "password: none was given", ""),
        (
            Answers::new(&["wrong-secret"]).options(),
            "password: refused",
            "; or run skep again and type the password anew",
        ),
    ] {
        let error = refusal(&by_asking(&server), &options).await;
        assert_eq!(error.to_string(), told(tried, help));
    }
}

/// A password, and a code of six or eight digits from an authenticator after it.
const PASSWORD_AND_CODE: &str = "
auth required pam_unix.so
auth required pam_google_authenticator.so secret={dir}/codes user=root
account required pam_permit.so
session required pam_permit.so
";
const CODE_ONLY: &str = "
auth required pam_google_authenticator.so secret={dir}/codes user=root
account required pam_permit.so
session required pam_permit.so
";

/// A server whose logins go through this PAM configuration, and that takes each of two codes once.
fn with_codes(config: &str, pam: &str) -> Option<Sshd> {
    const MODULE: &str = "security/pam_google_authenticator.so";
    if !sshd::is_root() {
        support::left_out("root, without whom sshd knows no throwaway logins");
        return None;
    }
    if !["/lib", "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"]
        .iter()
        .any(|dir| Path::new(dir).join(MODULE).exists())
    {
        support::left_out("one-time codes (Debian package libpam-google-authenticator)");
        return None;
    }
    let server = Sshd::start_with_pam(config, Some(pam))?;
    let codes = server.path("codes");
    std::fs::write(&codes, "AAAAAAAAAAAAAAAA\n\" TOTP_AUTH\n12345678\n87654321\n").unwrap();
    std::fs::set_permissions(&codes, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    Some(server)
}

#[tokio::test]
async fn a_code_besides_the_password_is_asked_for_each_time() {
    let Some(server) = with_codes(KEYBOARD_ONLY, PASSWORD_AND_CODE) else { return };
    let known = by_password(&server, USER, PASSWORD);
    let answers = Answers::new(&["12345678", PASSWORD, "87654321"]);
    let options = answers.options();
    connect(&known, &options).await.expect("a session by password and code");
    connect(&by_asking(&server), &options).await.expect("a session by answers alone");
    let code = "n1 asks: Verification code: ".to_owned();
    let password = format!("Password of {USER} (for n1 and each host that asks for it): ");
    assert_eq!(answers.prompts(), [code.clone(), password, code]);

    let question = "Verification code:";
    for (options, why) in [
        (
            trusting(),
            format!(
                "it asks `{question}`, and nobody can be asked here; run skep on a terminal, without --json and --quiet, and answer there"
            ),
        ),
        (
            Answers::new(&[]).options(),
            format!("it asks `{question}`, and no answer was given; check user and keys"),
        ),
        (
            Answers::new(&["11111111"]).options(),
            "refused; check where `password` in the inventory comes from".into(),
        ),
    ] {
        let error = refusal(&known, &options).await;
        assert!(error.to_string().contains(&format!("tried: keyboard-interactive: {why}")), "{error}");
    }
}

#[tokio::test]
async fn two_steps_may_be_a_key_and_a_code() {
    let config = format!("{KEYBOARD_ONLY}AuthenticationMethods publickey,keyboard-interactive\n");
    let Some(server) = with_codes(&config, CODE_ONLY) else { return };
    let both = Target { keys: vec![server.path("client")], ..by_asking(&server) };
    let answers = Answers::new(&["12345678"]);
    connect(&both, &answers.options()).await.expect("a session by key and code");
    assert_eq!(answers.prompts(), ["n1 asks: Verification code: "]);

    let error = refusal(&both, &trusting()).await;
    let expected = format!(
        "it refuses the login (it accepts keyboard-interactive); tried: key {} (ssh-ed25519 {}): accepted as one step \
         of several; keyboard-interactive: none is known, and nobody can be asked for it here; \
         give `password` a source in the inventory, or run skep on a terminal",
        server.path("client").display(),
        sshd::fingerprint(&server.path("client")),
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_told() {
    let Some(server) = with_codes(&format!("{KEYBOARD_ONLY}LoginGraceTime 1\n"), PASSWORD_AND_CODE) else {
        return;
    };
    let known = by_password(&server, USER, PASSWORD);
    let slow = Answers::new(&["12345678"]).after(Duration::from_secs(3));
    let error = refusal(&known, &slow.options()).await.to_string();
    let expected = "the server hung up after it had asked `Verification code:`";
    assert!(error.contains(expected) && error.contains("`--forks 1`"), "{error}");
}
