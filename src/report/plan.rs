//! The plan as people read it: by phase, in the order of doing; what several nodes share is said once.

use std::collections::{BTreeMap, BTreeSet};

use console::measure_text_width;

use super::diff;
use super::errors::{Level, findings};
use super::seen::Nodes;
use super::surface::{Surface, Tone};
use super::text::{clean, names, pad, wrap};
use crate::inventory::model::NodeName;
use crate::plan::{Action, CONTROLLER, Origin, PhaseName, Plan, Step};
use crate::resource::Description;
use crate::swarm::SwarmAction;
use crate::words::count;

/// Columns that the names of nodes may take; more of them go on below.
const NAMES: usize = 24;

/// The plan for the nodes of a run: its steps, then what it has to say, then one line that sums it up.
pub(super) fn plan(plan: &Plan, nodes: &Nodes, surface: &Surface) -> String {
    render(&sections(plan), plan, nodes, surface)
}

/// A phase's steps as they are described.
struct Section {
    name: PhaseName,
    rows: Vec<Row>,
}

/// What one step says of itself.
struct Row {
    node: NodeName,
    what: Description,
    /// The template's line for each line of the text that it writes.
    origin: Vec<String>,
    /// What is only known once earlier steps are done.
    later: Option<&'static str>,
}

/// The same step on one or several nodes.
struct Group<'a> {
    nodes: Vec<NodeName>,
    what: &'a Description,
    origin: &'a [String],
    later: Option<&'static str>,
}

fn sections(plan: &Plan) -> Vec<Section> {
    let row = |Step { node, action }: &Step| {
        let what = action.describe();
        Row { origin: origin(plan, node, &what), node: node.clone(), what, later: later(action) }
    };
    plan.phases
        .iter()
        .map(|phase| Section { name: phase.name, rows: phase.steps.iter().map(row).collect() })
        .collect()
}

fn origin(plan: &Plan, node: &NodeName, what: &Description) -> Vec<String> {
    let is = |origin: &&Origin| {
        origin.node == *node && what.text.as_ref().is_some_and(|text| text.path == origin.path)
    };
    plan.origins.iter().find(is).map(|origin| origin.lines.clone()).unwrap_or_default()
}

fn later(action: &Action) -> Option<&'static str> {
    match action {
        Action::Swarm(SwarmAction::Label { node_id: None, .. }) => Some("node ID known after the join"),
        _ => None,
    }
}

fn render(sections: &[Section], said: &Plan, nodes: &Nodes, surface: &Surface) -> String {
    let all = &nodes.all;
    let folded: Vec<_> = sections.iter().map(|section| (section.name, groups(&section.rows, all))).collect();
    let labels = folded.iter().flat_map(|(_, groups)| groups).map(|group| who(&group.nodes, all, surface));
    let width = labels.map(|label| measure_text_width(&label)).max().unwrap_or_default().min(NAMES);
    let mut blocks: Vec<String> = vec![];
    for (name, groups) in &folded {
        let mut lines = vec![surface.paint(Tone::Strong, &name.to_string())];
        for group in groups {
            lines.extend(group_lines(group, &who(&group.nodes, all, surface), width, surface));
        }
        blocks.push(lines.join("\n"));
    }
    blocks.extend(findings(Level::Warning, &said.warnings, surface));
    blocks.extend(findings(Level::Error, &said.problems, surface));
    blocks.extend(findings(Level::Error, &said.refusals, surface));
    blocks.push(verdict(sections, said, nodes, surface));
    blocks.join("\n\n")
}

fn groups<'a>(rows: &'a [Row], all: &[NodeName]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = vec![];
    for Row { node, what, origin, later } in rows {
        match groups.iter_mut().find(|group| (group.what, group.later) == (what, *later)) {
            Some(group) => group.nodes.push(node.clone()),
            None => groups.push(Group { nodes: vec![node.clone()], what, origin, later: *later }),
        }
    }
    for group in &mut groups {
        in_order(&mut group.nodes, all);
    }
    groups
}

/// Sorts nodes as the inventory has them.
fn in_order(nodes: &mut [NodeName], all: &[NodeName]) {
    nodes.sort_by_key(|node| all.iter().position(|known| known == node));
}

fn who(nodes: &[NodeName], all: &[NodeName], surface: &Surface) -> String {
    const FEW: usize = 4;
    if nodes.len() > FEW && all.iter().all(|node| nodes.contains(node)) {
        return format!("all {} nodes", nodes.len());
    }
    names(nodes, surface)
}

fn group_lines(group: &Group<'_>, who: &str, width: usize, surface: &Surface) -> Vec<String> {
    let indent = 2 + width + 2;
    let room = surface.width.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(30));
    let mut titles = title(group, room, surface).into_iter();
    let mut who = wrap(who, width).into_iter();
    let mut lines = vec![];
    loop {
        let (left, right) = (who.next(), titles.next());
        if left.is_none() && right.is_none() {
            break;
        }
        let left = surface.paint(Tone::Accent, &pad(&left.unwrap_or_default(), width));
        lines.push(format!("  {left}  {}", right.unwrap_or_default()).trim_end().to_owned());
    }
    let diff =
        group.what.text.iter().flat_map(|text| diff::lines(text, &group.what.title, group.origin, surface));
    lines.extend(diff.map(|line| format!("{}{line}", " ".repeat(indent + 2))));
    lines
}

fn title(group: &Group<'_>, room: usize, surface: &Surface) -> Vec<String> {
    let mut lines = wrap(&clean(&group.what.title), room);
    let mut note = |tone, text: &str| {
        let last = lines.last_mut().expect("wrapping gives at least one line");
        let fits = measure_text_width(last).saturating_add(3 + measure_text_width(text)) <= room;
        let painted = surface.paint(tone, &format!("({text})"));
        if fits { *last = format!("{last} {painted}") } else { lines.push(painted) }
    };
    if let Some(disrupts) = &group.what.disrupts {
        note(Tone::Warn, &clean(disrupts));
    }
    if let Some(later) = group.later {
        note(Tone::Dim, later);
    }
    lines
}

fn verdict(sections: &[Section], said: &Plan, nodes: &Nodes, surface: &Surface) -> String {
    let rows: Vec<&Row> = sections.iter().flat_map(|section| &section.rows).collect();
    let problems = said.problems.len();
    if !said.refusals.is_empty() {
        return surface.paint(Tone::Bad, "Refused: nothing is done until the errors above are resolved.");
    }
    if rows.is_empty() && problems == 0 {
        return nothing_to_do(nodes, surface);
    }
    let touched: BTreeSet<_> = rows.iter().map(|row| &row.node).filter(|node| node.0 != CONTROLLER).collect();
    let mut line = match rows.len() {
        0 => "Nothing can be done".to_owned(),
        changes => format!("Plan: {} on {}", count(changes, "change"), count(touched.len(), "node")),
    };
    for (what, mut who) in disruptions(&rows) {
        in_order(&mut who, &nodes.all);
        let names = names(&who, surface);
        let who = if measure_text_width(&names) > 2 * NAMES { count(who.len(), "node") } else { names };
        line.push_str(&format!("; {} on {who}", surface.paint(Tone::Warn, &what)));
    }
    if problems > 0 {
        let note = format!("; {} cannot be resolved by skep", count(problems, "error"));
        line.push_str(&surface.paint(Tone::Bad, &note));
    }
    line + "."
}

/// What can be said of the nodes that were seen, and that others were not.
fn nothing_to_do(nodes: &Nodes, surface: &Surface) -> String {
    let is = |number| if number == 1 { "is" } else { "are" };
    let (seen, is_as) = (count(nodes.seen(), "node"), is(nodes.seen()));
    let well = match nodes.undoing {
        true => {
            format!("Nothing to do: of what that run did, nothing is left on {seen} that can be put back.")
        }
        false => format!("Nothing to do: {seen} {is_as} as the inventory wants."),
    };
    let was = if nodes.missed() == 1 { "was" } else { "were" };
    let missed = format!("{} {was} not reached.", count(nodes.missed(), "node"));
    match (nodes.seen(), nodes.missed()) {
        (_, 0) => surface.paint(Tone::Good, &well),
        (0, _) => surface.paint(Tone::Bad, &format!("Nothing can be done: {missed}")),
        _ => format!("{} {}", surface.paint(Tone::Good, &well), surface.paint(Tone::Warn, &missed)),
    }
}

/// What is interrupted, and on which nodes, each named once.
fn disruptions(rows: &[&Row]) -> BTreeMap<String, Vec<NodeName>> {
    let mut found: BTreeMap<String, Vec<NodeName>> = BTreeMap::new();
    for row in rows {
        if let Some(what) = &row.what.disrupts {
            let nodes = found.entry(clean(what)).or_default();
            if !nodes.contains(&row.node) {
                nodes.push(row.node.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{finding, node_names, nodes, swarm_plan};
    use crate::resource::TextChange;

    const COLOURED: Surface = Surface { colour: true, width: Some(80), ..Surface::PLAIN };

    /// So many nodes, all seen.
    fn all(number: usize) -> Nodes {
        Nodes::of(&nodes(number), 0)
    }

    fn line(title: &str) -> Description {
        Description { title: title.into(), text: None, disrupts: None }
    }

    fn section(name: PhaseName, rows: &[(&str, Description)]) -> Section {
        let row = |(node, what): &(&str, Description)| Row {
            node: (*node).into(),
            what: what.clone(),
            origin: vec![],
            later: None,
        };
        Section { name, rows: rows.iter().map(row).collect() }
    }

    fn silent() -> Plan {
        Plan::new(vec![])
    }

    fn engine_options() -> Description {
        Description {
            title: "change /etc/docker/daemon.json".into(),
            text: Some(TextChange {
                path: "/etc/docker/daemon.json".into(),
                before: Some("{\n  \"log-driver\": \"json-file\"\n}\n".into()),
                after: Some("{\n  \"log-driver\": \"local\",\n  \"debug\": false\n}\n".into()),
            }),
            disrupts: Some("restarts docker".into()),
        }
    }

    fn three_nodes() -> Vec<Section> {
        let packages = line("install apparmor docker.io nfs-common");
        let mount = Description {
            text: Some(TextChange {
                path: "/etc/systemd/system/mnt-shared.mount".into(),
                before: None,
                after: Some("[Mount]\nWhat=192.168.2.1:/\nWhere=/mnt/shared\n".into()),
            }),
            ..line("mount 192.168.2.1:/ at /mnt/shared")
        };
        vec![
            section(
                PhaseName::Packages,
                &[
                    ("n1", packages.clone()),
                    ("n1", line("install nfs-kernel-server")),
                    ("n2", packages.clone()),
                    ("n3", packages),
                ],
            ),
            section(
                PhaseName::Engine,
                &[
                    ("n1", line("enable and start docker.service")),
                    ("n2", engine_options()),
                    ("n3", line("enable and start docker.service")),
                ],
            ),
            section(PhaseName::Mounts, &[("n2", mount.clone()), ("n3", mount)]),
        ]
    }

    #[test]
    fn what_nodes_share_is_said_once() {
        insta::assert_snapshot!(render(&three_nodes(), &silent(), &all(3), &Surface::PLAIN));
    }

    #[test]
    fn colours_show_what_disrupts_and_what_changes() {
        let text = render(&three_nodes(), &silent(), &all(3), &COLOURED);
        insta::assert_snapshot!(text.replace('\u{1b}', "^"));
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            render(&three_nodes(), &silent(), &all(3), &Surface { colour: false, ..COLOURED })
        );
    }

    #[test]
    fn what_is_only_known_later_is_said_so() {
        insta::assert_snapshot!(plan(&swarm_plan(), &all(3), &Surface::PLAIN));
    }

    #[test]
    fn an_empty_plan_says_that_all_that_was_seen_is_well() {
        for (number, missed, wanted) in [
            (3, 0, "Nothing to do: 3 nodes are as the inventory wants."),
            (1, 0, "Nothing to do: 1 node is as the inventory wants."),
            (3, 1, "Nothing to do: 2 nodes are as the inventory wants. 1 node was not reached."),
            (3, 2, "Nothing to do: 1 node is as the inventory wants. 2 nodes were not reached."),
            (2, 2, "Nothing can be done: 2 nodes were not reached."),
        ] {
            assert_eq!(plan(&silent(), &Nodes::of(&nodes(number), missed), &Surface::PLAIN), wanted);
        }
    }

    #[test]
    fn an_undo_with_nothing_to_do_does_not_speak_of_the_inventory() {
        let mut nodes = all(2);
        nodes.undoing = true;
        let said = "Nothing to do: of what that run did, nothing is left on 2 nodes that can be put back.";
        assert_eq!(plan(&silent(), &nodes, &Surface::PLAIN), said);
    }

    #[test]
    fn remarks_stand_at_the_end_the_worst_last() {
        let said = Plan {
            warnings: vec![finding(&[], "one manager survives no loss", "make it 3 managers")],
            problems: vec![finding(&["n3"], "its kernel has no NFS client (CONFIG_NFS_FS)", "")],
            refusals: vec![finding(&["n2"], "is in the foreign swarm abc", "run `docker swarm leave` there")],
            ..silent()
        };
        insta::assert_snapshot!(render(&three_nodes()[..1], &said, &all(3), &Surface::PLAIN));
    }

    #[test]
    fn problems_are_counted_in_the_last_line() {
        let said = Plan { problems: vec![finding(&["n3"], "no NFS", "")], ..silent() };
        let last = |sections: &[Section]| {
            let text = render(sections, &said, &all(3), &Surface::PLAIN);
            text.lines().last().unwrap_or_default().to_owned()
        };
        assert_eq!(last(&[]), "Nothing can be done; 1 error cannot be resolved by skep.");
        assert_eq!(
            last(&three_nodes()[..1]),
            "Plan: 4 changes on 3 nodes; 1 error cannot be resolved by skep."
        );
    }

    #[test]
    fn a_hundred_nodes_and_long_texts_stay_readable() {
        let all = nodes(100);
        let long = line(
            "install apparmor containerd docker.io iptables nfs-common nfs-kernel-server runc tini xz-utils",
        );
        let everywhere: Vec<_> = all.iter().map(|node| (node.0.as_str(), long.clone())).collect();
        let mut some = vec![];
        for node in all.iter().step_by(7).chain(&all[50..80]) {
            some.push((
                node.0.as_str(),
                Description { disrupts: Some("restarts docker".into()), ..long.clone() },
            ));
        }
        let sections = [section(PhaseName::Packages, &everywhere), section(PhaseName::Engine, &some)];
        insta::assert_snapshot!(render(
            &sections,
            &silent(),
            &Nodes::of(&all, 0),
            &Surface { width: Some(80), ..Surface::PLAIN }
        ));
    }

    #[test]
    fn names_of_any_alphabet_keep_the_columns() {
        let rows = [("küche", line("install docker.io")), ("日本", line("install nfs-common"))];
        let nodes = Nodes::of(&node_names(&["küche", "日本"]), 0);
        insta::assert_snapshot!(render(
            &[section(PhaseName::Packages, &rows)],
            &silent(),
            &nodes,
            &Surface::PLAIN
        ));
    }

    #[test]
    fn no_text_of_a_host_steers_the_terminal() {
        let evil = Description { disrupts: Some("\u{1b}[2Jx".into()), ..line("write \u{9b}31m\r\u{7}it") };
        let text = render(
            &[section(PhaseName::Kernel, &[("n\u{1b}c1", evil)])],
            &silent(),
            &all(1),
            &Surface::PLAIN,
        );
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}
