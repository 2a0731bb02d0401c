//! Changing a password the way its owner would: what `passwd` asks on a terminal, and what to answer.
//!
//! Pure: bytes in, answers out. Prompts are known by how they end, since notices and names may stand before them.

/// What a prompt about passwords wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The password as it is.
    Current,
    /// The new one.
    New,
    /// The new one once more.
    Again,
}

/// How prompts end: Linux-PAM 1.4 and later, and before.
const PROMPTS: [(&str, Asked); 6] = [
    ("Current password:", Asked::Current),
    ("(current) UNIX password:", Asked::Current),
    ("Retype new password:", Asked::Again),
    ("Retype new UNIX password:", Asked::Again),
    ("New password:", Asked::New),
    ("Enter new UNIX password:", Asked::New),
];

/// How much of what was said is kept, in bytes.
const KEPT: usize = 4096;

/// What a text wants that has just ended with a prompt; nothing where it is none of those about passwords.
pub(super) fn password_prompt(text: &str) -> Option<Asked> {
    let text = text.trim_end();
    PROMPTS.iter().find(|(prompt, _)| text.ends_with(prompt)).map(|(_, asked)| *asked)
}

/// One talk with `passwd`.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// What was said since the last prompt.
    heard: Vec<u8>,
    /// The last prompt that was answered.
    answered: Option<Asked>,
    /// What was said after the last answer where it was asked again, which ends the talk.
    refused: Option<String>,
}

impl Dialogue {
    /// Hears what comes, in whatever pieces: what is wanted now, in order. Nothing more once the talk is
    /// [refused](Self::refusal).
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Asked> {
        let mut wanted = Vec::new();
        for byte in bytes {
            self.heard.push(*byte);
            // A prompt that goes on behind its colon would be another one.
            if *byte == b':' && self.refused.is_none() {
                wanted.extend(self.asked());
            }
        }
        let surplus = self.heard.len().saturating_sub(KEPT);
        self.heard.drain(..surplus);
        wanted
    }

    fn asked(&mut self) -> Option<Asked> {
        let asked = password_prompt(&String::from_utf8_lossy(&self.heard))?;
        // Each is asked once: whoever asks again did not take the answer.
        if self.answered >= Some(asked) {
            self.refused = Some(self.last_words());
            return None;
        }
        self.answered = Some(asked);
        self.heard.clear();
        Some(asked)
    }

    /// Why the answers were not taken: what was said before it was asked again.
    pub fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether the new password was given twice.
    pub fn is_over(&self) -> bool {
        self.refused.is_none() && self.answered == Some(Asked::Again)
    }

    /// What was said last that is no prompt, on one line.
    pub fn last_words(&self) -> String {
        let heard = String::from_utf8_lossy(&self.heard);
        let lines = heard.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.filter(|line| password_prompt(line).is_none()).collect();
        super::handler::printable(&lines[lines.len().saturating_sub(3)..].join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What sshd and `passwd` say, what they want, and how it ended.
    const TALKS: [(&str, &[Asked], Option<&str>); 6] = [
        (
            "WARNING: Your password has expired.\r\nYou must change your password now and login again!\r\n\
             Changing password for pi.\r\nCurrent password: \r\nNew password: \r\nRetype new password: \r\n\
             passwd: password updated successfully\r\n",
            &[Asked::Current, Asked::New, Asked::Again],
            None,
        ),
        (
            "New password: \r\nRetype new password: \r\npasswd: password updated successfully\r\n",
            &[Asked::New, Asked::Again],
            None,
        ),
        (
            "Changing password for root.\n(current) UNIX password: Enter new UNIX password: Retype new UNIX password: ",
            &[Asked::Current, Asked::New, Asked::Again],
            None,
        ),
        (
            "Current password: \r\nNew password: \r\nRetype new password: \r\nBAD PASSWORD: it is too short\r\nNew password: ",
            &[Asked::Current, Asked::New, Asked::Again],
            Some("BAD PASSWORD: it is too short"),
        ),
        ("Current password: \r\nCurrent password: ", &[Asked::Current], Some("")),
        ("Last login: yesterday\r\nVerification code: ", &[], None),
    ];

    #[test]
    fn talks_are_followed() {
        for (said, wanted, refusal) in TALKS {
            let mut dialogue = Dialogue::default();
            assert_eq!(dialogue.hear(said.as_bytes()), wanted, "{said}");
            assert_eq!(dialogue.refusal(), refusal, "{said}");
            assert_eq!(dialogue.is_over(), refusal.is_none() && wanted.ends_with(&[Asked::Again]), "{said}");
        }
    }

    #[test]
    fn a_program_that_fails_leaves_its_last_words() {
        let mut dialogue = Dialogue::default();
        dialogue.hear(b"Current password: \r\npasswd: Authentication token manipulation error\r\npasswd: password unchanged\r\n");
        assert_eq!(
            dialogue.last_words(),
            "passwd: Authentication token manipulation error passwd: password unchanged"
        );
    }

    proptest! {
        #[test]
        fn the_pieces_that_it_comes_in_make_no_difference(talk in 0..TALKS.len(), cuts in prop::collection::vec(0usize..200, 0..8)) {
            let said = TALKS[talk].0.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(said.len())).collect();
            cuts.sort_unstable();
            cuts.push(said.len());
            let (mut dialogue, mut wanted, mut from) = (Dialogue::default(), Vec::new(), 0);
            for cut in cuts {
                wanted.extend(dialogue.hear(&said[from..cut]));
                from = cut;
            }
            let mut whole = Dialogue::default();
            prop_assert_eq!(wanted, whole.hear(said));
            prop_assert_eq!((dialogue.refusal(), dialogue.last_words()), (whole.refusal(), whole.last_words()));
        }

        #[test]
        fn nothing_makes_it_stumble(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut dialogue = Dialogue::default();
            prop_assert!(dialogue.hear(&bytes).len() <= 3);
        }
    }
}
