//! What freshly flashed boards are like, and the inventory that knows them.

use std::fs;

use super::super::support::Bench;

/// The image's password: not Armbian's own, so that it can be looked for.
pub(super) const IMAGE: &str = "open-sesame-4711";

/// What `new_password` leads to.
pub(super) const NEW: &str = "Barbarossa-0815";

/// What Armbian's image has besides Debian's, and its service for the first boot, which makes new keys.
const ARMBIAN: &str = include_str!("../armbian.sh");

/// Nodes with the image's user, and what their servers are like.
pub(super) const BOARDS: [(&str, &str, &str); 4] = [
    ("n1", "root", "PasswordAuthentication yes"),
    ("n2", "pi", "PasswordAuthentication yes"),
    ("n3", "root", "PasswordAuthentication no\nKbdInteractiveAuthentication yes"),
    ("n4", "root", "PasswordAuthentication yes\nUsePAM no"),
];

/// What cloud-init's last stage is to systemd before it begins, in a boot in which it is on.
const CLOUD: &str = r"mkdir -p /run/cloud-init; touch /run/cloud-init/enabled
printf '[Service]\nType=oneshot\nExecStart=true\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/cloud-final.service
systemctl daemon-reload; systemctl enable -q cloud-final";

/// Makes the nodes what they are told to be.
pub(super) fn flash_all(bench: &Bench) {
    for (node, user, settings) in BOARDS {
        flash(bench, node, user, settings);
    }
    bench.on("n1", ARMBIAN);
    // sudo wants the user's password there, so that a random one would be of no use.
    bench.on("n2", "echo 'pi ALL=(ALL) ALL' > /etc/sudoers.d/pi");
    // What Armbian leaves where its file system could not be enlarged at once.
    bench.on("n3", "touch /run/resize2fs-reboot");
    bench.on("n4", CLOUD);
    fs::write(bench.file("image"), format!("{IMAGE}\n")).unwrap();
    fs::write(bench.file("new"), format!("{NEW}\n")).unwrap();
    inventory(bench, "");
}

/// Makes a node what a flashed card is: one name, one password that has to be changed, no keys.
fn flash(bench: &Bench, node: &str, user: &str, settings: &str) {
    let script = format!(
        "set -e; rm -rf /root/.ssh /home/*/.ssh; echo {user}:{IMAGE} | chpasswd; chage -d 0 {user}; \
         printf 'PermitRootLogin yes\n{settings}\n' > /etc/ssh/sshd_config.d/50-image.conf; \
         sed -i /^UsePAM/d /etc/ssh/sshd_config; grep -q UsePAM /etc/ssh/sshd_config.d/50-image.conf || \
         echo UsePAM yes >> /etc/ssh/sshd_config.d/50-image.conf; \
         echo board > /etc/hostname; hostname board; systemctl restart ssh"
    );
    bench.on(node, &script.replace('\n', "\\n"));
}

pub(super) fn inventory(bench: &Bench, user_of_n1: &str) {
    let key = bench.lab().key();
    let mut text = format!(
        "name: test\ndefaults:\n  user: root\n  key: {}\n  known_hosts: known_hosts\n  role: worker\n  \
         first_login: {{password: {{file: image}}, locale: C.UTF-8}}\nnodes:\n",
        key.display()
    );
    for (node, user, _) in BOARDS {
        let address = bench.address(node);
        text += &match (node, user) {
            ("n1", _) => format!(
                "  n1: {{address: {address}, role: manager, first_login: {{account: berry}}{user_of_n1}}}\n"
            ),
            (_, "root") => format!("  {node}: {{address: {address}}}\n"),
            _ => format!(
                "  {node}: {{address: {address}, user: {user}, sudo_password: {{file: new}}, \
                 first_login: {{user: {user}, new_password: {{file: new}}}}}}\n"
            ),
        };
    }
    fs::write(bench.inventory_path(), text).unwrap();
}

pub(super) fn shadow(bench: &Bench, node: &str, user: &str) -> String {
    bench.on(node, &format!("grep ^{user}: /etc/shadow"))
}
