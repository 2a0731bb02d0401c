//! The files that skep writes whole, from the templates in `templates/`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// Every template, by the name its errors carry.
const TEMPLATES: &[(&str, &str)] = &[
    ("exports.j2", include_str!("../../templates/exports.j2")),
    ("nfs.mount.j2", include_str!("../../templates/nfs.mount.j2")),
    ("docker-after-mounts.conf.j2", include_str!("../../templates/docker-after-mounts.conf.j2")),
    ("docker.sources.j2", include_str!("../../templates/docker.sources.j2")),
    ("docker-proxy.conf.j2", include_str!("../../templates/docker-proxy.conf.j2")),
    ("apt-proxy.conf.j2", include_str!("../../templates/apt-proxy.conf.j2")),
    ("engine-not-unattended.conf.j2", include_str!("../../templates/engine-not-unattended.conf.j2")),
];

/// Renders the template of that name.
///
/// # Panics
/// Where a built-in template does not fit its context, which the tests of this room rule out.
pub(super) fn render(name: &str, context: impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(whole_files());
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let text = TEMPLATES.iter().find(|(own, _)| *own == name).map(|(_, text)| *text);
    environment
        .render_named_str(name, text.expect("built-in template"), Serde(context))
        .expect("built-in templates fit their contexts")
}

/// Files end with a newline, so templates keep theirs.
fn whole_files() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the usual delimiters are valid")
}
