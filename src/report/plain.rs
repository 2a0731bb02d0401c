//! The run as lines, one an event, for logs and for what stands above the live lines.

use std::collections::BTreeMap;
use std::io::Write;

use super::board::Board;
use super::errors::{Level, findings};
use super::printer::{Printer, write_line};
use super::seen::Nodes;
use super::surface::{Surface, Tone};
use super::text::{bytes, clean, duration, pad};
use super::{Reporter, Status, audits, plan, status, summary};
use crate::audit;
use crate::event::{Event, Summary};
use crate::inventory::model::NodeName;
use crate::plan::{Finding, PhaseName};
use crate::words::count;

/// Text for one of the two streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A result, for stdout.
    Out(String),
    /// Progress or diagnosis, for stderr.
    Err(String),
}

/// Tells events as lines.
pub(super) struct Plain {
    printer: Printer,
    /// Whether every step is told, not only what ends in a result or a diagnosis.
    steps: bool,
    board: Board,
    nodes: Nodes,
    /// What each node last said while it waited, so that it is told once.
    told: BTreeMap<NodeName, String>,
    /// The phases that have ended, each with the milliseconds it took.
    phases: Vec<(PhaseName, u64)>,
    streams: Streams,
}

/// Where lines go.
pub(super) struct Streams {
    /// For results.
    pub(super) out: Box<dyn Write + Send>,
    /// For progress and diagnosis.
    pub(super) err: Box<dyn Write + Send>,
}

impl Plain {
    /// Tells all; with `steps` off, leaves the running of steps to live lines.
    pub(super) fn new(printer: &Printer, steps: bool, streams: Streams) -> Self {
        Self {
            printer: printer.clone(),
            steps,
            board: Board::default(),
            nodes: Nodes::default(),
            told: BTreeMap::new(),
            phases: Vec::new(),
            streams,
        }
    }

    /// What there is to tell of an event.
    pub(super) fn tell(&mut self, event: &Event) -> Vec<Line> {
        self.nodes.apply(event);
        let lines = self.lines(event);
        self.board.apply(event, std::time::Duration::ZERO);
        lines
    }

    /// Writes what there was to tell.
    pub(super) fn write(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Out(text) => write_line(&mut self.streams.out, text),
                Line::Err(text) => write_line(&mut self.streams.err, text),
            }
        }
    }

    fn lines(&mut self, event: &Event) -> Vec<Line> {
        let (out, err) = (*self.printer.stdout(), *self.printer.stderr());
        match event {
            Event::Started { nodes, .. } => {
                self.step(|_| format!("connecting to {}", count(nodes.len(), "node")))
            }
            Event::Retrying { node, cause } => {
                self.once(node, "connect", &format!("tries again: {}", clean(cause)))
            }
            Event::Pushing { node, total, .. } => {
                self.once(node, "connect", &format!("push the agent, {}", bytes(*total)))
            }
            Event::Resumed { node, how } => self.once(node, "connect", &clean(how)),
            Event::Connected { node, ms } => self.step(|plain| plain.done(node, "connect", "", *ms)),
            Event::Unreachable { node, fault } => {
                self.step(|plain| plain.failed(node, "connect", "", &fault.to_string()))
            }
            Event::Planned { plan } => vec![Line::Out(plan::plan(plan, &self.nodes, &out))],
            Event::StepStarted { node, phase, title, .. } if err.verbose && !self.printer.live() => self
                .step(|plain| {
                    plain.about(node, phase, &format!("{} {}", clean(title), err.symbols().ellipsis))
                }),
            Event::StepProgress { node, progress } if progress.total == 0 => {
                self.once(node, "", &clean(&progress.text))
            }
            Event::StepDone { node, phase, ms, .. } => {
                self.step(|plain| plain.done(node, phase, plain.title(node), *ms))
            }
            Event::StepFailed { node, phase, fault, .. } => {
                self.step(|plain| plain.failed(node, phase, plain.title(node), &fault.to_string()))
            }
            Event::Stopping => {
                self.step(|_| "stopping: steps in hand are finished, no others begun".to_owned())
            }
            Event::Verified { findings: found } => self.verified(found),
            Event::PhaseDone { phase, ms } => {
                self.phases.push((*phase, *ms));
                vec![]
            }
            Event::Finished { summary } => finished(summary, &self.phases, &out, &err),
            Event::Connecting { .. }
            | Event::Surveyed { .. }
            | Event::PhaseStarted { .. }
            | Event::StepStarted { .. }
            | Event::StepProgress { .. } => vec![],
        }
    }

    /// What the second look found; where nothing was done there is nothing new to say.
    fn verified(&self, found: &[Finding]) -> Vec<Line> {
        let surface = self.printer.stderr();
        if !found.is_empty() {
            return findings(Level::Error, found, surface).into_iter().map(Line::Err).collect();
        }
        let what = if self.board.has_failures() { "all other nodes are" } else { "all is" };
        let told = match self.nodes.undoing {
            true => "verified: what was put back is as it was before that run".to_owned(),
            false => format!("verified: {what} as the inventory wants"),
        };
        let line = surface.paint(Tone::Good, &told);
        if self.board.done() > 0 { vec![Line::Err(line)] } else { vec![] }
    }

    fn step(&self, line: impl FnOnce(&Self) -> String) -> Vec<Line> {
        if self.steps { vec![Line::Err(line(self))] } else { vec![] }
    }

    /// A line that is told only when it differs from the node's last one.
    fn once(&mut self, node: &NodeName, phase: &str, text: &str) -> Vec<Line> {
        if self.told.get(node).is_some_and(|told| told == text) {
            return vec![];
        }
        self.told.insert(node.clone(), text.to_owned());
        self.step(|plain| plain.about(node, phase, text))
    }

    fn title(&self, node: &NodeName) -> &str {
        self.board.title(node).unwrap_or_default()
    }

    fn about(&self, node: &NodeName, phase: impl ToString, text: &str) -> String {
        let node = pad(&clean(&node.0), self.board.name_width());
        let surface = self.printer.stderr();
        format!("{}  {}  {text}", surface.paint(Tone::Strong, &node), pad(&phase.to_string(), 8))
    }

    fn done(&self, node: &NodeName, phase: impl ToString, title: &str, ms: u64) -> String {
        self.ended(node, phase, title, Tone::Good, &format!("done {}", duration(ms)))
    }

    fn failed(&self, node: &NodeName, phase: impl ToString, title: &str, cause: &str) -> String {
        self.ended(node, phase, title, Tone::Bad, &format!("failed: {}", clean(cause)))
    }

    fn ended(&self, node: &NodeName, phase: impl ToString, title: &str, tone: Tone, how: &str) -> String {
        let surface = self.printer.stderr();
        let how = surface.paint(tone, how);
        let text =
            if title.is_empty() { how } else { format!("{title} {} {how}", surface.symbols().ellipsis) };
        self.about(node, phase, &text)
    }
}

impl Reporter for Plain {
    fn event(&mut self, event: &Event) {
        let lines = self.tell(event);
        self.write(&lines);
    }

    fn status(&mut self, status: &Status) {
        let text = status::status(status, self.printer.stdout());
        self.write(&[Line::Out(text)]);
    }

    fn audit(&mut self, report: &audit::Report, since: Option<&audit::Changes>) {
        let text = audits::text(report, since, self.printer.stdout());
        self.write(&[Line::Out(text)]);
    }
}

/// The table, then who failed and what helps, then what to run: the eye rests at the end.
fn finished(summary: &Summary, phases: &[(PhaseName, u64)], out: &Surface, err: &Surface) -> Vec<Line> {
    let table = summary::table(summary, phases, out).map(|table| Line::Out(format!("\n{table}")));
    let failures =
        summary::failures(summary, err).into_iter().map(|failure| Line::Err(format!("\n{failure}")));
    let next = summary::next(summary, err).map(|next| Line::Err(format!("\n{next}")));
    table.into_iter().chain(failures).chain(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::printer::Verbosity;
    use crate::report::samples::{Paper, calm_run, eventful_run};

    /// What goes to stdout and to stderr.
    fn tell(printer: &Printer, steps: bool, events: &[Event]) -> (String, String) {
        let (out, err) = (Paper::default(), Paper::default());
        let streams = Streams { out: Box::new(out.clone()), err: Box::new(err.clone()) };
        let mut plain = Plain::new(printer, steps, streams);
        events.iter().for_each(|event| plain.event(event));
        (out.text(), err.text())
    }

    #[test]
    fn a_calm_run() {
        let (out, err) = tell(&Printer::plain(Verbosity::Normal), true, &calm_run());
        insta::assert_snapshot!("a_calm_run_stdout", out);
        insta::assert_snapshot!("a_calm_run_stderr", err);
    }

    #[test]
    fn an_eventful_run() {
        let (out, err) = tell(&Printer::plain(Verbosity::Normal), true, &eventful_run());
        insta::assert_snapshot!("an_eventful_run_stdout", out);
        insta::assert_snapshot!("an_eventful_run_stderr", err);
    }

    #[test]
    fn verbose_tells_when_a_step_begins_too() {
        let (_, err) = tell(&Printer::plain(Verbosity::Verbose), true, &eventful_run());
        assert!(err.contains("n3  packages  install docker.io …\n"), "{err}");
    }

    #[test]
    fn verifying_says_no_more_than_is_true() {
        let said = |events: &[Event]| {
            let (_, err) = tell(&Printer::plain(Verbosity::Normal), false, events);
            err.lines().find(|line| line.starts_with("verified")).map(str::to_owned)
        };
        let well = Event::Verified { findings: vec![] };
        assert_eq!(said(&[&calm_run()[..1], std::slice::from_ref(&well)].concat()), None);
        assert_eq!(said(&calm_run()).as_deref(), Some("verified: all is as the inventory wants"));
        let mut undo = calm_run();
        let Event::Started { undoes, .. } = &mut undo[0] else { panic!("a run begins with its start") };
        *undoes = Some("r0".to_owned());
        assert_eq!(said(&undo).as_deref(), Some("verified: what was put back is as it was before that run"));
        let failed = [&eventful_run()[..28], &[well]].concat();
        assert_eq!(said(&failed).as_deref(), Some("verified: all other nodes are as the inventory wants"));
    }

    #[test]
    fn above_live_lines_only_results_and_diagnosis_are_told() {
        let (out, err) = tell(&Printer::plain(Verbosity::Normal), false, &eventful_run());
        assert_eq!(out, tell(&Printer::plain(Verbosity::Normal), true, &eventful_run()).0);
        insta::assert_snapshot!(err);
    }

    #[test]
    fn a_log_holds_no_carriage_return_and_no_escape() {
        for verbosity in [Verbosity::Normal, Verbosity::Verbose] {
            let (out, err) = tell(&Printer::plain(verbosity), true, &eventful_run());
            assert!(!(out + &err).contains(['\r', '\u{1b}']));
        }
    }
}
