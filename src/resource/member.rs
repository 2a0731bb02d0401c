//! Users in a group.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Description, Fault, Host, Kind, Problem, Progress, Rest};

/// Users that should be in a group. It takes effect when they log in next.
#[derive(Debug)]
pub enum Member {}

/// Which users are asked about, and of which group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The group.
    pub group: String,
    /// The users.
    pub users: BTreeSet<String>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Those of the users that the host does not know.
    pub unknown: BTreeSet<String>,
    /// Those of the users that are in the group.
    pub members: BTreeSet<String>,
}

/// Users put into a group or taken out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The group.
    pub group: String,
    /// Users that come in.
    pub add: BTreeSet<String>,
    /// Users that go out.
    pub remove: BTreeSet<String>,
}

impl Kind for Member {
    type Key = Key;
    type Desired = Key;
    type Observed = Observed;
    type Change = Change;
    type Receipt = Change;

    fn key(desired: &Key) -> Key {
        desired.clone()
    }

    fn observe(keys: &[Key], host: &Host) -> Result<Vec<Observed>, Fault> {
        keys.iter().map(|key| look(key, host)).collect()
    }

    fn diff(desired: &Key, observed: &Observed) -> Result<Option<Change>, Problem> {
        let Key { group, users } = desired;
        if !observed.unknown.is_empty() {
            let names = list(&observed.unknown);
            return Err(Problem {
                message: format!("there is no user {names} on the host to put into the group {group}"),
                help: format!("make it there (`adduser {}`), or take it out of `engine.group`", names.replace(", ", " ")),
            });
        }
        let add: BTreeSet<String> = users.difference(&observed.members).cloned().collect();
        Ok((!add.is_empty()).then(|| Change { group: group.clone(), add, remove: BTreeSet::new() }))
    }

    fn apply(change: &Change, host: &Host, _: &mut dyn FnMut(Progress)) -> Result<Change, Fault> {
        let all = Key { group: change.group.clone(), users: change.add.union(&change.remove).cloned().collect() };
        let before = look(&all, host)?.members;
        let add: BTreeSet<String> = change.add.difference(&before).cloned().collect();
        let remove: BTreeSet<String> = change.remove.intersection(&before).cloned().collect();
        let turns = add.iter().map(|user| ("-a", user)).chain(remove.iter().map(|user| ("-d", user)));
        for (option, user) in turns {
            let output = host.run("gpasswd", &[option, user, &change.group])?;
            let is_in = look(&Key { users: [user.clone()].into(), ..all.clone() }, host)?.members.contains(user);
            if is_in != (option == "-a") {
                let what = format!("gpasswd {option} {user} {}", change.group);
                return Err(Fault::new(&what, output.last_words()).help(format!("run `{what}` on the host to see what it says")));
            }
        }
        Ok(Change { group: change.group.clone(), add, remove })
    }

    fn undo(receipt: &Change) -> Option<Change> {
        let Change { group, add, remove } = receipt.clone();
        (!add.is_empty() || !remove.is_empty()).then_some(Change { group, add: remove, remove: add })
    }

    fn key_of(change: &Change) -> Option<Key> {
        Some(Key { group: change.group.clone(), users: change.add.union(&change.remove).cloned().collect() })
    }

    fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
        // A user who is gone since takes the membership along.
        let here = observed.members.union(&observed.unknown).cloned().collect();
        let add: BTreeSet<String> = change.add.difference(&here).cloned().collect();
        let remove: BTreeSet<String> = change.remove.intersection(&observed.members).cloned().collect();
        let needed = !add.is_empty() || !remove.is_empty();
        Rest::of(needed.then(|| Change { group: change.group.clone(), add, remove }))
    }

    fn describe(change: &Change) -> Description {
        let add = (!change.add.is_empty())
            .then(|| format!("put {} into the group {} (from the next login on)", list(&change.add), change.group));
        let remove = (!change.remove.is_empty())
            .then(|| format!("take {} out of the group {} (from the next login on)", list(&change.remove), change.group));
        Description::line(add.into_iter().chain(remove).collect::<Vec<_>>().join(", "))
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// getent knows users of directories (LDAP) too; it ends with 2 where it does not know one.
fn look(key: &Key, host: &Host) -> Result<Observed, Fault> {
    let lines = |database: &str, names: &[&str]| -> Result<Vec<Vec<String>>, Fault> {
        let output = host.command("getent").args([database]).args(names).run()?;
        if !matches!(output.status, 0 | 2) {
            return Err(Fault::new(format!("getent {database} {}", names.join(" ")), output.last_words()));
        }
        Ok(output.stdout.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    };
    let names: Vec<&str> = key.users.iter().map(String::as_str).collect();
    let known = lines("passwd", &names)?;
    let group = lines("group", &[&key.group])?.into_iter().next().unwrap_or_default();
    let field = |fields: &[String], place: usize| fields.get(place).cloned().unwrap_or_default();
    let (gid, listed) = (field(&group, 2), field(&group, 3));
    let account = |user: &String| known.iter().find(|fields| fields.first() == Some(user));
    let is_in = |user: &String| {
        let primary = account(user).is_some_and(|fields| !gid.is_empty() && field(fields, 3) == gid);
        primary || listed.split(',').any(|member| member == user)
    };
    Ok(Observed {
        unknown: key.users.iter().filter(|user| account(user).is_none()).cloned().collect(),
        members: key.users.iter().filter(|user| is_in(user)).cloned().collect(),
    })
}

#[cfg(test)]
mod tests;
