//! The files of an audit: the page, the audits that are saved, and the one that it is held against.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::super::args::Audit;
use super::super::exit;
use super::super::failure::Failure;
use super::super::shared::SharedReporter;
use crate::apply::state_dir;
use crate::atomic;
use crate::audit::{CHECKS, Changes, Report};
use crate::report::audit_page;

/// What stands for the newest audit that was saved without a name.
const LAST: &str = "last";
/// Audits without a name that are kept.
const KEPT: usize = 100;
/// What the names of saved audits end with.
const SUFFIX: &str = ".json";
/// A saved audit tells much about hosts: it is for its owner alone.
const MODE: u32 = 0o600;

/// Which files an audit reads and writes.
#[derive(Debug)]
pub(super) struct Keep {
    html: Option<PathBuf>,
    save: Option<Option<PathBuf>>,
    /// Where it is saved without a name.
    folder: PathBuf,
    /// The audit that this one is held against.
    since: Option<Report>,
}

impl Keep {
    /// Reads what is to be read, and sees that the rest can be written.
    pub(super) fn of(command: &Audit, cluster: &str) -> Result<Self, Failure> {
        for (option, path) in
            [("--html", command.html.as_ref()), ("--save", command.save.as_ref().and_then(Option::as_ref))]
        {
            path.map_or(Ok(()), |path| may_be_written(option, path))?;
        }
        let folder = folder(command.kernel_config.is_some());
        let since = command.since.as_deref().map(|path| earlier(path, cluster, &folder)).transpose()?;
        Ok(Self { html: command.html.clone(), save: command.save.clone(), folder, since })
    }

    /// Shows the audit, and what changed; writes the files, and tells where they are.
    pub(super) fn tell(
        &self,
        reporter: &SharedReporter,
        run: &str,
        report: &Report,
    ) -> Result<Vec<String>, Failure> {
        let changes = self.since.as_ref().map(|before| Changes::between(before, report));
        reporter.audit(report, changes.as_ref());
        let mut told = Vec::new();
        if let Some(path) = &self.html {
            let page = audit_page(report, changes.as_ref(), CHECKS);
            atomic::replace(path, &page).map_err(|error| not_written(path, &error))?;
            told.push(format!("page: {}", path.display()));
        }
        if let Some(path) = &self.save {
            let path = save(path.as_deref(), &self.folder, run, report)?;
            told.push(format!("saved: {}", path.display()));
        }
        Ok(told)
    }
}

/// Where audits without a name are saved: those of kernels that are only files push out none of clusters, whatever they are
/// called.
fn folder(of_a_file: bool) -> PathBuf {
    state_dir().join(if of_a_file { "audits/kernels" } else { "audits" })
}

fn may_be_written(option: &str, path: &Path) -> Result<(), Failure> {
    let refused = |cause: &str, help: &str| {
        Err(Failure::new(exit::USAGE, format!("{option} {}: {cause}", path.display())).help(help))
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match () {
        () if path == Path::new("-") => refused(
            "it is written to a file, and standard output holds the table",
            "name a file, such as audit.html",
        ),
        () if path.is_dir() => refused("is a folder", "name a file in it"),
        () if !parent.is_dir() => {
            refused("its folder does not exist", &format!("`mkdir -p {}`", parent.display()))
        }
        () if nix::unistd::access(parent, nix::unistd::AccessFlags::W_OK).is_err() => {
            refused("its folder cannot be written to", "name a file elsewhere")
        }
        () => Ok(()),
    }
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(exit::FAILED, format!("{} cannot be written: {error}", path.display()))
}

fn save(path: Option<&Path>, folder: &Path, run: &str, report: &Report) -> Result<PathBuf, Failure> {
    let write =
        |path: &Path| atomic::write(path, &report.saved(), MODE).map_err(|error| not_written(path, &error));
    if let Some(path) = path {
        return write(path).map(|()| path.to_owned());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| not_written(folder, &error))?;
    let path = folder.join(format!("{run}{SUFFIX}"));
    write(&path)?;
    for old in kept(folder).unwrap_or_default().into_iter().skip(KEPT) {
        // One that cannot be removed is tried again by the next audit.
        let _ = fs::remove_file(old);
    }
    Ok(path)
}

/// The audits without a name, the newest first.
fn kept(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let is_ours = |name: &str| name.ends_with(SUFFIX) && !name.starts_with(atomic::UNFINISHED);
    let ours = |entry: fs::DirEntry| entry.file_name().to_str().is_some_and(is_ours).then(|| entry.path());
    let mut paths: Vec<_> = entries.flatten().filter_map(ours).collect();
    paths.sort_unstable_by(|one, other| other.cmp(one));
    Ok(paths)
}

/// The audit that is meant: that of a file, or the newest of this cluster.
fn earlier(path: &Path, cluster: &str, folder: &Path) -> Result<Report, Failure> {
    if path == Path::new(LAST) && !path.exists() {
        return newest(cluster, folder);
    }
    let report = read(path)?;
    if report.cluster != cluster {
        let message = format!("{} is an audit of {}, not of {cluster}", path.display(), report.cluster);
        return Err(
            Failure::new(exit::USAGE, message).help("name an audit of this cluster, or `--since last`")
        );
    }
    Ok(report)
}

fn newest(cluster: &str, folder: &Path) -> Result<Report, Failure> {
    let paths = kept(folder).map_err(|error| {
        Failure::new(exit::FAILED, format!("{} cannot be read: {error}", folder.display()))
    })?;
    // One that cannot be read is told of only where it may be the one that is meant.
    let mut unread = None;
    for path in paths {
        match read(&path) {
            Ok(report) if report.cluster == cluster => return unread.map_or(Ok(report), Err),
            Ok(_) => {}
            Err(failure) => unread = unread.or(Some(failure)),
        }
    }
    Err(unread.unwrap_or_else(|| {
        Failure::new(exit::USAGE, format!("no audit of {cluster} was saved in {}", folder.display()))
            .help("`skep audit --save` saves one")
    }))
}

fn read(path: &Path) -> Result<Report, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(exit::USAGE, format!("{} cannot be read: {error}", path.display())))?;
    Report::read(&text).map_err(|error| {
        Failure::new(exit::USAGE, format!("{} {error}", path.display()))
            .help("name a file that this version's `skep audit --save` wrote")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sample() -> Report {
        Report::read(include_str!("../../../tests/fixtures/audit/v1.json")).unwrap()
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Failure>) -> u8 {
        result.unwrap_err().code
    }

    #[test]
    fn what_was_saved_last_is_read_and_that_of_other_clusters_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let audits = folder.path().join("audits");
        assert_eq!(code(earlier(Path::new(LAST), "home", &audits)), exit::USAGE, "there is none yet");
        let (old, new) = (sample(), Report { at: "2026-07-28T10:15:00Z".to_owned(), ..sample() });
        let other = Report { cluster: "other".to_owned(), ..sample() };
        for (run, report) in
            [("20260727T101500-1", &old), ("20260728T101500-1", &new), ("20260729T101500-1", &other)]
        {
            let path = save(None, &audits, run, report).unwrap();
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(earlier(Path::new(LAST), "home", &audits).unwrap(), new);
        assert_eq!(code(earlier(Path::new(LAST), "lab", &audits)), exit::USAGE);
        fs::write(audits.join("20260730T101500-1.json"), "{").unwrap();
        assert_eq!(
            code(earlier(Path::new(LAST), "home", &audits)),
            exit::USAGE,
            "it may be the one that is meant"
        );
    }

    #[test]
    fn a_file_by_name_is_read_if_it_is_of_this_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monday.json");
        assert_eq!(code(earlier(&path, "home", folder.path())), exit::USAGE, "it is not there");
        assert_eq!(save(Some(&path), &folder.path().join("audits"), "r1", &sample()).unwrap(), path);
        assert_eq!(earlier(&path, "home", folder.path()).unwrap(), sample());
        assert_eq!(code(earlier(&path, "lab", folder.path())), exit::USAGE);
    }

    #[test]
    fn only_the_newest_without_a_name_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        for number in 0..KEPT + 3 {
            fs::write(folder.path().join(format!("20260727T{number:06}-1.json")), "{}").unwrap();
        }
        save(None, folder.path(), "20260728T000000-1", &sample()).unwrap();
        let left = kept(folder.path()).unwrap();
        assert_eq!(left.len(), KEPT);
        assert!(
            left[0].ends_with("20260728T000000-1.json") && left[KEPT - 1].ends_with("20260727T000004-1.json")
        );
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn a_page_that_cannot_be_written_is_told_before_any_host_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let bad = [PathBuf::from("-"), folder.path().to_owned(), folder.path().join("no/audit.html")];
        for path in bad {
            assert_eq!(code(may_be_written("--html", &path)), exit::USAGE, "{}", path.display());
        }
        for path in [folder.path().join("audit.html"), PathBuf::from("audit.html")] {
            may_be_written("--html", &path).unwrap();
        }
    }
}
