//! Names of mount units.

use std::fmt::Write as _;
use std::path::Path;

/// The name of the mount unit of a mount point, as `systemd-escape --path --suffix=mount` says it: `/mnt/shared`
/// becomes `mnt-shared.mount`.
pub fn unit_name(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let parts: Vec<&[u8]> = path
        .as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if parts.is_empty() {
        return "-.mount".to_owned();
    }
    let mut name = String::new();
    for (place, byte) in parts.join(&b'/').into_iter().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if place == 0 => name.push_str("\\x2e"),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b':' | b'_' | b'.' => name.push(char::from(byte)),
            other => {
                let _ = write!(name, "\\x{other:02x}");
            }
        }
    }
    name + ".mount"
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_escaped_as_systemd_does() {
        for (path, name) in [
            ("/", "-.mount"),
            ("/mnt/shared", "mnt-shared.mount"),
            ("//mnt///shared/", "mnt-shared.mount"),
            ("/mnt/./shared", "mnt-shared.mount"),
            ("/mnt/my-share", "mnt-my\\x2dshare.mount"),
            ("/mnt/a b", "mnt-a\\x20b.mount"),
            ("/.hidden/.x", "\\x2ehidden-.x.mount"),
            ("/mnt/größe", "mnt-gr\\xc3\\xb6\\xc3\\x9fe.mount"),
            ("/mnt/a:b_c.d", "mnt-a:b_c.d.mount"),
            ("/mnt/a\\b", "mnt-a\\x5cb.mount"),
        ] {
            assert_eq!(unit_name(Path::new(path)), name, "{path}");
        }
    }

    proptest! {
        // Each case runs a program.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn names_are_those_of_systemd_escape(path in "/([a-zA-Z0-9:_. \\\\äß#@-]{1,8}/{0,2}){0,4}") {
            // systemd-escape refuses paths that are not normal; mount points never are such.
            prop_assume!(!path.split('/').any(|part| part == "." || part == ".."));
            let output = match Command::new("systemd-escape").args(["--path", "--suffix=mount", "--", &path]).output() {
                Err(error) => {
                    eprintln!("left out, the table above remains: systemd-escape: {error}");
                    return Ok(());
                }
                Ok(output) => output,
            };
            prop_assert!(output.status.success(), "{:?}", output);
            let name = String::from_utf8_lossy(&output.stdout).into_owned();
            prop_assert_eq!(unit_name(Path::new(&path)), name.trim_end());
        }
    }
}
