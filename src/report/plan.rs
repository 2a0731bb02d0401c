//! The plan as people read it: by phase, in the order of doing; what several nodes share is said once.

use std::collections::BTreeMap;

use console::measure_text_width;

use super::diff;
use super::errors::{Level, findings};
use super::surface::{Surface, Tone};
use super::text::{clean, count, names, pad, wrap};
use crate::inventory::model::NodeName;
use crate::plan::{Action, Phase, Plan, Step};
use crate::resource::Description;
use crate::swarm::SwarmAction;

/// Columns that the names of nodes may take; more of them go on below.
const NAMES: usize = 24;

/// The plan for `nodes`, all that were looked at: its steps, then what it has to say, then one line that sums it up.
pub fn plan(plan: &Plan, nodes: &[NodeName], surface: &Surface) -> String {
    let phases: Vec<_> = plan.phases.iter().map(|phase| (phase, groups(phase, nodes, surface))).collect();
    let width =
        phases.iter().flat_map(|(_, groups)| groups).map(|group| measure_text_width(&group.who)).max();
    let width = width.unwrap_or_default().min(NAMES);
    let mut blocks: Vec<String> =
        phases.iter().map(|(phase, groups)| block(phase, groups, width, surface)).collect();
    blocks.extend(findings(Level::Warning, &plan.warnings, surface));
    blocks.extend(findings(Level::Error, &plan.problems, surface));
    blocks.extend(findings(Level::Error, &plan.refusals, surface));
    blocks.push(verdict(plan, nodes, surface));
    blocks.join("\n\n")
}

/// The same step on one or several nodes.
struct Group {
    who: String,
    what: Description,
    /// What is only known once earlier steps are done.
    later: Option<&'static str>,
}

fn groups(phase: &Phase, all: &[NodeName], surface: &Surface) -> Vec<Group> {
    let mut folded: Vec<(Description, Option<&'static str>, Vec<NodeName>)> = vec![];
    for Step { node, action } in &phase.steps {
        let (what, later) = (action.describe(), later(action));
        match folded.iter_mut().find(|(known, known_later, _)| (known, *known_later) == (&what, later)) {
            Some((_, _, nodes)) => nodes.push(node.clone()),
            None => folded.push((what, later, vec![node.clone()])),
        }
    }
    folded
        .into_iter()
        .map(|(what, later, nodes)| Group { who: who(&nodes, all, surface), what, later })
        .collect()
}

fn who(nodes: &[NodeName], all: &[NodeName], surface: &Surface) -> String {
    const FEW: usize = 4;
    if nodes.len() > FEW && all.iter().all(|node| nodes.contains(node)) {
        return format!("all {} nodes", nodes.len());
    }
    names(nodes, surface)
}

fn later(action: &Action) -> Option<&'static str> {
    match action {
        Action::Swarm(SwarmAction::Label { node_id: None, .. }) => {
            Some("its node ID is known after the join")
        }
        _ => None,
    }
}

fn block(phase: &Phase, groups: &[Group], width: usize, surface: &Surface) -> String {
    let mut lines = vec![surface.paint(Tone::Strong, &phase.name.to_string())];
    lines.extend(groups.iter().flat_map(|group| group_lines(group, width, surface)));
    lines.join("\n")
}

fn group_lines(group: &Group, width: usize, surface: &Surface) -> Vec<String> {
    let indent = 2 + width + 2;
    let room = surface.width.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(30));
    let mut titles = title(group, room, surface).into_iter();
    let mut who = wrap(&group.who, width).into_iter();
    let mut lines = vec![];
    loop {
        let (left, right) = (who.next(), titles.next());
        if left.is_none() && right.is_none() {
            break;
        }
        let left = surface.paint(Tone::Accent, &pad(&left.unwrap_or_default(), width));
        lines.push(format!("  {left}  {}", right.unwrap_or_default()).trim_end().to_owned());
    }
    let diff = group.what.text.iter().flat_map(|text| diff::lines(text, &group.what.title, surface));
    lines.extend(diff.map(|line| format!("{}{line}", " ".repeat(indent + 2))));
    lines
}

fn title(group: &Group, room: usize, surface: &Surface) -> Vec<String> {
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

fn verdict(plan: &Plan, nodes: &[NodeName], surface: &Surface) -> String {
    let steps = || plan.phases.iter().flat_map(|phase| &phase.steps);
    let changes = steps().count();
    let undoable = plan.problems.len();
    if !plan.refusals.is_empty() {
        return surface
            .paint(Tone::Bad, "Refused: nothing of this plan is done until the errors above are resolved.");
    }
    if changes == 0 && undoable == 0 {
        let wants = if nodes.len() == 1 { "1 node is" } else { &format!("{} nodes are", nodes.len()) };
        return surface.paint(Tone::Good, &format!("Nothing to do: {wants} as the inventory wants."));
    }
    let touched: std::collections::BTreeSet<_> = steps().map(|step| &step.node).collect();
    let mut line = match changes {
        0 => "Nothing can be done".to_owned(),
        _ => format!("Plan: {} on {}", count(changes, "change"), count(touched.len(), "node")),
    };
    for (what, who) in disruptions(plan) {
        line.push_str(&format!("; {} on {}", surface.paint(Tone::Warn, &what), names(&who, surface)));
    }
    if undoable > 0 {
        let left = if undoable == 1 { "1 error leaves" } else { &format!("{undoable} errors leave") };
        line.push_str(&surface.paint(Tone::Bad, &format!("; {left} a part undone")));
    }
    line + "."
}

/// What is interrupted, and on which nodes, each named once.
fn disruptions(plan: &Plan) -> BTreeMap<String, Vec<NodeName>> {
    let mut found: BTreeMap<String, Vec<NodeName>> = BTreeMap::new();
    for step in plan.phases.iter().flat_map(|phase| &phase.steps) {
        if let Some(what) = step.action.describe().disrupts {
            let nodes = found.entry(clean(&what)).or_default();
            if !nodes.contains(&step.node) {
                nodes.push(step.node.clone());
            }
        }
    }
    found
}
