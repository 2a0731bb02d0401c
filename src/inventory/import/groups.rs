//! Ansible's groups, hosts and variables as both of its formats write them, and what a host has of them in the end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::ranges::MAX_HOSTS;
use super::word::Word;
use super::yaml::Value;
use crate::inventory::check::Problem;

/// The group that every host is in.
pub(super) const ALL: &str = "all";
/// The group of hosts that are in no other.
pub(super) const UNGROUPED: &str = "ungrouped";
const MAX_GROUPS: usize = 1000;

/// A variable where it is set.
#[derive(Debug, Clone)]
pub(super) struct Var {
    pub(super) name: Word,
    pub(super) value: Rc<Value>,
    /// The host or group that it is set for.
    pub(super) scope: Rc<str>,
}

/// Variables by name; of several the last one counts.
type Vars = BTreeMap<String, Var>;

/// What the file says, before groups are followed.
#[derive(Debug, Default)]
pub(super) struct Groups {
    hosts: Vec<Host>,
    groups: Vec<Group>,
    host_index: HashMap<String, usize>,
    group_index: HashMap<String, usize>,
}

#[derive(Debug)]
struct Host {
    name: Word,
    vars: Vars,
    /// Indices of the groups that name it.
    groups: Vec<usize>,
}

#[derive(Debug)]
struct Group {
    name: Word,
    vars: Vars,
    /// Indices of the groups it is a child of.
    parents: Vec<usize>,
}

/// A host with all that holds for it.
#[derive(Debug, Clone)]
pub(super) struct Resolved<'a> {
    host: &'a Host,
    /// Its groups, those above them included, the most general first.
    groups: Vec<&'a Group>,
}

impl Resolved<'_> {
    /// How the file calls it.
    pub(super) fn name(&self) -> &Word {
        &self.host.name
    }

    /// Its groups' names, the most general first.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Word> {
        self.groups.iter().map(|group| &group.name)
    }

    /// The variable of that name which counts for it.
    pub(super) fn var(&self, name: &str) -> Option<&Var> {
        let of_groups = || self.groups.iter().rev().find_map(|group| group.vars.get(name));
        self.host.vars.get(name).or_else(of_groups)
    }
}

impl Groups {
    /// The group of that name, made where it is new.
    pub(super) fn group(&mut self, name: &Word) -> Result<usize, Problem> {
        if let Some(index) = self.group_index.get(&name.text) {
            return Ok(*index);
        }
        if self.groups.len() >= MAX_GROUPS {
            let message = format!("there are more than {MAX_GROUPS} groups");
            return Err(Problem::error(name.span.clone(), message));
        }
        self.group_index.insert(name.text.clone(), self.groups.len());
        self.groups.push(Group { name: name.clone(), vars: Vars::new(), parents: Vec::new() });
        Ok(self.groups.len() - 1)
    }

    /// The host of that name in a group, made where it is new.
    pub(super) fn host(&mut self, name: &Word, group: usize) -> Result<usize, Problem> {
        let index = match self.host_index.get(&name.text) {
            Some(index) => *index,
            None if self.hosts.len() >= MAX_HOSTS => {
                let message = format!("there are more than {MAX_HOSTS} hosts");
                return Err(Problem::error(name.span.clone(), message));
            }
            None => {
                self.host_index.insert(name.text.clone(), self.hosts.len());
                self.hosts.push(Host { name: name.clone(), vars: Vars::new(), groups: Vec::new() });
                self.hosts.len() - 1
            }
        };
        let groups = &mut self.hosts[index].groups;
        if !groups.contains(&group) {
            groups.push(group);
        }
        Ok(index)
    }

    /// Sets a variable of a host; the last one counts.
    pub(super) fn host_var(&mut self, host: usize, var: Var) {
        self.hosts[host].vars.insert(var.name.text.clone(), var);
    }

    /// Sets a variable of a group; the last one counts.
    pub(super) fn group_var(&mut self, group: usize, var: Var) {
        self.groups[group].vars.insert(var.name.text.clone(), var);
    }

    /// Makes one group the child of another.
    pub(super) fn child(&mut self, parent: usize, child: usize) {
        let parents = &mut self.groups[child].parents;
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }

    /// The hosts in the order of the file, each with what holds for it: `all` first, then group below group, those
    /// of one depth by `ansible_group_priority` and name, then the host's own.
    pub(super) fn resolve(&self) -> Result<Vec<Resolved<'_>>, Problem> {
        let depths = self.depths()?;
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|index| {
            let group = &self.groups[*index];
            (group.name.text != ALL, depths[*index], group.priority(), &group.name.text)
        });
        Ok(self.hosts.iter().map(|host| self.resolved(host, &order)).collect())
    }

    fn resolved<'a>(&'a self, host: &'a Host, order: &[usize]) -> Resolved<'a> {
        let mut of = HashSet::new();
        let mut open = host.groups.clone();
        open.extend(self.group_index.get(ALL));
        while let Some(index) = open.pop() {
            if of.insert(index) {
                open.extend(&self.groups[index].parents);
            }
        }
        let groups =
            order.iter().filter(|index| of.contains(index)).map(|index| &self.groups[*index]).collect();
        Resolved { host, groups }
    }

    /// Every variable wherever it is set.
    pub(super) fn vars(&self) -> impl Iterator<Item = &Var> {
        let of_groups = self.groups.iter().flat_map(|group| group.vars.values());
        of_groups.chain(self.hosts.iter().flat_map(|host| host.vars.values()))
    }

    /// Every group's name.
    pub(super) fn names(&self) -> impl Iterator<Item = &Word> {
        self.groups.iter().map(|group| &group.name)
    }

    /// How far below `all` each group is at most; groups within themselves are refused.
    fn depths(&self) -> Result<Vec<usize>, Problem> {
        let mut depths = vec![1; self.groups.len()];
        let mut children = vec![Vec::new(); self.groups.len()];
        for (child, group) in self.groups.iter().enumerate() {
            group.parents.iter().for_each(|parent| children[*parent].push(child));
        }
        let mut waiting: Vec<usize> = self.groups.iter().map(|group| group.parents.len()).collect();
        let mut ready: Vec<usize> = (0..waiting.len()).filter(|index| waiting[*index] == 0).collect();
        while let Some(parent) = ready.pop() {
            for child in &children[parent] {
                depths[*child] = depths[*child].max(depths[parent] + 1);
                waiting[*child] -= 1;
                if waiting[*child] == 0 {
                    ready.push(*child);
                }
            }
        }
        match waiting.iter().position(|left| *left > 0) {
            None => Ok(depths),
            Some(index) => {
                let name = &self.groups[index].name;
                let message = format!("the group `{}` is, through its children, within itself", name.shown());
                Err(Problem::error(name.span.clone(), message).help("take one of its `children` out"))
            }
        }
    }
}

impl Group {
    fn priority(&self) -> i64 {
        let set = self.vars.get("ansible_group_priority");
        set.and_then(|var| var.value.word()?.text.parse().ok()).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        Word::new(text.into(), 0..1)
    }

    fn var(name: &str, value: &str) -> Var {
        Var { name: word(name), value: Value::text(value.into(), 0..1), scope: "x".into() }
    }

    fn value(host: &Resolved<'_>, name: &str) -> String {
        host.var(name).expect("set").value.word().expect("a word").text
    }

    #[test]
    fn the_nearer_group_counts_and_the_host_most() {
        let mut groups = Groups::default();
        let [all, top, below, beside] =
            [ALL, "top", "below", "beside"].map(|name| groups.group(&word(name)).expect("a group"));
        groups.child(top, below);
        groups.child(all, top);
        let host = groups.host(&word("h"), below).expect("a host");
        groups.host(&word("h"), beside).expect("a host");
        for (group, names) in [(below, "abcd"), (top, "abc"), (all, "ab"), (beside, "e")] {
            for name in names.chars() {
                groups.group_var(group, var(&name.to_string(), &group.to_string()));
            }
        }
        groups.host_var(host, var("d", "host"));
        let resolved = groups.resolve().expect("no circle");
        let host = &resolved[0];
        assert_eq!(value(host, "a"), below.to_string());
        assert_eq!((value(host, "d"), value(host, "e")), ("host".into(), beside.to_string()));
        let names: Vec<_> = host.groups().map(|group| group.text.as_str()).collect();
        assert_eq!(names, [ALL, "beside", "top", "below"]);
    }

    #[test]
    fn groups_of_one_depth_count_by_priority_then_name() {
        let mut groups = Groups::default();
        let [b, a] = ["b", "a"].map(|name| groups.group(&word(name)).expect("a group"));
        groups.host(&word("h"), a).expect("a host");
        groups.host(&word("h"), b).expect("a host");
        groups.group_var(a, var("v", "a"));
        groups.group_var(b, var("v", "b"));
        assert_eq!(value(&groups.resolve().expect("no circle")[0], "v"), "b");
        groups.group_var(a, var("ansible_group_priority", "10"));
        assert_eq!(value(&groups.resolve().expect("no circle")[0], "v"), "a");
    }

    #[test]
    fn circles_are_refused() {
        let mut groups = Groups::default();
        let [a, b] = ["a", "b"].map(|name| groups.group(&word(name)).expect("a group"));
        groups.child(a, b);
        groups.child(b, a);
        assert!(groups.resolve().is_err());
    }
}
