//! What a change was to bring about, for a step that nobody knows the outcome of.

use super::desire;
use super::templates::Texts;
use super::view::View;
use crate::inventory::model::NodeName;
use crate::resource::{Change, Resource};

/// The resource that a node was to have when `change` was planned from `view`; none where it was planned from
/// something else.
pub fn resource_of(view: &View<'_>, node: &NodeName, change: &Change) -> Option<Resource> {
    let (node, host) = (view.inventory.node(node)?, view.hosts.get(node)?);
    let asks_for_it = |resource: &Resource| {
        let observed = host.observed.get(&resource.key());
        observed.and_then(|observed| observed.as_ref().ok()).is_some_and(|observed| {
            resource.diff(observed).is_ok_and(|planned| planned.as_ref() == Some(change))
        })
    };
    let texts = Texts::new(&view.inventory.templates, node);
    let (resources, _) = desire::resources(view.inventory, node, host, &view.choices, &texts);
    resources.into_iter().map(|(_, resource)| resource).find(asks_for_it)
}
