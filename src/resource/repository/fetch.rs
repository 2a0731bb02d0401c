//! Getting a repository's key onto the host, and seeing that it is the right one before anything trusts it.

use std::time::Duration;

use super::super::{Fault, Host, Progress};
use super::{KeySource, armored, openpgp};

/// apt's own program for fetching files: it honours apt's proxies.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// How long fetching a key may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The key, armored, if its fingerprint is this one.
pub(super) fn key(
    source: &KeySource,
    fingerprint: &str,
    host: &Host,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, Fault> {
    let (what, bytes) = match source {
        KeySource::Text(text) => ("the key in the inventory's folder".to_owned(), text.clone().into_bytes()),
        KeySource::Url(url) => {
            progress(Progress::text("fetching the key of the engine's packages"));
            (url.clone(), fetch(url, host)?)
        }
    };
    let found = openpgp::fingerprint(&bytes).map_err(|cause| {
        Fault::new(&what, format!("is not the key of the engine's packages: {cause}"))
            .help("correct `engine.repository.key` in the inventory, or see what stands between the host and that address")
    })?;
    if found != fingerprint {
        let cause = format!("its key has the fingerprint {found}, and {fingerprint} is wanted; it is not trusted");
        return Err(Fault::new(&what, cause).help(
            "ask those who run the repository for the fingerprint; if their key changed, correct \
             `engine.repository.key_fingerprint` in the inventory",
        ));
    }
    Ok(armored(bytes))
}

fn fetch(url: &str, host: &Host) -> Result<Vec<u8>, Fault> {
    if let Some(path) = url.strip_prefix("file:") {
        let path = format!("/{}", path.trim_start_matches('/'));
        return host.read(&path)?.ok_or_else(|| Fault::new(path, "is not on the host"));
    }
    let run = host.path("/run");
    let folder = tempfile::Builder::new().prefix("skep-key-").tempdir_in(&run).map_err(|error| Fault::new(run.display(), error))?;
    let file = folder.path().join("key");
    let output = host
        .command(APT_HELPER)
        .args(["download-file", url, &file.to_string_lossy()])
        .limit(LIMIT)
        .run()?;
    let bytes = std::fs::read(&file);
    match bytes {
        Ok(bytes) if output.success() => Ok(bytes),
        _ => Err(Fault::new(url, format!("the host cannot fetch it: {}", output.last_words()))
            .help("see whether the host reaches it; behind a proxy, set `engine.proxy` in the inventory")),
    }
}
