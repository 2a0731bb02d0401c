//! Small pieces of sentences, and of commands.

use std::fmt::Display;

/// `n1, n2 and n3`.
pub(crate) fn list<T: Display>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.to_string(),
        [firsts @ .., last] => {
            let firsts: Vec<_> = firsts.iter().map(T::to_string).collect();
            format!("{} and {last}", firsts.join(", "))
        }
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A word that a shell takes as it is.
pub(crate) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{count, list, shell_word};

    #[test]
    fn a_quote_does_not_end_a_word() {
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }

    #[test]
    fn lists_end_in_and() {
        assert_eq!(list::<u8>(&[]), "");
        assert_eq!([list(&[1]), list(&[1, 2]), list(&[1, 2, 3])], ["1", "1 and 2", "1, 2 and 3"]);
    }

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "node")), ["0 nodes", "1 node", "2 nodes"]);
    }
}
