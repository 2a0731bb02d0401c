//! Results that were asked for, errors and final failures only; nothing at all of an `up` that goes well.

use super::errors::{Level, findings};
use super::plain::Streams;
use super::printer::{Printer, write_line};
use super::seen::Nodes;
use super::surface::Surface;
use super::{Reporter, Status, audits, plan, status, summary};
use crate::audit;
use crate::event::Event;
use crate::plan::Plan;

/// Tells results on stdout and what went wrong on stderr.
pub(super) struct Quiet {
    out: Surface,
    err: Surface,
    nodes: Nodes,
    /// Whether the plan is the result, not a step on the way to one.
    plan_is_result: bool,
    streams: Streams,
}

impl Quiet {
    pub(super) fn new(printer: &Printer, streams: Streams) -> Self {
        let (out, err) = (*printer.stdout(), *printer.stderr());
        Self { out, err, nodes: Nodes::default(), plan_is_result: false, streams }
    }

    fn result(&mut self, text: &str) {
        write_line(&mut self.streams.out, text);
    }

    fn errors(&mut self, errors: &[String]) {
        for error in errors {
            write_line(&mut self.streams.err, error);
        }
    }

    fn planned(&mut self, plan: &Plan) {
        if self.plan_is_result {
            let text = plan::plan(plan, &self.nodes, &self.out);
            return self.result(&text);
        }
        let both: Vec<_> = plan.problems.iter().chain(&plan.refusals).cloned().collect();
        self.errors(&findings(Level::Error, &both, &self.err));
    }
}

impl Reporter for Quiet {
    fn status(&mut self, status: &Status) {
        let text = status::status(status, &self.out);
        self.result(&text);
    }

    fn audit(&mut self, report: &audit::Report, _since: Option<&audit::Changes>) {
        let text = audits::errors(report, &self.out);
        self.result(&text);
    }

    fn event(&mut self, event: &Event) {
        self.nodes.apply(event);
        match event {
            Event::Started { command, .. } => self.plan_is_result = command.ends_with("plan"),
            Event::Planned { plan } => self.planned(plan),
            Event::Verified { findings: found } => self.errors(&findings(Level::Error, found, &self.err)),
            Event::Finished { summary } => self.errors(&summary::failures(summary, &self.err)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::printer::Verbosity;
    use crate::report::samples::{Paper, begun, calm_run, eventful_run, finding, no_route, swarm_plan};
    use crate::swarm::health::Health;
    use crate::swarm::quorum::Managers;

    /// What goes to stdout and to stderr.
    fn tell(act: impl Fn(&mut Quiet)) -> (String, String) {
        let (out, err) = (Paper::default(), Paper::default());
        let streams = Streams { out: Box::new(out.clone()), err: Box::new(err.clone()) };
        act(&mut Quiet::new(&Printer::plain(Verbosity::Quiet), streams));
        (out.text(), err.text())
    }

    fn run(events: &[Event]) -> (String, String) {
        tell(|quiet| events.iter().for_each(|event| quiet.event(event)))
    }

    fn started(command: &str) -> Event {
        let Event::Started { run, version, nodes, inventory, cluster, undoes, .. } = begun(1) else {
            panic!("a run begins with its start")
        };
        Event::Started { run, command: command.into(), version, nodes, inventory, cluster, undoes }
    }

    #[test]
    fn a_run_that_goes_well_prints_nothing() {
        assert_eq!(run(&calm_run()), Default::default());
    }

    #[test]
    fn the_plan_is_printed_where_it_was_asked_for() {
        let planned =
            Event::Planned { plan: Plan { problems: vec![finding(&["n1"], "no NFS", "")], ..swarm_plan() } };
        let (out, err) = run(&[started("plan"), planned]);
        assert!(out.contains("Plan: 6 changes on 3 nodes") && out.contains("no NFS"), "{out}");
        assert_eq!(err, "");
    }

    #[test]
    fn the_status_is_printed() {
        let health = Health {
            name: "home".to_owned(),
            cluster: None,
            leader: None,
            managers: Managers { total: 0, reachable: 0 },
            quorum: 1,
            tolerance: 0,
            nodes: vec![],
            missing: vec![],
        };
        let unreachable = [("n1".into(), no_route())].into();
        let findings = vec![finding(&["n1"], "is not reached", "")];
        let status = Status::new(health, unreachable, findings);
        let (out, err) = tell(|quiet| quiet.status(&status));
        assert_eq!(out.trim_end(), status::status(&status, &Surface::PLAIN).trim_end());
        assert!(out.contains("is not reached"), "{out}");
        assert_eq!(err, "");
    }

    #[test]
    fn failures_are_told() {
        insta::assert_snapshot!(run(&eventful_run()).1);
    }

    #[test]
    fn refusals_are_told() {
        let plan = Plan { refusals: vec![finding(&["n2"], "is in a foreign swarm", "")], ..swarm_plan() };
        let told = run(&[started("up"), Event::Planned { plan }]);
        assert_eq!(told, (String::new(), "error: n2: is in a foreign swarm\n".to_owned()));
    }
}
