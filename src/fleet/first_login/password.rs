//! The passwords of a first login.
//!
//! An expired password has to be changed before a key can be installed, and skep may be killed in between. What is in
//! force then is computed from the image's password, so that the next run, from whichever computer, can compute it
//! again: it is written nowhere, and no easier to guess than the image's own, which was in force before. Once a key opens
//! the host, a random one takes its place, or that of `new_password`: see [`replace`](super::replace).

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::command::{LIMIT, within};
use crate::ssh::dialogue::{Asked, Dialogue};
use crate::ssh::{Exec, ExecError, Session};

/// Password of `root` on Armbian's images, as its build system has it.
pub(crate) const ARMBIAN: &str = "1234";

/// How long the host may say nothing in a talk about passwords; a wrong one costs two or three seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What rules for passwords want besides length: a letter of each case, a digit, a sign.
const KINDS: &str = "aK7-";

/// The password that is in force between the image's and the one that stays.
pub(crate) fn transition(user: &str, image: &SecretString) -> SecretString {
    let mac = Hmac::<Sha256>::new_from_slice(image.expose_secret().as_bytes());
    let mac = mac.expect("HMAC takes a key of any length");
    let text = format!("skep first login 1 {user}");
    let digest = mac.chain_update(text.as_bytes()).finalize().into_bytes();
    spell(&digest[..16])
}

/// One that nobody knows: 128 bits.
pub(super) fn random() -> SecretString {
    let mut bytes = Zeroizing::new([0; 16]);
    SystemRandom::new().fill(&mut *bytes).expect("the system has random numbers once it has booted");
    spell(&*bytes)
}

fn spell(bytes: &[u8]) -> SecretString {
    let mut text = Zeroizing::new(String::with_capacity(KINDS.len() + 2 * bytes.len()));
    text.push_str(KINDS);
    for byte in bytes {
        text.extend(
            [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)),
        );
    }
    SecretString::from(text.as_str())
}

/// What came of a talk with `passwd`.
pub(super) struct Change {
    /// It ended well.
    pub(super) done: bool,
    /// The password of before was right, or not asked for.
    pub(super) current_taken: bool,
    /// What the host said last.
    pub(super) words: String,
}

/// Runs `command` on a terminal and answers what is asked about passwords.
pub(super) async fn change(
    session: &Session,
    command: &str,
    current: &SecretString,
    new: &SecretString,
) -> Result<Change, ExecError> {
    within(LIMIT, session.node(), "`passwd`", talk(session, command, current, new)).await
}

async fn talk(
    session: &Session,
    command: &str,
    current: &SecretString,
    new: &SecretString,
) -> Result<Change, ExecError> {
    let Exec { mut stdin, mut stdout, mut exit } = session.exec_on_terminal(command).await?;
    let mut dialogue = Dialogue::default();
    let (mut buffer, mut current_taken, mut silent) = ([0; 1024], false, false);
    while dialogue.refusal().is_none() {
        let size = match timeout(PATIENCE, stdout.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(size)) => size,
            Err(_) => {
                silent = true;
                break;
            }
        };
        for asked in dialogue.hear(&buffer[..size]) {
            current_taken |= asked != Asked::Current;
            let answer = if asked == Asked::Current { current } else { new };
            let line = Zeroizing::new(format!("{}\n", answer.expose_secret()));
            // A host that has gone meanwhile has said why.
            let _ = stdin.write_all(line.as_bytes()).await;
            let _ = stdin.flush().await;
        }
    }
    let ended = dialogue.refusal().is_none() && !silent;
    let done = ended && dialogue.is_over() && exit.wait().await?.success();
    let words = match dialogue.refusal().map_or_else(|| dialogue.last_words(), str::to_owned) {
        words if words.is_empty() && silent => "it says nothing".to_owned(),
        words if words.is_empty() => "it gives no reason".to_owned(),
        words => words,
    };
    Ok(Change { done, current_taken, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_in_between_can_be_computed_again_and_differs_for_each() {
        let of =
            |user: &str, image: &str| transition(user, &SecretString::from(image)).expose_secret().to_owned();
        // Fixed for ever: another version of skep has to carry on with it, and the manual tells how to compute it.
        assert_eq!(of("root", ARMBIAN), "aK7-00a7880db808466f19b082f475fe7399");
        assert_ne!(of("root", "1234"), of("pi", "1234"));
        assert_ne!(of("root", "1234"), of("root", "12345"));
    }

    #[test]
    fn random_ones_differ_and_please_rules() {
        let (one, other) = (random(), random());
        let one = one.expose_secret();
        assert_ne!(one, other.expose_secret());
        let has = |kind: fn(&char) -> bool| one.chars().any(|c| kind(&c));
        assert!(has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit));
        assert!(has(char::is_ascii_punctuation) && one.len() == 36);
    }
}
