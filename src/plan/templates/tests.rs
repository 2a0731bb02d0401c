//! Templates of a user's own, and what is told of those that do not fit.

use super::*;
use crate::plan::tests::{on_bare_hosts, share};
use crate::plan::{Plan, make};
use crate::swarm::world::World;

/// A server and two clients of its share, with these templates of the user's own.
fn world(own: &[(&str, &str)]) -> World {
    let mut world = World::new("home").manager("n1").worker("n2").worker("n3");
    share(&mut world.inventory);
    let mount = world.inventory.shares[0].mount.as_mut().unwrap();
    mount.on.push("n3".into());
    let template = |(name, text): &(&str, &str)| OwnTemplate {
        name: (*name).to_owned(),
        path: format!("my/{name}").into(),
        text: (*text).to_owned(),
    };
    world.inventory.templates =
        Templates { folder: Some("my".into()), own: own.iter().map(template).collect() };
    world
}

/// What is told of templates before any host is connected to, one line each.
fn told(own: &[(&str, &str)]) -> Vec<String> {
    check(&world(own).inventory)
        .iter()
        .map(|error| format!("{} | {}", error.message(), error.help()))
        .collect()
}

fn plan(own: &[(&str, &str)]) -> Plan {
    make(&on_bare_hosts(world(own)).view())
}

/// The texts that a plan writes on a node, by path.
fn written(plan: &Plan, node: &str) -> BTreeMap<String, String> {
    let texts = plan
        .steps()
        .filter(|(_, step)| step.node.0 == node)
        .filter_map(|(_, step)| step.action.describe().text);
    texts.filter_map(|text| Some((text.path.display().to_string(), text.after?))).collect()
}

const EXPORTS: &str = "/etc/exports.d/skep.exports";
const UNIT: &str = "/etc/systemd/system/mnt-shared.mount";

#[test]
fn the_users_own_stands_for_skeps() {
    let own = "# mine, of {{ node }}\n{% for s in shares %}{% for e in s.entries %}{{ e }}\n{% endfor %}{% endfor %}";
    assert_eq!(told(&[("exports.j2", own)]), [""; 0]);
    let plan = plan(&[("exports.j2", own)]);
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    assert!(
        written(&plan, "n1")[EXPORTS].starts_with("# mine, of n1\n/srv/my\\040share"),
        "{:?}",
        written(&plan, "n1")
    );
    // The others are skep's still.
    assert!(written(&plan, "n2")[UNIT].starts_with("# Written by skep"));
}

/// A template that prints all that it is told to have, in every form that docs/templates.md tells of.
#[test]
fn all_that_is_told_of_is_there() {
    let documentation = include_str!("../../../docs/templates.md");
    for template in TEMPLATES {
        let mut text = String::new();
        for variable in template.variables {
            assert!(documentation.contains(&format!("`{variable}`")), "{variable} of {}", template.name);
            text += &match variable.split_once("[].") {
                Some((list, field)) => {
                    format!("# {{% for x in {list} %}}{{{{ x.{field} }}}}{{% endfor %}}\n")
                }
                None => format!("# {{{{ {variable} }}}}\n"),
            };
        }
        assert!(documentation.contains(&format!("`{}`", template.name)), "{}", template.name);
        let own = format!("{text}{}", template.text);
        assert_eq!(told(&[(template.name, &own)]), [""; 0], "{own}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place_before_anything_is_done() {
    let cases = [
        (
            "exports.j2",
            "# {{ node }}\n{% for share in share %}{% endfor %}",
            "my/exports.j2:2:17: `share` is not defined | did you mean `shares`?",
        ),
        // Also where it is not reached.
        (
            "nfs.mount.j2",
            "{% if false %}\n{{ wher }}\n{% endif %}[Mount]\nWhat={{ source }}\nWhere={{ at }}\nOptions={{ options }}\n",
            "my/nfs.mount.j2:2:4: `wher` is not defined | nfs.mount.j2 has node, name, ",
        ),
        (
            "exports.j2",
            "{% for share in shares %}\n{{ share.nmae }}{% endfor %}",
            "my/exports.j2:2:4: `share.nmae` is not defined | did you mean `name`?",
        ),
        (
            "docker-after-mounts.conf.j2",
            "a\n{% if %}",
            "my/docker-after-mounts.conf.j2:2:7: the template cannot be read: ",
        ),
        ("exports.j2", "a\n{{ node.x.y }}", "my/exports.j2:2:4: `node.x.y` is not defined | "),
        ("exports.j2", "{{ node|nosuch }}", "my/exports.j2:1:"),
        (
            "export.j2",
            "",
            "my/export.j2: skep has no template `export.j2`, so this one is never used | did you mean `exports.j2`?",
        ),
        (
            "mine.j2",
            "",
            "my/mine.j2: skep has no template `mine.j2`, so this one is never used | skep has exports.j2, ",
        ),
    ];
    for (name, text, expected) in cases {
        let told = told(&[(name, text)]);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{text}\n{told:#?}");
    }
    // All of them at once, and each once however many nodes it is about.
    let both = told(&[("exports.j2", "{{ x }}"), ("nfs.mount.j2", "{{ y }}{{ z }}")]);
    assert_eq!(both.len(), 3, "{both:#?}");
}

#[test]
fn a_text_that_says_something_else_than_the_inventory_is_refused() {
    let entry = "{{ shares[0].entries[0] }}";
    let mount = "[Mount]\nWhat={{ source }}\nWhere={{ at }}\nOptions={{ options }}\n";
    let cases = [
        (
            "exports.j2",
            format!("{entry}\n"),
            "my/exports.j2: the text from this template would be wrong: it does not say `/srv/my",
        ),
        (
            "exports.j2",
            format!("{}# more\n/home *(rw)\n", include_str!("../../../templates/exports.j2")),
            "my/exports.j2:9:1: the text from this template would be wrong: no share of the inventory is exported as `/home *(rw)`",
        ),
        (
            "exports.j2",
            "/srv 10.0.0.1 (rw)\n".to_owned(),
            "my/exports.j2:1:1: the text from this template would be wrong: /srv has no client",
        ),
        (
            "nfs.mount.j2",
            mount.replace("{{ at }}", "/mnt/else"),
            "my/nfs.mount.j2:3:1: the text from this template would be wrong: `Where` is `/mnt/else`, not `/mnt/shared`",
        ),
        (
            "nfs.mount.j2",
            mount.replace("What", "Whit"),
            "my/nfs.mount.j2: the text from this template would be wrong: it does not say `What=",
        ),
        (
            "nfs.mount.j2",
            mount.replace("{{ options }}", "vers=3"),
            "my/nfs.mount.j2:4:1: the text from this template would be wrong: `Options` lacks `vers=4.2`",
        ),
    ];
    for (name, text, expected) in cases {
        let told = told(&[(name, &text)]);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{text}\n{told:#?}");
        // Nothing is done, and what is told is told once.
        let plan = plan(&[(name, &text)]);
        assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
        assert!(plan.refusals[0].message.starts_with(expected), "{:?}", plan.refusals);
    }
    assert_eq!(told(&[("nfs.mount.j2", mount)]), [""; 0]);
    assert!(plan(&[("nfs.mount.j2", "{{ y }}")]).refusals[0].nodes.len() == 2);
}

#[test]
fn an_error_shows_the_line_of_the_template() {
    let text = "# Written by me.\n[Mount]\nWhat={{ sourse }}\n";
    let errors = check(&world(&[("nfs.mount.j2", text)]).inventory);
    insta::assert_snapshot!(errors[0].render(false));
}

#[test]
fn each_line_knows_where_it_comes_from() {
    let own =
        "[Unit]\n# {{ node }}\n{% for x in [1, 2] -%}\n# {{ x }}\n# more\n{% endfor -%}\n{{ mounts }}\n";
    let plan = plan(&[("docker-after-mounts.conf.j2", own)]);
    let lines = |node: &str, end: &str| {
        let is = |origin: &&crate::plan::Origin| origin.node.0 == node && origin.path.ends_with(end);
        plan.origins.iter().find(is).unwrap().lines.clone()
    };
    let of = |line: usize| format!("my/docker-after-mounts.conf.j2:{line}");
    assert_eq!(lines("n2", "10-skep-mounts.conf"), [1, 2, 4, 5, 4, 5, 7].map(of));
    // Both entries are of the line that writes entries.
    let exports: Vec<_> = lines("n1", "skep.exports");
    assert_eq!(exports, ["exports.j2:1", "exports.j2:3", "exports.j2:5", "exports.j2:5"]);
    for (path, text) in written(&plan, "n2") {
        if let Some(origin) = plan.origins.iter().find(|origin| origin.path.ends_with(&path)) {
            assert_eq!(origin.lines.len(), text.lines().count(), "{path}");
        }
    }
}
