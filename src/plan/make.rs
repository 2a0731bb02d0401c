//! Making the plan.

use std::collections::BTreeMap;

use super::architecture;
use super::clocks;
use super::clones;
use super::desire;
use super::first_login;
use super::hooks;
use super::in_turn;
use super::moved;
use super::reboot;
use super::storage;
use super::templates::{TemplateError, Texts};
use super::twins::Identity;
use super::validate;
use super::view::{Host, View};
use super::{Action, Finding, Origin, Phase, PhaseName, Plan, Step};
use crate::facts::Support;
use crate::inventory::model::{Node, NodeName};
use crate::resource::{Change, Problem, Resource};
use crate::swarm::steps;
use crate::words::list;

/// The plan that makes what was seen into what is wanted.
pub fn make(view: &View<'_>) -> Plan {
    let repairs = clones::repairs(view);
    if !repairs.is_empty() {
        return repairs;
    }
    let mut plan = Plan { refusals: validate::refusals(view), ..Plan::new(Vec::new()) };
    let mut phases: BTreeMap<PhaseName, Vec<Step>> = BTreeMap::new();
    for (node, host) in seen(view) {
        plan_host(node, host, view, &mut phases, &mut plan);
        let has_steps = |phase: PhaseName| {
            phases.get(&phase).is_some_and(|steps| steps.iter().any(|step| step.node == node.name))
        };
        plan.refusals.extend(storage::refusal(node, host, has_steps));
    }
    let given_back = reboot::arrange(view, &mut phases, &mut plan);
    in_turn::arrange(view, &given_back, &mut phases, &mut plan);
    plan.warnings.extend(moved::warnings(view));
    plan.warnings.extend(Identity::HostKey.findings(view));
    plan.warnings.extend(clones::cut_short(view));
    plan.warnings.extend(kernel_warnings(view));
    plan.warnings.extend(architecture::warnings(view));
    plan.warnings.extend(first_login::passwords_owed(view));
    plan.problems.extend(nfs_problems(view));

    let taken_in = first_login::steps(view);
    if taken_in.is_empty() {
        let swarm = steps::steps(view);
        phases.insert(PhaseName::Swarm, swarm.steps);
        phases.insert(PhaseName::Labels, swarm.labels);
        plan.refusals.extend(swarm.refusals);
        plan.problems.extend(swarm.problems);
        plan.warnings.extend(swarm.warnings);
    } else {
        plan.warnings.push(first_login::more_later(&taken_in));
        phases.entry(PhaseName::FirstLogin).or_default().splice(..0, taken_in);
    }

    keep_to_limit(view, &mut phases, &mut plan);
    hooks::insert(view.inventory, view.run, &mut phases);
    plan.phases = phases
        .into_iter()
        .filter(|(_, steps)| !steps.is_empty())
        .map(|(name, steps)| Phase { name, steps })
        .collect();
    plan
}

/// Nodes that answered, in the order of the inventory.
fn seen<'a>(view: &'a View<'_>) -> impl Iterator<Item = (&'a Node, &'a Host)> {
    view.inventory.nodes.iter().filter_map(|node| Some((node, view.hosts.get(&node.name)?)))
}

/// Holds what one host has against what it should have.
fn plan_host(
    node: &Node,
    host: &Host,
    view: &View<'_>,
    phases: &mut BTreeMap<PhaseName, Vec<Step>>,
    plan: &mut Plan,
) {
    let about = |(message, help): (String, String)| Finding {
        nodes: vec![node.name.clone()],
        message: format!("{}: {message}", node.name),
        help,
    };
    let texts = Texts::new(&view.inventory.templates, node);
    let (resources, problem) = desire::resources(view.inventory, node, host, &view.choices, &texts);
    if let Some(Problem { message, help }) = problem {
        // A host that has an engine does the rest with that one; without any there is nothing to do it with.
        let findings = if host.facts.engine.is_installed() { &mut plan.problems } else { &mut plan.refusals };
        findings.push(about((message, help)));
    }
    // Before anything is fetched: signatures and certificates are judged by the clock.
    if let Some(change) = clocks::set_right(host, view) {
        let action = Action::Change(Change::Clock(change));
        phases.entry(PhaseName::Packages).or_default().push(Step { node: node.name.clone(), action });
    }
    for (phase, resource) in resources {
        match change(&resource, host) {
            Ok(None) => {}
            Ok(Some(action)) => {
                plan.origins.extend(origin(node, &action, &texts));
                phases.entry(phase).or_default().push(Step { node: node.name.clone(), action });
            }
            Err(problem) => plan.problems.push(about(problem)),
        }
    }
    for error in texts.errors() {
        refuse_template(node, &error, &mut plan.refusals);
    }
}

/// Where the text that a step writes comes from.
fn origin(node: &Node, action: &Action, texts: &Texts<'_>) -> Option<Origin> {
    let change = action.describe().text?;
    let lines = texts.origin(&change.after?)?;
    Some(Origin { node: node.name.clone(), path: change.path, lines })
}

/// A template that cannot be used is one mistake, on however many nodes it shows.
fn refuse_template(node: &Node, error: &TemplateError, refusals: &mut Vec<Finding>) {
    let (message, help) = (error.message(), error.help().to_owned());
    match refusals.iter_mut().find(|refusal| refusal.message == message) {
        Some(refusal) if refusal.nodes.contains(&node.name) => {}
        Some(refusal) => refusal.nodes.push(node.name.clone()),
        None => refusals.push(Finding { nodes: vec![node.name.clone()], message, help }),
    }
}

/// The change that a resource needs on a host; a message and help where there is none to be had.
fn change(resource: &Resource, host: &Host) -> Result<Option<Action>, (String, String)> {
    let observed = match host.observed.get(&resource.key()) {
        Some(Ok(observed)) => observed,
        Some(Err(fault)) => {
            let help = fault.help.clone().unwrap_or_else(|| "run `skep plan` again".to_owned());
            return Err((fault.to_string(), help));
        }
        None => unreachable!("all keys that a plan may ask for were observed: {:?}", resource.key()),
    };
    let change = resource.diff(observed).map_err(|problem| (problem.message, problem.help))?;
    Ok(change.map(Action::Change))
}

/// Nodes whose kernel cannot do the NFS that the inventory asks of them.
fn nfs_problems(view: &View<'_>) -> Vec<Finding> {
    lacking(
        view,
        |node, host| desire::missing_nfs(view.inventory, node, &host.facts),
        |nodes, options| Finding {
            message: format!(
                "the kernel of {} lacks {}: NFS is left alone there",
                list(&nodes),
                list(&options)
            ),
            help:
                "boot a kernel that has it (Debian's and Armbian's own do), or leave the node out of `shares`"
                    .to_owned(),
            nodes,
        },
    )
}

/// How a swarm's services are reached on a kernel without IPVS.
pub(crate) const WITHOUT_IP_VS: &str = "use `endpoint_mode: dnsrr` and ports in `mode: host`";

/// What a swarm does without on the nodes' kernels.
fn kernel_warnings(view: &View<'_>) -> Vec<Finding> {
    let about = |option: &'static str, lost: &str, help: &str| {
        let missing = |host: &Host| {
            matches!(host.facts.kernel.options.get(option), Some(Support::Missing | Support::ModuleMissing))
        };
        let lacks = |_: &Node, host: &Host| if missing(host) { vec![option] } else { Vec::new() };
        lacking(view, lacks, |nodes, options| Finding {
            message: format!("the kernel of {} lacks {}: {lost}", list(&nodes), list(&options)),
            help: help.to_owned(),
            nodes,
        })
    };
    let vxlan = about("VXLAN", "overlay networks will not work there", "boot a kernel that has it");
    let ip_vs = about(
        "IP_VS",
        "virtual IPs and the routing mesh will not work there",
        &format!("boot a kernel that has it, or {WITHOUT_IP_VS}"),
    );
    let controllers = lacking(
        view,
        |_, host| reboot::options_lacking(host),
        |nodes, options| Finding {
            message: format!(
                "the kernel of {} lacks {}: limits of containers do not hold there, and no boot setting changes that",
                list(&nodes),
                list(&options)
            ),
            help: "boot another kernel; `skep audit` names its package".to_owned(),
            nodes,
        },
    );
    [vxlan, ip_vs, controllers].concat()
}

/// One finding for all nodes whose kernels lack the same options.
fn lacking(
    view: &View<'_>,
    missing: impl Fn(&Node, &Host) -> Vec<&'static str>,
    finding: impl Fn(Vec<NodeName>, Vec<String>) -> Finding,
) -> Vec<Finding> {
    let mut groups: BTreeMap<Vec<&str>, Vec<NodeName>> = BTreeMap::new();
    for (node, host) in seen(view) {
        groups.entry(missing(node, host)).or_default().push(node.name.clone());
    }
    groups.remove(&Vec::new());
    let configured = |options: Vec<&str>| options.iter().map(|option| format!("CONFIG_{option}")).collect();
    groups.into_iter().map(|(options, nodes)| finding(nodes, configured(options))).collect()
}

/// Leaves out what is only about nodes outside `--limit`.
pub(super) fn keep_to_limit(view: &View<'_>, phases: &mut BTreeMap<PhaseName, Vec<Step>>, plan: &mut Plan) {
    for steps in phases.values_mut() {
        steps.retain(|step| view.choices.includes(&step.node));
    }
    let concerns = |finding: &Finding| {
        finding.nodes.is_empty() || finding.nodes.iter().any(|node| view.choices.includes(node))
    };
    plan.origins.retain(|origin| view.choices.includes(&origin.node));
    plan.refusals.retain(concerns);
    plan.problems.retain(concerns);
    plan.warnings.retain(concerns);
}
