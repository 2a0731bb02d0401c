//! The plots: SVG that is read on light and on dark pages, since it brings its own paper.

use std::fmt::Write as _;

use super::contender::Contender;
use super::results::{Series, Table};
use super::stats::Spread;
use super::table::time;
use super::{fleet, goals};

const STYLE: &str = "
    .paper { fill: #ffffff; stroke: #d0d7de }
    text { fill: #1f2328; font: 13px system-ui, sans-serif }
    .title { font-weight: 600; font-size: 15px }
    .quiet { fill: #59636e; font-size: 12px }
    .grid { stroke: #d8dee4 }
    .skep { fill: #bf8700; stroke: #bf8700 }
    .peer { fill: #5b7fa6; stroke: #5b7fa6 }
    .floor { fill: #8c959f; stroke: #8c959f }
    .floor-a { fill: #5b7fa6; stroke: #5b7fa6 }
    .bar { stroke: none }
    .line { fill: none; stroke-width: 2 }
    .spread { stroke: #1f2328; stroke-width: 1.5 }
    .goal { stroke: #cf222e; stroke-dasharray: 5 4 }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117; stroke: #3d444d }
      text { fill: #f0f6fc }
      .quiet { fill: #9198a1 }
      .grid { stroke: #2a313c }
      .skep { fill: #e3b341; stroke: #e3b341 }
      .peer, .floor-a { fill: #79a8d9; stroke: #79a8d9 }
      .floor { fill: #7d8590; stroke: #7d8590 }
      .spread { stroke: #f0f6fc }
      .goal { stroke: #ff7b72 }
    }";

/// How long one of those on converged nodes took.
pub(super) struct Bar {
    pub(super) contender: Contender,
    pub(super) wall: Spread,
}

/// A picture of that size, with what is drawn on it.
fn picture(width: f64, height: f64, title: &str, drawn: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" aria-label=\"{title}\">
<style>{STYLE}
</style>
<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>
<text class=\"title\" x=\"20\" y=\"30\">{title}</text>
{drawn}</svg>
",
        width - 1.0,
        height - 1.0
    )
}

/// Bars on a logarithmic scale, one a contender.
pub(super) fn peers(bars: &[Bar]) -> String {
    const LEFT: f64 = 190.0;
    const RIGHT: f64 = 640.0;
    const TOP: f64 = 62.0;
    const ROW: f64 = 30.0;
    let bottom = TOP + ROW * bars.len() as f64;
    let decades = decades(bars.iter().map(|bar| bar.wall));
    let x = |ms: f64| LEFT + (RIGHT - LEFT) * (ms.log10() - decades.0) / (decades.1 - decades.0);
    let mut drawn = String::new();
    for decade in decades.0 as i32..=decades.1 as i32 {
        let (ms, at) = (10f64.powi(decade), x(10f64.powi(decade)));
        let _ = writeln!(
            drawn,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>"
        );
        let _ = writeln!(
            drawn,
            "<text class=\"quiet\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            TOP - 8.0,
            power(ms)
        );
    }
    for (row, Bar { contender, wall }) in bars.iter().enumerate() {
        let top = TOP + ROW * row as f64 + 5.0;
        let (middle, text) = (top + 10.0, top + 14.5);
        let _ = writeln!(
            drawn,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            contender.title()
        );
        let _ = writeln!(
            drawn,
            "<rect class=\"bar {}\" x=\"{LEFT}\" y=\"{top}\" width=\"{:.1}\" height=\"20\"/>",
            class(*contender),
            (x(wall.median) - LEFT).max(1.0)
        );
        let _ = writeln!(
            drawn,
            "<line class=\"spread\" x1=\"{:.1}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\"/>",
            x(wall.least),
            x(wall.most)
        );
        let _ = writeln!(
            drawn,
            "<text x=\"{:.1}\" y=\"{text}\">{}</text>",
            x(wall.most) + 8.0,
            time(wall.median)
        );
    }
    picture(720.0, bottom + 20.0, "Three converged nodes, nothing to do: median time, logarithmic", &drawn)
}

fn class(contender: Contender) -> &'static str {
    match contender {
        Contender::Up | Contender::Plan | Contender::Audit => "skep",
        Contender::Ansible | Contender::Mitogen | Contender::Pyinfra => "peer",
        Contender::FloorA | Contender::FloorB => "floor",
    }
}

/// The powers of ten, as exponents, between which all lie.
fn decades(walls: impl Iterator<Item = Spread>) -> (f64, f64) {
    let (least, most) =
        walls.fold((f64::MAX, 0f64), |(least, most), wall| (wall.least.min(least), wall.most.max(most)));
    if most <= 0.0 {
        return (1.0, 2.0);
    }
    let first = least.max(0.1).log10().floor();
    // A bar of no length shows nothing.
    let first = if least.log10() - first < 0.05 { first - 1.0 } else { first };
    (first, most.log10().ceil().max(first + 1.0))
}

fn power(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1000.0) }
}

/// One panel of lines over the number of hosts.
struct Panel<'a> {
    title: &'a str,
    left: f64,
    goal: Option<f64>,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    title: &'a str,
    class: &'a str,
    points: Vec<(f64, f64)>,
}

/// Time and memory of a fleet, by its size.
pub(super) fn fleet(fleets: &[(usize, &Table)]) -> String {
    let line = |title, class, name: &str, value: &dyn Fn(&Series) -> Option<f64>| Line {
        title,
        class,
        points: fleets
            .iter()
            .filter_map(|(size, table)| Some((*size as f64, value(table.get(name)?)?)))
            .collect(),
    };
    let seconds = |series: &Series| Some(series.wall()?.median / 1e3);
    let megabytes = |series: &Series| Some(series.memory()?.median);
    let time = Panel {
        title: "seconds",
        left: 60.0,
        goal: None,
        lines: vec![
            line("skep plan", "skep", fleet::SKEP, &seconds),
            line("floor A", "floor-a", fleet::FLOOR_A, &seconds),
            line("floor B", "floor", fleet::FLOOR_B, &seconds),
        ],
    };
    let memory = Panel {
        title: "MB of memory",
        left: 420.0,
        goal: Some(goals::MEMORY),
        lines: vec![
            line("skep plan", "skep", fleet::SKEP, &megabytes),
            line("floor B", "floor", fleet::FLOOR_B, &megabytes),
        ],
    };
    picture(720.0, 330.0, "A fleet: time and memory by the number of hosts", &(time.draw() + &memory.draw()))
}

impl Panel<'_> {
    const WIDTH: f64 = 270.0;
    const TOP: f64 = 85.0;
    const BOTTOM: f64 = 285.0;

    fn draw(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let most = points().map(|(_, y)| *y).chain(self.goal).fold(0.0, f64::max);
        let (hosts, values) = (ticks(points().map(|(x, _)| *x).fold(0.0, f64::max)), ticks(most));
        let (far, high) = (hosts.last().copied().unwrap_or(1.0), values.last().copied().unwrap_or(1.0));
        let x = |hosts: f64| self.left + Self::WIDTH * hosts / far;
        let y = |value: f64| Self::BOTTOM - (Self::BOTTOM - Self::TOP) * value / high;
        let mut drawn = self.legend();
        for value in &values {
            let (at, right) = (y(*value), self.left + Self::WIDTH);
            let _ = writeln!(
                drawn,
                "<line class=\"grid\" x1=\"{}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>",
                self.left
            );
            let _ = writeln!(
                drawn,
                "<text class=\"quiet\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                self.left - 8.0,
                at + 4.0
            );
        }
        for count in &hosts {
            let _ = writeln!(
                drawn,
                "<text class=\"quiet\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{count}</text>",
                x(*count),
                Self::BOTTOM + 20.0
            );
        }
        let _ = writeln!(
            drawn,
            "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">hosts</text>",
            self.left + Self::WIDTH / 2.0,
            Self::BOTTOM + 36.0
        );
        if let Some(goal) = self.goal {
            let at = y(goal);
            let _ = writeln!(
                drawn,
                "<line class=\"goal\" x1=\"{}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\"/>",
                self.left,
                self.left + Self::WIDTH
            );
            let (left, above) = (self.left + 6.0, at - 6.0);
            let _ =
                writeln!(drawn, "<text class=\"quiet\" x=\"{left}\" y=\"{above:.1}\">goal: {goal}</text>");
        }
        for line in &self.lines {
            let path: Vec<String> = line
                .points
                .iter()
                .map(|(hosts, value)| format!("{:.1},{:.1}", x(*hosts), y(*value)))
                .collect();
            let _ = writeln!(
                drawn,
                "<polyline class=\"line {}\" style=\"fill: none\" points=\"{}\"/>",
                line.class,
                path.join(" ")
            );
            for (hosts, value) in &line.points {
                let _ = writeln!(
                    drawn,
                    "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                    line.class,
                    x(*hosts),
                    y(*value)
                );
            }
        }
        drawn
    }

    fn legend(&self) -> String {
        let mut drawn = format!("<text class=\"quiet\" x=\"{}\" y=\"56\">{}</text>\n", self.left, self.title);
        for (number, line) in self.lines.iter().enumerate() {
            let left = self.left + 92.0 * number as f64;
            let _ = writeln!(
                drawn,
                "<rect class=\"bar {}\" x=\"{left}\" y=\"63\" width=\"10\" height=\"10\"/>",
                line.class
            );
            let _ =
                writeln!(drawn, "<text class=\"quiet\" x=\"{}\" y=\"72\">{}</text>", left + 15.0, line.title);
        }
        drawn
    }
}

/// Round numbers from 0 to at least `most`, about five of them.
fn ticks(most: f64) -> Vec<f64> {
    let most = if most > 0.0 { most } else { 1.0 };
    let magnitude = 10f64.powf((most / 5.0).log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * magnitude).find(|step| most / step <= 5.0);
    let step = step.unwrap_or(magnitude * 10.0);
    let count = (most / step).ceil() as usize;
    // Sums of steps would end in digits that nobody wrote.
    let digits = (-step.log10().floor()).max(0.0) as i32;
    let round = |value: f64| (value * 10f64.powi(digits)).round() / 10f64.powi(digits);
    (0..=count).map(|number| round(number as f64 * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Sample;

    #[test]
    fn ticks_are_round_and_reach_the_top() {
        let cases: [(f64, &[f64]); 5] = [
            (200.0, &[0.0, 50.0, 100.0, 150.0, 200.0]),
            (64.0, &[0.0, 20.0, 40.0, 60.0, 80.0]),
            (0.26, &[0.0, 0.1, 0.2, 0.3]),
            (1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (0.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ];
        for (most, expected) in cases {
            assert_eq!(ticks(most), expected, "{most}");
        }
    }

    #[test]
    fn powers_of_ten_hold_all_values_and_no_bar_is_empty() {
        let wall = |least: f64, most: f64| Spread { median: least, least, most };
        assert_eq!(decades([wall(130.0, 150.0), wall(2000.0, 23_000.0)].into_iter()), (2.0, 5.0));
        assert_eq!(decades([wall(100.0, 150.0)].into_iter()), (1.0, 3.0));
        assert_eq!(decades([].into_iter()), (1.0, 2.0));
    }

    #[test]
    fn longer_takes_a_longer_bar() {
        let wall = |median: f64| Spread { median, least: median, most: median };
        let svg = peers(&[
            Bar { contender: Contender::Up, wall: wall(200.0) },
            Bar { contender: Contender::Ansible, wall: wall(20_000.0) },
        ]);
        let width = |class: &str| -> f64 {
            let bar = svg.lines().find(|line| line.contains(&format!("bar {class}"))).expect("there is one");
            bar.split("width=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next()?.parse().ok())
                .expect("it has a width")
        };
        // Two powers of ten of the three that are shown.
        assert!((width("peer") - width("skep") - 300.0).abs() < 0.2, "{svg}");
        assert!(
            svg.contains(">20.0 s<")
                && svg.contains(">200 ms<")
                && svg.contains("prefers-color-scheme: dark")
        );
    }

    #[test]
    fn every_size_of_the_fleet_is_a_point() {
        let table = |wall_ms: f64| {
            let sample = Sample { wall_ms, cpu_ms: 1.0, rss_kib: 20_000 };
            Table::from([(fleet::SKEP.to_owned(), Series { samples: vec![sample], ..Series::default() })])
        };
        let (one, many) = (table(100.0), table(1000.0));
        let svg = fleet(&[(1, &one), (200, &many)]);
        assert_eq!(svg.matches("<circle").count(), 4, "two sizes, time and memory");
        // A second, on a scale that ends there, is at the top of the first panel.
        assert!(svg.contains("cx=\"330.0\" cy=\"85.0\""), "{svg}");
        assert!(fleet(&[]).ends_with("</svg>\n"));
    }
}
