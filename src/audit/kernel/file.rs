//! A kernel that is only a file: its configuration, judged as for a manager that serves and mounts.

use std::collections::BTreeMap;

use super::item::Version;
use super::target::Target;
use super::{OF_A_FILE, options};
use crate::audit::Verdict;
use crate::facts::Support;
use crate::facts::kernel::setting;
use crate::inventory::model::NodeName;

/// Why a file is no configuration of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A line that no configuration has.
    #[error("line {line} is no setting of a kernel's configuration")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// There is no setting at all.
    #[error("it sets no option of a kernel's configuration")]
    Empty,
    /// It does not say which kernel it is of.
    #[error("it does not say which kernel it is of")]
    NoVersion,
    /// The kernel's version is none.
    #[error("`{0}` is no version of a kernel")]
    BadVersion(String),
}

/// Judges a kernel's configuration as for a manager that serves shares and mounts them by the newest version of NFS: the
/// release it was judged as, and what came of it, the worst first, about `node`. Without a `version` it is judged as the
/// one that its own heading names.
///
/// # Errors
/// Where it is no configuration, or its version is not to be told.
pub fn judge_file(
    text: &str,
    version: Option<&str>,
    place: &str,
    node: &NodeName,
) -> Result<(String, Vec<Verdict>), ConfigError> {
    check_lines(text)?;
    let release = match version {
        Some(version) => version,
        None => heading(text).ok_or(ConfigError::NoVersion)?,
    };
    Version::of(release).ok_or_else(|| ConfigError::BadVersion(release.to_owned()))?;
    let found = supports(text);
    let target = Target {
        release,
        place: Some(place),
        options: &found,
        running: None,
        serves: true,
        mounted: Some(vec!["4.2"]),
    };
    let judged = OF_A_FILE.iter().flat_map(|(check, examine)| {
        examine(&target)
            .into_iter()
            .map(|judgement| Verdict { check: check.id.to_owned(), ..judgement.about([node.clone()]) })
    });
    let mut verdicts: Vec<_> = judged.collect();
    verdicts.sort_by_key(|verdict| verdict.severity);
    Ok((release.to_owned(), verdicts))
}

/// Support as far as a configuration tells: its modules are taken to be there.
fn supports(text: &str) -> BTreeMap<String, Support> {
    let settings: BTreeMap<&str, &str> = text.lines().filter_map(setting).collect();
    let support = |option: &str| match settings.get(option) {
        Some(&"y") => Support::BuiltIn,
        Some(&"m") => Support::Module,
        _ => Support::Missing,
    };
    options().into_iter().map(|option| (option.clone(), support(&option))).collect()
}

/// The version in the third line of a configuration: `# Linux/x86 6.1.176 Kernel Configuration`.
fn heading(text: &str) -> Option<&str> {
    text.lines().take(10).find_map(|line| {
        let (_, rest) = line.strip_prefix("# Linux/")?.split_once(' ')?;
        rest.strip_suffix(" Kernel Configuration")
    })
}

/// Refuses what is no configuration, so that nothing is said of a file that is something else.
fn check_lines(text: &str) -> Result<(), ConfigError> {
    let mut set = false;
    for (number, line) in text.lines().enumerate() {
        match line.trim_end() {
            "" => {}
            comment if comment.starts_with('#') => {}
            setting if is_setting(setting) => set = true,
            // What it says is not repeated: it may be any file, a key even.
            _ => return Err(ConfigError::Line { line: number + 1 }),
        }
    }
    if set { Ok(()) } else { Err(ConfigError::Empty) }
}

/// `CONFIG_NAME=` with `y`, `m`, `n`, a number or a quoted text.
fn is_setting(line: &str) -> bool {
    let Some((name, value)) = line.strip_prefix("CONFIG_").and_then(|rest| rest.split_once('=')) else {
        return false;
    };
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let digits = value.strip_prefix('-').unwrap_or(value);
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
    };
    let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    named && (matches!(value, "y" | "m" | "n") || number || quoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::Severity;

    const HEADING: &str =
        "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/arm64 6.1.176 Kernel Configuration\n#\n";

    fn all_set() -> String {
        options()
            .iter()
            .filter(|option| !option.starts_with("LEGACY_VSYSCALL"))
            .map(|option| format!("CONFIG_{option}=y\n"))
            .collect()
    }

    fn judged(text: &str, version: &str) -> Vec<Verdict> {
        judge_file(text, Some(version), "config", &NodeName::from("config")).unwrap().1
    }

    fn amiss(text: &str, version: &str) -> Vec<(Severity, String)> {
        let judged = judged(text, version).into_iter().filter(|verdict| verdict.severity != Severity::Ok);
        judged.map(|verdict| (verdict.severity, verdict.check)).collect()
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_line() {
        let refused = |text: &str| judge_file(text, None, "x", &NodeName::from("x")).unwrap_err();
        for (text, line) in [
            ("nodes:\n", 1),
            ("CONFIG_A=y\nCONFIG_B=yes\n", 2),
            ("# c\n\nCONFIG_=y\n", 3),
            ("CONFIG_A\n", 1),
            ("CONFIG_A=\"\n", 1),
            ("CONFIG_A=0x\n", 1),
            (" CONFIG_A=y\n", 1),
        ] {
            assert!(matches!(refused(text), ConfigError::Line { line: at } if at == line), "{text:?}");
        }
        assert_eq!(refused("# CONFIG_A is not set\n"), ConfigError::Empty);
        assert_eq!(refused("CONFIG_A=y\n"), ConfigError::NoVersion);
        let bad = judge_file("CONFIG_A=y\n", Some("six"), "x", &NodeName::from("x")).unwrap_err();
        assert_eq!(bad, ConfigError::BadVersion("six".to_owned()));
        for good in ["A=y", "A=m", "A=n", "A=-12", "A=0x1F", "A=\"a \\\" b\"", "A_1b=\"\""] {
            assert!(is_setting(&format!("CONFIG_{good}")), "{good}");
        }
    }

    #[test]
    fn the_version_is_the_headings_unless_another_is_named() {
        let text = format!("{HEADING}CONFIG_VXLAN=m\n");
        let release = |version| judge_file(&text, version, "x", &NodeName::from("x")).unwrap().0;
        assert_eq!(release(None), "6.1.176");
        assert_eq!(release(Some("5.10")), "5.10");
    }

    #[test]
    fn a_kernel_that_has_everything_is_fit() {
        for version in ["3.10.0", "4.9.0", "5.10.0", "6.1.0", "6.18.0"] {
            assert_eq!(amiss(&all_set(), version), [], "{version}");
        }
        assert!(amiss("CONFIG_X86=y\n", "6.1").iter().any(|(severity, _)| *severity == Severity::Error));
    }

    #[test]
    fn options_stand_in_for_others_of_old() {
        let without: String = all_set()
            .lines()
            .filter(|line| !line.contains("IP_NF_") && !line.contains("IP6_NF_"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(amiss(&without, "6.18.0"), []);
        let neither = without.replace("CONFIG_NFT_COMPAT=y\n", "");
        let errors: Vec<_> = amiss(&neither, "6.18.0").into_iter().map(|(_, check)| check).collect();
        assert_eq!(errors, ["kernel-necessary", "kernel-swarm"]);
    }

    #[test]
    fn one_storage_driver_is_enough() {
        let storage = |without: &[&str]| {
            let text: String = all_set()
                .lines()
                .filter(|line| !without.iter().any(|option| line.contains(option)))
                .map(|line| format!("{line}\n"))
                .collect();
            amiss(&text, "6.1")
                .into_iter()
                .find(|(_, check)| check == "kernel-storage")
                .map(|(severity, _)| severity)
        };
        assert_eq!(storage(&["BTRFS_FS"]), None);
        assert_eq!(storage(&["OVERLAY_FS"]), Some(Severity::Warning));
        assert_eq!(storage(&["OVERLAY_FS", "BTRFS_FS"]), Some(Severity::Error));
    }

    #[test]
    fn the_remedy_is_a_line_of_the_kernels_own_script() {
        let text = all_set().replace("CONFIG_VXLAN=y\n", "");
        let verdict =
            judged(&text, "6.1").into_iter().find(|verdict| verdict.check == "kernel-overlay").unwrap();
        assert_eq!(verdict.message, "CONFIG_VXLAN is not set: no overlay networks");
        assert_eq!(
            verdict.remedy,
            ["scripts/config -m VXLAN && make olddefconfig, and build the kernel anew"]
        );
        assert_eq!(verdict.evidence[0].text, "CONFIG_VXLAN is not set");
    }

    proptest! {
        #[test]
        fn any_text_is_judged_or_refused(text in "(CONFIG_[A-Z0-9_]{0,8}=(y|m|n|0x1f|\"[a-z ]*\"|[ -~]{0,4})?\n|# [ -~]{0,20}\n|[ -~]{0,12}\n){0,8}") {
            let _ = judge_file(&text, Some("6.1"), "x", &NodeName::from("x"));
            let _ = judge_file(&text, None, "x", &NodeName::from("x"));
        }
    }
}
