//! What Docker does about shares that are not mounted when it starts: scripts for its drop-in.

use super::desire::reached_at;
use crate::inventory::model::{Inventory, Share, ShareMount};
use crate::resource::mount::unit_name;
use crate::words::shell_word;

/// Where NFS servers listen, unless a mount says otherwise.
const PORT: &str = "2049";

/// A script, as one word of a unit file, that removes the mount points at which nothing is mounted. A mounted one, and
/// one that has files, stays; none is looked into, since a dead server would not answer.
pub(super) fn clear(mounts: &[(&Share, &ShareMount)]) -> String {
    let points: Vec<_> = mounts.iter().map(|(_, mount)| shell_word(&mount.at.to_string_lossy())).collect();
    unit_word(&format!("for point in {}; do rmdir -- \"$point\" 2>/dev/null; done", points.join(" ")))
}

/// A script, as one word of a unit file, that goes on for as long as one of the mounts has failed, and mounts it once
/// its server answers: until then the mount point must not be there, and trying makes it.
pub(super) fn again(inventory: &Inventory, mounts: &[(&Share, &ShareMount)]) -> String {
    let units: Vec<_> = mounts.iter().map(|(_, mount)| shell_word(&unit_name(&mount.at))).collect();
    let attempts: Vec<_> = mounts
        .iter()
        .zip(&units)
        .map(|((share, mount), unit)| {
            let server = inventory.node(&share.server).map(reached_at).unwrap_or_default();
            let server = server.trim_matches(['[', ']']);
            let port = mount.options.iter().find_map(|option| option.strip_prefix("port=")).unwrap_or(PORT);
            let answers = shell_word(&format!(": </dev/tcp/{server}/{port}"));
            format!(
                "systemctl is-failed --quiet {unit} && timeout 5 bash -c {answers} 2>/dev/null && systemctl start {unit}; "
            )
        })
        .collect();
    let (units, attempts) = (units.join(" "), attempts.concat());
    unit_word(&format!("while systemctl is-failed --quiet {units}; do {attempts}sleep 5; done"))
}

/// A word of a command in a unit file (systemd.service(5), "Command lines").
fn unit_word(text: &str) -> String {
    let mut word = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => word.extend(['\\', character]),
            '%' | '$' => word.extend([character, character]),
            other => word.push(other),
        }
    }
    word + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_unit_file_keep_what_systemd_would_read() {
        for (text, word) in [
            ("rmdir /a", r#""rmdir /a""#),
            (r"'mnt-a\x2db.mount'", r#""'mnt-a\\x2db.mount'""#),
            (r#""$x" 100%"#, r#""\"$$x\" 100%%""#),
        ] {
            assert_eq!(unit_word(text), word);
        }
    }
}
