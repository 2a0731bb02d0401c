//! Jump hosts as `ProxyJump` names them: pure functions.

use std::fmt;
use std::str::FromStr;

/// One jump host: `[USER@]HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HopSpec {
    /// The login; by ssh's configuration where absent.
    pub user: Option<String>,
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port; by ssh's configuration where absent.
    pub port: Option<u16>,
}

/// The jump hosts on the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Jump {
    /// None, whatever ssh's configuration says.
    None,
    /// These, in the order in which they are passed.
    Via(Vec<HopSpec>),
}

impl Jump {
    /// What says the same to `ssh -o`. Only a ProxyCommand of `none` keeps it from both kinds of proxy.
    pub(super) fn option(&self) -> String {
        match self {
            Self::None => "ProxyCommand=none".to_owned(),
            Self::Via(_) => format!("ProxyJump={self}"),
        }
    }
}

impl FromStr for HopSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("`{text}` is no jump host: [USER@]HOST[:PORT]");
        let rest = text.strip_prefix("ssh://").map_or(text, |rest| rest.trim_end_matches('/'));
        // As OpenSSH does: the name of a user may hold an `@`.
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (host, port) = match rest.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(None) => return Err(fail()),
            Some(Some((host, ""))) => (host, None),
            Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').ok_or_else(fail)?)),
            None => match rest.split_once(':') {
                // An IPv6 address without brackets has no port.
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (rest, None),
            },
        };
        let port =
            port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or_else(fail)).transpose()?;
        if host.is_empty() || user == Some("") || host.starts_with('-') || host.contains([' ', ',']) {
            return Err(fail());
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

impl fmt::Display for HopSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Jump {
    type Err = String;

    /// A comma list, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::None);
        }
        text.split(',').map(|hop| hop.trim().parse()).collect::<Result<_, _>>().map(Self::Via)
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Via(hops) => {
                let hops: Vec<_> = hops.iter().map(ToString::to_string).collect();
                f.write_str(&hops.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn jump_hosts() {
        let hop = |user: Option<&str>, host: &str, port| HopSpec {
            user: user.map(Into::into),
            host: host.into(),
            port,
        };
        for (text, expected) in [
            ("none", Jump::None),
            ("NONE", Jump::None),
            ("b", Jump::Via(vec![hop(None, "b", None)])),
            ("a@b:33", Jump::Via(vec![hop(Some("a"), "b", Some(33))])),
            ("a@x@b", Jump::Via(vec![hop(Some("a@x"), "b", None)])),
            ("ssh://a@b:33/", Jump::Via(vec![hop(Some("a"), "b", Some(33))])),
            ("[::1]:44", Jump::Via(vec![hop(None, "::1", Some(44))])),
            ("c@[::1]", Jump::Via(vec![hop(Some("c"), "::1", None)])),
            ("fd00::1", Jump::Via(vec![hop(None, "fd00::1", None)])),
            (
                "a,b:2, c",
                Jump::Via(vec![hop(None, "a", None), hop(None, "b", Some(2)), hop(None, "c", None)]),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in
            ["", ",", "a,", "@b", "b:", "b:0", "b:65536", "b:x", "[::1", "[::1]x", "-oProxyCommand=x", "a b"]
        {
            assert!(text.parse::<Jump>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "([a-z@]{1,4}@)?([a-z+.]{1,5}|\\[[0-9a-f:]{2,5}\\])(:[1-9][0-9]{0,3})?") {
            if let Ok(hop) = text.parse::<HopSpec>() {
                prop_assert_eq!(hop.to_string().parse(), Ok(hop));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<Jump>();
        }
    }
}
