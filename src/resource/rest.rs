//! What of a change is left to be done, held against what is there now.

use super::TextChange;

/// What of a change is left to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest<C> {
    /// What is left; none where all of it is done already, or nothing of it may be done.
    pub change: Option<C>,
    /// What somebody else made of the thing since the change was thought of: that part is left as it is.
    pub foreign: Vec<String>,
}

impl<C> Rest<C> {
    /// This is left to be done, if anything.
    pub fn of(change: Option<C>) -> Self {
        Self { change, foreign: Vec::new() }
    }

    /// Nothing may be done: somebody else changed the thing.
    pub fn foreign(what: impl Into<String>) -> Self {
        Self { change: None, foreign: vec![what.into()] }
    }

    /// The same with another form of the change.
    pub fn map<D>(self, form: impl FnOnce(C) -> D) -> Rest<D> {
        Rest { change: self.change.map(form), foreign: self.foreign }
    }
}

impl TextChange {
    /// What of it is left for a file that has the text `now`; what somebody else did to the file goes to `foreign`.
    pub(super) fn rest(&self, now: Option<&str>, foreign: &mut Vec<String>) -> Option<Self> {
        match now {
            now if now == self.after.as_deref() => None,
            now if now == self.before.as_deref() => Some(self.clone()),
            now => {
                let what = if now.is_none() { "removed" } else { "changed" };
                foreign.push(format!("{} was {what} since", self.path.display()));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_is_as_it_was_left_is_changed() {
        let change = TextChange::between("/etc/x", Some("ours"), Some("theirs")).unwrap();
        let removal = TextChange::between("/etc/x", Some("ours"), None).unwrap();
        let table = [
            (&change, Some("ours"), true, ""),
            (&change, Some("theirs"), false, ""),
            (&change, Some("another"), false, "/etc/x was changed since"),
            (&change, None, false, "/etc/x was removed since"),
            (&removal, Some("ours"), true, ""),
            (&removal, None, false, ""),
            (&removal, Some("another"), false, "/etc/x was changed since"),
        ];
        for (change, now, left, told) in table {
            let mut foreign = Vec::new();
            let rest = change.rest(now, &mut foreign);
            assert_eq!((rest.is_some(), foreign.join("; ").as_str()), (left, told), "{now:?}");
            assert!(rest.is_none_or(|rest| rest == *change));
        }
    }
}
