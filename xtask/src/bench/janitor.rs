//! Leaves nothing behind, however the benchmark ends.
//!
//! `xtask bench-janitor` is a process of its own, in a process group of its own, and waits for the end of its standard
//! input: that comes when the benchmark lets go of it, and also when somebody kills the benchmark. Then it removes labs
//! and namespaces. It does so once before, too, in case that somebody killed it as well.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Bench, bare, converged, hosts, namespaces, this_program};
use crate::failure::{Failure, Result};

/// Held by the janitor of whoever runs: two at once would clean up each other's things.
const LOCK: &str = "/run/skep-bench.lock";

/// What it says when all is clean.
const READY: &str = "ready";

/// The process that cleans up.
pub(super) struct Janitor(Child);

impl Janitor {
    /// Starts it and waits until nothing is left of an earlier run.
    pub(super) fn start(bench: &Bench) -> Result<Self> {
        let mut command = Command::new(this_program()?);
        command.arg("bench-janitor").arg(&bench.skep);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Failure::io("the janitor"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Failure::io("the janitor"))?;
        }
        if line.trim() == READY {
            return Ok(Self(child));
        }
        let status = child.wait().map_err(Failure::io("the janitor"))?;
        Err(Failure::Program { what: "bench-janitor".to_owned(), status })
    }

    /// Has it clean up, and waits for that.
    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().map_err(Failure::io("the janitor"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Program { what: "bench-janitor".to_owned(), status })
        }
    }
}

/// `xtask bench-janitor SKEP`
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let [skep] = arguments else { return Err(Failure::Usage) };
    let lock =
        File::options().create(true).write(true).truncate(false).open(LOCK).map_err(Failure::io(LOCK))?;
    if lock.try_lock().is_err() {
        return Err(Failure::Bench(vec![format!("another `cargo bench-peers` is at work: it holds {LOCK}")]));
    }
    clean(Path::new(skep))?;
    println!("{READY}");
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    clean(Path::new(skep))
}

fn clean(skep: &Path) -> Result<()> {
    hosts::end_kept_connections();
    let namespaces = namespaces::clean();
    for lab in [converged::LAB, bare::LAB] {
        let mut ls = Command::new(skep);
        let listed = crate::build::output(ls.args(["lab", "ls", "--json"]), "skep lab ls")?;
        let is_lab = |line: &serde_json::Value| line["lab"] == lab;
        if super::job::json_lines(&String::from_utf8_lossy(&listed)).iter().any(is_lab) {
            let mut down = Command::new("timeout");
            down.arg("300").arg(skep).args(["lab", "down", "--quiet", "--name", lab]);
            crate::build::run(&mut down, "skep lab down")?;
        }
    }
    namespaces
}
