//! What helps a host that stands in the swarm's way, by where it stands.

use crate::swarm::membership::{Standing, Unknown};

/// What to do about `whom`, one host or several that stand alike. Nothing here loses what a swarm holds unsaid.
pub(crate) fn remedy(whom: &str, standing: &Standing) -> String {
    match standing {
        Standing::Outside => format!("run `skep up`, which lets {whom} join"),
        // A member is amiss only where two hosts claim one record.
        Standing::Member { .. } => "run `skep plan`, which names the hosts with one node ID".to_owned(),
        Standing::Pending => {
            format!("bring the swarm's managers back, or end the join: `docker swarm leave` on {whom}")
        }
        Standing::Foreign { .. } => format!(
            "let it leave (`docker swarm leave --force` on {whom}, which ends what runs there), or take it out of the \
             inventory"
        ),
        Standing::Unplaced { managers, .. } => {
            let managers = match managers.as_slice() {
                [] => String::new(),
                some => format!(" ({})", some.join(", ")),
            };
            format!(
                "bring back enough of its managers{managers}; if they are lost for good, \
                 `docker swarm init --force-new-cluster --advertise-addr IP` on one that is left restores it"
            )
        }
        Standing::Error { .. } => {
            format!(
                "if it does not recover, let it leave (`docker swarm leave --force` on {whom}) and run `skep up`"
            )
        }
        Standing::Locked => format!("run `docker swarm unlock` on {whom}, then `skep up`"),
        Standing::Unknown(Unknown::Unreachable) => {
            format!("switch {whom} on or see what keeps SSH from it, then run `skep up`")
        }
        Standing::Unknown(Unknown::Absent) => format!("run `skep up`, which installs an engine on {whom}"),
        Standing::Unknown(Unknown::Stopped) => format!("start it: `systemctl start docker` on {whom}"),
        Standing::Unknown(Unknown::Silent { .. }) => {
            format!("wait until it answers, or look at `journalctl -u docker` on {whom}")
        }
    }
}
