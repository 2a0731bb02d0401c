//! A lab of its own for each test, and skep run against it as a user would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use skep::lab::{self, Arch, Lab, Login, Package, Spec};
use tempfile::TempDir;

/// Labs of tests are named after the test process, so that those of a killed one can be told.
const PREFIX: &str = "test-";

/// A test, by name.
pub(crate) type Test = (&'static str, fn());

/// Runs tests; where there is a reason to leave them out, each is told as ignored.
pub(crate) fn run(arguments: &Arguments, tests: Vec<Test>, left_out: bool) -> ExitCode {
    let trial = |(name, test): Test| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(left_out)
    };
    libtest_mimic::run(arguments, tests.into_iter().map(trial).collect()).exit_code()
}

/// Installs what is missing for `what`; why that cannot be.
pub(crate) fn install(missing: &[Package], what: &str) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    eprintln!("installing what {what}: {missing:?}");
    lab::install(missing, &mut |_| {}).err().map(|error| error.to_string())
}

/// Labs whose test process is gone: it was killed, and could not remove them.
pub(crate) fn remove_leftovers() {
    for lab in lab::list().unwrap_or_default() {
        let owner = lab.name().strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let gone = owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if gone {
            lab.down().expect("a lab that was left behind goes down");
        }
    }
}

/// A lab, a folder for the controller's state, and an inventory to write to.
pub(crate) struct Bench {
    lab: Option<Lab>,
    folder: TempDir,
}

impl Bench {
    /// Bare nodes, as freshly flashed.
    pub(crate) fn bare(test: &str, nodes: usize) -> Self {
        Self::boot(test, nodes, Vec::new(), false)
    }

    /// Nodes with Docker installed, in no swarm.
    pub(crate) fn with_engine(test: &str, nodes: usize) -> Self {
        Self::boot(test, nodes, Vec::new(), true)
    }

    /// Nodes, then machines, with or without Docker.
    pub(crate) fn boot(test: &str, nodes: usize, machines: Vec<Arch>, engine: bool) -> Self {
        let name = format!("{PREFIX}{}-{test}", std::process::id());
        let spec = Spec { name, nodes, machines, engine, login: Login::Root, release: None };
        let lab = lab::up(&spec, &mut |_| {}).expect("the lab comes up");
        Self { lab: Some(lab), folder: TempDir::new().expect("a folder for the test") }
    }

    /// Adds nodes to the lab.
    pub(crate) fn grow(&mut self, nodes: usize, engine: bool) {
        self.grow_to(nodes, engine, None);
    }

    /// Adds bare nodes of a release to the lab.
    pub(crate) fn grow_with(&mut self, nodes: usize, release: &str) {
        self.grow_to(nodes, false, Some(release.to_owned()));
    }

    fn grow_to(&mut self, nodes: usize, engine: bool, release: Option<String>) {
        let name = self.lab().name().to_owned();
        let spec = Spec { name, nodes, machines: Vec::new(), engine, login: Login::Root, release };
        self.lab = Some(lab::up(&spec, &mut |_| {}).expect("the lab grows"));
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("the lab is there until the bench is dropped")
    }

    /// A file of the test's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the inventory: nodes with their roles, in order, then whatever else.
    pub(crate) fn inventory(&self, nodes: &[(&str, &str)], rest: &str) {
        let lab = self.lab();
        let (key, known_hosts) = (lab.key(), lab.known_hosts());
        let mut text = format!(
            "name: test\ndefaults:\n  user: root\n  key: {}\n  known_hosts: {}\nnodes:\n",
            key.display(),
            known_hosts.display()
        );
        for (name, role) in nodes {
            text += &format!("  {name}: {{address: {}, role: {role}}}\n", self.address(name));
        }
        fs::write(self.inventory_path(), text + rest).expect("the inventory is written");
    }

    pub(crate) fn inventory_path(&self) -> PathBuf {
        self.file("cluster.yml")
    }

    pub(crate) fn address(&self, node: &str) -> String {
        let nodes = self.lab().nodes();
        nodes.iter().find(|own| own.name == node).expect("the lab has the node").address.to_string()
    }

    /// Runs skep to its end.
    pub(crate) fn skep(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).stdin(Stdio::null()).output().expect("skep runs"))
    }

    /// Starts skep, its events on the child's standard output. What it says besides shows, since nobody reads it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().expect("skep starts")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skep"));
        command.arg("--inventory").arg(self.inventory_path()).args(arguments);
        command.env("XDG_STATE_HOME", self.folder.path().join("state"));
        command
    }

    /// Where the runs' journals are.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What a shell command prints on a node, reached without SSH; it has to succeed.
    pub(crate) fn on(&self, node: &str, script: &str) -> String {
        let output = self.lab().enter(node, &["sh", "-c", script]).expect("the node is entered");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script:?} on {node}: {}\n{out}{err}", output.status);
        out.into_owned()
    }

    /// `docker node ls` as a manager tells it: hostname, status, manager status. While the managers choose a leader it
    /// fails or lists nobody, and is asked again for a minute.
    pub(crate) fn members(&self, manager: &str) -> Vec<String> {
        let format = "{{.Hostname}} {{.Status}} {{.ManagerStatus}}";
        let script = format!(
            "for i in $(seq 60); do listed=$(docker node ls --format '{format}') && [ \"$listed\" ] && break; sleep 1; done
            echo \"$listed\"; [ \"$listed\" ]"
        );
        let mut members: Vec<_> =
            self.on(manager, &script).lines().map(|line| line.trim().to_owned()).collect();
        members.sort();
        members
    }

    /// Waits a minute until a shell command prints what is wanted.
    pub(crate) fn settles_to(&self, node: &str, script: &str, wanted: &str) {
        self.settles_within(Duration::from_secs(60), node, script, wanted);
    }

    /// Waits until a shell command prints what is wanted.
    pub(crate) fn settles_within(&self, limit: Duration, node: &str, script: &str, wanted: &str) {
        let deadline = Instant::now() + limit;
        while self.on(node, script).trim() != wanted {
            assert!(
                Instant::now() < deadline,
                "{script:?} prints {:?}, not {wanted:?}",
                self.on(node, script)
            );
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Waits until the members are as wanted: after an election the new leader takes a while to hear of everybody.
    pub(crate) fn settles(&self, manager: &str, wanted: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !wanted(&self.members(manager)) {
            assert!(Instant::now() < deadline, "the members are {:?}", self.members(manager));
            thread::sleep(Duration::from_secs(1));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take()
            && let Err(error) = lab.down()
        {
            eprintln!("the lab did not go down: {error}");
        }
    }
}

/// How a run of skep ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code, showing everything where it differs.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that something was said on standard error.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        self
    }

    /// Asserts that something was printed on standard output.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "{text:?} is not in:\n{}", self.stdout);
        self
    }

    /// The events of a run with `--json`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}
