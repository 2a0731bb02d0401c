//! The files that skep writes whole: rendered from the templates in `templates/`, or from the user's own of the same
//! name in their place.
//!
//! Rendering is strict: a name that a template does not have is an error, and every error is found before anything is
//! changed. Whatever the text, what it has to say stays what the inventory says: see [`guard`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

mod error;
mod guard;
mod origin;
#[cfg(test)]
mod tests;

pub use error::TemplateError;

use super::desire;
use crate::inventory::model::{Inventory, Node, OwnTemplate, Templates};

/// A template that skep brings.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Its name, which errors carry and a user's own takes over.
    pub name: &'static str,
    /// What is written from it.
    pub about: &'static str,
    /// Its text.
    pub text: &'static str,
    /// What it may use, with `[]` for each of a list; docs/templates.md says what each is.
    pub variables: &'static [&'static str],
}

/// Every template.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "exports.j2",
        about: "NFS exports of a server: /etc/exports.d/skep.exports",
        text: include_str!("../../templates/exports.j2"),
        variables: &["node", "shares", "shares[].name", "shares[].path", "shares[].entries"],
    },
    Template {
        name: "nfs.mount.j2",
        about: "a mounted share: its systemd mount unit",
        text: include_str!("../../templates/nfs.mount.j2"),
        variables: &["node", "name", "server", "source", "at", "options"],
    },
    Template {
        name: "docker-after-mounts.conf.j2",
        about: "the engine's start after its mounts: a drop-in of docker.service",
        text: include_str!("../../templates/docker-after-mounts.conf.j2"),
        variables: &["node", "mounts", "clear", "again"],
    },
    Template {
        name: "docker.sources.j2",
        about: "the source of Docker's packages: /etc/apt/sources.list.d/docker.sources",
        text: include_str!("../../templates/docker.sources.j2"),
        variables: &["node", "url", "suite", "components", "architecture", "key"],
    },
    Template {
        name: "docker-proxy.conf.j2",
        about: "the engine's way to registries: a drop-in of docker.service",
        text: include_str!("../../templates/docker-proxy.conf.j2"),
        variables: &["node", "http", "https", "no_proxy"],
    },
    Template {
        name: "apt-proxy.conf.j2",
        about: "apt's way to repositories: /etc/apt/apt.conf.d/95skep-proxy",
        text: include_str!("../../templates/apt-proxy.conf.j2"),
        variables: &["node", "http", "https", "direct"],
    },
    Template {
        name: "engine-not-unattended.conf.j2",
        about: "what keeps unattended-upgrades from the engine: /etc/apt/apt.conf.d/51skep-engine",
        text: include_str!("../../templates/engine-not-unattended.conf.j2"),
        variables: &["node", "packages"],
    },
];

impl Template {
    /// The template of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// The names it may use, without what is in them.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.variables.iter().copied().filter(|name| !name.contains("[]"))
    }
}

/// Renders the texts of one node, and gathers what is wrong with them.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    own: &'a Templates,
    node: &'a str,
    errors: RefCell<Vec<TemplateError>>,
    /// Where each line of a text comes from, by the text.
    origins: RefCell<BTreeMap<String, Vec<String>>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(own: &'a Templates, node: &'a Node) -> Self {
        Self { own, node: &node.name.0, errors: RefCell::default(), origins: RefCell::default() }
    }

    /// Renders the template of that name, which may use the node's name too; empty where that cannot be done, which [`Texts::errors`] then tells.
    ///
    /// # Panics
    /// Where a built-in template does not fit its context, or has no entry in [`TEMPLATES`]: the tests rule it out.
    pub(super) fn render(&self, name: &str, mut context: Value) -> String {
        context["node"] = self.node.into();
        let context = &context;
        let template = Template::named(name).expect("every template has an entry");
        // Not what is given: a value may be a secret.
        debug_assert!(fits(template, context), "{name} is given other names than {:?}", template.variables);
        match self.own.get(name) {
            None => {
                let (text, origin) =
                    render(name, template.text, context).expect("built-in templates fit their contexts");
                self.origins.borrow_mut().insert(text.clone(), origin);
                text
            }
            Some(own) => self.render_own(template, own, context),
        }
    }

    fn render_own(&self, template: &Template, own: &OwnTemplate, context: &Value) -> String {
        let rendered = render(&own.path.display().to_string(), &own.text, context);
        let (text, origin) = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                self.errors.borrow_mut().push(TemplateError::failed(template, own, &error));
                return String::new();
            }
        };
        if let Some(flaw) = guard::flaw(template, context, &text) {
            let line = flaw.line.and_then(|line| origin::line(origin.get(line - 1)?));
            self.errors.borrow_mut().push(TemplateError::contradicts(own, line, flaw.cause));
        }
        self.origins.borrow_mut().insert(text.clone(), origin);
        text
    }

    /// What was wrong so far.
    pub(super) fn errors(self) -> Vec<TemplateError> {
        self.errors.into_inner()
    }

    /// Where each line of a text that was rendered here comes from: `exports.j2:7`; none where it was not.
    pub(super) fn origin(&self, text: &str) -> Option<Vec<String>> {
        self.origins.borrow().get(text).cloned()
    }
}

/// The text, and where each of its lines comes from; `name` is what the lines are told by.
fn render(name: &str, template: &str, context: &Value) -> Result<(String, Vec<String>), minijinja::Error> {
    let environment = environment();
    let template = environment.template_from_named_str(name, template)?;
    let (text, spans) = template.render_with_spans(Serde(context))?;
    let origin = origin::lines(name, template.source(), &text, &spans);
    Ok((text, origin))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(whole_files());
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Errors then know which bytes of the template they are about.
    environment.set_debug(true);
    environment
}

/// Files end with a newline, so templates keep theirs.
fn whole_files() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the usual delimiters are valid")
}

/// Whether a context has just the names that are told of.
fn fits(template: &Template, context: &Value) -> bool {
    let given = context.as_object().map(|names| names.keys().map(String::as_str).collect::<Vec<_>>());
    given.is_some_and(|mut given| {
        let mut told: Vec<_> = template.names().collect();
        given.sort_unstable();
        told.sort_unstable();
        given == told
    })
}

/// Everything that is wrong with the user's own templates, as far as the inventory alone tells: before any host is
/// connected to, and for all nodes at once. Each is told once.
pub fn check(inventory: &Inventory) -> Vec<TemplateError> {
    let mut errors: Vec<TemplateError> = inventory.templates.own.iter().flat_map(check_one).collect();
    let broken: Vec<_> =
        errors.iter().filter(|error| error.is_fatal()).map(|error| error.file().to_owned()).collect();
    for node in &inventory.nodes {
        for error in desire::template_errors(inventory, node) {
            let told = broken.iter().any(|file| Path::new(file) == error.file());
            if !told && !errors.contains(&error) {
                errors.push(error);
            }
        }
    }
    errors
}

/// What is wrong with a template whatever it is given.
fn check_one(own: &OwnTemplate) -> Vec<TemplateError> {
    let Some(template) = Template::named(&own.name) else { return vec![TemplateError::unknown(own)] };
    let environment = environment();
    let name = own.path.display().to_string();
    let parsed = match environment.template_from_named_str(&name, &own.text) {
        Ok(parsed) => parsed,
        Err(error) => return vec![TemplateError::failed(template, own, &error)],
    };
    let globals: Vec<_> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    let undeclared = parsed.undeclared_variables(false);
    let unknown = undeclared
        .iter()
        .filter(|name| !globals.contains(name) && !template.names().any(|known| known == name.as_str()));
    let mut unknown: Vec<_> = unknown.collect();
    unknown.sort_unstable();
    unknown.into_iter().map(|name| TemplateError::undefined(template, own, name)).collect()
}
