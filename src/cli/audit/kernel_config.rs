//! `skep audit --kernel-config FILE`: a kernel that is only a file, such as one that is yet to be built.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::keep::Keep;
use crate::audit::kernel::{ConfigError, judge_file};
use crate::audit::{AUDIT_VERSION, AuditedNode, Report, Severity};
use crate::cli::args::{Audit, Common};
use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::run::run_id;
use crate::cli::shared::SharedReporter;
use crate::inventory::model::{NodeName, Role};
use crate::report;

/// Judges the configuration, and shows what came of it as an audit of one node that is named after the file.
pub(super) fn run(common: &Common, command: &Audit, path: &Path) -> Result<u8, Failure> {
    let shown = path.display().to_string();
    let name = path.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    let keep = Keep::of(command, &name)?;
    let text = read(path).map_err(|error| Failure::new(exit::USAGE, format!("{shown}: {error}")))?;
    let version = command.kernel_version.as_deref();
    let node = NodeName(name.clone());
    let (release, verdicts) =
        judge_file(&text, version, &shown, &node).map_err(|error| refused(&shown, &error))?;
    let report = Report {
        version: AUDIT_VERSION,
        skep: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: name,
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        nodes: vec![audited(node, release)],
        unreachable: Default::default(),
        verdicts,
        reach: None,
    };
    let printer = common.printer();
    let reporter = SharedReporter::new(report::reporter(&printer));
    let told = keep.tell(&reporter, &run_id(), &report)?;
    told.iter().for_each(|line| printer.note(line));
    Ok(if report.worst() == Severity::Error { exit::FINDINGS } else { exit::OK })
}

/// The text of a file, which may be compressed as /proc/config.gz is.
fn read(path: &Path) -> std::io::Result<String> {
    let bytes = fs::read(path)?;
    let bytes = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => {
            let mut plain = Vec::new();
            MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
            plain
        }
        false => bytes,
    };
    // A configuration is ASCII; what is not is told with its line.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn refused(path: &str, error: &ConfigError) -> Failure {
    let failure = Failure::new(exit::USAGE, format!("{path}: {error}"));
    match error {
        ConfigError::NoVersion | ConfigError::BadVersion(_) => {
            failure.help("name its kernel as `uname -r` does: --kernel-version 6.1.0")
        }
        _ => failure.help("give the kernel's .config, or a copy of /proc/config.gz or of /boot/config-*"),
    }
}

fn audited(name: NodeName, kernel: String) -> AuditedNode {
    AuditedNode {
        name,
        role: Role::Manager,
        leader: false,
        labels: Default::default(),
        address: String::new(),
        hostname: String::new(),
        system: String::new(),
        board: None,
        machine: String::new(),
        kernel,
        engine: String::new(),
    }
}
