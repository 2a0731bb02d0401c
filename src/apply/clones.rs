//! A host that was copied from another's card gets something of its own.
//!
//! New host keys are trusted here before the host shows them, and the old ones no more once it does: in between both
//! are, so that a run that is killed at any moment can be carried on with.

use super::Executor;
use crate::fleet::{HostSession, SessionError};
use crate::inventory::model::NodeName;
use crate::plan::{KEYS, NEW_MACHINE_ID, Repair};
use crate::resource::{Change, Fault, Key, Observed, file, hook};
use crate::words::shell_word;

const MACHINE_ID: &str = include_str!("clones/machine-id.sh");
const MAKE_KEYS: &str = include_str!("clones/make-keys.sh");
const USE_KEYS: &str = include_str!("clones/use-keys.sh");
const ENGINE: &str = include_str!("clones/engine.sh");

/// How long a script may take, in seconds: a slow board makes RSA keys for a minute.
const LIMIT: u64 = 600;

impl Executor<'_> {
    pub(super) async fn repair(&self, node: &NodeName, repair: &Repair) -> Result<(), Fault> {
        match repair {
            Repair::MachineId { fingerprint } => {
                let values = [("@FINGERPRINT@", fingerprint.as_str()), ("@MARK@", NEW_MACHINE_ID)];
                self.script(node, "machine-id", MACHINE_ID, &values).await
            }
            Repair::Hostname(change) => self.change(node, change).await.map(drop),
            Repair::HostKeys => self.host_keys(node).await,
            Repair::Engine { root, member } => {
                let member = member.as_ref().map_or("", |member| &member.id);
                let values = [("@ROOT@", root.as_str()), ("@MEMBER@", member)];
                self.script(node, "engine", ENGINE, &values).await
            }
        }
    }

    async fn host_keys(&self, node: &NodeName) -> Result<(), Fault> {
        let session = self.session(node)?;
        let keys = [("@KEYS@", KEYS)];
        self.script(node, "make-keys", MAKE_KEYS, &keys).await?;
        let (old, new) = (lines(session, "old").await?, lines(session, "new").await?);
        session.relearn(new.clone(), Vec::new()).await?;
        self.script(node, "use-keys", USE_KEYS, &keys).await?;
        session.relearn(new, old).await?;
        self.script(node, "end-keys", "rm -rf @KEYS@; sync\n", &keys).await
    }

    /// Runs a script on a host, to its end even where the connection is lost meanwhile, and not twice in a run.
    async fn script(
        &self,
        node: &NodeName,
        name: &str,
        text: &str,
        values: &[(&str, &str)],
    ) -> Result<(), Fault> {
        let id = hook::Id {
            run: self.run.clone(),
            name: format!("skep-{name}"),
            when: "before".to_owned(),
            phase: "repair".to_owned(),
        };
        let text =
            values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, &shell_word(value)));
        let change = hook::Change { id, node: node.0.clone(), text, script: None, limit: LIMIT };
        let done = self.change(node, &Change::Hook(change)).await;
        done.map(drop).map_err(|fault| match fault.what.starts_with("hook ") {
            true => Fault::new(node, format!("{name}: {}", fault.cause))
                .help("mend that on the host, then run `skep up --repair-clones` again: it carries on"),
            false => fault,
        })
    }
}

/// The lines of one of the lists that the script leaves.
async fn lines(session: &HostSession, name: &str) -> Result<Vec<String>, Fault> {
    let key = Key::File(format!("{KEYS}/{name}").into());
    let survey = session.survey(vec![key.clone()]).await?;
    match survey.observed.get(&key) {
        Some(Ok(Observed::File(file::Observed::File(file::FileState { text: Some(text), .. })))) => {
            Ok(text.lines().map(str::to_owned).collect())
        }
        Some(Err(fault)) => Err(fault.clone()),
        _ => Err(SessionError::Unexpected { node: session.node().to_string() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Runs the script for the engine, with all its paths and commands below `dir`.
    fn engine(dir: &Path, member: &str) {
        for name in ["systemctl", "docker"] {
            fs::write(dir.join(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let text = ENGINE
            .replace("@ROOT@", &shell_word(dir.to_str().unwrap()))
            .replace("@MEMBER@", &shell_word(member))
            .replace("/etc/docker", dir.to_str().unwrap());
        let path = format!("{}:/usr/bin:/bin", dir.display());
        let status = Command::new("/bin/sh").args(["-c", &text]).env("PATH", path).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn no_copied_membership_outlives_a_power_cut_and_a_swarm_that_is_no_copy_stays() {
        for (member, swarm_stays) in [("", true), ("id-n2", false)] {
            let dir = tempfile::tempdir().unwrap();
            for part in ["swarm", "swarm.skep"] {
                fs::create_dir(dir.path().join(part)).unwrap();
                fs::write(dir.path().join(part).join("swarm-node.key"), "x").unwrap();
            }
            fs::write(dir.path().join("engine-id"), "x").unwrap();
            engine(dir.path(), member);
            assert!(!dir.path().join("swarm.skep").exists(), "{member}");
            assert!(!dir.path().join("engine-id").exists(), "{member}");
            assert_eq!(dir.path().join("swarm").exists(), swarm_stays, "{member}");
        }
    }
}
