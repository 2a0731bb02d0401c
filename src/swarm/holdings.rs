//! What would be lost with a swarm.

use crate::words::count;

/// What a swarm holds that would be lost with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Services.
    pub services: usize,
    /// Secrets.
    pub secrets: usize,
    /// Configs.
    pub configs: usize,
}

impl Holdings {
    /// Whether nothing would be lost.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Holdings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [("service", self.services), ("secret", self.secrets), ("config", self.configs)];
        let told = parts.into_iter().filter(|(_, number)| *number > 0);
        let told = told.map(|(what, number)| count(number, what));
        f.write_str(&told.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_counted() {
        let holdings = |services, secrets, configs| Holdings { services, secrets, configs };
        let table = [
            (holdings(0, 0, 0), "", true),
            (holdings(1, 0, 0), "1 service", false),
            (holdings(0, 2, 1), "2 secrets, 1 config", false),
        ];
        for (holdings, told, empty) in table {
            assert_eq!((holdings.to_string().as_str(), holdings.is_empty()), (told, empty));
        }
    }
}
