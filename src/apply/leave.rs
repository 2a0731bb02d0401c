//! Members that leave the swarm, as an undo lets them.

use super::Sessions;
use super::swarm::{Hands, Stuck, stuck};
use crate::engine::{Engine, Local};
use crate::facts::{SwarmNode, SwarmState};
use crate::inventory::model::{NodeName, Role};
use crate::resource::Fault;
use crate::swarm::membership::is_manager;
use crate::swarm::{Holdings, SwarmReceipt};

/// What the swarm holds, as the manager of that name tells.
///
/// # Errors
/// Where it cannot be asked.
pub async fn holdings(sessions: &Sessions, manager: &NodeName) -> Result<Holdings, Fault> {
    let engine = Hands::new(sessions, None).engine(manager).await.map_err(|stuck| stuck.fault)?;
    engine.holdings().await.map_err(|error| stuck(manager, error).fault)
}

impl Hands<'_> {
    /// Lets a member go: drained, demoted, out, off the record. Each part is one that may be done already, since a run
    /// may have been killed after it.
    pub(super) async fn leave(
        &self,
        node: &NodeName,
        own: &Engine,
        node_id: &str,
        again: bool,
    ) -> Result<Option<SwarmReceipt>, Stuck> {
        // Whoever it is, it is not to be asked about itself any more.
        self.demoted.lock().await.insert(node.clone());
        let (_, manager) = self.manager(node, again).await?;
        let left = async {
            let record = manager.nodes().await?.into_iter().find(|record| record.id == node_id);
            let local = own.local().await?;
            if let Some(record) = &record {
                if record.state != "down" {
                    manager.take_work_off(node_id).await?;
                }
                if is_manager(record) {
                    manager.set_role(node_id, Role::Worker).await?;
                }
            }
            if local.node_id == node_id {
                own.leave(false).await?;
            }
            manager.remove_node(node_id).await?;
            Ok(record.map(|record| receipt(&record, &local)))
        };
        left.await.map_err(|error| stuck(node, error))
    }

    /// Ends a swarm by letting its last member go, where nothing would be lost with it.
    pub(super) async fn dissolve(
        &self,
        node: &NodeName,
        own: &Engine,
        swarm: &str,
    ) -> Result<Option<SwarmReceipt>, Stuck> {
        let look = async {
            let local = own.local().await?;
            if local.state == SwarmState::Inactive {
                return Ok((local, Vec::new(), Default::default()));
            }
            Ok((local, own.nodes().await?, own.holdings().await?))
        };
        let (local, nodes, holdings) = look.await.map_err(|error| stuck(node, error))?;
        if local.state == SwarmState::Inactive {
            return Ok(None);
        }
        if local.cluster != swarm {
            return Err(
                Fault::new("swarm", format!("{node} is in another swarm by now, {}", local.cluster)).into()
            );
        }
        // The plan saw none of these; minutes may lie between.
        let others = nodes.iter().filter(|record| record.id != local.node_id).count();
        if others > 0 || !holdings.is_empty() {
            let what = if others > 0 { format!("{others} more members") } else { holdings.to_string() };
            return Err(Fault::new("swarm", format!("it has {what} by now, so it is not ended"))
                .help("look at `skep status`, then run the undo again")
                .into());
        }
        own.leave(true).await.map_err(|error| stuck(node, error))?;
        *self.ours.lock().await = None;
        let record = nodes.into_iter().find(|record| record.id == local.node_id);
        Ok(record.map(|record| receipt(&record, &local)))
    }
}

fn receipt(record: &SwarmNode, local: &Local) -> SwarmReceipt {
    SwarmReceipt::Left {
        role: if is_manager(record) { Role::Manager } else { Role::Worker },
        advertise: [&local.addr, &record.addr].into_iter().find_map(|addr| addr.parse().ok()),
        labels: record.labels.clone(),
        availability: record.availability.clone(),
    }
}
