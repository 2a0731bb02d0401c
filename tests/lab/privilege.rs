//! Logins of every kind become root or are told what to change; hosts whose disks are full, read-only or noexec.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::{Bench, Test};

pub(crate) fn trials() -> Vec<Test> {
    vec![
        ("each_login_becomes_root_or_is_told_what_to_change", logins_and_disks),
        ("a_password_for_sudo_is_told_to_sudo_alone", password),
    ]
}

/// A login and what comes of it.
struct Login {
    name: &'static str,
    shell: &'static str,
    /// Lines of sudoers.
    sudoers: &'static str,
    /// A start-up file of its shell, and what stands in it.
    startup: (&'static str, &'static str),
    /// Keys of its node in the inventory.
    keys: &'static str,
    /// What skep says about it; nothing where it works.
    says: &'static [&'static str],
}

const ALL: &str = "NAME ALL=(ALL) NOPASSWD: ALL";
const NOISE: &str = r#"echo Welcome; echo 'skep-agent 7 9.9.9'; echo 'sudo: a password is required' >&2; printf '\377\000no end'"#;

/// One that works, by a rule of sudo for everything.
const WORKS: Login =
    Login { name: "", shell: "/bin/bash", sudoers: ALL, startup: (".hushlogin", ""), keys: "", says: &[] };

/// Logins that are root themselves, after whom the agent is there: their shells become it without any `sh`, where they may.
const ROOTS: &[Login] = &[
    Login { name: "zerobash", startup: (".bashrc", "sh() { false; }; printf 'no end'"), ..ROOT },
    Login {
        name: "zerofish",
        shell: "/usr/bin/fish",
        startup: (".config/fish/config.fish", "function sh; false; end; printf 'no end'"),
        ..ROOT
    },
    Login {
        name: "zerocsh",
        shell: "/bin/bsd-csh",
        startup: (".cshrc", "alias sh false\necho skep-agent 7 9.9.9\necho -n no end"),
        ..ROOT
    },
    Login {
        name: "zerotcsh",
        shell: "/bin/tcsh",
        startup: (".tcshrc", "alias sh false\necho -n no end"),
        ..ROOT
    },
    Login {
        name: "zerozsh",
        shell: "/usr/bin/zsh",
        startup: (".zshenv", "sh() { false; }; printf 'no end'"),
        ..ROOT
    },
    // It may neither use `exec` nor name a program by its path.
    Login { name: "zerorbash", shell: "/bin/rbash", ..ROOT },
];

const ROOT: Login = Login { sudoers: "", keys: "sudo: never", ..WORKS };

const LOGINS: &[Login] = &[
    Login { name: "fish", shell: "/usr/bin/fish", startup: (".config/fish/config.fish", NOISE), ..WORKS },
    Login {
        name: "csh",
        shell: "/bin/bsd-csh",
        startup: (".cshrc", "echo Welcome\necho skep-agent 7 9.9.9\necho -n no end"),
        ..WORKS
    },
    Login { name: "tcsh", shell: "/bin/tcsh", startup: (".tcshrc", "echo Welcome\necho -n no end"), ..WORKS },
    Login { name: "zsh", shell: "/usr/bin/zsh", startup: (".zshenv", NOISE), ..WORKS },
    Login { name: "rbash", shell: "/bin/rbash", ..WORKS },
    Login { name: "noisy", startup: (".bashrc", NOISE), ..WORKS },
    // As narrow as skep itself advises, and with what may stand in its way.
    Login {
        name: "narrow",
        sudoers: "NAME ALL=(root) NOPASSWD: /bin/sh\nDefaults:NAME secure_path=/nowhere, use_pty, lecture=always, timestamp_timeout=0",
        ..WORKS
    },
    Login { name: "doas", sudoers: "", keys: "sudo: doas", ..WORKS },
    Login {
        name: "wants",
        sudoers: "NAME ALL=(ALL) ALL",
        startup: (".bashrc", "export LC_ALL=de_DE.UTF-8 LANGUAGE=de"),
        says: &[
            "sudo wants the password of wants",
            "sudo_password: {command:",
            "wants ALL=(root) NOPASSWD: /bin/sh",
        ],
        ..WORKS
    },
    Login { name: "gives", sudoers: "NAME ALL=(ALL) ALL", keys: "sudo_password: {file: right}", ..WORKS },
    // sudo wants the login's own password, which the inventory has for SSH.
    Login { name: "same", sudoers: "NAME ALL=(ALL) ALL", keys: "password: {file: right}", ..WORKS },
    Login { name: "spare", keys: "sudo_password: {file: right}", ..WORKS },
    Login {
        name: "errs",
        sudoers: "NAME ALL=(ALL) ALL",
        keys: "sudo_password: {file: wrong}",
        says: &["sudo does not take the password of errs", "`sudo_password`"],
        ..WORKS
    },
    Login {
        name: "another",
        sudoers: "NAME ALL=(ALL) ALL\nDefaults:NAME targetpw",
        keys: "sudo_password: {file: right}",
        says: &["sudo does not take the password of root"],
        ..WORKS
    },
    Login {
        name: "terminal",
        sudoers: "NAME ALL=(ALL) NOPASSWD: ALL\nDefaults:NAME requiretty",
        says: &["sudo wants a terminal", "Defaults:terminal !requiretty"],
        ..WORKS
    },
    Login {
        name: "some",
        sudoers: "NAME ALL=(root) NOPASSWD: /usr/bin/apt-get",
        says: &["some commands as root, but not /bin/sh", "some ALL=(root) NOPASSWD: /bin/sh"],
        ..WORKS
    },
    Login {
        name: "nobody1",
        sudoers: "",
        keys: "sudo_password: {file: right}",
        says: &["nobody1 is not in the sudoers file", "usermod -aG sudo nobody1"],
        ..WORKS
    },
    Login {
        name: "mere",
        sudoers: "",
        keys: "sudo: never",
        says: &["/var/lib/skep (owned by root)", "sudo: always"],
        ..WORKS
    },
    Login {
        name: "doaspw",
        sudoers: "",
        keys: "sudo: doas",
        says: &["doas wants a password", "permit nopass doaspw as root cmd /bin/sh"],
        ..WORKS
    },
    Login {
        name: "nodoas",
        sudoers: "",
        keys: "sudo: doas",
        says: &["doas does not let nodoas run /bin/sh as root"],
        ..WORKS
    },
    Login {
        name: "nologin",
        shell: "/usr/sbin/nologin",
        says: &["did not run skep's command: This account is currently not available.", "nologin"],
        ..WORKS
    },
    Login { name: "false", shell: "/bin/false", says: &["did not run skep's command: exit code 1"], ..WORKS },
    Login {
        name: "leaver",
        startup: (".bashrc", "exit 0"),
        says: &["did not run skep's command: exit code 0", "~/.bashrc"],
        ..WORKS
    },
    Login {
        name: "forced",
        startup: (".ssh/forced", "command=\"echo Only backups here.\" "),
        says: &["did not run skep's command: Only backups here.", "`command=` in authorized_keys"],
        ..WORKS
    },
];

/// Becomes the password of every login, and not of root.
const PASSWORD: &str = "open-sesame-4711";

/// A password of one test alone, which looks for it in every process, those of tests beside it among them.
const SOUGHT: &str = "open-barley-0815";

fn logins_and_disks() {
    let bench = Bench::bare("logins", 1);
    let packages = "fish tcsh csh zsh opendoas busybox";
    bench.on(
        "n1",
        &format!("export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -qq --no-install-recommends {packages} >/dev/null 2>&1"),
    );
    bench.on("n1", &format!("set -e; {}", LOGINS.iter().chain(ROOTS).map(making).collect::<String>()));
    bench.on(
        "n1",
        "printf 'permit nopass doas as root cmd /bin/sh\\npermit doaspw\\n' > /etc/doas.conf; chmod 440 /etc/sudoers.d/*; visudo -c >/dev/null",
    );
    fs::write(bench.file("right"), format!("{PASSWORD}\nmore\n")).unwrap();
    fs::write(bench.file("wrong"), "hunter2\n").unwrap();
    for login in LOGINS.iter().chain(ROOTS) {
        comes_in(&bench, login);
    }
    without_sudo(&bench);
    disks(&bench);
}

/// Shell commands that make a login.
fn making(login: &Login) -> String {
    let Login { name, shell, sudoers, startup: (file, text), .. } = login;
    let quoted = |text: &str| format!("'{}'", text.replace("NAME", name).replace('\'', "'\\''"));
    let (sudoers, text) = (quoted(sudoers), quoted(text));
    let uid = if name.starts_with("zero") { "--non-unique --uid 0" } else { "" };
    format!(
        "useradd {uid} --create-home --shell {shell} {name}; echo '{name}:{PASSWORD}' | chpasswd; \
         printf '%s\\n' {sudoers} > /etc/sudoers.d/{name}; \
         cd /home/{name}; mkdir -p .ssh $(dirname {file}); printf '%s' {text} > {file}; touch .ssh/forced; \
         cat .ssh/forced /root/.ssh/authorized_keys > .ssh/authorized_keys; chown -R {name}: .; "
    )
}

fn inventory(bench: &Bench, user: &str, keys: &str) {
    let (key, known_hosts) = (bench.lab().key(), bench.lab().known_hosts());
    let nodes: String = bench
        .lab()
        .nodes()
        .iter()
        .zip(["manager", "worker"])
        .map(|(node, role)| format!("  {}: {{address: {}, role: {role}}}\n", node.name, node.address))
        .collect();
    let text = format!(
        "name: test\ndefaults:\n  user: {user}\n  key: {}\n  known_hosts: {}\n  {keys}\nnodes:\n{nodes}",
        key.display(),
        known_hosts.display()
    );
    fs::write(bench.inventory_path(), text).unwrap();
}

fn comes_in(bench: &Bench, login: &Login) {
    inventory(bench, login.name, login.keys);
    let code = if login.says.is_empty() { 0 } else { 5 };
    let mut run = bench.skep(&["plan"]).exits(code);
    for words in login.says {
        run = run.says(words);
    }
    assert!(!(run.stdout + &run.stderr).contains(PASSWORD));
}

/// `auto` takes doas where there is no sudo.
fn without_sudo(bench: &Bench) {
    bench.on("n1", "mv /usr/bin/sudo /usr/bin/sudo.off");
    inventory(bench, "doas", "sudo: auto");
    bench.skep(&["plan"]).exits(0);
    inventory(bench, "doas", "sudo: always");
    bench
        .skep(&["plan"])
        .exits(5)
        .says("doas is not root, and sudo is not installed")
        .says("apt-get install sudo");
    bench.on("n1", "mv /usr/bin/doas /usr/bin/doas.off");
    inventory(bench, "doas", "sudo: auto");
    bench.skep(&["plan"]).exits(5).says("sudo and doas are not installed");
    bench.on(
        "n1",
        "mv /usr/bin/sudo.off /usr/bin/sudo; mv /usr/bin/gunzip /usr/bin/gunzip.off; rm -r /var/lib/skep",
    );
    inventory(bench, "root", "");
    bench.skep(&["plan"]).exits(5).says("it lacks the program gunzip").says("apt-get install gzip");
    bench.on("n1", "mv /usr/bin/gunzip.off /usr/bin/gunzip");
}

fn disks(bench: &Bench) {
    inventory(bench, "root", "");
    let agents = || {
        bench.on("n1", "ls -d /var/lib/skep/a* /usr/local/lib/skep/a* /opt/skep/a* /run/skep/a* /dev/shm/skep/a* 2>/dev/null; true")
    };
    for (mount, options) in
        [("noexec", "noexec"), ("full", "size=64k"), ("without inodes", "nr_inodes=1"), ("read-only", "ro")]
    {
        bench.on("n1", &format!("mkdir -p /var/lib/skep; mount -t tmpfs -o {options} tmpfs /var/lib/skep"));
        bench.skep(&["plan"]).exits(0);
        assert!(agents().starts_with("/usr/local/lib/skep/agent-"), "{mount}: {}", agents());
        bench.on(
            "n1",
            "test $(stat -c %a /usr/local/lib) = 755; rm -r /usr/local/lib/skep; umount /var/lib/skep",
        );
    }
    bench.skep(&["plan"]).exits(0);
    assert!(agents().starts_with("/var/lib/skep/agent-"), "{}", agents());
    busybox(bench);
    // A card that is worn out: nothing on it can be written, and only memory takes the agent.
    // By mounts of their own: what is open for writing keeps the whole from being so.
    bench.on(
        "n1",
        "set -e; for d in /etc /usr /opt /var/lib; do mount --bind $d $d; \
         mount -o remount,bind,ro $d; done; mount -o remount,noexec /run",
    );
    bench.skep(&["plan"]).prints("docker.io").prints("/etc, /usr and /var/lib cannot be written");
    assert!(agents().starts_with("/dev/shm/skep/agent-"), "{}", agents());
    let up = bench.skep(&["up", "--yes"]).exits(6).prints("the file system is read-only").prints("dmesg");
    assert!(!(up.stdout + &up.stderr).contains("os error"));
    bench.skep(&["status"]).exits(1);
    bench.on("n1", "rm -r /dev/shm/skep; mount -o remount,noexec /dev/shm");
    bench
        .skep(&["plan"])
        .exits(5)
        .says("the agent can be put nowhere: /var/lib/skep, /usr/local/lib/skep, /opt/skep (Read-only file system), /run/skep, /dev/shm/skep (mounted noexec)");
}

/// busybox in the place of all that a push needs, of the shell too.
fn busybox(bench: &Bench) {
    let applets = "sh head gunzip sha256sum find sync stat id wc mkdir chmod mv rm rmdir uname";
    bench.on(
        "n1",
        &format!(
            "rm -r /var/lib/skep; mkdir /var/lib/skep; mount -t tmpfs -o noexec tmpfs /var/lib/skep; \
             for a in {applets}; do ln -s $(command -v busybox) /usr/local/bin/$a; done"
        ),
    );
    bench.skep(&["plan"]).exits(0).says("push");
    bench.skep(&["plan"]).exits(0);
    bench.on("n1", "/bin/rm -r /usr/local/bin/* /usr/local/lib/skep; umount /var/lib/skep");
}

fn password() {
    let bench = Bench::bare("sudo", 2);
    fs::write(bench.file("right"), SOUGHT).unwrap();
    for node in ["n1", "n2"] {
        bench.on(node, &format!("echo 'pi:{SOUGHT}' | chpasswd; echo 'Defaults logfile=/var/log/sudo.log' > /etc/sudoers.d/log"));
        bench.on(node, "echo 'pi ALL=(ALL) ALL' > /etc/sudoers.d/pi");
    }
    asked_once(&bench);
    // apt is not led astray by a /tmp that runs no programs and takes no files.
    bench.on("n2", "mount -o remount,size=64k,noexec /tmp; head -c 65536 /dev/zero > /tmp/fill; true");
    inventory(&bench, "pi", "sudo_password: {file: right}");
    let outputs = unseen_while(|| {
        let run = bench.skep(&["up", "--yes", "--json"]).exits(0);
        run.stdout + &run.stderr
    });
    assert_eq!(bench.members("n1"), ["n1 Ready Leader", "n2 Ready"]);
    assert!(!outputs.contains(SOUGHT), "skep printed it");
    bench.skep(&["plan", "--exit-code"]).exits(0);
    let state = Command::new("grep").args(["-rlF", SOUGHT]).arg(bench.state()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&state.stdout), "", "in skep's own journal");
    for node in ["n1", "n2"] {
        let everywhere = format!(
            "grep -rlF {SOUGHT} /etc /root /home /run /tmp /opt /var --exclude-dir=docker 2>/dev/null; \
             journalctl --no-pager | grep -F {SOUGHT}; true"
        );
        assert_eq!(bench.on(node, &everywhere), "", "on {node}");
        bench.on(node, "grep -q 'USER=root ; COMMAND=/bin/sh' /var/log/sudo.log");
    }
}

/// Two hosts want the password, and the user types it once, after a wrong one.
fn asked_once(bench: &Bench) {
    inventory(bench, "pi", "");
    let command =
        format!("{} --inventory {} plan", env!("CARGO_BIN_EXE_skep"), bench.inventory_path().display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().expect("util-linux has script");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = String::new();
    let mut answers = ["wrong", SOUGHT].into_iter();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = screen.read(&mut buffer) {
        shown += &String::from_utf8_lossy(&buffer[..read]);
        if shown.ends_with("the password of pi: ") {
            let answer = answers.next().unwrap_or_else(|| panic!("asked once too often:\n{shown}"));
            writeln!(keyboard, "{answer}").unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{shown}");
    assert_eq!(answers.next(), None, "{shown}");
    assert!(shown.contains("does not take that; it wants the password of pi"), "{shown}");
    assert!(shown.contains("docker.io") && !shown.contains(SOUGHT), "{shown}");
}

/// Runs `work` while every process of this computer, the nodes' among them, is looked at again and again.
fn unseen_while<T>(work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let (done, seen) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                seen.extend(processes_with(SOUGHT));
            }
            seen
        });
        // Without this the watcher could be blind and nobody would know.
        let mut control = Command::new("sleep").arg("60").env("CONTROL", SOUGHT).spawn().unwrap();
        let done = work();
        control.kill().unwrap();
        control.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        (done, watcher.join().unwrap())
    });
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["sleep"], "processes that show the password");
    done
}

/// The names of processes with `needle` in their arguments or environment.
fn processes_with(needle: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let shows = |path: &std::path::PathBuf| {
        ["cmdline", "environ"].iter().any(|name| {
            String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default()).contains(needle)
        })
    };
    let name = |path: std::path::PathBuf| {
        fs::read_to_string(path.join("comm")).unwrap_or_default().trim().to_owned()
    };
    processes.filter(shows).map(name).collect()
}
