//! What was understood of `first_login`.

use super::Show;
use crate::inventory::document::{Entry, Value};
use crate::inventory::model::FirstLogin;

impl Show<'_> {
    pub(super) fn first_login(&self, first: &FirstLogin) -> Entry {
        let FirstLogin {
            user,
            password,
            keys,
            new_password,
            account,
            time_zone,
            locale,
            hostname,
            keys_only,
        } = first;
        let text = |key: &'static str, value: &Option<String>| match value {
            Some(value) => Entry::new(key, Value::text(value)),
            None => Entry::comment(format!("{key}: as it is")),
        };
        let entries = vec![
            Entry::new("user", Value::text(user)),
            match password {
                Some(source) => Entry::new("password", self.secret(source)),
                None => Entry::comment("password: that of Armbian's images"),
            },
            match keys.is_empty() {
                false => Entry::new("keys", Value::texts(keys.iter().map(|key| self.path(key)))),
                true => Entry::comment("keys: those that skep logs in with"),
            },
            match new_password {
                Some(source) => Entry::new("new_password", self.secret(source)),
                None => Entry::comment("new_password: a random one"),
            },
            match account {
                Some(account) => Entry::new("account", Value::text(account)),
                None => Entry::comment("account: none"),
            },
            text("time_zone", time_zone),
            text("locale", locale),
            Entry::new("hostname", Value::text(hostname.as_deref().unwrap_or("keep"))),
            Entry::new("keys_only", Value::Plain((*keys_only).into())),
        ];
        Entry::new("first_login", Value::Map(entries))
    }
}
