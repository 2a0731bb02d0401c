//! The templates of Ansible's variables, as far as they only name other variables.

use super::groups::Resolved;
use crate::inventory::mask::is_secret_key;

/// How often a template may lead to another.
const MAX_DEPTH: usize = 8;
/// Longer than any value that is carried over.
const LONGEST: usize = 4096;

/// The text with `{{ name }}` filled in from the host's variables; none where that takes more, or would take a secret.
pub(super) fn fill(text: &str, host: &Resolved<'_>) -> Option<String> {
    filled(text, host, MAX_DEPTH)
}

fn filled(text: &str, host: &Resolved<'_>, depth: usize) -> Option<String> {
    if text.contains("{%") || text.len() > LONGEST {
        return None;
    }
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, behind) = after.split_once("}}")?;
        done.push_str(before);
        done.push_str(&named(inside.trim(), host, depth.checked_sub(1)?)?);
        if done.len() > LONGEST {
            return None;
        }
        rest = behind;
    }
    done.push_str(rest);
    Some(done)
}

fn named(name: &str, host: &Resolved<'_>, depth: usize) -> Option<String> {
    match name {
        "inventory_hostname" => Some(host.name().text.clone()),
        "inventory_hostname_short" => host.name().text.split('.').next().map(str::to_owned),
        _ if is_secret_key(name) => None,
        _ => filled(&host.var(name)?.value.word()?.text, host, depth),
    }
}

/// The environment variable that `{{ lookup('env', 'NAME') }}` names.
pub(super) fn environment(text: &str) -> Option<String> {
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let call = inside.strip_prefix("lookup")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    let (what, name) = call.split_once(',')?;
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let name = bare(name);
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_env = ["env", "ansible.builtin.env"].contains(&bare(what).as_str());
    (is_env && !name.is_empty() && name.chars().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::import::ini;

    #[test]
    fn names_of_variables_are_filled_in() {
        let groups =
            ini::read("n1.lan a=x b='{{ a }}y' c='{{ d }}' d='{{ c }}' my_password=sesame\n").expect("INI");
        let hosts = groups.resolve().expect("no circle");
        for (template, text) in [
            ("plain", Some("plain")),
            ("{{ a }}-{{b}}", Some("x-xy")),
            ("{{ inventory_hostname }}:{{ inventory_hostname_short }}", Some("n1.lan:n1")),
            ("{{ a | upper }}", None),
            ("{{ missing }}", None),
            ("{{ c }}", None),
            ("{{ my_password }}", None),
            ("{% if a %}x{% endif %}", None),
            ("{{ a", None),
        ] {
            assert_eq!(fill(template, &hosts[0]).as_deref(), text, "{template}");
        }
    }

    #[test]
    fn environment_lookups_are_known() {
        for (text, name) in [
            ("{{ lookup('env', 'PI_PASSWORD') }}", Some("PI_PASSWORD")),
            ("{{lookup(\"ansible.builtin.env\",\"PW\")}}", Some("PW")),
            ("{{ lookup('file', 'pw') }}", None),
            ("{{ lookup('env', 'A') | default('x') }}", None),
            ("sesame", None),
        ] {
            assert_eq!(environment(text).as_deref(), name, "{text}");
        }
    }
}
