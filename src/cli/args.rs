//! What can be said on the command line; follows Docker's grammar, so that a swarm user guesses it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates;
use ipnet::IpNet;

use super::complete;
use crate::inventory::import::Format;
use crate::inventory::model::{NodeName, Role};
use crate::inventory::{DEFAULT_PATH, HostArg};
use crate::lab::Arch;
use crate::report::Printer;

const EXAMPLES: &str = "Examples:
  skep init pi@192.168.2.1 192.168.2.2 192.168.2.3   write inventory/cluster.yml
  skep plan                                          show what would change
  skep up                                            show it, ask, do it, verify it
  skep status                                        who leads, and how many losses it survives
  skep lab demo                                      see it all on throwaway nodes of this computer

Exit codes: `skep help exit-codes`.";

/// Turns boards and boxes into a healthy Docker Swarm, over SSH, from one inventory file.
#[derive(Debug, Parser)]
#[command(name = "skep", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub(super) struct Common {
    /// The inventory file
    #[arg(short, long, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub(super) inventory: PathBuf,
    /// Templates of your own, instead of the folder that the inventory names
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    pub(super) templates: Option<PathBuf>,
    /// Change these nodes only (comma-separated); the others are still looked at
    #[arg(long, global = true, value_name = "NODE,…", value_delimiter = ',', value_parser = node_name, add = ArgValueCandidates::new(complete::nodes))]
    pub(super) limit: Vec<NodeName>,
    /// Print events as JSON, one a line, on standard output; what asks needs --yes then
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print errors only; what asks needs --yes then
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Print every step
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    /// Do not ask; do it
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// How many hosts to work on at once
    #[arg(long, global = true, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) forks: u16,
    /// Take the keys of hosts that known_hosts does not list yet, without asking
    #[arg(long, global = true)]
    pub(super) accept_new_host_keys: bool,
    /// Where the agents are, if not inside skep or beside it
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    pub(super) agent_dir: Option<PathBuf>,
    /// Seconds to wait for a host to answer [default: ConnectTimeout of your ssh configuration, else 10]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, hide_short_help = true)]
    pub(super) connect_timeout: Option<Duration>,
    /// Seconds to keep trying hosts that refuse connections, such as those still booting
    #[arg(long, global = true, value_name = "SECONDS", default_value = "0", value_parser = seconds, hide_short_help = true)]
    pub(super) wait: Duration,
    /// Seconds to keep trying a host whose connection is lost in the middle of a run; 0: not at all
    #[arg(long, global = true, value_name = "SECONDS", default_value = "300", value_parser = seconds, hide_short_help = true)]
    pub(super) reconnect: Duration,
    /// Take the run lock of hosts from a run that was not heard of for two minutes; its step in hand is finished first
    #[arg(long, global = true, hide_short_help = true)]
    pub(super) take_over: bool,
}

impl Common {
    /// What decides how everything is printed.
    pub(super) fn printer(&self) -> Printer {
        Printer::new(self.quiet, self.verbose, self.json)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write an inventory for these hosts
    #[command(after_help = "Example:\n  skep init pi@192.168.2.1 192.168.2.2 192.168.2.3")]
    Init(Init),
    /// Show what `up` would change; changes nothing
    #[command(
        after_help = "Examples:\n  skep plan\n  skep plan --exit-code --limit n3   exit 3 if n3 needs changes"
    )]
    Plan(Plan),
    /// Make the hosts what the inventory says: show the plan, ask, do it, verify it
    #[command(
        after_help = "Examples:\n  skep up\n  skep up --yes --limit n3\n  skep up --replace-engine     engines from another source go, node by node\n  skep up --reboot             nodes whose boot settings changed, one after another\n  skep up --repair-clones      cards that were copied get identities of their own\n  skep up --json --yes | jq .\n  skep up --take-over          from a run that sleeps or hangs"
    )]
    Up(Changing),
    /// Draw the cluster: nodes, roles, leader, quorum, and how many losses it survives
    Status,
    /// Say whether each host can be what the inventory wants, and what to do if not; changes nothing
    #[command(
        after_help = "Examples:\n  skep audit\n  skep audit --no-ports --limit n3\n  skep audit --deep                 use the shares, too\n  skep audit --html audit.html      a page for the browser\n  skep audit --save --since last    what changed since the last one that was saved\n  skep audit --explain clock        what is behind a check\n  skep audit --kernel-config .config   a kernel that is yet to be built\n  skep audit --quiet || mail …      exit code 4: it found errors"
    )]
    Audit(Audit),
    /// Check an inventory, show what was understood of it, or make one of another tool's
    #[command(subcommand)]
    Inventory(Inventory),
    /// Find hosts that answer SSH, and propose inventory lines for new ones; logs in nowhere
    #[command(
        after_help = "Examples:\n  skep scan                       the networks that this computer is in\n  skep scan 192.168.2.0/24\n  skep scan 192.168.2.7 --timeout 5\n  skep scan --json | jq -r 'select(.node == null).address'"
    )]
    Scan(Scan),
    /// Add nodes
    #[command(subcommand)]
    Node(Node),
    /// List past runs of this computer, or tell one again
    #[command(
        after_help = "Examples:\n  skep runs -n 5\n  skep runs show last -v\n  skep runs show 1204 --json | jq ."
    )]
    Runs(Runs),
    /// Put back what a past run changed: show the plan, ask, do it, verify it
    #[command(
        after_help = "Examples:\n  skep undo last --plan   what would be put back\n  skep undo last          the newest run that changed something\n  skep undo 1204 --yes    the run with 1204 in its ID; `skep runs` lists them"
    )]
    Undo(Undo),
    /// Throwaway nodes on this computer
    #[command(subcommand)]
    Lab(Lab),
    /// The files that skep writes whole: list their templates, take over one
    #[command(subcommand)]
    Templates(Templates),
    /// Print the JSON Schema of the inventory, for editors
    Schema,
    /// Print completions for a shell; names of nodes come from the inventory
    #[command(
        after_help = "Examples:\n  skep completions bash > /etc/bash_completion.d/skep\n  skep completions zsh > /usr/local/share/zsh/site-functions/_skep\n  skep completions fish > ~/.config/fish/completions/skep.fish"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
    /// What the exit codes mean
    #[command(name = "exit-codes", after_help = super::exit::table(), help_template = "{about}{after-help}")]
    ExitCodes,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The hosts, each [USER@]HOST[:PORT]; a user on the first counts for all without one
    #[arg(required = true, value_name = "HOST")]
    pub(super) hosts: Vec<HostArg>,
    /// Overwrite an inventory that is there
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Runs {
    /// How many, the newest first
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20)]
    pub(super) number: usize,
    #[command(subcommand)]
    pub(super) command: Option<RunsCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// Tell a past run again; with -v whole, with --json its events
    #[command(after_help = "Example:\n  skep runs show last -v")]
    Show {
        /// Its ID, any part that only it has, or `last`
        #[arg(add = ArgValueCandidates::new(complete::runs))]
        run: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Undo {
    /// The run's ID, any part that only it has, or `last` for the newest that changed something
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    pub(super) run: String,
    /// Only show what would be put back
    #[arg(long)]
    pub(super) plan: bool,
}

/// What a plan may assume.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Changing {
    /// Take over the swarm of this ID, which skep did not make
    #[arg(long, value_name = "SWARM-ID")]
    pub(super) adopt: Option<String>,
    /// Vouch that these nodes, which cannot be reached, hold no swarm
    #[arg(long, value_name = "NODE,…", value_delimiter = ',', value_parser = node_name, add = ArgValueCandidates::new(complete::nodes))]
    pub(super) assume_new: Vec<NodeName>,
    /// Replace engines from another source than `engine.source`, or newer than `engine.version`
    #[arg(long)]
    pub(super) replace_engine: bool,
    /// Reboot nodes that have to be, one after another
    #[arg(long)]
    pub(super) reboot: bool,
    /// Give hosts that were copied from one card machine-ids, host names, host keys and engine IDs of their own
    #[arg(long)]
    pub(super) repair_clones: bool,
}

#[derive(Debug, Default, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) changing: Changing,
    /// Exit with 3 if changes are pending
    #[arg(long)]
    pub(super) exit_code: bool,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Do not try the ports and packet sizes between the nodes
    #[arg(long)]
    pub(super) no_ports: bool,
    /// Use the mounted shares as well: write, lock, rename and remove a small file in each
    #[arg(long)]
    pub(super) deep: bool,
    /// Judge the configuration of a kernel that is only a file, as of a manager that serves and mounts; asks no host
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_ports", "deep", "explain"])]
    pub(super) kernel_config: Option<PathBuf>,
    /// Which kernel that configuration is of, such as 6.1.0, where it does not say so itself
    #[arg(long, value_name = "VERSION", requires = "kernel_config")]
    pub(super) kernel_version: Option<String>,
    /// Write a page for the browser as well
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Save the audit for --since; without FILE among the last 100 of this computer
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) save: Option<Option<PathBuf>>,
    /// Tell what changed since the audit of that file, or since the `last` that was saved without FILE
    #[arg(long, value_name = "FILE")]
    pub(super) since: Option<PathBuf>,
    /// Tell what is behind a check, without a look at any host; without ID list all checks
    #[arg(long, value_name = "ID", num_args = 0..=1, conflicts_with_all = ["no_ports", "deep", "html", "save", "since"], add = ArgValueCandidates::new(complete::checks))]
    pub(super) explain: Option<Option<String>>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Inventory {
    /// Say whether the inventory is good; connects to no host
    #[command(after_help = "Example:\n  skep inventory check && skep plan")]
    Check,
    /// Print what was understood, with defaults filled in and secrets hidden
    #[command(after_help = "Examples:\n  skep inventory show\n  skep inventory show n3\n  \
                            skep inventory show --json | jq .nodes")]
    Show {
        /// These nodes only
        #[arg(value_name = "NODE", value_parser = node_name, add = ArgValueCandidates::new(complete::nodes))]
        nodes: Vec<NodeName>,
    },
    /// Make an inventory of an Ansible inventory or of a list of hosts for k0sctl or launchpad
    ///
    /// Tells all that is not carried over, with its place. Passwords are never copied.
    #[command(after_help = "Examples:\n  skep inventory import hosts.ini\n  \
                            skep inventory import hosts.yml -o - | less\n  \
                            skep inventory import launchpad.yaml -o inventory/prod.yml")]
    Import {
        /// The other tool's file
        file: PathBuf,
        /// Its format; guessed where absent
        #[arg(long, value_name = "FORMAT", value_parser = format())]
        format: Option<Format>,
        /// Where to write the inventory, `-` for standard output; that of --inventory where absent
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Overwrite an inventory that is there
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Networks with their prefix, or single addresses; the private ones that this computer is in where absent
    #[arg(value_name = "NETWORK", value_parser = crate::scan::parse)]
    pub(super) networks: Vec<IpNet>,
    /// Where SSH servers listen
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: u16,
    /// How many seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum Node {
    /// Add a node to the inventory, then bring it up
    #[command(after_help = "Example:\n  skep node add pi@192.168.2.4 --role worker")]
    Add {
        /// The host: [USER@]HOST[:PORT]
        host: HostArg,
        /// Its name; the next free one after those of the inventory where absent
        #[arg(long)]
        name: Option<String>,
        /// What it shall be
        #[arg(long, default_value = "worker", value_parser = role)]
        role: Role,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Templates {
    /// List them: what each writes, and whether it is skep's or your own
    Ls,
    /// Print skep's own
    #[command(after_help = "Example:\n  skep templates show exports.j2 | diff - templates/exports.j2")]
    Show {
        /// The template
        name: String,
    },
    /// Copy skep's own into your folder, to change it there
    #[command(after_help = "Example:\n  skep templates eject nfs.mount.j2")]
    Eject {
        /// The template
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Lab {
    /// Boot throwaway nodes and write an inventory for them
    #[command(
        after_help = "Examples:\n  skep -i \"$(skep lab up -n 3)\" up\n  skep lab up -n 1 --release trixie\n  \
                      skep lab up -n 1 --machines arm64,amd64"
    )]
    Up {
        #[command(flatten)]
        which: WhichLab,
        /// How many nodes that share this computer's kernel; 3, or none beside machines
        #[arg(short, long, value_parser = clap::value_parser!(u8).range(1..=50))]
        nodes: Option<u8>,
        /// Nodes with Debian's own kernel, emulated: amd64 and arm64, with commas between
        #[arg(long, value_name = "ARCH", value_delimiter = ',')]
        machines: Vec<Arch>,
        /// With Docker installed, but in no swarm
        #[arg(long)]
        engine: bool,
        /// Release of new nodes, by code name or number; this computer's own where absent
        #[arg(long, value_name = "RELEASE")]
        release: Option<String>,
    },
    /// List the labs of this computer; with -q the paths of their inventories
    Ls,
    /// Open a shell on a node, or run a command there
    #[command(after_help = "Examples:\n  skep lab ssh n1 docker node ls\n  skep lab ssh --name demo n1")]
    Ssh {
        #[command(flatten)]
        which: WhichLab,
        /// The node
        #[arg(add = ArgValueCandidates::new(complete::lab_nodes))]
        node: NodeName,
        /// The command; a shell where absent. Options of skep go before the node
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Remove a lab with all that it made
    Down {
        #[command(flatten)]
        which: WhichLab,
        /// All labs of this computer
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Boot bare nodes, then plan, up, up again with nothing to do, and status
    Demo {
        /// Name of the lab
        #[arg(long, default_value = "demo")]
        name: String,
        /// How many nodes
        #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
        nodes: u8,
    },
}

#[derive(Debug, Args)]
pub(super) struct WhichLab {
    /// Name of the lab
    #[arg(long, default_value = "lab", add = ArgValueCandidates::new(complete::labs))]
    pub(super) name: String,
}

fn node_name(text: &str) -> Result<NodeName, std::convert::Infallible> {
    Ok(NodeName::from(text))
}

/// The formats by their names, which completions offer.
fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::NAMES).try_map(|name| name.parse())
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "manager" => Ok(Role::Manager),
        "worker" => Ok(Role::Worker),
        other => Err(format!("`{other}` is no role: manager or worker")),
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    Ok(Duration::from_secs(text.parse()?))
}
