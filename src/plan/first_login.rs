//! Freshly flashed hosts: who is taken in, and what is done there first.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Action, Finding, Phase, PhaseName, Plan, Step, View};
use crate::inventory::SecretSource;
use crate::inventory::model::{Login, Node, NodeName};
use crate::resource::{Description, Fault, Key, Observed, Resource, account, basics, file, sshd};
use crate::words::list;

/// A freshly flashed host is taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstLogin {
    /// The image's own user.
    pub user: String,
    /// Whether a key opens it already: that of its owner, or of a run that was killed.
    pub begun: bool,
}

impl FirstLogin {
    pub(super) fn describe(&self) -> Description {
        let user = &self.user;
        Description::line(match self.begun {
            false => format!(
                "log in for the first time as {user} with the image's password, install keys, change the password (reboots \
                 if the image asks for it)"
            ),
            true => format!("replace the password of {user}, if it is the image's"),
        })
    }
}

/// Only keys let in; the first word on a setting counts. Whether root is let in at all is left as it is.
const KEYS_ONLY: &str = "# Written by skep.\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n";

/// The empty file by which a host remembers that the image's password of its user was seen to; see `fleet::first_login`.
pub(crate) fn password_note(user: &str) -> PathBuf {
    PathBuf::from(format!("/var/lib/skep/first-login-{user}"))
}

/// What is asked of a node to know whether its image's password was seen to; nothing where that is left to its owner: where
/// sudo wants one that nothing replaces.
pub(super) fn key(node: &Node) -> Option<Key> {
    let first = node.first_login.as_ref()?;
    let Login { user, sudo_password, .. } = &node.login;
    let same = first.user != "root" && user.as_ref().is_none_or(|user| *user == first.user);
    let sudo_wants_it = same && sudo_password.is_some() && *sudo_password != password_that_stays(node);
    (!sudo_wants_it).then(|| Key::File(password_note(&first.user)))
}

/// Where the password comes from that takes the place of the image's; a random one where absent. The inventory's own goes on
/// to log in.
pub(crate) fn password_that_stays(node: &Node) -> Option<SecretSource> {
    let first = node.first_login.as_ref()?;
    let Login { user, password, .. } = &node.login;
    let same = user.as_ref().is_none_or(|user| *user == first.user);
    first.new_password.clone().or_else(|| password.clone().filter(|_| same))
}

/// What a node that was freshly flashed should be, in this order: what starts the image's own wizard goes last.
pub(super) fn wanted(node: &Node) -> Vec<Resource> {
    let Some(first) = &node.first_login else { return Vec::new() };
    let account = first
        .account
        .as_ref()
        .map(|name| Resource::Account(account::Desired { name: name.clone(), keys_of: first.user.clone() }));
    let basics = basics::Desired {
        hostname: first.hostname.clone(),
        time_zone: first.time_zone.clone(),
        locale: first.locale.clone(),
    };
    let basics = (basics != basics::Desired::default()).then_some(Resource::Basics(basics));
    // Where the inventory itself logs in by password, that is not taken away.
    let keys_only = first.keys_only && node.login.password.is_none();
    let sshd = keys_only.then(|| {
        Resource::Sshd(sshd::Desired { name: "00-skep.conf".to_owned(), text: KEYS_ONLY.to_owned() })
    });
    account.into_iter().chain(basics).chain(sshd).chain([Resource::Wizard(())]).collect()
}

/// The hosts to take in, in the order of the inventory.
pub(super) fn steps(view: &View<'_>) -> Vec<Step> {
    let nodes = view.inventory.nodes.iter().filter(|node| view.choices.includes(&node.name));
    let step = |node: &Node| {
        let user = node.first_login.as_ref()?.user.clone();
        let begun = is_begun(view, node);
        let action = Action::FirstLogin(FirstLogin { user, begun });
        (begun || view.fresh.contains(&node.name)).then(|| Step { node: node.name.clone(), action })
    };
    nodes.filter_map(step).collect()
}

/// What this run could not do about passwords, and goes on without.
pub fn passwords_owed(view: &View<'_>) -> Vec<Finding> {
    let finding = |(node, fault): (&NodeName, &Fault)| Finding {
        nodes: vec![node.clone()],
        message: format!("the image's password of {node} may still be in force: {}", fault.cause),
        help: fault.help.clone().unwrap_or_else(|| "mend that, and run `skep up` again".to_owned()),
    };
    view.owed.iter().map(finding).collect()
}

/// Whether a key opens it, and nobody made sure of the image's password, or tried to in this run.
fn is_begun(view: &View<'_>, node: &Node) -> bool {
    if view.owed.contains_key(&node.name) {
        return false;
    }
    let observed = view.hosts.get(&node.name).zip(key(node)).and_then(|(host, key)| host.observed.get(&key));
    matches!(observed, Some(Ok(Observed::File(file::Observed::Absent))))
}

/// What `up` does before anything else; empty where nobody is to be taken in.
pub fn first_logins(view: &View<'_>) -> Plan {
    let steps = steps(view);
    let warnings = if steps.is_empty() { Vec::new() } else { vec![more_later(&steps)] };
    let phase = Phase { name: PhaseName::FirstLogin, steps };
    let phases = Some(phase).filter(|phase| !phase.steps.is_empty());
    Plan { warnings, ..Plan::new(phases.into_iter().collect()) }
}

pub(super) fn more_later(steps: &[Step]) -> Finding {
    let nodes: Vec<NodeName> = steps.iter().map(|step| step.node.clone()).collect();
    Finding {
        message: format!("what else there is to do shows once {} had a first login", list(&nodes)),
        help: "`skep up` shows the rest then, and asks again".to_owned(),
        nodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::model::FirstLogin as Wanted;
    use crate::plan::make;
    use crate::plan::tests::{on_bare_hosts, titles};
    use crate::swarm::world::World;

    fn wanted_of() -> Wanted {
        Wanted {
            user: "root".to_owned(),
            password: None,
            keys: Vec::new(),
            new_password: None,
            account: Some("pi".to_owned()),
            time_zone: None,
            locale: None,
            hostname: Some("n1".to_owned()),
            keys_only: true,
        }
    }

    /// Two bare hosts, of which the first may be freshly flashed, and whether its image's password was seen to.
    fn boards(seen_to: bool) -> World {
        let mut world = World::new("home").manager("n1").worker("n2");
        world.inventory.nodes[0].first_login = Some(wanted_of());
        let mut world = on_bare_hosts(world);
        if seen_to {
            let note = file::FileState {
                text: Some(String::new()),
                sha256: String::new(),
                mode: 0o600,
                uid: 0,
                gid: 0,
            };
            let key = key(&world.inventory.nodes[0]).unwrap();
            let host = world.hosts.get_mut(&NodeName::from("n1")).unwrap();
            host.observed.insert(key, Ok(Observed::File(file::Observed::File(note))));
        }
        world
    }

    #[test]
    fn of_a_fresh_host_nothing_is_planned_but_its_first_login_and_no_swarm_is_made() {
        let mut world = boards(false);
        world.hosts.remove(&NodeName::from("n1"));
        let fresh = [NodeName::from("n1")].into();
        let view = View { fresh: &fresh, ..world.view() };
        let plan = make(&view);
        assert!(plan.refusals.is_empty() && plan.problems.is_empty(), "{plan:?}");
        let first: Vec<_> = titles(&plan).into_iter().filter(|title| title.contains(" n1: ")).collect();
        assert_eq!(first.len(), 1, "{first:?}");
        assert!(first[0].starts_with("first login n1: log in for the first time as root"), "{first:?}");
        assert!(!titles(&plan).iter().any(|title| title.starts_with("swarm ")), "{:?}", titles(&plan));
        assert_eq!(titles(&first_logins(&view)), first);
        assert_eq!(plan.warnings, first_logins(&view).warnings);
    }

    #[test]
    fn the_password_of_one_that_a_key_opens_is_seen_to_once_and_one_outside_the_limit_left_alone() {
        let mut world = boards(false);
        assert_eq!(
            titles(&first_logins(&world.view())),
            ["first login n1: replace the password of root, if it is the image's"]
        );
        let mut limited = world.view();
        limited.choices.limit = Some([NodeName::from("n2")].into());
        assert!(first_logins(&limited).is_empty());
        assert!(first_logins(&boards(true).view()).is_empty());
        // What could not be done is told of, and keeps nobody from the rest.
        let mut owed = world.clone();
        let fault = Fault::new("n1", "environment variable IMAGE is not set");
        owed.owed.insert(NodeName::from("n1"), fault);
        assert!(first_logins(&owed.view()).is_empty());
        let plan = make(&owed.view());
        assert!(titles(&plan).iter().any(|title| title.starts_with("swarm n1: ")), "{:?}", titles(&plan));
        let told =
            |finding: &Finding| finding.message.contains("of n1 may still be in force: environment variable");
        assert!(plan.warnings.iter().any(told), "{:?}", plan.warnings);
        // What cannot be told is not taken for a password that has to go.
        let key = key(&world.inventory.nodes[0]).unwrap();
        let host = world.hosts.get_mut(&NodeName::from("n1")).unwrap();
        host.observed.insert(key, Err(Fault::new("it", "cannot be read")));
        assert!(first_logins(&world.view()).is_empty());
    }

    #[test]
    fn passwords_that_somebody_needs_are_left_to_their_owners() {
        let source = |name: &str| Some(SecretSource::Env(name.to_owned()));
        // The login, its password, the one for sudo, the image's user, the new password.
        for (user, password, sudo, image_user, new, asked) in [
            ("root", None, None, "root", None, true),
            ("root", None, source("A"), "root", None, true),
            ("root", source("A"), None, "root", None, true),
            ("bee", source("A"), None, "root", None, true),
            ("pi", None, None, "pi", None, true),
            ("pi", None, source("A"), "pi", None, false),
            ("pi", None, source("A"), "pi", source("B"), false),
            ("pi", None, source("A"), "pi", source("A"), true),
            ("pi", source("A"), source("A"), "pi", None, true),
            ("pi", source("A"), source("B"), "pi", None, false),
            ("pi", None, source("A"), "root", None, true),
        ] {
            let mut node = boards(false).inventory.nodes[0].clone();
            let user = Some(user.to_owned());
            node.login = Login { user, password, sudo_password: sudo, ..Login::default() };
            let first = Wanted { user: image_user.to_owned(), new_password: new, ..wanted_of() };
            node.first_login = Some(first);
            let expected = asked.then(|| Key::File(format!("/var/lib/skep/first-login-{image_user}").into()));
            assert_eq!(key(&node), expected, "{:?} {:?}", node.login, node.first_login);
        }
    }

    #[test]
    fn the_password_that_the_inventory_logs_in_with_goes_on_to_do_so() {
        // The login, its password, the image's user, the new password, and the one that stays.
        for (user, password, image_user, new, stays) in [
            (None, Some("A"), "root", None, Some("A")),
            (Some("pi"), Some("A"), "pi", None, Some("A")),
            (Some("pi"), Some("A"), "pi", Some("B"), Some("B")),
            (Some("bee"), Some("A"), "root", None, None),
            (Some("pi"), None, "pi", None, None),
        ] {
            let source = |name: Option<&str>| name.map(|name| SecretSource::Env(name.to_owned()));
            let mut node = boards(false).inventory.nodes[0].clone();
            let user = user.map(str::to_owned);
            node.login = Login { user, password: source(password), ..Login::default() };
            let first = Wanted { user: image_user.to_owned(), new_password: source(new), ..wanted_of() };
            node.first_login = Some(first);
            assert_eq!(password_that_stays(&node), source(stays), "{:?}", node.login);
        }
    }

    #[test]
    fn a_host_that_was_taken_in_becomes_what_it_should_be_the_wizard_last() {
        let world = boards(true);
        assert!(first_logins(&world.view()).is_empty());
        let plan = make(&world.view());
        let first: Vec<_> = titles(&plan).into_iter().filter(|title| title.contains("first login")).collect();
        assert_eq!(
            first,
            [
                "first login n1: make the user pi, let pi use sudo without a password, give pi the keys of root",
                "first login n1: name it n1 (is board)",
                "first login n1: write /etc/ssh/sshd_config.d/00-skep.conf, for the SSH server",
                "first login n1: do what Armbian's wizard would: remove /root/.not_logged_in_yet",
            ]
        );
    }

    #[test]
    fn boards_that_get_their_own_names_may_begin_with_one() {
        let mut world = boards(true);
        for name in ["n1", "n2"] {
            world.facts_mut(name).system.hostname = "board".to_owned();
        }
        // Only one of the two gets another name, so they do not stay alike.
        assert!(make(&world.view()).refusals.is_empty());
        world.inventory.nodes[0].first_login = None;
        assert!(make(&world.view()).refusals.iter().any(|refusal| refusal.message.contains("hostname")));
    }
}
