//! Steps that go through the nodes' engines, and are carried on with where a connection is lost.

use futures_util::future::join_all;

use super::Executor;
use super::recover::TRIES;
use super::swarm::Stuck;
use crate::inventory::model::NodeName;
use crate::resource::Fault;

impl Executor<'_> {
    /// Does a step that asks engines. Where the connection to its node or to the manager is lost in the middle of it,
    /// it is done `again`, which has to look first how far it came.
    pub(super) async fn through<T>(
        &self,
        node: &NodeName,
        act: impl AsyncFn(bool) -> Result<T, Stuck>,
    ) -> Result<T, Fault> {
        let session = self.session(node)?;
        // The agent answers as long as the run lock is ours: engines would obey a run that has lost it.
        session.probe().await;
        self.back(session).await?;
        let mut again = false;
        let mut tried = 0;
        loop {
            tried += 1;
            let marks: Vec<_> = self.sessions.values().map(|session| (session, session.mark())).collect();
            let Stuck { fault, broken } = match act(again).await {
                Ok(done) => return Ok(done),
                Err(stuck) => stuck,
            };
            if tried == TRIES {
                return Err(fault);
            }
            if broken {
                join_all(marks.iter().map(|(session, _)| session.probe())).await;
            }
            // What went wrong may be the engine's own doing; then nothing is gained by asking again.
            if !marks.iter().any(|(session, mark)| session.lost_since(mark)) {
                return Err(fault);
            }
            self.back(session).await?;
            self.resumed(session, "connected again; looking how far the step came");
            self.swarm.await_engine(node).await;
            again = true;
        }
    }
}
