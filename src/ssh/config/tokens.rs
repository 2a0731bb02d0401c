//! What stands for something else in the values of ssh_config(5): `~`, `%h`, `${NAME}`. Pure functions.

use std::path::PathBuf;

use super::Question;
use super::settings::Settings;
use super::surroundings::Here;

/// What the tokens stand for on one host.
pub(super) struct Tokens<'a> {
    /// Name or address connected to.
    pub(super) host: &'a str,
    /// What `ssh` was given.
    pub(super) asked: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) alias: Option<&'a str>,
    pub(super) here: &'a Here,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(question: &'a Question, settings: &'a Settings, here: &'a Here) -> Self {
        Self {
            host: &settings.host_name,
            asked: &question.host,
            port: settings.port,
            user: &settings.user,
            alias: settings.host_key_alias.as_deref(),
            here,
        }
    }

    /// The file that `text` names.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        let text = self.percent(&variables(text, self.here)?)?;
        let Some(rest) = text.strip_prefix('~') else {
            return Ok(PathBuf::from(text));
        };
        let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let home = match user {
            "" => self.here.home.clone().ok_or_else(|| "there is no home for `~`".to_owned())?,
            user => (self.here.home_of)(user).ok_or_else(|| format!("there is no user `{user}`"))?,
        };
        Ok(home.join(rest))
    }

    /// `text` with what its `%` stand for.
    pub(super) fn percent(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split('%');
        let mut result = parts.next().unwrap_or_default().to_owned();
        while let Some(part) = parts.next() {
            let Some(token) = part.chars().next() else {
                // Two in a row stand for one, and what follows is plain.
                result.push('%');
                result.push_str(parts.next().ok_or("it ends in a single `%`")?);
                continue;
            };
            result.push_str(&self.value(token)?);
            result.push_str(&part[token.len_utf8()..]);
        }
        Ok(result)
    }

    fn value(&self, token: char) -> Result<String, String> {
        let Here { home, user, uid, host_name, .. } = self.here;
        Ok(match token {
            'h' => self.host.to_owned(),
            'n' => self.asked.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.user.to_owned(),
            'k' => self.alias.unwrap_or(self.asked).to_owned(),
            'd' => home.clone().unwrap_or_default().to_string_lossy().into_owned(),
            'u' => user.clone(),
            'i' => uid.to_string(),
            'l' => host_name.clone(),
            'L' => host_name.split('.').next().unwrap_or_default().to_owned(),
            other => return Err(format!("skep does not know what `%{other}` stands for; write it out")),
        })
    }
}

/// `text` with the values of its `${NAME}`.
fn variables(text: &str, here: &Here) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or("a `${` has no end")?;
        let value = (here.variable)(name).ok_or_else(|| format!("the variable `{name}` is not set"))?;
        result.push_str(&value);
        result.push_str(rest);
    }
    Ok(result)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn here() -> Here {
        Here {
            home: Some("/home/me".into()),
            account_home: Some("/home/me".into()),
            user: "me".into(),
            uid: 1000,
            host_name: "desk.lan".into(),
            variable: |name| (name == "WORK").then(|| "/srv/50%".to_owned()),
            home_of: |user| (user == "ann").then(|| "/home/ann".into()),
        }
    }

    fn tokens(here: &Here) -> Tokens<'_> {
        Tokens { host: "10.0.0.7", asked: "pi", port: 2222, user: "root", alias: None, here }
    }

    #[test]
    fn paths_and_commands() {
        let here = here();
        let tokens = tokens(&here);
        for (text, expected) in [
            ("/a/b", "/a/b"),
            ("~/.ssh/id_%h_%r", "/home/me/.ssh/id_10.0.0.7_root"),
            ("~", "/home/me/"),
            ("~ann/id", "/home/ann/id"),
            ("%d/%u-%i-%l-%L-%n-%k", "/home/me/me-1000-desk.lan-desk-pi-pi"),
            ("a%%b%%%%c%%h", "a%b%%c%h"),
            ("/x y/~", "/x y/~"),
        ] {
            assert_eq!(tokens.path(text), Ok(PathBuf::from(expected)), "{text}");
        }
        assert_eq!(tokens.percent("nc -X 5 %h %p # 100%%"), Ok("nc -X 5 10.0.0.7 2222 # 100%".into()));
        assert_eq!(tokens.percent("echo ${HOME} ~"), Ok("echo ${HOME} ~".into()));
        for (text, why) in [
            ("~bob/id", "no user `bob`"),
            ("%C", "`%C`"),
            ("a%", "single `%`"),
            ("${NONE}/x", "`NONE` is not set"),
            ("${WORK", "no end"),
        ] {
            let error = tokens.path(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[%~$hpC{}a/é]{0,12}") {
            let here = here();
            let _ = tokens(&here).path(&text);
        }

        #[test]
        fn plain_text_stays(text in "[a-z/ .#-]{0,12}") {
            let here = here();
            prop_assert_eq!(tokens(&here).percent(&text), Ok(text));
        }
    }
}
