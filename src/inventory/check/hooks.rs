//! Section `hooks`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Checker;
use crate::inventory::file;
use crate::inventory::model::{Hook, HookPlace};
use crate::inventory::spot::Spot;

/// How long a hook may take where it says nothing.
const LIMIT: u64 = 10 * 60;
/// The longest that a hook may take: a day, in seconds.
const LONGEST: u64 = 24 * 60 * 60;

impl Checker<'_> {
    pub(super) fn hooks(&mut self) -> Vec<Hook> {
        let mut names = BTreeSet::new();
        self.file.hooks.iter().map(|hook| self.hook(hook, &mut names)).collect()
    }

    fn hook<'f>(&mut self, hook: &'f file::Hook, names: &mut BTreeSet<&'f str>) -> Hook {
        let name = &hook.name;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 40 || !name.chars().all(fits) || name.starts_with('-') {
            let message = format!("`{}` cannot be the name of a hook", name.escape_debug());
            self.error(name, message, "use 1 to 40 lower-case letters, digits and `-`");
        } else if !names.insert(name) {
            self.error(name, format!("two hooks are called `{}`", name.value), "give each its own name");
        }
        Hook {
            name: name.value.clone(),
            place: self.hook_place(hook),
            when: hook.when.into(),
            phase: hook.phase.into(),
            script: hook.script.as_ref().map(|script| self.local_path(script)),
            text: self.hook_text(hook),
            limit: self.hook_limit(hook),
        }
    }

    fn hook_place(&mut self, hook: &file::Hook) -> HookPlace {
        let Some(on) = &hook.on else { return HookPlace::Nodes(self.all_nodes()) };
        let is = |word: &str| on.iter().any(|name| name.as_str() == word);
        match on.as_slice() {
            [] => {
                let message = format!("the hook `{}` is to run nowhere", hook.name.value);
                self.error(
                    &hook.name,
                    message,
                    "write `on: [all]`, `on: [controller]` or nodes; or leave `on` out",
                );
                HookPlace::Nodes(Vec::new())
            }
            [_] if is("controller") => HookPlace::Controller,
            [_] if is("all") => HookPlace::Nodes(self.all_nodes()),
            [first, ..] if is("controller") || is("all") => {
                let message = "`all` and `controller` stand alone".to_owned();
                self.error(first, message, "write two hooks, one for the controller and one for nodes");
                HookPlace::Nodes(Vec::new())
            }
            names => HookPlace::Nodes(names.iter().map(|name| self.known_node(name)).collect()),
        }
    }

    /// The command; a script's text is read later.
    fn hook_text(&mut self, hook: &file::Hook) -> String {
        let needs = "write `run: \"COMMAND\"` or `script: FILE`";
        match (&hook.run, &hook.script) {
            (Some(run), None) if run.trim().is_empty() => {
                self.error(run, format!("the hook `{}` runs nothing", hook.name.value), needs);
                String::new()
            }
            (Some(run), None) => run.value.clone(),
            (None, Some(_)) => String::new(),
            (None, None) => {
                self.error(&hook.name, format!("the hook `{}` runs nothing", hook.name.value), needs);
                String::new()
            }
            (Some(run), Some(_)) => {
                self.error(run, "a hook has either `run` or `script`".to_owned(), "take one of them out");
                String::new()
            }
        }
    }

    fn hook_limit(&mut self, hook: &file::Hook) -> Duration {
        let seconds = hook.timeout.as_ref().map_or(LIMIT, |timeout| timeout.value);
        if let Some(timeout) = hook.timeout.as_ref().filter(|timeout| !(1..=LONGEST).contains(&timeout.value))
        {
            self.error(timeout, format!("a hook cannot take {seconds} s"), "use 1 to 86400 seconds");
        }
        Duration::from_secs(seconds)
    }

    fn all_nodes(&self) -> Vec<crate::inventory::model::NodeName> {
        let names: Vec<&Spot<String>> =
            self.file.nodes.iter().flat_map(|nodes| nodes.iter()).map(|(name, _)| name).collect();
        names.into_iter().map(|name| name.as_str().into()).collect()
    }
}
