//! What a host is called, its time zone, its language.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest, TextChange};

/// What a host is called, its time zone, its language. Programs that run already keep what they have read.
#[derive(Debug)]
pub enum Basics {}

/// As it should be; what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// Its host name.
    pub hostname: Option<String>,
    /// Its time zone: `Europe/Berlin`.
    pub time_zone: Option<String>,
    /// Its locale: `en_GB.UTF-8`.
    pub locale: Option<String>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The host name that the kernel knows.
    pub running: String,
    /// The text of `/etc/hostname`.
    pub hostname: Option<String>,
    /// The text of `/etc/hosts`.
    pub hosts: Option<String>,
    /// Where `/etc/localtime` leads to.
    pub localtime: Option<PathBuf>,
    /// The text of `/etc/timezone`; newer systems have none.
    pub timezone: Option<String>,
    /// The file with the system's language.
    pub locale_file: PathBuf,
    /// Its text.
    pub locale: Option<String>,
}

/// A host renamed, moved, or taught another language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// The host name that the kernel gets.
    pub running: Option<String>,
    /// The name that the kernel has now.
    pub was: String,
    /// The time zone that the host gets.
    pub time_zone: Option<PathBuf>,
    /// Where `/etc/localtime` leads to now.
    pub time_zone_was: Option<PathBuf>,
    /// The locale, which is made where it is not there.
    pub locale: Option<String>,
    /// The changes of files.
    pub files: Vec<TextChange>,
}

const LOCALTIME: &str = "/etc/localtime";
const ZONES: &str = "/usr/share/zoneinfo";

/// How long making a locale may take on a small board.
const LOCALE_LIMIT: Duration = Duration::from_secs(900);

impl Kind for Basics {
    type Key = ();
    type Desired = Desired;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(_: &Desired) {}

    fn observe(keys: &[()], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|()| look(host)).collect()
    }

    fn diff(desired: &Desired, observed: &Observed) -> Result<Option<Change>, Problem> {
        let mut change = Change { was: observed.running.clone(), time_zone_was: observed.localtime.clone(), ..Change::default() };
        if let Some(name) = &desired.hostname {
            change.running = (observed.running != *name).then(|| name.clone());
            let line = format!("{name}\n");
            let text = observed.hostname.as_deref();
            let wanted = if text.map(str::trim) == Some(name) { text } else { Some(line.as_str()) };
            change.files.extend(TextChange::between("/etc/hostname", text, wanted));
            let old = text.map_or(observed.running.as_str(), str::trim);
            let hosts = observed.hosts.as_deref();
            let wanted = renamed(hosts.unwrap_or_default(), old, name);
            change.files.extend(TextChange::between("/etc/hosts", hosts, Some(&wanted)));
        }
        if let Some(zone) = &desired.time_zone {
            let place = PathBuf::from(ZONES).join(zone);
            change.time_zone = (observed.localtime.as_ref() != Some(&place)).then_some(place);
            let text = observed.timezone.as_deref();
            if text.is_some_and(|text| text.trim() != zone) {
                change.files.extend(TextChange::between("/etc/timezone", text, Some(&format!("{zone}\n"))));
            }
        }
        if let Some(locale) = &desired.locale {
            let text = observed.locale.as_deref();
            let wanted = speaking(text.unwrap_or_default(), locale);
            let file = TextChange::between(&observed.locale_file, text, Some(&wanted));
            change.locale = file.is_some().then(|| locale.clone());
            change.files.extend(file);
        }
        Ok((!change.is_empty()).then_some(change))
    }

    fn apply(change: &Change, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        if let Some(locale) = &change.locale {
            make_locale(locale, host, progress)?;
        }
        if let Some(place) = &change.time_zone {
            lead(place, host)?;
        }
        for file in &change.files {
            file.make(host)?;
        }
        if let Some(name) = &change.running {
            host.run("hostname", &["--", name])?.expect_success("hostname")?;
        }
        Ok(change.clone())
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let back = Change {
            running: receipt.running.as_ref().map(|_| receipt.was.clone()),
            was: receipt.running.clone().unwrap_or_else(|| receipt.was.clone()),
            time_zone: receipt.time_zone.as_ref().and(receipt.time_zone_was.clone()),
            time_zone_was: receipt.time_zone.clone().or_else(|| receipt.time_zone_was.clone()),
            locale: None,
            files: receipt.files.iter().rev().map(TextChange::reversed).collect(),
        };
        (!back.is_empty()).then_some(back)
    }

    fn key_of(_: &Change) -> Option<()> {
        Some(())
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        let mut foreign = Vec::new();
        let text = |file: &TextChange| match file.path.to_str() {
            Some("/etc/hostname") => observed.hostname.as_deref(),
            Some("/etc/hosts") => observed.hosts.as_deref(),
            Some("/etc/timezone") => observed.timezone.as_deref(),
            _ => observed.locale.as_deref(),
        };
        let files: Vec<_> =
            change.files.iter().filter_map(|file| file.rest(text(file), &mut foreign)).collect();
        let running = change.running.clone().filter(|name| *name != observed.running);
        let running = running.filter(|_| observed.running == change.was);
        let time_zone = change.time_zone.clone().filter(|_| observed.localtime == change.time_zone_was);
        let time_zone = time_zone.filter(|place| Some(place) != observed.localtime.as_ref());
        let locale = change.locale.clone().filter(|_| !files.is_empty());
        let left = Change { running, time_zone, locale, files, ..change.clone() };
        Rest { change: (!left.is_empty()).then_some(left), foreign }
    }

    fn describe(change: &Change) -> Description {
        let changes = |path: &str| change.files.iter().any(|file| file.path.to_str() == Some(path));
        let zone = change.time_zone.as_ref().map(|place| place.strip_prefix(ZONES).unwrap_or(place).display());
        let named = change.files.iter().find(|file| file.path.to_str() == Some("/etc/hostname"));
        let name = change.running.as_deref().or_else(|| Some(named?.after.as_deref()?.trim()));
        let parts = [
            name.map(|name| format!("name it {name} (is {})", change.was)),
            (name.is_none() && changes("/etc/hosts")).then(|| "list its name in /etc/hosts".to_owned()),
            zone.map(|zone| format!("set its time zone to {zone}")),
            (change.time_zone.is_none() && changes("/etc/timezone")).then(|| "name its time zone in /etc/timezone".to_owned()),
            change.locale.as_ref().map(|locale| format!("set its locale to {locale}")),
        ];
        let title = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Description::line(if title.is_empty() { "put its files back".to_owned() } else { title })
    }
}

impl Change {
    fn is_empty(&self) -> bool {
        self.running.is_none() && self.time_zone.is_none() && self.locale.is_none() && self.files.is_empty()
    }
}

/// `/etc/hosts` with the new name in the place of the old one; with a line for it where it has none, since sudo looks
/// its own host up.
fn renamed(hosts: &str, old: &str, new: &str) -> String {
    let own = |line: &&str| {
        let address = line.split_whitespace().next().unwrap_or_default();
        address.starts_with("127.") || address == "::1"
    };
    let lists = |line: &str, name: &str| line.split_whitespace().skip(1).any(|word| word == name);
    let rename = |line: &str| {
        if !own(&line) || !lists(line, old) || old == new || old == "localhost" {
            return line.to_owned();
        }
        let words = line.split_whitespace().map(|word| if word == old { new } else { word });
        words.collect::<Vec<_>>().join("\t")
    };
    let mut lines: Vec<String> = hosts.lines().map(rename).collect();
    if !lines.iter().any(|line| own(&line.as_str()) && lists(line, new)) {
        lines.push(format!("127.0.1.1\t{new}"));
    }
    let text = lines.join("\n") + "\n";
    if hosts.lines().eq(text.lines()) { hosts.to_owned() } else { text }
}

/// The file with the system's language as it shall be.
fn speaking(text: &str, locale: &str) -> String {
    let is_lang = |line: &&str| line.trim_start().starts_with("LANG=");
    let value = text.lines().rfind(|line| is_lang(line)).map(|line| line.trim()["LANG=".len()..].trim_matches('"'));
    if value == Some(locale) {
        return text.to_owned();
    }
    let mut lines: Vec<String> = text.lines().filter(|line| !is_lang(line)).map(str::to_owned).collect();
    lines.push(format!("LANG={locale}"));
    lines.join("\n") + "\n"
}

fn look(host: &Host) -> Result<Observed, Fault> {
    let locale_file = ["/etc/default/locale", "/etc/locale.conf"].map(PathBuf::from);
    // The one may be a link to the other.
    let is_link = host.metadata(&locale_file[0])?.is_some_and(|there| there.is_symlink());
    let locale_file = locale_file[usize::from(is_link)].clone();
    let localtime = match fs::read_link(host.path(LOCALTIME)) {
        // Debian leads there from the root, others from beside it.
        Ok(place) => {
            let place = place.to_string_lossy().into_owned();
            Some(place.find(ZONES).map_or_else(|| PathBuf::from(&place), |at| PathBuf::from(&place[at..])))
        }
        Err(_) => None,
    };
    Ok(Observed {
        running: host.read_text("/proc/sys/kernel/hostname")?.unwrap_or_default().trim().to_owned(),
        hostname: host.read_text("/etc/hostname")?,
        hosts: host.read_text("/etc/hosts")?,
        localtime,
        timezone: host.read_text("/etc/timezone")?,
        locale: host.read_text(&locale_file)?,
        locale_file,
    })
}

/// Leads `/etc/localtime` to the zone; either the old or the new one is in force at any moment.
fn lead(place: &PathBuf, host: &Host) -> Result<(), Fault> {
    if host.metadata(place)?.is_none() {
        let help = "see `timedatectl list-timezones` there, or `apt-get install tzdata` where there are none";
        return Err(Fault::new(place.display(), "there is no such time zone on the host").help(help));
    }
    let (new, old) = (host.path(format!("{LOCALTIME}.skep")), host.path(LOCALTIME));
    let _ = fs::remove_file(&new);
    let led = symlink(place, &new).and_then(|()| fs::rename(&new, &old));
    led.map_err(|error| Fault::new(LOCALTIME, error))
}

/// How `locale -a` spells it: `en_GB.utf8`.
fn spelt(locale: &str) -> String {
    let (name, charset) = locale.split_once('.').unwrap_or((locale, ""));
    format!("{name}.{}", charset.to_lowercase().replace('-', ""))
}

fn make_locale(locale: &str, host: &Host, progress: &mut dyn FnMut(Progress)) -> Result<(), Fault> {
    let known = host.run("locale", &["-a"])?.expect_success("locale -a")?;
    if locale == "C" || locale == "POSIX" || known.lines().any(|line| spelt(line) == spelt(locale)) {
        return Ok(());
    }
    let what = format!("locale {locale}");
    if !host.has_program("locale-gen") {
        return Err(Fault::new(what, "it is not there, and cannot be made").help("run `apt-get install locales` on the host"));
    }
    let charset = locale.split_once('.').map_or("ISO-8859-1", |(_, charset)| charset);
    let line = format!("{locale} {charset}");
    let text = host.read_text("/etc/locale.gen")?;
    if !text.as_deref().unwrap_or_default().lines().any(|known| known.trim() == line) {
        let after = text.as_deref().map_or_else(String::new, |text| text.trim_end().to_owned() + "\n") + &line + "\n";
        if let Some(change) = TextChange::between("/etc/locale.gen", text.as_deref(), Some(&after)) {
            change.make(host)?;
        }
    }
    progress(Progress::text(format!("making the locale {locale}")));
    host.run_within(LOCALE_LIMIT, "locale-gen", &[])?.expect_success(what).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_stands_where_the_old_one_stood() {
        for (hosts, expected) in [
            ("127.0.0.1\tlocalhost\n127.0.1.1\tboard\n", "127.0.0.1\tlocalhost\n127.0.1.1\tn1\n"),
            ("127.0.0.1 localhost board\n", "127.0.0.1\tlocalhost\tn1\n"),
            ("127.0.0.1 localhost\n", "127.0.0.1 localhost\n127.0.1.1\tn1\n"),
            ("127.0.1.1   n1", "127.0.1.1   n1"),
            ("", "127.0.1.1\tn1\n"),
            ("192.168.2.9 board\n127.0.1.1 n1\n", "192.168.2.9 board\n127.0.1.1 n1\n"),
        ] {
            let text = renamed(hosts, "board", "n1");
            assert_eq!(text, expected);
            assert_eq!(renamed(&text, "n1", "n1"), text, "the second time nothing changes");
        }
    }

    #[test]
    fn languages() {
        for (text, expected) in [
            ("", "LANG=C.UTF-8\n"),
            ("LANG=C.UTF-8\n", "LANG=C.UTF-8\n"),
            ("LANG=\"C.UTF-8\"", "LANG=\"C.UTF-8\""),
            ("# mine\nLANG=de_DE.UTF-8\nLC_TIME=C\n", "# mine\nLC_TIME=C\nLANG=C.UTF-8\n"),
        ] {
            assert_eq!(speaking(text, "C.UTF-8"), expected);
        }
        assert_eq!(spelt("en_GB.UTF-8"), "en_GB.utf8");
        assert_eq!(spelt("C.utf8"), spelt("C.UTF-8"));
    }

    #[test]
    fn a_time_zone_is_led_to_and_back() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        for (path, text) in [
            ("/proc/sys/kernel/hostname", "n1\n"),
            ("/etc/hostname", "n1\n"),
            ("/etc/timezone", "Etc/UTC\n"),
            ("/usr/share/zoneinfo/Etc/UTC", ""),
            ("/usr/share/zoneinfo/Europe/Berlin", ""),
        ] {
            host.write_system_file(path, text).unwrap();
        }
        symlink("../usr/share/zoneinfo/Etc/UTC", host.path(LOCALTIME)).unwrap();
        let desired = Desired { time_zone: Some("Europe/Berlin".into()), ..Desired::default() };
        let see = || Basics::observe(&[()], &host).unwrap().remove(0);
        let change = Basics::diff(&desired, &see()).unwrap().unwrap();
        let receipt = Basics::apply(&change, &host, &mut |_| ()).unwrap();
        assert_eq!(Basics::diff(&desired, &see()), Ok(None));
        assert_eq!(see().timezone.as_deref(), Some("Europe/Berlin\n"));
        let back = Basics::undo(&receipt).unwrap();
        assert_eq!(Basics::rest(&back, &see()), Rest::of(Some(back.clone())));
        Basics::apply(&back, &host, &mut |_| ()).unwrap();
        assert_eq!(Basics::diff(&desired, &see()).unwrap().unwrap().time_zone, change.time_zone);
        assert_eq!(see().timezone.as_deref(), Some("Etc/UTC\n"));
    }
}
