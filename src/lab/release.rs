//! The releases that nodes can be of, and what each needs to run in a namespace: the one place that knows.

use super::error::LabError;

/// A release of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Release {
    /// Its code name, which its suites in the archive are called after.
    pub(super) code: &'static str,
    /// Its number, as people say it.
    pub(super) number: &'static str,
    /// The distribution, as os-release(5) has it.
    pub(super) family: &'static str,
    /// Whether firmware has a component of its own in the archive.
    pub(super) firmware_apart: bool,
    /// Units that fail in a namespace for no reason a board would have.
    pub(super) masked: &'static [&'static str],
}

const DEBIAN: Release = Release { code: "", number: "", family: "debian", firmware_apart: true, masked: &[] };
const UBUNTU: Release = Release { family: "ubuntu", firmware_apart: false, ..DEBIAN };

/// Those that skep knows.
const ALL: [Release; 5] = [
    // Its udevadm takes it for an error that nothing is mounted below /sys that it knows.
    Release {
        code: "bullseye",
        number: "11",
        firmware_apart: false,
        masked: &["systemd-udev-trigger.service"],
        ..DEBIAN
    },
    Release { code: "bookworm", number: "12", ..DEBIAN },
    Release { code: "trixie", number: "13", ..DEBIAN },
    Release { code: "jammy", number: "22.04", ..UBUNTU },
    Release { code: "noble", number: "24.04", ..UBUNTU },
];

impl Release {
    /// The release of that code name or number.
    pub(super) fn named(name: &str) -> Result<Self, LabError> {
        let name = name.to_ascii_lowercase();
        ALL.into_iter().find(|release| [release.code, release.number].contains(&name.as_str())).ok_or_else(
            || LabError::UnknownRelease { wanted: name, known: ALL.iter().map(Self::title).collect() },
        )
    }

    /// Those of a distribution, for people.
    pub(super) fn titles_of(family: &str) -> Vec<String> {
        ALL.iter().filter(|release| release.family == family).map(Self::title).collect()
    }

    /// `Debian 12 (bookworm)`.
    pub(super) fn title(&self) -> String {
        let family = if self.family == "ubuntu" { "Ubuntu" } else { "Debian" };
        format!("{family} {} ({})", self.number, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_found_by_code_name_and_by_number() {
        for (name, code) in [
            ("bullseye", "bullseye"),
            ("12", "bookworm"),
            ("Trixie", "trixie"),
            ("22.04", "jammy"),
            ("noble", "noble"),
        ] {
            assert_eq!(Release::named(name).unwrap().code, code);
        }
        let refused = Release::named("woody").unwrap_err().to_string();
        assert!(refused.contains("`woody`") && refused.contains("Debian 13 (trixie)"), "{refused}");
    }

    #[test]
    fn names_and_numbers_are_unique() {
        for (place, release) in ALL.iter().enumerate() {
            let twin = |other: &Release| other.code == release.code || other.number == release.number;
            assert!(!ALL[place + 1..].iter().any(twin), "{release:?}");
        }
    }
}
