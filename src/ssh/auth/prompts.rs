//! Keyboard-interactive: which of a server's prompts wants the password, and what to do about the others.

use russh::client::Prompt;

use crate::ssh::dialogue::{Asked, password_prompt};

/// What a prompt wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The login's password.
    Password,
    /// The password that has expired, once more.
    Current,
    /// A new password in the place of one that has expired.
    New,
    /// What only the user can know: a code, a PIN, a choice.
    Other,
}

/// What `prompt` wants. `alone` says that it is the first and only one: whatever language it is in, it is about the
/// password, unless it names something else.
pub(super) fn wanted(prompt: &Prompt, alone: bool) -> Wanted {
    let text = prompt.prompt.trim_end();
    match password_prompt(text) {
        Some(Asked::Current) => return Wanted::Current,
        Some(Asked::New | Asked::Again) => return Wanted::New,
        None => {}
    }
    let text = text.to_lowercase();
    let code = ["code", "otp", "token", "one-time", "one time", "verification", "passphrase", "pin:", "pin "];
    if prompt.echo || code.iter().any(|word| text.contains(word)) {
        return Wanted::Other;
    }
    if alone || text.contains("password") { Wanted::Password } else { Wanted::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_for_the_password_are_told_from_all_others() {
        use Wanted::{Current, New, Other, Password};
        for (text, echo, alone, expected) in [
            ("Password: ", false, true, Password),
            ("(root@pi) Password: ", false, false, Password),
            ("root@pi's password: ", false, true, Password),
            ("Passwort: ", false, true, Password),
            ("Passwort: ", false, false, Other),
            ("Verification code: ", false, true, Other),
            ("One-time password (OATH) for `pi': ", false, true, Other),
            ("YubiKey PIN: ", false, true, Other),
            ("Password: ", true, true, Other),
            ("login: ", true, true, Other),
            (
                "You are required to change your password immediately.\nChanging password for root.\nCurrent password: ",
                false,
                true,
                Current,
            ),
            ("(root@pi) New password: ", false, false, New),
            ("(root@pi) Retype new password: ", false, false, New),
            ("(current) UNIX password: ", false, true, Current),
        ] {
            assert_eq!(wanted(&Prompt { prompt: text.into(), echo }, alone), expected, "{text}");
        }
    }
}
