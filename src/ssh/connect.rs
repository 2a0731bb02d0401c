//! From an address to a session: reach it, trust it, log in; again while it may still be booting.

use std::sync::Arc;
use std::time::Duration;

use russh::Preferred;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, PublicKey};
use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{Asker, Patience};
use super::auth::{Login, LoginEnd};
use super::error::{ConnectError, ConnectFailure, Unreachable};
use super::handler::{HandshakeError, Seen, Watcher};
use super::host_key::{AcceptNew, Certificates, HostKeyPolicy, fingerprint};
use super::known_hosts::{self, Verdict};
use super::prompt::Acknowledgement;
use super::route::{Opened, Way, too_slow};
use super::session::Session;
use super::target::{Options, PinLater, Target};

/// Unanswered keepalives after which the connection is given up.
const KEEPALIVES: usize = 3;

/// Pauses between tries: short at first, since a refused connection costs nothing, and never long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Connects to `target` and logs in, trying again for [`Options::retry_for`] where it may still be booting.
///
/// # Errors
/// See [`ConnectFailure`]; nothing is left open.
pub async fn connect(target: &Target, options: &Options) -> Result<Session, ConnectError> {
    let deadline = Instant::now() + options.retry_for;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match connect_wherever(target, options).await {
            Ok(session) => return Ok(session),
            Err(failure) => ConnectError::new(target, failure),
        };
        if !error.is_transient() || Instant::now() + pause > deadline {
            return Err(error);
        }
        if let Some(on_retry) = &options.on_retry {
            on_retry(&error);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One try where the host should be, and another one where it is found if it is not there.
async fn connect_wherever(target: &Target, options: &Options) -> Result<Session, ConnectFailure> {
    let (Some(whereabouts), Some(find)) = (&target.whereabouts, &options.find) else {
        return connect_once(target, options).await;
    };
    let failure = match connect_once(&whereabouts.target(target), options).await {
        Err(failure) if failure.may_be_elsewhere() && whereabouts.begin_search() => failure,
        done => return done,
    };
    match find(whereabouts.target(target)).await {
        Some(address) if whereabouts.found(address) => {
            connect_once(&whereabouts.target(target), options).await
        }
        _ => Err(failure),
    }
}

/// One try, over as many connections as it takes to settle which key to trust.
async fn connect_once(target: &Target, options: &Options) -> Result<Session, ConnectFailure> {
    let mut accept = AcceptNew::of(target, options);
    if accept == AcceptNew::No
        && let Some(fingerprint) = target.pin_later.as_ref().and_then(PinLater::accepted)
    {
        accept = AcceptNew::Only(fingerprint);
    }
    let mut certificates = Certificates::Wanted;
    let mut mismatches = Mismatches::default();
    let way = Way::prepare(target, options).await?;
    loop {
        let policy = HostKeyPolicy::read(target, accept.clone(), certificates.clone())?;
        match handshake(target, options, &way, policy, &mismatches.algorithms).await {
            Ok((handle, seen)) => {
                match (&target.pin_later, seen.new_host_key()) {
                    // It may have to be told from others before it is recorded.
                    (Some(pin), Some(key)) => pin.accept(&fingerprint(&key)),
                    (Some(_), None) => {}
                    (None, _) => record_host_key(target, &seen).await?,
                }
                if let Some(session) = log_in(target, options, handle, seen).await? {
                    return Ok(session);
                }
            }
            // Asked about between two connections: the user may take longer than the server's patience. The
            // answer holds for this very key, not for whatever the next connection meets.
            Err(ConnectFailure::HostKeyUnknown(key)) => match &options.ask {
                Some(ask) if accept.may_ask() && ask((*key).clone()).await => {
                    if let Some(pin) = &target.pin_later {
                        pin.accept(&key.fingerprint);
                    }
                    accept = AcceptNew::Only(key.fingerprint);
                }
                _ => return Err(ConnectFailure::HostKeyUnknown(key)),
            },
            // Its plain keys may be known.
            Err(ConnectFailure::HostCertificate(trouble)) => certificates = Certificates::Useless(trouble),
            Err(failure) => mismatches.note(failure)?,
        }
    }
}

/// The keys of a host that were not the pinned one: the pin may be that of another of its keys.
#[derive(Default)]
struct Mismatches {
    algorithms: Vec<Algorithm>,
    offered: Vec<String>,
    pinned: String,
}

impl Mismatches {
    /// Remembers a mismatch, so that the host is asked for its next key; gives back what ends the search.
    fn note(&mut self, failure: ConnectFailure) -> Result<(), ConnectFailure> {
        match failure {
            ConnectFailure::HostKeyMismatch { pinned, mut offered } => {
                let algorithm = offered
                    .first()
                    .and_then(|key| key.split(' ').next())
                    .and_then(|name| Algorithm::new(name).ok());
                self.offered.append(&mut offered);
                self.pinned = pinned;
                match algorithm {
                    Some(algorithm) if !self.algorithms.contains(&algorithm) => {
                        self.algorithms.push(algorithm);
                        Ok(())
                    }
                    _ => Err(self.verdict()),
                }
            }
            ConnectFailure::NoCommonAlgorithm { .. } if !self.offered.is_empty() => Err(self.verdict()),
            other => Err(other),
        }
    }

    fn verdict(&mut self) -> ConnectFailure {
        ConnectFailure::HostKeyMismatch {
            pinned: std::mem::take(&mut self.pinned),
            offered: std::mem::take(&mut self.offered),
        }
    }
}

/// The way there and the key exchange, together within the connect timeout.
async fn handshake(
    target: &Target,
    options: &Options,
    way: &Way,
    policy: HostKeyPolicy,
    excluded: &[Algorithm],
) -> Result<(Handle<Watcher>, Seen), ConnectFailure> {
    let patience = target.connect_timeout.unwrap_or(options.connect_timeout);
    let deadline = Instant::now() + patience;
    let acknowledgement = Acknowledgement::default();
    let Opened { stream, command } = way.open(target, deadline, patience, &acknowledgement).await?;
    let config = Arc::new(config(options, patience, policy.algorithms(excluded), policy.certificates()));
    let seen = Seen::default();
    let watcher = Watcher { policy, seen: seen.clone(), acknowledgement };
    let exchange = client::connect_stream(config, stream, watcher);
    let failure = match timeout_at(deadline, exchange).await {
        Ok(Ok(handle)) => return Ok((handle, seen)),
        Ok(Err(error)) => handshake_failure(error, &seen),
        Err(_) => too_slow("the key exchange", patience),
    };
    match (failure, command) {
        (ConnectFailure::Unreachable(_), Some(command)) => {
            Err(ConnectFailure::ProxyCommand { last_words: command.last().await })
        }
        (failure, _) => Err(failure),
    }
}

/// Algorithms in russh's order: the hybrid of ML-KEM and X25519 costs both sides together 0.4 ms more than
/// X25519 alone and withstands a quantum computer; ChaCha20 comes before AES-GCM, which is faster by a tenth
/// only where the processor has instructions for it, and many boards have none. All are safe choices; CBC
/// and SHA-1 are not among them.
fn config(
    options: &Options,
    patience: Duration,
    host_keys: Vec<Algorithm>,
    certificates: Vec<Algorithm>,
) -> client::Config {
    let preferred =
        Preferred { key: host_keys.into(), host_key_certificates: certificates.into(), ..Preferred::DEFAULT };
    client::Config {
        keepalive_interval: Some(options.keepalive),
        keepalive_max: KEEPALIVES,
        inactivity_timeout: Some(longest_silence(options, patience)),
        nodelay: true,
        preferred,
        ..client::Config::default()
    }
}

/// Longer than any silence of a connection that lives: keepalives end it sooner. They run only after the
/// login, though, and not while a write blocks; this ends those connections too, else their tasks would stay
/// for as long as the process.
fn longest_silence(options: &Options, patience: Duration) -> Duration {
    patience + options.login_timeout + options.keepalive * (KEEPALIVES as u32 + 2)
}

/// What an error of the key exchange says about the host.
fn handshake_failure(error: HandshakeError, seen: &Seen) -> ConnectFailure {
    let error = match error {
        HandshakeError::Refused(failure) => return *failure,
        HandshakeError::Ssh(error) => error,
    };
    match error {
        russh::Error::Disconnect | russh::Error::HUP => {
            ConnectFailure::Unreachable(Unreachable::Closed { server_said: seen.server_said() })
        }
        // A connection that is reset or ends in the middle of a packet: who is there is not ready.
        russh::Error::IO(error) => {
            ConnectFailure::Unreachable(Unreachable::Closed { server_said: Some(error.to_string()) })
        }
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            ConnectFailure::NoCommonAlgorithm { kind: kind_word(&kind).into(), offered: theirs }
        }
        other => ConnectFailure::Protocol(other.to_string()),
    }
}

fn kind_word(kind: &russh::AlgorithmKind) -> &'static str {
    match kind {
        russh::AlgorithmKind::Kex => "key exchange",
        russh::AlgorithmKind::Key => "host key",
        russh::AlgorithmKind::Cipher => "cipher",
        russh::AlgorithmKind::Compression => "compression",
        russh::AlgorithmKind::Mac => "message authentication",
    }
}

/// Records the key of a new host. Another run may have recorded a key for it in the meantime.
pub(super) async fn record_host_key(target: &Target, seen: &Seen) -> Result<(), ConnectFailure> {
    let Some(key) = seen.new_host_key() else {
        return Ok(());
    };
    let (path, hash, names) =
        (target.known_hosts.written().to_owned(), target.known_hosts.hash, target.recorded());
    let recorded = {
        let key = key.clone();
        tokio::task::spawn_blocking(move || known_hosts::record(&path, &names, &key, hash)).await
    };
    let verdict = recorded.map_err(|error| ConnectFailure::Protocol(error.to_string()))??;
    if matches!(verdict, Verdict::Known | Verdict::Unknown) {
        return Ok(());
    }
    HostKeyPolicy::read(target, AcceptNew::Any, Certificates::Wanted)?.judge(&key).map(|_| ())
}

/// Has this computer know a host by the keys `new`, and by `old` no more; each as in its `.pub` file. Only for what the
/// host said over a connection that is trusted.
///
/// # Errors
/// Where a file cannot be read or written, or one of these is no key.
pub async fn relearn(target: &Target, new: Vec<String>, old: Vec<String>) -> Result<(), ConnectError> {
    let parse = |lines: &[String]| {
        lines.iter().map(|line| PublicKey::from_openssh(line)).collect::<Result<Vec<_>, _>>()
    };
    let keys = parse(&new).and_then(|new| Ok((new, parse(&old)?)));
    let failed = |failure| ConnectError::new(target, failure);
    let (new, old) = keys.map_err(|error| failed(ConnectFailure::Protocol(error.to_string())))?;
    let (known, names) = (target.known_hosts.clone(), target.recorded());
    let relearn = move || {
        for path in &known.files {
            let is_written = path == known.written();
            // Nothing is recorded where nothing is to be remembered: /dev/null.
            if path.is_file() || is_written && !path.exists() {
                known_hosts::relearn(path, &names, if is_written { &new } else { &[] }, &old, known.hash)?;
            }
        }
        Ok::<_, known_hosts::KnownHostsError>(())
    };
    let done = tokio::task::spawn_blocking(relearn).await;
    let done = done.map_err(|error| failed(ConnectFailure::Protocol(error.to_string())))?;
    done.map_err(|error| failed(error.into()))
}

/// None where the server had hung up before the user gave an answer. The answer is kept for the next connection.
async fn log_in(
    target: &Target,
    options: &Options,
    mut handle: Handle<Watcher>,
    seen: Seen,
) -> Result<Option<Session>, ConnectFailure> {
    let patience = Patience::new(options.login_timeout);
    let asker = Asker { ask: options.ask_secret.as_ref(), patience: &patience };
    let login = async {
        let login = Login::prepare(&mut handle, target, &options.identities, asker).await;
        login.run(&seen).await
    };
    match patience.limit(login).await {
        Some(Ok(standing)) => Ok(Some(Session::new(target.node.clone(), handle, seen, standing))),
        Some(Err(LoginEnd::Refused(failure))) => Err(*failure),
        Some(Err(LoginEnd::TooLate)) => Ok(None),
        None => Err(too_slow("the login", options.login_timeout)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener};
    use std::sync::Mutex;

    use futures_util::FutureExt;

    use super::super::identity::Identities;
    use super::super::target::Whereabouts;
    use super::*;

    #[tokio::test]
    async fn it_is_looked_for_where_it_was_last_and_may_be_back_where_it_began() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let whereabouts = Whereabouts::by("dc:a6:32:01:02:03");
        whereabouts.found(IpAddr::from([127, 0, 0, 2]));
        let mut target = Target::new("n1", "root", "127.0.0.1", port, "/dev/null".into());
        target.whereabouts = Some(whereabouts.clone());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&asked);
        let mut options = Options::new(Arc::new(Identities::new(None, None)));
        options.find = Some(Arc::new(move |target: Target| {
            hears.lock().unwrap().push(target.host);
            async { Some(IpAddr::from([127, 0, 0, 1])) }.boxed()
        }));
        assert!(connect(&target, &options).await.is_err(), "nobody listens there");
        assert_eq!(*asked.lock().unwrap(), ["127.0.0.2"]);
        assert_eq!(whereabouts.target(&target).host, "127.0.0.1");
    }

    #[test]
    fn a_host_that_was_found_elsewhere_goes_by_its_own_names() {
        let mut target = Target::new("n1", "root", "pi.lan", 2222, "known_hosts".into());
        let whereabouts = Whereabouts::by("dc:a6:32:01:02:03");
        assert!(whereabouts.found([192, 168, 2, 9].into()) && !whereabouts.found([192, 168, 2, 9].into()));
        for alias in [None, Some("board".to_owned())] {
            target.known_hosts.alias = alias;
            let found = whereabouts.target(&target);
            assert_eq!(found.host, "192.168.2.9");
            assert_eq!(found.recorded(), target.recorded());
            assert_eq!(found.certified_name(), target.certified_name());
        }
    }
}
