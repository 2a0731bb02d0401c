//! What of a mount's change is left to be done.

use super::super::Rest;
use super::{Action, Change, Observed, is_as_wanted, is_source};

/// Each part of a mount on its own: a run may have been killed between any two of them.
pub(super) fn rest(change: &Change, observed: &Observed) -> Rest<Change> {
    let mut foreign = Vec::new();
    let file = change.file.as_ref().and_then(|file| file.rest(observed.text.as_deref(), &mut foreign));
    let source = observed.mounted.as_ref().map(|mounted| mounted.source.as_str());
    let ours = source.is_none_or(|source| is_source(source, &change.source) || change.action == Action::Remount);
    if !ours {
        foreign.push(format!("{} is mounted at {} by now", source.unwrap_or_default(), change.at.display()));
    }
    if !foreign.is_empty() {
        // A mount without its unit, or a unit without its mount, would help nobody.
        return Rest { change: None, foreign };
    }
    let as_wanted = observed.mounted.as_ref().is_some_and(|mounted| {
        !observed.stale && is_as_wanted(mounted, &change.source, &change.required)
    });
    let action = match change.action {
        Action::Unmount if source.is_none() => Action::Keep,
        Action::Mount if source.is_some() => Action::Keep,
        Action::Remount if file.is_none() && as_wanted => Action::Keep,
        action => action,
    };
    let enable = change.enable.filter(|enable| *enable != observed.enabled);
    let needed = file.is_some() || enable.is_some() || action != Action::Keep || observed.reload_pending;
    Rest::of(needed.then(|| Change { file, enable, action, ..change.clone() }))
}
