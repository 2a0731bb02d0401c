//! The passwords that sudo asks for: typed once for all hosts, kept in memory only.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

use crate::ssh::{AskSecret, Question};

/// How often the user is asked for one host's sake.
const TRIES: usize = 3;

/// What the user typed so far, and how to ask for more. Shared by all hosts.
#[derive(Default)]
pub struct Keyring {
    ask: Option<AskSecret>,
    /// Held while the user is asked, so that the others who wait find the answer.
    typed: tokio::sync::Mutex<Vec<Typed>>,
}

struct Typed {
    owner: String,
    /// None: the user wants to give none.
    password: Option<SecretString>,
}

impl Keyring {
    /// One that asks by `ask`; nobody is asked where there is none.
    pub fn new(ask: Option<AskSecret>) -> Self {
        Self { ask, ..Self::default() }
    }

    /// The newest password of `owner` besides the first `seen` ones; asked for where there is none. Moves `seen` on.
    async fn newest(&self, owner: &str, node: &str, seen: &mut usize, again: bool) -> Option<SecretString> {
        let ask = self.ask.as_ref()?;
        let mut typed = self.typed.lock().await;
        let own = |typed: &[Typed]| typed.iter().filter(|one| one.owner == owner).count();
        let is_new = own(&typed) > *seen;
        let declined = typed.iter().any(|one| one.owner == owner && one.password.is_none());
        if !is_new && !declined {
            let wants = if again { "does not take that; it wants" } else { "wants" };
            let prompt = format!("sudo on {node} {wants} the password of {owner}: ");
            let password = ask(Question { prompt, echo: false }).await;
            typed.push(Typed { owner: owner.to_owned(), password });
        }
        *seen = own(&typed);
        typed.iter().rev().find(|one| one.owner == owner)?.password.clone()
    }
}

/// The passwords for one host.
#[derive(Clone, Default)]
pub struct Passwords {
    /// The node, for the question.
    pub node: String,
    /// The login.
    pub user: String,
    /// The one of the inventory, for whomever sudo asks for.
    pub sudo: Option<SecretString>,
    /// The login's own, which is what sudo mostly asks for.
    pub login: Option<SecretString>,
    /// What the user typed.
    pub keyring: Arc<Keyring>,
    /// Whose password sudo took, and which.
    pub(super) taken: Arc<Mutex<Option<(String, SecretString)>>>,
}

impl Passwords {
    /// Those of a login on a node.
    pub fn of(node: &str, user: &str, keyring: Arc<Keyring>) -> Self {
        Self { node: node.to_owned(), user: user.to_owned(), keyring, ..Self::default() }
    }

    /// Whether sudo may be let ask right away.
    pub(super) fn expected(&self) -> bool {
        self.sudo.is_some() || self.taken().is_some()
    }

    /// A round of tries.
    pub(super) fn tries(&self) -> Tries<'_> {
        Tries { of: self, given: 0, seen: 0, asked: 0, last: None, over: false }
    }

    /// Whether sudo took the password of `user`.
    pub(super) fn took(&self, user: &str) -> bool {
        self.taken().is_some_and(|(owner, _)| owner == user)
    }

    /// `user` has another password from now on: where sudo took the one before, it wants the new one next.
    pub(super) fn changed(&self, user: &str, new: &SecretString) {
        if self.took(user) {
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some((user.to_owned(), new.clone()));
        }
    }

    fn taken(&self) -> Option<(String, SecretString)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The passwords of one host, one after the other.
pub(super) struct Tries<'a> {
    of: &'a Passwords,
    /// How many of those that need no question have been given.
    given: usize,
    /// How many of the typed ones have been seen.
    seen: usize,
    asked: usize,
    last: Option<(String, SecretString)>,
    over: bool,
}

impl Tries<'_> {
    /// The next password of `owner` to try.
    pub(super) async fn next(&mut self, owner: &str) -> Option<SecretString> {
        let password = match self.ready(owner) {
            Some(password) => Some(password),
            None if self.asked < TRIES => {
                self.asked += 1;
                let again = self.last.is_some();
                self.of.keyring.newest(owner, &self.of.node, &mut self.seen, again).await
            }
            None => None,
        };
        self.over = password.is_none();
        self.last = password.clone().map(|password| (owner.to_owned(), password));
        password
    }

    /// Those that nobody has to type: what sudo took before, what the inventory says, what the login itself needed.
    fn ready(&mut self, owner: &str) -> Option<SecretString> {
        let of = self.of;
        let taken = of.taken().filter(|(whose, _)| whose == owner).map(|(_, password)| password);
        let login = of.login.clone().filter(|_| of.sudo.is_none() && of.user == owner);
        let ready = [taken, of.sudo.clone(), login].into_iter().flatten().nth(self.given);
        self.given += usize::from(ready.is_some());
        ready
    }

    /// Whether another start of sudo may bring another try.
    pub(super) fn may_go_on(&self) -> bool {
        !self.over && self.of.keyring.ask.is_some() && self.asked < TRIES
    }

    /// The last one came too late to be tried: it may be given again.
    pub(super) fn untried(&mut self) {
        self.last = None;
        self.seen = self.seen.saturating_sub(1);
        self.asked = self.asked.saturating_sub(1);
    }

    /// Whether one was given.
    pub(super) fn tried(&self) -> bool {
        self.last.is_some()
    }

    /// The last one was right.
    pub(super) fn taken(&mut self) {
        if let Some(right) = self.last.take() {
            *self.of.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(right);
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("node", &self.node)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// A user who types `answers`, and the questions that they saw.
    fn user(answers: &[&'static str]) -> (Arc<Keyring>, Arc<Mutex<Vec<String>>>) {
        let answers =
            Arc::new(Mutex::new(answers.iter().copied().collect::<std::collections::VecDeque<_>>()));
        let questions = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&questions);
        let ask: AskSecret = Arc::new(move |Question { prompt, echo }| {
            assert!(!echo, "{prompt}");
            asked.lock().unwrap().push(prompt);
            let answer = answers.lock().unwrap().pop_front().filter(|answer| !answer.is_empty());
            Box::pin(async move { answer.map(SecretString::from) })
        });
        (Arc::new(Keyring::new(Some(ask))), questions)
    }

    async fn next(tries: &mut Tries<'_>, owner: &str) -> Option<String> {
        tries.next(owner).await.map(|password| password.expose_secret().to_owned())
    }

    fn on(node: &str, keyring: &Arc<Keyring>) -> Passwords {
        Passwords::of(node, "pi", Arc::clone(keyring))
    }

    #[tokio::test]
    async fn twenty_hosts_ask_once() {
        let (keyring, questions) = user(&["sesame"]);
        let hosts: Vec<_> = (0..20).map(|n| on(&format!("n{n}"), &keyring)).collect();
        let answers = futures_util::future::join_all(hosts.iter().map(|host| async {
            let mut tries = host.tries();
            next(&mut tries, "pi").await
        }));
        assert!(answers.await.iter().all(|answer| answer.as_deref() == Some("sesame")));
        assert_eq!(*questions.lock().unwrap(), ["sudo on n0 wants the password of pi: "]);
    }

    #[tokio::test]
    async fn a_wrong_one_is_asked_for_again_at_most_three_times() {
        let (keyring, questions) = user(&["a", "b", "c", "d"]);
        let (one, other) = (on("n1", &keyring), on("n2", &keyring));
        let mut tries = one.tries();
        for expected in ["a", "b", "c"] {
            assert!(tries.may_go_on());
            assert_eq!(next(&mut tries, "pi").await.as_deref(), Some(expected));
        }
        assert!(!tries.may_go_on());
        assert_eq!(next(&mut tries, "pi").await, None);
        assert!(questions.lock().unwrap()[1].contains("n1 does not take that; it wants"));
        // Whoever comes later begins with what was typed last, and is not asked for another's mistakes.
        assert_eq!(next(&mut other.tries(), "pi").await.as_deref(), Some("c"));
        assert_eq!(questions.lock().unwrap().len(), 3);
        // Another user's password is another question.
        assert_eq!(next(&mut other.tries(), "root").await.as_deref(), Some("d"));
    }

    #[tokio::test]
    async fn who_gives_none_is_not_asked_for_each_host() {
        let (keyring, questions) = user(&["", "x"]);
        for node in ["n1", "n2"] {
            let host = on(node, &keyring);
            let mut tries = host.tries();
            assert_eq!(next(&mut tries, "pi").await, None);
            assert!(!tries.may_go_on());
        }
        assert_eq!(questions.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_known_needs_no_question() {
        let (keyring, questions) = user(&["typed"]);
        let secret = |text: &str| Some(SecretString::from(text));
        let from_login = Passwords { login: secret("login"), ..on("n1", &keyring) };
        let mut tries = from_login.tries();
        assert!(!from_login.expected());
        assert_eq!(next(&mut tries, "pi").await.as_deref(), Some("login"));
        tries.taken();
        assert!(from_login.expected());
        assert_eq!(next(&mut from_login.tries(), "pi").await.as_deref(), Some("login"));
        // It is another's password that sudo wants here.
        let from_inventory = Passwords { sudo: secret("sudo"), login: secret("login"), ..on("n2", &keyring) };
        let mut tries = from_inventory.tries();
        assert_eq!(next(&mut tries, "root").await.as_deref(), Some("sudo"));
        assert_eq!(questions.lock().unwrap().len(), 0);
        assert_eq!(next(&mut tries, "root").await.as_deref(), Some("typed"));
        let shown = format!("{from_inventory:?} {keyring:?}", keyring = keyring.ask.is_some());
        assert!(!shown.contains("login\"") && !shown.contains("typed"), "{shown}");
    }

    #[tokio::test]
    async fn nobody_to_ask() {
        let host = on("n1", &Arc::default());
        let mut tries = host.tries();
        assert_eq!(next(&mut tries, "pi").await, None);
        assert!(!tries.may_go_on());
    }
}
