//! Hosts that a key opens, and that a run which was killed left before the password that stays was in force.

use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;

use super::command;
use super::password::{ARMBIAN, transition};
use crate::fleet::denied::Denied;
use crate::fleet::failure::Bootstrap;
use crate::fleet::remote::{Channel, Remote};
use crate::inventory::model::FirstLogin;
use crate::ssh::{self, ExecError, Target};

/// Reads a password from its input for each try.
const TRY: &str = "LC_ALL=C sudo -S -p '' true";

/// Whether a key opens a host, and its image's password is in the way: it has expired, or sudo takes it, or the one that
/// follows it, in the place of the one that should be in force (where one `is_replaced`). That `error` was a mistyped
/// password is no sign of it.
pub(in crate::fleet) async fn is_left_halfway(
    error: &Bootstrap,
    first: &FirstLogin,
    is_replaced: bool,
    target: &Target,
    ssh: &ssh::Options,
) -> bool {
    match error {
        Bootstrap::Exec(ExecError::PasswordExpired { .. }) => true,
        Bootstrap::Denied(Denied::Wrong { owner, .. }) if *owner == first.user && is_replaced => {
            let image = match &first.password {
                Some(source) => source.resolve().await.ok(),
                None => Some(SecretString::from(ARMBIAN)),
            };
            let Some(image) = image else { return false };
            let Ok(session) = ssh::connect(target, ssh).await else { return false };
            let left = transition(&first.user, &image);
            let old = [left, image];
            let taken = sudo_takes(&session, &old);
            command::within(command::LIMIT, session.node(), "sudo", taken).await.unwrap_or(false)
        }
        _ => false,
    }
}

/// Whether sudo takes one of the passwords; it is started once, since hosts count what was wrong.
pub(in crate::fleet) async fn sudo_takes(
    remote: &dyn Remote,
    passwords: &[SecretString],
) -> Result<bool, ExecError> {
    let Channel { mut input, output, mut exit } = remote.exec(TRY).await?;
    for password in passwords {
        let line = SecretString::from(format!("{}\n", password.expose_secret()));
        // Where sudo has gone meanwhile, how it ended tells more.
        let _ = input.write_all(line.expose_secret().as_bytes()).await;
    }
    let _ = input.shutdown().await;
    drop((input, output));
    Ok(exit.wait().await?.code == Some(0))
}
