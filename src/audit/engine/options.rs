//! The engine's options: in the file, in the running engine, and in the inventory.

use std::path::Path;

use serde_json::{Map, Value};

use super::{FILE, INFO, UNIT, WHERE, file, flags, is_installed, restart, running, source_of, unread};
use crate::audit::{Check, Family, Judgement, Subject};
use crate::mask::masked;
use crate::resource::Kind;
use crate::resource::daemon::{Daemon, Desired, Observed};

pub(in crate::audit) const OPTIONS: Check = Check {
    id: "engine-options",
    family: Family::Engine,
    title: "the engine's options are good",
    explanation: "An engine that cannot read /etc/docker/daemon.json does not start again, so that a typo waits for the next \
        reboot: a file that is no JSON is an error, told with its line, and an option that no engine knows is a warning, since \
        dockerd refuses to start with it. So is a `data-root` other than where the running engine has its data. `live-restore` and `firewall-backend: nftables` are errors, because a swarm refuses \
        both (moby, daemon/config/config_linux.go). So is an option that is a flag of the engine as well: dockerd starts with \
        neither. A file that lacks what `engine.options` wants, or that is younger than \
        the engine that runs, is a warning: what is written there does not hold yet. The file and its age are read, and what \
        the engine tells of itself. `skep up` merges the inventory's options in and restarts the engine.",
    examine: |case| case.each(options),
};

fn options(subject: &Subject<'_>) -> Option<Judgement> {
    let observed = match file(subject)? {
        Ok(observed) => observed,
        Err(fault) => return Some(unread(fault)),
    };
    let wanted = &subject.inventory.engine.options;
    if let Err(problem) = Daemon::diff(&Desired { options: wanted.clone() }, observed) {
        return Some(Judgement::error(problem.message).seen(FILE, excerpt(observed)).remedy(problem.help));
    }
    let told = refused_at_run_time(subject)
        .or_else(|| told_twice(subject))
        .or_else(|| unknown(observed))
        .or_else(|| moved_data(subject, observed))
        .or_else(|| lacking(subject, observed, wanted));
    Some(told.or_else(|| stale(subject, observed)).unwrap_or_else(|| well(observed)))
}

/// More of a line is not shown.
const LONGEST: usize = 100;

/// The line that an unreadable text goes wrong at, else the names of what it sets; never the whole of it, which may
/// hold logins.
fn excerpt(observed: &Observed) -> String {
    let text = observed.text.as_deref().unwrap_or_default();
    match serde_json::from_str::<Map<String, Value>>(text) {
        Err(error) => {
            let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            let line: String = masked(line.trim()).chars().take(LONGEST).collect();
            format!("line {}: {line}", error.line())
        }
        Ok(options) => names(&options),
    }
}

/// Data that the engine will not find when it starts the next time.
fn moved_data(subject: &Subject<'_>, observed: &Observed) -> Option<Judgement> {
    let options = observed.options().ok()?;
    let next = Path::new(options.get("data-root")?.as_str()?);
    let now = Path::new(&running(subject)?.settings.root);
    let differs = now.is_absolute() && next != now;
    differs.then(|| {
        let (next, now) = (next.display(), now.display());
        Judgement::warning(format!("after its next start the engine looks for its data in {next}, and they are in {now}"))
            .seen(FILE, format!("data-root: {next}"))
            .seen(INFO, format!("DockerRootDir {now}"))
            .remedy(format!(
                "on {}: `systemctl stop docker docker.socket && cp -a {now}/. {next}/ && systemctl start docker`, or take \
                 `data-root` out again",
                subject.node.name
            ))
    })
}

/// By flags, or by a file that has been changed since.
fn refused_at_run_time(subject: &Subject<'_>) -> Option<Judgement> {
    let flag = |name| flags(subject, name).next();
    if running(subject).is_some_and(|running| running.live_restore) {
        let judgement = Judgement::error("the engine runs with live-restore, which a swarm refuses")
            .seen(INFO, "LiveRestoreEnabled true");
        return Some(match flag("--live-restore") {
            Some(_) => judgement.remedy(
                "take `--live-restore` out of its unit: `systemctl cat docker` shows where it stands",
            ),
            None => judgement.remedy(restart(subject)),
        });
    }
    let nftables = flag("--firewall-backend").filter(|backend| *backend == "nftables")?;
    Some(
        Judgement::error("the engine is started with the nftables firewall backend, which a swarm refuses")
            .seen("docker.service", format!("--firewall-backend={nftables}"))
            .remedy(
                "take `--firewall-backend` out of its unit: `systemctl cat docker` shows where it stands",
            ),
    )
}

/// An option that is, or is about to be, both in the file and a flag. `hosts` has a check of its own.
fn told_twice(subject: &Subject<'_>) -> Option<Judgement> {
    const PAIRS: &[(&str, &str)] = &[
        ("--bip", "bip"),
        ("--log-driver", "log-driver"),
        ("--log-opt", "log-opts"),
        ("--firewall-backend", "firewall-backend"),
        ("--default-address-pool", "default-address-pools"),
        ("--tls", "tls"),
        ("--tlsverify", "tlsverify"),
        ("--live-restore", "live-restore"),
        ("--iptables", "iptables"),
        ("--ip-forward", "ip-forward"),
        ("--ip-masq", "ip-masq"),
    ];
    let options = super::options(subject);
    let mut both = PAIRS.iter().filter(|(_, name)| options.contains_key(*name));
    let (flag, name, value) =
        both.find_map(|(flag, name)| Some((*flag, *name, flags(subject, flag).next()?)))?;
    let place = source_of(subject, name);
    Some(
        Judgement::error(format!(
            "`{name}` keeps the engine from starting: {place} sets it, and its unit has `{flag}` already"
        ))
        .seen(place.as_ref(), name)
        .seen(UNIT, format!("{flag}={value}"))
        .remedy(format!("take `{flag}` out of its unit ({WHERE}), or `{name}` out of {place}")),
    )
}

/// An option that dockerd would not start with.
fn unknown(observed: &Observed) -> Option<Judgement> {
    let options = observed.options().ok()?;
    let name = options.keys().find(|name| !KNOWN.contains(&name.as_str()))?;
    let help =
        format!("correct or remove `{name}` in {FILE}; `dockerd --validate` (from 23.0 on) tries the file");
    Some(
        Judgement::warning(format!(
            "`{name}` is no option that skep knows of, and dockerd starts with none it does not know"
        ))
        .seen(FILE, name)
        .remedy(help),
    )
}

fn lacking(subject: &Subject<'_>, observed: &Observed, wanted: &Map<String, Value>) -> Option<Judgement> {
    let there = observed.options().ok()?;
    let lacks: Vec<&str> = wanted
        .iter()
        .filter(|(name, value)| !says(there.get(*name), value))
        .map(|(name, _)| name.as_str())
        .collect();
    if lacks.is_empty() {
        return None;
    }
    let message = format!("{FILE} lacks what the inventory wants: {}", lacks.join(", "));
    let judgement =
        if is_installed(subject) { Judgement::warning(message) } else { Judgement::note(message) };
    Some(judgement.seen(FILE, names(&there)).remedy("`skep up` writes it"))
}

/// Whether what is there says what is wanted: objects key by key, as they are merged.
fn says(there: Option<&Value>, wanted: &Value) -> bool {
    match (there, wanted) {
        (Some(Value::Object(there)), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| says(there.get(name), value))
        }
        (there, wanted) => there == Some(wanted),
    }
}

fn stale(subject: &Subject<'_>, observed: &Observed) -> Option<Judgement> {
    observed.stale.then(|| {
        Judgement::warning(format!("the engine runs without what {FILE} says: it is younger than the engine"))
            .seen(FILE, "was written after the engine started")
            .remedy(restart(subject))
    })
}

fn well(observed: &Observed) -> Judgement {
    match observed.options() {
        Ok(options) if !options.is_empty() => {
            Judgement::ok("the engine's options are good").seen(FILE, names(&options))
        }
        _ => Judgement::ok("the engine has no options of its own").seen(FILE, "says nothing"),
    }
}

/// Names only: a value may be a login.
fn names(options: &Map<String, Value>) -> String {
    if options.is_empty() {
        "says nothing".to_owned()
    } else {
        options.keys().cloned().collect::<Vec<_>>().join(", ")
    }
}

/// Options that some engine from 20.10 on takes in its file (docker/cli, docs/reference/dockerd.md, and moby,
/// daemon/config). Those of all versions: which engine takes which is its own to say.
const KNOWN: &[&str] = &[
    "allow-direct-routing",
    "allow-nondistributable-artifacts",
    "api-cors-header",
    "authorization-plugins",
    "bip",
    "bip6",
    "bridge",
    "bridge-accept-fwmark",
    "builder",
    "cdi-spec-dirs",
    "cgroup-parent",
    "cluster-advertise",
    "cluster-store",
    "cluster-store-opts",
    "containerd",
    "containerd-namespace",
    "containerd-plugin-namespace",
    "containerd-plugins-namespace",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "data-root",
    "debug",
    "default-address-pools",
    "default-cgroupns-mode",
    "default-gateway",
    "default-gateway-v6",
    "default-ipc-mode",
    "default-network-opts",
    "default-runtime",
    "default-shm-size",
    "default-ulimits",
    "deprecated-key-path",
    "disable-legacy-registry",
    "dns",
    "dns-opts",
    "dns-search",
    "exec-opts",
    "exec-root",
    "experimental",
    "features",
    "firewall-backend",
    "fixed-cidr",
    "fixed-cidr-v6",
    "graph",
    "group",
    "host-gateway-ip",
    "host-gateway-ips",
    "hosts",
    "http-proxy",
    "https-proxy",
    "icc",
    "init",
    "init-path",
    "insecure-registries",
    "ip",
    "ip-forward",
    "ip-forward-no-drop",
    "ip-masq",
    "ip6tables",
    "iptables",
    "ipv6",
    "isolation",
    "labels",
    "live-restore",
    "log-driver",
    "log-format",
    "log-level",
    "log-opts",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "metrics-addr",
    "min-api-version",
    "mtu",
    "network-control-plane-mtu",
    "network-diagnostic-port",
    "no-new-privileges",
    "no-proxy",
    "node-generic-resources",
    "nri-opts",
    "oom-score-adjust",
    "pidfile",
    "proxies",
    "raw-logs",
    "registry-mirrors",
    "rootless",
    "runtimes",
    "seccomp-profile",
    "selinux-enabled",
    "shutdown-timeout",
    "storage-driver",
    "storage-opts",
    "swarm-default-advertise-addr",
    "swarm-raft-election-tick",
    "swarm-raft-heartbeat-tick",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "userland-proxy",
    "userland-proxy-path",
    "userns-remap",
    "validate",
];
