//! Floor B of the benchmark: log in to every host at once with one ed25519 key, run `true` there, and end. It does
//! nothing else, so that whoever works over SSH through the same library can hardly be faster.
//!
//! `floor USER KEY KNOWN_HOSTS HOST…`, each host an address with sshd on port 22.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Config, Handler};
use russh::keys::known_hosts::check_known_hosts_path;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Disconnect};
use tokio::task::JoinSet;

const PORT: u16 = 22;

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(120);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(env::args().skip(1).collect()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<(), Failure> {
    let [user, key, known_hosts, hosts @ ..] = arguments.as_slice() else {
        return Err("usage: floor USER KEY KNOWN_HOSTS HOST…".into());
    };
    let login = Arc::new(Login {
        user: user.clone(),
        key: Arc::new(load_secret_key(key, None)?),
        known_hosts: known_hosts.into(),
        config: Arc::new(Config { nodelay: true, ..Config::default() }),
    });
    let mut hosts: JoinSet<Result<(), Failure>> = hosts
        .iter()
        .map(|host| {
            let (login, host) = (Arc::clone(&login), host.clone());
            async move {
                let done = tokio::time::timeout(LIMIT, login.exec_true(&host)).await;
                done.unwrap_or_else(|_| Err("it does not answer".into()))
                    .map_err(|error| format!("{host}: {error}").into())
            }
        })
        .collect();
    while let Some(done) = hosts.join_next().await {
        done??;
    }
    Ok(())
}

/// What every host is met with.
struct Login {
    user: String,
    key: Arc<PrivateKey>,
    known_hosts: PathBuf,
    config: Arc<Config>,
}

impl Login {
    async fn exec_true(&self, host: &str) -> Result<(), Failure> {
        let known = Known { host: host.to_owned(), known_hosts: self.known_hosts.clone() };
        let mut session = client::connect(Arc::clone(&self.config), (host, PORT), known).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), None);
        if !session.authenticate_publickey(&self.user, key).await?.success() {
            return Err("it does not take the key".into());
        }
        let mut channel = session.channel_open_session().await?;
        channel.exec(true, "true").await?;
        let mut status = None;
        while let Some(message) = channel.wait().await {
            if let ChannelMsg::ExitStatus { exit_status } = message {
                status = Some(exit_status);
                break;
            }
        }
        if status != Some(0) {
            return Err(format!("`true` ended with {status:?}").into());
        }
        Ok(session.disconnect(Disconnect::ByApplication, "", "").await?)
    }
}

/// Takes the key of a host only where it is known.
struct Known {
    host: String,
    known_hosts: PathBuf,
}

impl Handler for Known {
    type Error = Failure;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        Ok(check_known_hosts_path(&self.host, PORT, &offered.public_key(), &self.known_hosts)?)
    }
}
