//! Section `boot`: what it says and what it means.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::{Entry, Value};
use super::show::DEFAULT;

/// The boards' boot settings that containers depend on: controllers of cgroups on the kernel's command line.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Boot")]
pub struct Section {
    /// Whether the boot file of a node is changed whose running kernel lacks the memory or cpuset controller. Default: true.
    pub manage: Option<bool>,
    /// Whether nodes are rebooted that have to be for that, one after another. Default: `ask`.
    pub reboot: Option<WhenDue>,
}

/// What is done where a reboot is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenDue {
    /// You are asked on a terminal; elsewhere `--reboot` says yes beforehand.
    #[default]
    Ask,
    /// It is part of every plan.
    Auto,
    /// You are told, and do it yourself.
    Never,
}

impl fmt::Display for WhenDue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ask => "ask",
            Self::Auto => "auto",
            Self::Never => "never",
        })
    }
}

/// What becomes of boot settings that containers depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Whether boot files are changed where the running kernel lacks a controller of cgroups.
    pub manage: bool,
    /// Whether a host is rebooted that has to be.
    pub reboot: WhenDue,
}

impl Default for Boot {
    fn default() -> Self {
        Self { manage: true, reboot: WhenDue::Ask }
    }
}

impl From<&Section> for Boot {
    fn from(section: &Section) -> Self {
        let otherwise = Self::default();
        Self {
            manage: section.manage.unwrap_or(otherwise.manage),
            reboot: section.reboot.unwrap_or(otherwise.reboot),
        }
    }
}

impl Section {
    /// What was understood of it.
    pub(super) fn show(&self, boot: Boot) -> Value {
        let manage = Entry::new("manage", Value::Plain(boot.manage.into()));
        let reboot = Entry::new("reboot", Value::text(boot.reboot.to_string()));
        Value::Map(vec![
            manage.beside(self.manage.is_none().then_some(DEFAULT)),
            reboot.beside(self.reboot.is_none().then_some(DEFAULT)),
        ])
    }
}
