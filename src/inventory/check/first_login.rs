//! Key `first_login` of nodes, with that of `defaults` filled in.

use super::Checker;
use crate::inventory::file;
use crate::inventory::model::{FirstLogin, Login};
use crate::inventory::spot::Spot;

/// The user of images that have but one.
const IMAGE_USER: &str = "root";
/// Leaves the host name as it is.
pub(in crate::inventory) const KEEP: &str = "keep";

impl Checker<'_> {
    /// None where neither the node nor `defaults` speak of it.
    pub(super) fn first_login(
        &mut self,
        name: &Spot<String>,
        node: &file::Node,
        login: &Login,
    ) -> Option<FirstLogin> {
        let defaults = &self.file.defaults;
        if node.first_login.is_none() && defaults.first_login.is_none() {
            return None;
        }
        let nothing = file::FirstLogin::default();
        let own = node.first_login.as_ref().unwrap_or(&nothing);
        let shared = defaults.first_login.as_ref().unwrap_or(&nothing);
        let user = own.user.as_ref().or(shared.user.as_ref());
        let account = own.account.as_ref().or(shared.account.as_ref());
        for user in user.into_iter().chain(account) {
            self.user(user);
        }
        if let Some(account) = account.or(node.user.as_ref().or(defaults.user.as_ref())) {
            self.account(account);
        }
        let user = user.map_or_else(|| IMAGE_USER.to_owned(), |user| user.value.clone());
        let account = account
            .or(node.user.as_ref().or(defaults.user.as_ref()))
            .map(|name| name.value.clone())
            .filter(|name| *name != user);
        let password = own.password.as_ref().or(shared.password.as_ref());
        let new_password = own.new_password.as_ref().or(shared.new_password.as_ref());
        let keys = own.keys.as_ref().or(shared.keys.as_ref());
        let time_zone = own.time_zone.as_ref().or(shared.time_zone.as_ref());
        let locale = own.locale.as_ref().or(shared.locale.as_ref());
        if let Some(zone) = time_zone {
            self.time_zone(zone);
        }
        if let Some(locale) = locale {
            self.locale(locale);
        }
        let new = new_password.and_then(|secret| self.secret(secret));
        let same_user = user != "root" && login.user.as_ref().is_none_or(|login| *login == user);
        if let (Some(at), Some(new), Some(sudo), true) = (new_password, &new, &login.sudo_password, same_user)
            && new != sudo
        {
            let message =
                format!("sudo would not take the new password of {user}: `sudo_password` has another source");
            let help = "give `sudo_password` and `first_login.new_password` the same source";
            self.error(at, message, help);
        }
        Some(FirstLogin {
            user,
            password: password.and_then(|secret| self.secret(secret)),
            keys: keys.into_iter().flatten().map(|path| self.local_path(path)).collect(),
            new_password: new,
            account,
            time_zone: time_zone.map(|zone| zone.value.clone()),
            locale: locale.map(|locale| locale.value.clone()),
            hostname: self.hostname(name, own, shared),
            keys_only: own.keys_only.or(shared.keys_only).unwrap_or(true),
        })
    }

    fn hostname(
        &mut self,
        name: &Spot<String>,
        own: &file::FirstLogin,
        shared: &file::FirstLogin,
    ) -> Option<String> {
        if let Some(shared) = shared.hostname.as_ref().filter(|hostname| hostname.value != KEEP) {
            let message = format!("each node would have the host name `{}`", shared.escape_debug());
            self.error(
                shared,
                message,
                "leave it out: each has its own name then; or write `hostname: keep`",
            );
        }
        let Some(hostname) = own.hostname.as_ref().or(shared.hostname.as_ref()) else {
            return Some(name.value.clone());
        };
        let label = |part: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !part.is_empty() && part.chars().all(fits) && !part.starts_with('-') && !part.ends_with('-')
        };
        if hostname.len() > 64 || !hostname.split('.').all(label) {
            let message = format!("`{}` cannot be a host name", hostname.escape_debug());
            self.error(hostname, message, "use up to 64 letters, digits, `-` and `.`");
        }
        Some(hostname.value.clone()).filter(|hostname| hostname != KEEP)
    }

    /// `useradd` would refuse it, and sudo take some for something else than a user.
    fn account(&mut self, name: &Spot<String>) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !begins || !name.chars().all(fits) || name.len() > 32 {
            let message = format!("no user `{}` can be made", name.escape_debug());
            self.error(name, message, "write small letters, digits, `_`, `.` and `-`, a letter first: `pi`");
        }
    }

    fn time_zone(&mut self, zone: &Spot<String>) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
        if !zone.split('/').all(|part| !part.is_empty() && part.chars().all(fits)) {
            let message = format!("`{}` cannot be a time zone", zone.escape_debug());
            self.error(
                zone,
                message,
                "write its name: `Europe/Berlin`, `Etc/UTC`; `timedatectl list-timezones`",
            );
        }
    }

    fn locale(&mut self, locale: &Spot<String>) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-@".contains(c);
        if locale.is_empty() || !locale.chars().all(fits) {
            let message = format!("`{}` cannot be a locale", locale.escape_debug());
            self.error(locale, message, "write its name as `LANG` has it: `en_GB.UTF-8`, `C.UTF-8`");
        }
    }
}
