//! The Docker engine of a node, asked by the controller through the agent's relay; the only room that names bollard.
//!
//! Join tokens pass through here and nowhere else. bollard's models print them in their `Debug` form, and bollard
//! logs whole bodies at debug level: its models are never formatted, and nobody may install a logger that takes its
//! records.

mod convert;
mod depart;
mod drain;
mod error;
mod manager;
mod patience;
mod transport;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bollard::models::{SwarmInfo, SwarmInitRequest, SwarmJoinRequest, SwarmSpec, SwarmSpecOrchestration};
use bollard::{API_DEFAULT_VERSION, Docker};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};

pub use error::Error;
pub use manager::Tokens;
pub use patience::Patience;

use crate::facts::SwarmState;
use crate::swarm::{PORT, SWARM_LABEL};

/// Prefix length of overlay networks where the inventory says none; Docker's own.
const SUBNET_SIZE: u8 = 24;

/// The Docker engine of one node.
pub struct Engine {
    docker: Docker,
    patience: Patience,
}

/// A swarm to make.
#[derive(Debug, Clone, Copy)]
pub struct Init<'a> {
    /// The address the other nodes reach this one at.
    pub advertise: IpAddr,
    /// The swarm's name, for [`SWARM_LABEL`].
    pub name: &'a str,
    /// Default address pool as CIDRs; Docker's own where empty.
    pub address_pool: &'a [String],
    /// Prefix length of each overlay network; Docker's own where absent.
    pub subnet_size: Option<u8>,
    /// Finished tasks kept a slot; Docker's own choice where absent.
    pub task_history: Option<i64>,
}

/// What this engine knows of itself in the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Its state.
    pub state: SwarmState,
    /// Its node ID; empty outside a swarm.
    pub node_id: String,
    /// The IP address it advertises; empty outside a swarm.
    pub addr: String,
    /// Whether it is a manager that answers for the swarm.
    pub control: bool,
    /// The engine's own words, where something is wrong.
    pub error: String,
    /// The swarm's ID, which only managers know.
    pub cluster: String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Connects, and sees that an engine answers. One relay serves all requests, one after another; where it broke,
    /// `dial` opens the next one. Requests name no API version: each engine speaks its own newest one.
    ///
    /// # Errors
    /// Where the relay cannot be opened or the engine does not answer.
    pub async fn connect<S, F, Dialing>(dial: F) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn() -> Dialing + Send + Sync + 'static,
        Dialing: Future<Output = io::Result<S>> + Send + 'static,
    {
        Self::connect_with(dial, Patience::default()).await
    }

    /// The same, with other waiting times.
    ///
    /// # Errors
    /// As [`Engine::connect`].
    pub async fn connect_with<S, F, Dialing>(dial: F, patience: Patience) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn() -> Dialing + Send + Sync + 'static,
        Dialing: Future<Output = io::Result<S>> + Send + 'static,
    {
        const DOING: &str = "answer";
        let relay = Arc::new(transport::Relay::new(dial));
        let send = move |request| Arc::clone(&relay).request(request);
        let seconds = patience.request.as_secs().max(1);
        let docker =
            Docker::connect_with_custom_transport(send, Some(transport::BASE), seconds, API_DEFAULT_VERSION)
                .map_err(|error| Error::from_api(DOING, error))?;
        let docker = patience.request(DOING, docker.negotiate_version()).await?;
        Ok(Self { docker, patience })
    }

    /// Makes a swarm, with its label in the same request.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub async fn init(&self, init: &Init<'_>) -> Result<(), Error> {
        let pool = (!init.address_pool.is_empty()).then(|| init.address_pool.to_vec());
        // The engine takes a pool without a size for one of size 0.
        let size = init.subnet_size.or_else(|| pool.as_ref().map(|_| SUBNET_SIZE));
        let orchestration =
            init.task_history.map(|kept| SwarmSpecOrchestration { task_history_retention_limit: Some(kept) });
        let request = SwarmInitRequest {
            listen_addr: Some(listen(init.advertise)),
            advertise_addr: Some(advertised(init.advertise)),
            default_addr_pool: pool,
            subnet_size: size.map(u32::from),
            spec: Some(SwarmSpec {
                name: Some("default".to_owned()),
                labels: Some([(SWARM_LABEL.to_owned(), init.name.to_owned())].into()),
                orchestration,
                ..SwarmSpec::default()
            }),
            ..SwarmInitRequest::default()
        };
        self.patience.request("make a swarm", self.docker.init_swarm(request)).await?;
        Ok(())
    }

    /// Joins the swarm of the managers at `remotes`, and waits until the node is a member. The engine gives up waiting
    /// after 20 s while the join goes on in the background: that is no error, and joining again would be one.
    ///
    /// # Errors
    /// Where the engine refuses, gives up, or is not done in time.
    pub async fn join(
        &self,
        remotes: Vec<String>,
        token: &SecretString,
        advertise: IpAddr,
    ) -> Result<(), Error> {
        let request = SwarmJoinRequest {
            listen_addr: Some(listen(advertise)),
            advertise_addr: Some(advertised(advertise)),
            remote_addrs: Some(remotes),
            join_token: Some(token.expose_secret().to_owned()),
            ..SwarmJoinRequest::default()
        };
        match self.patience.request("join", self.docker.join_swarm(request)).await {
            Ok(()) => self.await_active().await,
            Err(error) if error.leaves_join_open() => match self.await_active().await {
                // Nothing was begun after all: the first error tells why.
                Err(Error::NotJoined { cause }) if cause.is_empty() => Err(error),
                other => other,
            },
            Err(error) => Err(error),
        }
    }

    /// Waits until a join that goes on in the background has ended.
    ///
    /// # Errors
    /// Where it failed, or is not done in time.
    pub async fn await_active(&self) -> Result<(), Error> {
        let joined = self.patience.poll("join", self.patience.join, async || {
            let local = self.local().await?;
            match local.state {
                SwarmState::Active => Ok(Some(())),
                SwarmState::Pending => Ok(None),
                SwarmState::Inactive | SwarmState::Error | SwarmState::Locked => {
                    Err(Error::NotJoined { cause: error::redact(&local.error) })
                }
            }
        });
        joined.await
    }

    /// Whether an engine that was asked to make or join a swarm, and whose answer was lost, has begun to. One that never
    /// heard of it does not begin late: it is looked for a while, since what was sent may still be on its way.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn begun(&self) -> Result<bool, Error> {
        let begun = self.patience.poll("tell its state", self.patience.begin, async || {
            let state = self.local().await?.state;
            Ok((state != SwarmState::Inactive).then_some(true))
        });
        match begun.await {
            Err(Error::Timeout { .. }) => Ok(self.local().await?.state != SwarmState::Inactive),
            other => other,
        }
    }

    /// What this engine knows of itself in the swarm.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn local(&self) -> Result<Local, Error> {
        const DOING: &str = "tell its state";
        let info = self.patience.request(DOING, self.docker.info()).await?;
        let swarm: SwarmInfo = info.swarm.unwrap_or_default();
        Ok(Local {
            state: convert::state(swarm.local_node_state)
                .ok_or_else(|| Error::answer(DOING, "it has no swarm state"))?,
            node_id: swarm.node_id.unwrap_or_default(),
            addr: swarm.node_addr.unwrap_or_default(),
            control: swarm.control_available.unwrap_or_default(),
            error: swarm.error.unwrap_or_default(),
            cluster: swarm.cluster.and_then(|cluster| cluster.id).unwrap_or_default(),
        })
    }

    /// This node's ID.
    ///
    /// # Errors
    /// Where it is in no swarm, or does not answer.
    pub async fn node_id(&self) -> Result<String, Error> {
        let local = self.local().await?;
        if local.node_id.is_empty() {
            Err(Error::NotJoined { cause: local.error })
        } else {
            Ok(local.node_id)
        }
    }

    /// The ID of the swarm that this engine manages; none where it is no manager, or its swarm has no leader.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn manages(&self) -> Result<Option<String>, Error> {
        let local = self.local().await?;
        Ok((local.control && local.error.is_empty()).then_some(local.cluster))
    }
}

/// Managers listen on all addresses of the advertised one's family.
fn listen(advertise: IpAddr) -> String {
    let any: IpAddr = match advertise {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, PORT).to_string()
}

fn advertised(ip: IpAddr) -> String {
    SocketAddr::new(ip, PORT).to_string()
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
