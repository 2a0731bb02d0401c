//! What shall be mounted at boot: lines of `/etc/fstab`, and units of the administrator's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::resource::mount::{setting, table::unescape};
use crate::resource::{Host, UNITS};

/// A mount that shall be made at boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Where that is written: `/etc/fstab:4`, `/etc/systemd/system/srv-disc.mount`.
    pub by: String,
    /// The mount point.
    pub at: PathBuf,
    /// What is mounted: `UUID=…`, `192.168.2.1:/srv`; empty for an automount unit, whose mount unit tells.
    pub source: String,
    /// Its type, as far as it is told; `autofs` for an automount unit.
    pub fstype: String,
    /// Its options.
    pub options: Vec<String>,
}

/// Reads them. What cannot be read is left out.
pub(super) fn read(host: &Host) -> Vec<Declared> {
    let mut declared = fstab(&crate::facts::text(host, "/etc/fstab"));
    let Ok(entries) = std::fs::read_dir(host.path(UNITS)) else { return declared };
    let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(".mount") || name.ends_with(".automount")) {
        let path = format!("{UNITS}/{name}");
        declared.extend(unit(&path, &crate::facts::text(host, &path)));
    }
    declared
}

/// Lines as in fstab(5).
fn fstab(text: &str) -> Vec<Declared> {
    let line = |(index, line): (usize, &str)| {
        let mut words = line.split_whitespace().map(unescape);
        let source = words.next().filter(|word| !word.starts_with('#'))?;
        let at = words.next().filter(|at| at.starts_with('/'))?;
        let fstype = words.next()?;
        let options = words.next().unwrap_or_default();
        let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
        Some(Declared {
            by: format!("/etc/fstab:{}", index + 1),
            // Without the slash that may stand at its end.
            at: PathBuf::from(at).components().collect(),
            source,
            fstype,
            options,
        })
    };
    text.lines().enumerate().filter_map(line).collect()
}

/// A unit as in systemd.mount(5) or systemd.automount(5).
fn unit(path: &str, text: &str) -> Option<Declared> {
    let value = |name| setting(text, name).unwrap_or_default().replace("%%", "%");
    let fstype = if path.ends_with(".automount") { "autofs".to_owned() } else { value("Type=") };
    let options =
        value("Options=").split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    let at = PathBuf::from(value("Where=")).components().collect::<PathBuf>();
    at.is_absolute().then(|| Declared { by: path.to_owned(), at, source: value("What="), fstype, options })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn lines_of_fstab() {
        let text = "# comment\n\nUUID=1 / ext4 defaults,noatime 0 1\nUUID=2 none swap sw 0 0\n\
                    n1:/srv/a\\040b\t/mnt/a\\040b/ nfs4 _netdev,nofail 0 0\nbad\n/dev/sda2 /data ext4\n";
        let lines: Vec<_> = fstab(text)
            .into_iter()
            .map(|declared| {
                let Declared { by, at, source, fstype, options } = declared;
                format!("{by} {source}|{}|{fstype}|{}", at.display(), options.join(","))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "/etc/fstab:3 UUID=1|/|ext4|defaults,noatime",
                "/etc/fstab:5 n1:/srv/a b|/mnt/a b|nfs4|_netdev,nofail",
                "/etc/fstab:7 /dev/sda2|/data|ext4|",
            ]
        );
    }

    #[test]
    fn units() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/systemd/system");
        std::fs::create_dir_all(&folder).unwrap();
        let mount = "[Mount]\nWhat=10.0.0.1:/50%%\nWhere=/mnt/shared/\nType=nfs4\nOptions=_netdev,vers=4.2\n";
        std::fs::write(folder.join("mnt-shared.mount"), mount).unwrap();
        std::fs::write(folder.join("mnt-x.automount"), "[Automount]\nWhere=/mnt/x\n").unwrap();
        std::fs::write(folder.join("empty.mount"), "").unwrap();
        let read = read(&Host::at(root.path()));
        let [shared, automount] = &read[..] else { panic!("{read:?}") };
        assert_eq!(
            (shared.source.as_str(), shared.at.as_path()),
            ("10.0.0.1:/50%", Path::new("/mnt/shared"))
        );
        assert_eq!(shared.options, ["_netdev", "vers=4.2"]);
        assert_eq!((automount.fstype.as_str(), automount.at.as_path()), ("autofs", Path::new("/mnt/x")));
    }
}
