//! Public keys come onto a host, and with them a file which says that the first login is not over.

use crate::facts::inspection::boot::FIRST_LOGIN;
use crate::inventory::model::NodeName;
use crate::resource::Fault;
use crate::ssh::Session;

/// Tells later runs that the password has yet to be changed: they log in by key and would not notice. In the home of the
/// image's user.
pub(super) use crate::plan::PENDING;

/// Reads keys, one a line, and adds those that are not there. A file in the making is nobody's key.
const INSTALL: &str = "sh -c 'set -e; umask 077; cd; mkdir -p .ssh; cd .ssh; OWED; \
     if [ -e authorized_keys ]; then cp authorized_keys .skep-keys; else : > .skep-keys; fi; \
     if [ -n \"$(tail -c1 .skep-keys)\" ]; then echo >> .skep-keys; fi; \
     while IFS= read -r key; do grep -qxF -e \"$key\" .skep-keys || printf \"%s\\n\" \"$key\" >> .skep-keys; done; \
     chmod 600 .skep-keys; mv .skep-keys authorized_keys; sync'";

/// With a note that the password has yet to be changed, where it has.
pub(super) async fn install(
    session: &Session,
    node: &NodeName,
    lines: &[String],
    owed: bool,
) -> Result<(), Fault> {
    let input: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let command = INSTALL.replace("OWED", if owed { ": > skep-first-login" } else { ":" });
    run(session, node, &command, &input, "the keys could not be installed").await
}

/// Whether the host itself says that its image's password has yet to be changed: by the note of a run that was killed,
/// or because nobody went through Armbian's wizard.
pub(super) async fn is_owed(session: &Session, node: &NodeName) -> Result<bool, Fault> {
    let look = format!(
        "sh -c 'cd; if [ -e {PENDING} ] || [ -e {FIRST_LOGIN} ]; then echo owed; else echo paid; fi'"
    );
    let output = session.run(&look, b"").await.map_err(|error| Fault::new(node, error))?;
    // What cannot be told is not taken for done.
    Ok(String::from_utf8_lossy(&output.stdout).trim() != "paid")
}

/// The first login is over.
pub(super) async fn forget(session: &Session, node: &NodeName) -> Result<(), Fault> {
    let command = format!("sh -c 'cd && rm -f {PENDING}; sync'");
    run(session, node, &command, "", "the first login could not be ended").await
}

async fn run(
    session: &Session,
    node: &NodeName,
    command: &str,
    input: &str,
    what: &str,
) -> Result<(), Fault> {
    let output = session.run(command, input.as_bytes()).await.map_err(|error| Fault::new(node, error))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Fault::new(node, format!("{what}: {}", output.stderr.trim()))
            .help("look at `df -h` and `ls -ld ~ ~/.ssh` there")),
    }
}
