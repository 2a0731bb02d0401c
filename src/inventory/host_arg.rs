//! A host as written on the command line: `[user@]host[:port]`.

use std::fmt;
use std::str::FromStr;

use super::address::{address_trouble, is_user_name};

/// A host as written on the command line; an IPv6 address with a port stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostArg {
    /// The user before `@`.
    pub user: Option<String>,
    /// IP address, without brackets, or host name.
    pub host: String,
    /// The port after `:`.
    pub port: Option<u16>,
}

/// Why a text is no [`HostArg`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` cannot be used as a host: it {cause}; write [user@]host[:port], an IPv6 address with a port in brackets"
)]
pub struct HostArgError {
    text: String,
    cause: &'static str,
}

impl FromStr for HostArg {
    type Err = HostArgError;

    fn from_str(text: &str) -> Result<Self, HostArgError> {
        let fail = |cause| HostArgError { text: text.to_owned(), cause };
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        if user.as_ref().is_some_and(|user| !is_user_name(user)) {
            return Err(fail("has a user name that no user can have"));
        }
        let (host, port) =
            split_port(rest).ok_or_else(|| fail("has a port that is not a number from 1 to 65535"))?;
        if let Some((trouble, _)) = address_trouble(host) {
            return Err(HostArgError { text: text.to_owned(), cause: trouble });
        }
        Ok(Self { user, host: host.to_owned(), port })
    }
}

/// Host and port; none where the port is no number.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(nonzero(port)?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(nonzero(port)?))),
        _ => Some((text, None)),
    }
}

fn nonzero(port: &str) -> Option<u16> {
    port.parse().ok().filter(|port| *port > 0)
}

impl fmt::Display for HostArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(user: Option<&str>, host: &str, port: Option<u16>) -> HostArg {
        HostArg { user: user.map(str::to_owned), host: host.to_owned(), port }
    }

    #[test]
    fn each_form_is_read() {
        for (text, wanted) in [
            ("192.168.2.1", host(None, "192.168.2.1", None)),
            ("pi@192.168.2.1", host(Some("pi"), "192.168.2.1", None)),
            ("pi@n1.lan:2222", host(Some("pi"), "n1.lan", Some(2222))),
            ("fd00::1", host(None, "fd00::1", None)),
            ("[fd00::1]", host(None, "fd00::1", None)),
            ("root@[fd00::1]:22", host(Some("root"), "fd00::1", Some(22))),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "@n1",
            "pi@",
            "n1:",
            "n1:0",
            "n1:65536",
            "n1:x",
            "[fd00::1",
            "[fd00::1]22",
            "a:b:c",
            "n 1",
            "-n1",
            "a@b@c",
            "pi;@n1",
        ] {
            assert!(text.parse::<HostArg>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "([a-z]{1,4}@)?([a-z][a-z0-9]{0,5}(\\.lan)?|\\[fd00::[0-9a-f]{1,4}\\])(:[1-9][0-9]{0,3})?") {
            let read: HostArg = text.parse().expect("a host");
            prop_assert_eq!(read.to_string().parse(), Ok(read));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<HostArg>();
        }
    }
}
