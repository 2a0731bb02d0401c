//! What can be said on the command line of `cargo bench-peers`.

use std::path::PathBuf;

use super::contender::Contender;
use crate::failure::{Failure, Result};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
How long skep takes beside Ansible, mitogen and pyinfra, and beside the least that work over SSH can take.

usage: cargo bench-peers [PART…] [OPTION…]

Parts, all of them where none is named:
  converged   three converged nodes: skep, its peers and both floors, in interleaved rounds
  bare        bare nodes to a swarm, beside plain `apt-get install` of the same packages
  fleet       connect to many hosts and survey them, beside both floors
  report      measure nothing, write tables and plots anew

Options:
  --rounds N         rounds on converged nodes [default: 10]
  --bare-rounds N    rounds on bare nodes [default: 3]
  --fleet-rounds N   rounds for each size of the fleet [default: 5]
  --fleet N,…        sizes of the fleet, up to 200 [default: 1,10,50,100,200]
  --only NAME,…      of the converged part only up, plan, audit, ansible, mitogen, pyinfra, floor-a, floor-b
  --no-peers         without Ansible, mitogen and pyinfra
  --skep PATH        measure this skep; the report goes to target/bench then, not to docs

Needs root, a Linux that `skep lab up` works on, sshd, python3 with venv, and PyPI.

Examples:
  cargo bench-peers
  cargo bench-peers converged --rounds 20 --only up,plan,floor-b
  cargo bench-peers fleet --fleet 1,50 --fleet-rounds 3
  cargo bench-peers converged --no-peers --skep target/debug/skep";

/// The most hosts of a fleet: their addresses are of one /24.
const MOST_HOSTS: usize = 200;

/// One of the things that can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Converged,
    Bare,
    Fleet,
    Report,
}

impl Part {
    const MEASURED: [Self; 3] = [Self::Converged, Self::Bare, Self::Fleet];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Bare => "bare",
            Self::Fleet => "fleet",
            Self::Report => "report",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::MEASURED.into_iter().chain([Self::Report]).find(|part| part.name() == name)
    }
}

/// What was said on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) parts: Vec<Part>,
    pub(super) rounds: usize,
    pub(super) bare_rounds: usize,
    pub(super) fleet_rounds: usize,
    /// Sizes of the fleet, ascending.
    pub(super) fleet: Vec<usize>,
    /// Who is measured on converged nodes.
    pub(super) contenders: Vec<Contender>,
    /// Whether any of those is installed from PyPI.
    pub(super) peers: bool,
    /// A skep that was built before.
    pub(super) skep: Option<PathBuf>,
}

/// None where the user wants to read [`HELP`].
pub(super) fn read(arguments: &[String]) -> Result<Option<Options>> {
    let mut options = Options {
        parts: Vec::new(),
        rounds: 10,
        bare_rounds: 3,
        fleet_rounds: 5,
        fleet: vec![1, 10, 50, 100, 200],
        contenders: Contender::ALL.to_vec(),
        peers: true,
        skep: None,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().map(String::as_str).ok_or_else(|| unknown(word, "it needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--rounds" => options.rounds = number(word, value()?)?,
            "--bare-rounds" => options.bare_rounds = number(word, value()?)?,
            "--fleet-rounds" => options.fleet_rounds = number(word, value()?)?,
            "--fleet" => options.fleet = sizes(word, value()?)?,
            "--only" => options.contenders = contenders(word, value()?)?,
            "--no-peers" => options.peers = false,
            "--skep" => options.skep = Some(value()?.into()),
            name => {
                options.parts.push(Part::named(name).ok_or_else(|| unknown(name, "there is no such part"))?)
            }
        }
    }
    if !options.peers {
        options.contenders.retain(|contender| !contender.is_peer());
    }
    if options.parts.is_empty() {
        options.parts = Part::MEASURED.to_vec();
    }
    options.peers =
        options.parts.contains(&Part::Converged) && options.contenders.iter().any(|it| it.is_peer());
    Ok(Some(options))
}

fn unknown(word: &str, problem: &str) -> Failure {
    Failure::BenchArgument { word: word.to_owned(), problem: problem.to_owned() }
}

fn number(option: &str, text: &str) -> Result<usize> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| unknown(option, "it needs a number above 0"))
}

fn sizes(option: &str, text: &str) -> Result<Vec<usize>> {
    let mut sizes = text.split(',').map(|size| number(option, size)).collect::<Result<Vec<_>>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    match sizes.last() {
        Some(&most) if most > MOST_HOSTS => Err(unknown(option, "at most 200 hosts have an address each")),
        _ => Ok(sizes),
    }
}

fn contenders(option: &str, text: &str) -> Result<Vec<Contender>> {
    let named = |name: &str| Contender::ALL.into_iter().find(|contender| contender.name() == name);
    let known = || Contender::ALL.map(Contender::name).join(", ");
    text.split(',')
        .map(|name| named(name).ok_or_else(|| unknown(option, &format!("{name:?} is none of {}", known()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn options(text: &str) -> Options {
        read(&words(text)).expect("understood").expect("not asked for help")
    }

    #[test]
    fn without_arguments_everything_is_measured() {
        let all = options("");
        assert_eq!(all.parts, Part::MEASURED);
        assert_eq!((all.rounds, all.bare_rounds, all.fleet_rounds), (10, 3, 5));
        assert_eq!(all.fleet, [1, 10, 50, 100, 200]);
        assert_eq!(all.contenders, Contender::ALL);
        assert!(all.peers);
    }

    #[test]
    fn parts_and_options_are_understood() {
        let some = options("converged fleet --rounds 3 --only up,floor-b --fleet 50,1,50 --skep /bin/skep");
        assert_eq!(some.parts, [Part::Converged, Part::Fleet]);
        assert_eq!(some.contenders, [Contender::Up, Contender::FloorB]);
        assert_eq!((some.rounds, some.fleet), (3, vec![1, 50]));
        assert_eq!(some.skep.as_deref(), Some("/bin/skep".as_ref()));
        assert!(!some.peers, "nothing of PyPI is wanted");
    }

    #[test]
    fn peers_can_be_left_out_and_are_not_installed_for_other_parts() {
        let without = options("converged --no-peers");
        assert!(!without.peers && without.contenders.iter().all(|contender| !contender.is_peer()));
        assert!(!options("fleet").peers);
        assert!(options("converged").peers);
    }

    #[test]
    fn help_is_asked_for_anywhere() {
        assert_eq!(read(&words("fleet --help")).expect("understood"), None);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let cases = [
            ("everything", "everything", "part"),
            ("--rounds", "--rounds", "value"),
            ("--rounds 0", "--rounds", "above 0"),
            ("--fleet 1,x", "--fleet", "number"),
            ("--fleet 201", "--fleet", "200"),
            ("--only up,down", "--only", "\"down\" is none of up, plan"),
        ];
        for (text, word, problem) in cases {
            let told = read(&words(text)).expect_err(text).to_string();
            assert!(
                told.contains(word) && told.contains(problem) && told.contains("--help"),
                "{text}: {told}"
            );
        }
    }
}
