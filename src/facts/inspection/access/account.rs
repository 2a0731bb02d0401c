//! The login's account: its groups, and until when it may be used.

use serde::{Deserialize, Serialize};

use super::super::super::text;
use crate::resource::Host;

/// The login's account, as far as the host's own files tell of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Its name; empty where it is not known.
    pub user: String,
    /// Whether `/etc/passwd` has it; others come from a directory server, of which the rest here is not told.
    pub local: bool,
    /// Its groups.
    pub groups: Vec<String>,
    /// The day since 1970 on which its password has to be changed; none where it need not be.
    pub password_expires: Option<i64>,
    /// The day since 1970 on which it is closed; none where it is not.
    pub closes: Option<i64>,
}

/// The account of that name, else of that number.
pub(super) fn read(host: &Host, user: Option<&str>, uid: u32) -> Account {
    let passwd = text(host, "/etc/passwd");
    let uid = uid.to_string();
    let mut entries = passwd.lines().map(fields);
    let entry = entries.find(|fields| match user {
        Some(user) => fields.first() == Some(&user),
        None => fields.get(2) == Some(&uid.as_str()),
    });
    let Some(entry) = entry else {
        return Account { user: user.unwrap_or_default().to_owned(), ..Account::default() };
    };
    let (user, gid) = (entry[0], entry.get(3).copied().unwrap_or_default());
    let (password_expires, closes) = ends(&text(host, "/etc/shadow"), user);
    Account {
        user: user.to_owned(),
        local: true,
        groups: groups(&text(host, "/etc/group"), user, gid),
        password_expires,
        closes,
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

/// Those of group(5) that name the user, and the user's own.
fn groups(text: &str, user: &str, gid: &str) -> Vec<String> {
    let is_in = |group: &Vec<&str>| {
        group.get(2) == Some(&gid)
            || group.get(3).is_some_and(|members| members.split(',').any(|member| member == user))
    };
    text.lines().map(fields).filter(is_in).map(|group| group[0].to_owned()).collect()
}

/// When the password of shadow(5) expires, and when the account closes, in days since 1970.
fn ends(text: &str, user: &str) -> (Option<i64>, Option<i64>) {
    /// So many days are never reached: the field is often set to 99999.
    const NEVER: i64 = 10_000;
    let Some(entry) = text.lines().map(fields).find(|entry| entry.first() == Some(&user)) else {
        return (None, None);
    };
    let day = |place: usize| entry.get(place).and_then(|field| field.parse::<i64>().ok());
    let longest = day(4).filter(|days| (0..NEVER).contains(days));
    // The second field is a hash, or `*` and `!` for no password at all.
    let has_password = entry.get(1).is_some_and(|hash| !hash.is_empty() && !hash.starts_with(['!', '*']));
    let expires = day(2).zip(longest).map(|(changed, longest)| changed.saturating_add(longest));
    (expires.filter(|_| has_password), day(7).filter(|day| *day > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(shadow: &str) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).expect("a folder");
        for (name, text) in [
            ("passwd", "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n"),
            ("group", "root:x:0:\nsudo:x:27:pi,maya\npi:x:1000:\ndocker:x:999:maya\n"),
            ("shadow", shadow),
        ] {
            std::fs::write(etc.join(name), text).expect("a file");
        }
        let host = Host::at(root.path());
        (root, host)
    }

    #[test]
    fn an_account_is_found_by_name_or_number() {
        let (_root, host) = host("");
        let pi = read(&host, Some("pi"), 0);
        assert_eq!((pi.user.as_str(), pi.groups.join(" ").as_str(), pi.local), ("pi", "sudo pi", true));
        assert_eq!(read(&host, None, 0).user, "root");
        assert_eq!(read(&host, None, 1000), pi);
        let other = read(&host, Some("ldap"), 0);
        assert_eq!((other.user.as_str(), other.local), ("ldap", false));
        assert_eq!(read(&host, None, 7).user, "");
    }

    #[test]
    fn what_shadow_says_of_the_end() {
        for (entry, expected) in [
            ("pi:$y$x:19000:0:99999:7:::", (None, None)),
            ("pi:$y$x:19000:0:90:7:::", (Some(19_090), None)),
            ("pi:!:19000:0:90:7:::", (None, None)),
            ("pi:*:19000:0:90:7:::", (None, None)),
            ("pi:$y$x:0:0:90:7:::", (Some(90), None)),
            ("pi:$y$x:19000:0:99999:7::20500:", (None, Some(20_500))),
            ("pi:$y$x::::::0:", (None, None)),
            ("pi", (None, None)),
            ("maya:$y$x:19000:0:90:7:::", (None, None)),
        ] {
            assert_eq!(ends(entry, "pi"), expected, "{entry}");
        }
    }
}
