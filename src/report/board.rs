//! What every node is doing right now, and how that looks: plain state fed by events, with no clock of its own.
//!
//! Times are spans since the run began, handed in by whoever has the clock.

mod state;

use std::time::Duration;

use console::measure_text_width;

use self::state::State;
use super::surface::{Surface, Tone};
use super::text::{bytes, clean, fit, pad, seconds};
use crate::event::Event;
use crate::inventory::model::NodeName;
use crate::plan::CONTROLLER;
use crate::resource::Progress;
use crate::words::count;

/// Lines of the terminal that are left to what was printed above.
const KEPT_ROWS: usize = 4;
/// Lines of nodes that an eye can still follow.
const MOST_NODES: usize = 40;
/// Columns of a bar.
const BAR: usize = 12;
/// Columns of a step's title, where a bar follows.
const TITLE: usize = 30;
/// How long a frame of the spinner stands.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// All nodes of a run and what they do.
#[derive(Debug, Default)]
pub(super) struct Board {
    nodes: Vec<Node>,
    stopping: bool,
}

#[derive(Debug)]
struct Node {
    name: NodeName,
    state: State,
    steps: usize,
    done: usize,
}

/// Columns of what is aligned over all lines.
struct Widths {
    name: usize,
    counter: usize,
    title: usize,
}

impl Board {
    /// Takes in what happened at `now`.
    pub(super) fn apply(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Started { nodes, .. } => {
                self.nodes = nodes.iter().map(|name| Node::new(name.clone())).collect();
            }
            Event::Connecting { node } => self.set(node, |_| State::connecting(now, "")),
            Event::Retrying { node, cause } => {
                let title = format!("tries again: {}", clean(cause));
                self.set(node, |old| match old.tells_more() {
                    true => old.with(Progress::text(title)),
                    false => State::connecting(old.since(now), &title),
                });
            }
            Event::Resumed { node, how } => self.set(node, |old| old.with(Progress::text(clean(how)))),
            Event::Pushing { node, done, total } => {
                let text = format!("{} of {}", bytes(*done), bytes(*total));
                let progress = Progress { text, done: *done, total: *total };
                self.set(node, |old| State::Working {
                    since: old.since(now),
                    phase: "connect".to_owned(),
                    title: "push the agent".to_owned(),
                    progress: Some(progress),
                });
            }
            Event::Connected { node, .. } => self.set(node, |old| match old.tells_more() {
                true => old.with(Progress::text("connected again")),
                false => State::connecting(old.since(now), "read the facts"),
            }),
            Event::Surveyed { node, .. } => self.set(node, |_| State::Done),
            Event::Unreachable { node, fault } => {
                self.set(node, |_| State::failed("connect", &fault.to_string()))
            }
            Event::Planned { plan } => {
                for step in plan.phases.iter().flat_map(|phase| &phase.steps) {
                    if step.node.0 == CONTROLLER && self.node(&step.node).is_none() {
                        self.nodes.push(Node { state: State::Done, ..Node::new(step.node.clone()) });
                    }
                    self.node(&step.node).into_iter().for_each(|node| node.await_step());
                }
            }
            Event::StepStarted { node, phase, title, .. } => self.set(node, |_| State::Working {
                since: now,
                phase: phase.to_string(),
                title: clean(title),
                progress: None,
            }),
            Event::StepProgress { node, progress } => self.set(node, |old| old.with(progress.clone())),
            Event::StepDone { node, .. } => self.node(node).into_iter().for_each(Node::finish_step),
            Event::StepFailed { node, phase, fault, .. } => {
                self.set(node, |_| State::failed(phase, &fault.to_string()));
            }
            Event::Stopping => self.stopping = true,
            Event::PhaseStarted { .. }
            | Event::PhaseDone { .. }
            | Event::Verified { .. }
            | Event::Finished { .. } => {}
        }
    }

    /// The title of the step that a node is in the middle of.
    pub(super) fn title(&self, node: &NodeName) -> Option<&str> {
        match &self.nodes.iter().find(|known| &known.name == node)?.state {
            State::Working { title, .. } => Some(title),
            _ => None,
        }
    }

    /// How many steps are done, on all nodes together.
    pub(super) fn done(&self) -> usize {
        self.nodes.iter().map(|node| node.done).sum()
    }

    /// Whether some node could not be reached or failed.
    pub(super) fn has_failures(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.state, State::Failed { .. }))
    }

    /// Columns of the longest name.
    pub(super) fn name_width(&self) -> usize {
        self.nodes.iter().map(|node| measure_text_width(&clean(&node.name.0))).max().unwrap_or_default()
    }

    /// One line a node for a terminal of so many `rows` and `columns`; where they are too many, only those that work,
    /// and a line that counts the others.
    pub(super) fn lines(&self, now: Duration, rows: usize, columns: usize, surface: &Surface) -> Vec<String> {
        let most = rows.saturating_sub(KEPT_ROWS).clamp(1, MOST_NODES);
        let all: Vec<&Node> = self.nodes.iter().collect();
        let crowded = all.len() > most;
        let mut shown = if crowded { all.into_iter().filter(|node| node.works()).collect() } else { all };
        shown.truncate(most);
        let widths = self.widths(&shown);
        let mut lines: Vec<_> = shown.iter().map(|node| self.line(node, &widths, now, surface)).collect();
        if crowded {
            lines.push(surface.paint(Tone::Dim, &self.footer()));
        }
        if self.stopping {
            lines.push(surface.paint(Tone::Warn, "stopping: steps in hand are finished, no others begun"));
        }
        lines.iter().map(|line| fit(line, columns.saturating_sub(1), surface)).collect()
    }

    fn line(&self, node: &Node, widths: &Widths, now: Duration, surface: &Surface) -> String {
        let symbols = surface.symbols();
        let name = surface.paint(Tone::Strong, &pad(&clean(&node.name.0), widths.name));
        let counter = surface.paint(Tone::Dim, &format!("{:>1$}", node.counter(), widths.counter));
        let line = |tone, sign: &str, rest: &str| {
            let line = format!("{} {name}  {counter}{rest}", surface.paint(tone, sign));
            line.trim_end().to_owned()
        };
        match &node.state {
            State::Waiting => line(Tone::Dim, symbols.waiting, &surface.paint(Tone::Dim, "waiting")),
            State::Done => line(Tone::Good, symbols.done, ""),
            State::Failed { phase, cause } => {
                line(Tone::Bad, symbols.failed, &format!("{phase:<8}  {}", surface.paint(Tone::Bad, cause)))
            }
            State::Working { since, phase, title, progress } => {
                let frame = (now.as_millis() / FRAME.as_millis()) as usize % symbols.spinner.len();
                let spent = format!("{:>6}", seconds(now.saturating_sub(*since)));
                let doing = doing(title, progress.as_ref(), widths.title, surface);
                let rest = format!("{phase:<8}  {}  {doing}", surface.paint(Tone::Dim, &spent));
                line(Tone::Accent, symbols.spinner[frame], &rest)
            }
        }
    }

    fn footer(&self) -> String {
        let number =
            |wanted: fn(&State) -> bool| self.nodes.iter().filter(|node| wanted(&node.state)).count();
        let mut parts = vec![count(self.nodes.len(), "node")];
        for (number, what) in [
            (number(|state| matches!(state, State::Waiting)), "waiting"),
            (number(|state| matches!(state, State::Working { .. })), "working"),
            (number(|state| matches!(state, State::Done)), "done"),
            (number(|state| matches!(state, State::Failed { .. })), "failed"),
        ] {
            parts.extend((number > 0).then(|| format!("{number} {what}")));
        }
        parts.join(", ")
    }

    fn widths(&self, shown: &[&Node]) -> Widths {
        let counter = shown.iter().map(|node| node.counter().len()).max().unwrap_or_default();
        let title = shown.iter().map(|node| node.title_before_bar()).max().unwrap_or_default();
        Widths { name: self.name_width(), counter, title: title.min(TITLE) }
    }

    fn node(&mut self, name: &NodeName) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| &node.name == name)
    }

    fn set(&mut self, name: &NodeName, state: impl FnOnce(&State) -> State) {
        if let Some(node) = self.node(name) {
            node.state = state(&node.state);
        }
    }
}

impl Node {
    fn new(name: NodeName) -> Self {
        Self { name, state: State::Waiting, steps: 0, done: 0 }
    }

    fn works(&self) -> bool {
        matches!(self.state, State::Working { .. })
    }

    fn await_step(&mut self) {
        self.steps += 1;
        self.state = State::Waiting;
    }

    fn finish_step(&mut self) {
        self.done += 1;
        self.state = if self.done < self.steps { State::Waiting } else { State::Done };
    }

    /// Steps done of all, with the gap that follows; empty before the plan.
    fn counter(&self) -> String {
        if self.steps == 0 { String::new() } else { format!("{}/{}  ", self.done, self.steps) }
    }

    /// Columns of the title of a step that shows a bar.
    fn title_before_bar(&self) -> usize {
        match &self.state {
            State::Working { title, progress: Some(Progress { total: 1.., .. }), .. } => {
                measure_text_width(title)
            }
            _ => 0,
        }
    }
}

/// The step's title with how far it has come.
fn doing(title: &str, progress: Option<&Progress>, width: usize, surface: &Surface) -> String {
    let Some(Progress { text, done, total }) = progress else { return title.to_owned() };
    let text = surface.paint(Tone::Dim, &clean(text));
    if *total == 0 {
        return format!("{title}  {text}");
    }
    format!("{}  {}  {text}", pad(&fit(title, width, surface), width), bar(*done, *total, surface))
}

fn bar(done: u64, total: u64, surface: &Surface) -> String {
    let part = |whole: usize| (done.min(total) as f64 / total.max(1) as f64 * whole as f64) as usize;
    let (full, open) = surface.symbols().bar;
    let filled = part(BAR);
    let full = surface.paint(Tone::Accent, &full.repeat(filled));
    let open = surface.paint(Tone::Dim, &open.repeat(BAR - filled));
    format!("{full}{open} {:>3}%", part(100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PhaseName;
    use crate::report::samples::{begun, eventful_run, nodes, progress};

    const AT: Duration = Duration::from_millis(12_300);

    fn board(events: &[Event]) -> Board {
        let mut board = Board::default();
        for event in events {
            board.apply(event, Duration::ZERO);
        }
        board
    }

    fn show(events: &[Event]) -> String {
        board(events).lines(AT, 24, 100, &Surface::PLAIN).join("\n")
    }

    /// The run so far, up to and with the event that `last` picks.
    fn until(last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = eventful_run();
        let place = events.iter().rposition(last).expect("the run has such an event");
        events.truncate(place + 1);
        events
    }

    fn crowd(number: usize, working: usize) -> Vec<Event> {
        let all = nodes(number);
        let started = begun(number);
        let steps = all.into_iter().take(working).map(|node| Event::StepStarted {
            node,
            phase: PhaseName::Packages,
            step: 0,
            title: "install docker.io".into(),
        });
        std::iter::once(started).chain(steps).collect()
    }

    #[test]
    fn while_connecting() {
        insta::assert_snapshot!(show(&until(|event| matches!(event, Event::Pushing { .. }))));
    }

    #[test]
    fn in_the_middle_of_a_phase() {
        insta::assert_snapshot!(show(&until(|event| matches!(event, Event::StepFailed { .. }))));
        let ascii = Surface { unicode: false, ..Surface::PLAIN };
        let events = until(|event| matches!(event, Event::StepFailed { .. }));
        insta::assert_snapshot!(
            "in_the_middle_of_a_phase_ascii",
            board(&events).lines(AT, 24, 100, &ascii).join("\n")
        );
    }

    #[test]
    fn a_lost_connection_keeps_the_step_and_its_failure() {
        let told = show(&until(|event| matches!(event, Event::Connected { ms: 2_400, .. })));
        assert!(told.contains("packages") && told.contains("install docker.io  connected again"), "{told}");
        let mut events = until(|event| matches!(event, Event::StepFailed { .. }));
        let before = show(&events);
        events.push(Event::Retrying { node: "n3".into(), cause: "no route to host".into() });
        assert_eq!(show(&events), before);
    }

    #[test]
    fn a_stop_is_acknowledged() {
        insta::assert_snapshot!(show(&until(|event| matches!(event, Event::Stopping))));
    }

    #[test]
    fn of_a_crowd_only_the_working_are_shown() {
        insta::assert_snapshot!(show(&crowd(100, 3)));
    }

    #[test]
    fn lines_never_exceed_the_terminal() {
        for (rows, columns) in [(24, 80), (10, 40), (3, 20), (1, 1), (200, 200)] {
            for events in [crowd(100, 90), crowd(5, 5), eventful_run()] {
                let lines =
                    board(&events).lines(AT, rows, columns, &Surface { colour: true, ..Surface::PLAIN });
                assert!(
                    lines.len() <= (rows.max(6) - 2).min(MOST_NODES + 2),
                    "{} lines in {rows} rows",
                    lines.len()
                );
                assert!(lines.iter().all(|line| measure_text_width(line) < columns.max(2)), "{lines:?}");
            }
        }
    }

    #[test]
    fn a_bar_fills_up() {
        let shown = |done, total| bar(done, total, &Surface::PLAIN);
        assert_eq!(shown(0, 100), "────────────   0%");
        assert_eq!(shown(45, 100), "━━━━━───────  45%");
        assert_eq!(shown(7, 5), "━━━━━━━━━━━━ 100%");
        assert_eq!(shown(u64::MAX, u64::MAX), "━━━━━━━━━━━━ 100%");
    }

    #[test]
    fn events_of_unknown_nodes_are_ignored() {
        let stray = Event::StepProgress { node: "nobody".into(), progress: progress("x", 1, 2) };
        assert_eq!(show(&[stray]), "");
    }

    #[test]
    fn no_text_of_a_host_steers_the_terminal() {
        let mut events = crowd(1, 1);
        events.push(Event::StepProgress { node: "n1".into(), progress: progress("a\u{1b}[2J\r\nb", 1, 2) });
        assert!(!show(&events).contains(char::is_control));
    }
}
