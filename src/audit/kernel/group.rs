//! A group of options, judged together.

use super::item::{Item, Need};
use super::remedy;
use super::target::Target;
use crate::audit::{Judgement, Severity};
use crate::facts::Support;
use crate::facts::kernel_options::module_of;

/// A group of options, which is one check.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) items: &'static [Item],
    /// What else helps where one is missing that has to be there.
    pub(super) otherwise: Option<&'static str>,
}

/// How a kernel stands with an option.
#[derive(Debug, Clone, Copy)]
struct Standing<'a> {
    item: &'a Item,
    severity: Severity,
}

/// Options that are named in a message; the rest are in the evidence.
const NAMED: usize = 3;

impl Group {
    /// Judges a kernel by it.
    pub(super) fn judge(&self, target: &Target<'_>) -> Vec<Judgement> {
        judge(target, self.items, self.otherwise)
    }
}

/// Judges a kernel by some options: one judgement for each severity there is, the worst first.
pub(super) fn judge(target: &Target<'_>, items: &[Item], otherwise: Option<&str>) -> Vec<Judgement> {
    let standings: Vec<_> =
        items.iter().filter(|item| target.knows(item)).map(|item| standing(target, item)).collect();
    let of = |severity| standings.iter().copied().filter(move |standing| standing.severity == severity);
    let mut judgements = Vec::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Unknown, Severity::Note] {
        let amiss: Vec<_> = of(severity).collect();
        if !amiss.is_empty() {
            let judgement = Judgement::new(severity, message(target, severity, &amiss));
            let judgement = judgement.seen(target.looked_at(), lines(target, &amiss));
            let items: Vec<_> = amiss.iter().map(|standing| standing.item).collect();
            let helps = match severity {
                Severity::Error | Severity::Warning => remedy::of_options(target, &items),
                Severity::Unknown => remedy::of_no_configuration(target),
                _ => Vec::new(),
            };
            let otherwise = otherwise.filter(|_| severity == Severity::Error);
            let helps = helps.into_iter().chain(otherwise.map(str::to_owned));
            judgements.push(helps.fold(judgement, Judgement::remedy));
        }
    }
    let well: Vec<_> = of(Severity::Ok).collect();
    match judgements.first_mut() {
        Some(worst) if !well.is_empty() => {
            *worst = worst.clone().seen(target.looked_at(), lines(target, &well))
        }
        Some(_) => {}
        None if well.is_empty() => {}
        None => {
            let message = match well.as_slice() {
                [one] => format!("the kernel has {}", named(one)),
                more if more.iter().all(|one| one.item.need != Need::Unneeded) => {
                    format!("the kernel has all {} options", more.len())
                }
                [first, ..] => format!("the kernel has {}", named(first)),
                [] => unreachable!("there is at least one"),
            };
            judgements.push(Judgement::ok(message).seen(target.looked_at(), lines(target, &well)));
        }
    }
    judgements
}

fn standing<'i>(target: &Target<'_>, item: &'i Item) -> Standing<'i> {
    let need = item.need(target.running.map(|running| running.cgroup));
    let severity = match (need, target.support(item.option)) {
        (Need::Unwanted, Support::BuiltIn | Support::Module) => Severity::Note,
        (Need::Unwanted | Need::Unneeded, _) => Severity::Ok,
        (_, Support::BuiltIn | Support::Module) => Severity::Ok,
        _ if stands_in(target, item) => Severity::Ok,
        (_, Support::Unknown) => Severity::Unknown,
        (Need::Must, _) => Severity::Error,
        (Need::Should, _) => Severity::Warning,
        (Need::May, _) => Severity::Note,
    };
    Standing { item, severity }
}

/// Whether other options do the same.
fn stands_in(target: &Target<'_>, item: &Item) -> bool {
    !item.instead.is_empty() && item.instead.iter().all(|option| target.has(option))
}

fn named(standing: &Standing<'_>) -> String {
    format!("CONFIG_{}", standing.item.option)
}

/// `CONFIG_A, CONFIG_B and 2 more are not set: what is lost`.
fn message(target: &Target<'_>, severity: Severity, amiss: &[Standing<'_>]) -> String {
    let mut names: Vec<_> = amiss.iter().take(NAMED).map(named).collect();
    if amiss.len() == NAMED + 1 {
        names.push(named(&amiss[NAMED]));
    } else if amiss.len() > NAMED {
        names.push(format!("{} more", amiss.len() - NAMED));
    }
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    if severity == Severity::Unknown {
        return format!("whether the kernel has {names} is not to be seen");
    }
    let mut lost: Vec<_> = amiss.iter().map(|standing| standing.item.lost).collect();
    lost.dedup();
    lost.truncate(NAMED);
    let all = |is: &dyn Fn(&Standing<'_>) -> bool| amiss.iter().all(is);
    let how = match () {
        () if all(&|one| one.item.need == Need::Unwanted) => "set",
        () if all(&|one| target.support(one.item.option) == Support::ModuleMissing) => {
            "not installed as a module"
        }
        () if all(&|one| target.support(one.item.option) == Support::Missing) => "not set",
        () => "not as it should be",
    };
    let how = format!("{} {how}", if amiss.len() == 1 { "is" } else { "are" });
    format!("{names} {how}: {}", lost.join("; "))
}

fn lines(target: &Target<'_>, standings: &[Standing<'_>]) -> String {
    let lines: Vec<_> = standings.iter().map(|standing| line(target, standing.item)).collect();
    lines.join("\n")
}

/// What was seen of an option.
pub(super) fn line(target: &Target<'_>, item: &Item) -> String {
    let option = item.option;
    let seen = support_line(target, option);
    if target.has(option) || !stands_in(target, item) {
        return seen;
    }
    let instead: Vec<_> = item.instead.iter().map(|option| support_line(target, option)).collect();
    format!("{seen} (instead: {})", instead.join(", "))
}

/// What was seen of an option by its name.
pub(super) fn support_line(target: &Target<'_>, option: &str) -> String {
    let module = module_of(option);
    let loaded =
        target.running.zip(module).is_some_and(|(running, module)| running.kernel.loaded.contains(module));
    let (configured, missing) = (target.place.is_some(), module.unwrap_or("of that option"));
    match target.support(option) {
        Support::BuiltIn if configured => format!("CONFIG_{option}=y"),
        Support::Module if configured && loaded => format!("CONFIG_{option}=m (loaded)"),
        Support::Module if configured => format!("CONFIG_{option}=m"),
        Support::BuiltIn => format!("CONFIG_{option}: at work"),
        Support::Module => format!("CONFIG_{option}: as a module"),
        Support::ModuleMissing => format!("CONFIG_{option}=m, but no module {missing} is installed"),
        Support::Missing if configured => format!("CONFIG_{option} is not set"),
        Support::Missing => format!("CONFIG_{option}: no module {missing}"),
        Support::Unknown => format!("CONFIG_{option}: not to be seen"),
    }
}
