//! One option of the kernel's configuration, and how badly it is needed.

/// How badly an option is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Without it the host cannot be what it shall be.
    Must,
    /// Without it something does not work that many rely on.
    Should,
    /// Without it something does not work that few rely on.
    May,
    /// Something else does the same; it is only told whether it is there.
    Unneeded,
    /// It is better not set.
    Unwanted,
}

/// One option, without `CONFIG_`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) option: &'static str,
    pub(super) need: Need,
    /// What is lost without it; with it, where it is unwanted.
    pub(super) lost: &'static str,
    /// The first kernel that has it.
    pub(super) since: Version,
    /// The first kernel that has it no more.
    pub(super) until: Version,
    /// Options that all together do the same.
    pub(super) instead: &'static [&'static str],
    /// The version of cgroups that uses it, where only one does.
    pub(super) hierarchy: Option<u8>,
}

impl Item {
    const fn new(option: &'static str, need: Need, lost: &'static str) -> Self {
        let (since, until) = (Version(0, 0), Version(u32::MAX, 0));
        Self { option, need, lost, since, until, instead: &[], hierarchy: None }
    }

    pub(super) const fn must(option: &'static str, lost: &'static str) -> Self {
        Self::new(option, Need::Must, lost)
    }

    pub(super) const fn should(option: &'static str, lost: &'static str) -> Self {
        Self::new(option, Need::Should, lost)
    }

    pub(super) const fn may(option: &'static str, lost: &'static str) -> Self {
        Self::new(option, Need::May, lost)
    }

    pub(super) const fn unwanted(option: &'static str, lost: &'static str) -> Self {
        Self::new(option, Need::Unwanted, lost)
    }

    pub(super) const fn since(mut self, major: u32, minor: u32) -> Self {
        self.since = Version(major, minor);
        self
    }

    pub(super) const fn until(mut self, major: u32, minor: u32) -> Self {
        self.until = Version(major, minor);
        self
    }

    pub(super) const fn or(mut self, instead: &'static [&'static str]) -> Self {
        self.instead = instead;
        self
    }

    pub(super) const fn cgroup(mut self, version: u8) -> Self {
        self.hierarchy = Some(version);
        self
    }

    /// Whether a kernel of that version has such an option at all.
    pub(super) fn is_of(&self, version: Version) -> bool {
        self.since <= version && version < self.until
    }

    /// How badly it is needed with that version of cgroups, where it is known.
    pub(super) fn need(&self, hierarchy: Option<u8>) -> Need {
        match (self.hierarchy, hierarchy) {
            (Some(used), Some(there)) if used != there => Need::May,
            _ => self.need,
        }
    }
}

/// A kernel's version: major, minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32);

impl Version {
    /// Of a release: `6.1.0-44-amd64`, `5.15.0-1034-raspi`, `6.6.31+rpt-rpi-v8`.
    pub(super) fn of(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        // What is not a number right away is no release.
        let (major, minor) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        let dotted = release.find('.') == release.find(|c: char| !c.is_ascii_digit());
        dotted.then_some(Self(major, minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases() {
        for (release, version) in [
            ("6.1.0-44-amd64", Some((6, 1))),
            ("5.15.0-1034-raspi", Some((5, 15))),
            ("6.6.31+rpt-rpi-v8", Some((6, 6))),
            ("4.9", Some((4, 9))),
            ("6.18-rc1", Some((6, 18))),
            ("", None),
            ("6", None),
            ("6-1", None),
            ("v6.1", None),
            ("99999999999.1", None),
        ] {
            assert_eq!(
                Version::of(release),
                version.map(|(major, minor)| Version(major, minor)),
                "{release}"
            );
        }
    }

    #[test]
    fn an_option_is_of_the_kernels_between() {
        let item = Item::must("A", "").since(4, 15).until(5, 2);
        for (version, is) in
            [((4, 14), false), ((4, 15), true), ((5, 1), true), ((5, 2), false), ((6, 0), false)]
        {
            assert_eq!(item.is_of(Version(version.0, version.1)), is, "{version:?}");
        }
    }

    #[test]
    fn what_only_one_version_of_cgroups_uses_is_not_needed_with_the_other() {
        let item = Item::must("A", "").cgroup(1);
        assert_eq!(
            [None, Some(1), Some(2)].map(|there| item.need(there)),
            [Need::Must, Need::Must, Need::May]
        );
    }
}
