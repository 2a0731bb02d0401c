//! Public keys come onto a host.

use super::{command, fault};
use crate::inventory::model::NodeName;
use crate::resource::Fault;
use crate::ssh::Session;

/// Reads keys, one a line, and adds those that are not there. A file in the making is nobody's key.
const INSTALL: &str = "sh -c 'set -e; umask 077; cd; mkdir -p .ssh; cd .ssh; \
     if [ -e authorized_keys ]; then cp authorized_keys .skep-keys; else : > .skep-keys; fi; \
     if [ -n \"$(tail -c1 .skep-keys)\" ]; then echo >> .skep-keys; fi; \
     while IFS= read -r key; do grep -qxF -e \"$key\" .skep-keys || printf \"%s\\n\" \"$key\" >> .skep-keys; done; \
     chmod 600 .skep-keys; mv .skep-keys authorized_keys; sync'";

/// Adds the keys to those that let in as the session's user.
pub(super) async fn install(session: &Session, node: &NodeName, lines: &[String]) -> Result<(), Fault> {
    let input: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let output = command::run(session, "installing keys", INSTALL, input.as_bytes()).await;
    let output = output.map_err(|error| fault(node, error))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let cause = format!("the keys could not be installed: {}", output.stderr.trim());
            Err(Fault::new(node, cause).help("look at `df -h` and `ls -ld ~ ~/.ssh` there"))
        }
    }
}
