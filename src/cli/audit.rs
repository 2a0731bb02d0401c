//! `skep audit`: whether each host can be what the inventory wants it to be.

mod explain;
mod keep;
mod kernel_config;

use super::args::{Audit, Common};
use super::end::End;
use super::exit;
use super::failure::Failure;
use super::inputs::{choices, load};
use super::run::Run;
use crate::apply::Accounts;
use crate::audit::{self, AUDIT_VERSION, AuditedNode, Case, Report, Severity};
use crate::facts::Engine;
use crate::inventory::model::Node;
use crate::plan::{Host, View};
use crate::swarm::health::Health;

pub(super) async fn run(common: &Common, command: &Audit) -> Result<u8, Failure> {
    if let Some(file) = &command.kernel_config {
        return kernel_config::run(common, command, file);
    }
    if let Some(sought) = &command.explain {
        return explain::run(common, sought.as_deref());
    }
    let inventory = load(common)?;
    // Whatever is wrong with the files is told before any host is asked.
    let keep = keep::Keep::of(command, &inventory.name)?;
    let choices = choices(common, &Default::default());
    let run = Run::auditing(common, &inventory, choices)?;
    let observation = run.observe(false).await?;
    let view = run.view(&observation);
    let unreachable = &observation.unreachable;
    let reach = match command.no_ports {
        true => None,
        false => Some(audit::reach::drive(&view, &observation.sessions).await),
    };
    let case = Case { view: &view, unreachable, reach: reach.as_ref(), deep: None };
    let deep = match command.deep {
        true => Some(audit::deep::drive(&case, &observation.sessions, run.id()).await),
        false => None,
    };
    let case = Case { deep: deep.as_ref(), ..case };
    let report = Report {
        version: AUDIT_VERSION,
        skep: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: inventory.name.clone(),
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        nodes: nodes(&view),
        unreachable: unreachable.clone(),
        verdicts: audit::examine(&case),
        reach,
    };
    let kept = keep.tell(&run.reporter, run.id(), &report);
    let code = match () {
        () if report.worst() == Severity::Error => exit::FINDINGS,
        () if !unreachable.is_empty() => exit::UNREACHABLE,
        () => exit::OK,
    };
    let end = End { unreachable, accounts: &Accounts::new(), findings: &[], code: Some(code) };
    let code = run.finish(&end);
    kept.map(|told| {
        told.iter().for_each(|line| common.printer().note(line));
        code
    })
}

fn nodes(view: &View<'_>) -> Vec<AuditedNode> {
    let leader = Health::of(view).leader.and_then(|leader| leader.name);
    let node = |node: &Node| AuditedNode {
        leader: leader.as_ref() == Some(&node.name),
        ..audited(node, view.hosts.get(&node.name))
    };
    view.inventory.nodes.iter().map(node).collect()
}

fn audited(node: &Node, host: Option<&Host>) -> AuditedNode {
    let facts = host.map(|host| &host.facts);
    let engine = facts.and_then(|facts| match &facts.engine {
        Engine::Running(running) => Some(running.version.clone()),
        _ => None,
    });
    let text = |part: fn(&crate::facts::Facts) -> &String| facts.map(part).cloned().unwrap_or_default();
    AuditedNode {
        name: node.name.clone(),
        role: node.role,
        address: node.address.clone(),
        hostname: text(|facts| &facts.system.hostname),
        system: text(|facts| &facts.system.pretty_name),
        board: facts.and_then(|facts| facts.system.armbian_board.clone()),
        machine: text(|facts| &facts.kernel.machine),
        kernel: text(|facts| &facts.kernel.release),
        engine: engine.unwrap_or_default(),
        leader: false,
        labels: node.labels.clone(),
    }
}
