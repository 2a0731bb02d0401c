//! The words of a kernel's command line that switch controllers of cgroups on and off.

/// What switches controllers off, as a list with commas; unknown to nobody.
pub(crate) const DISABLE: &str = "cgroup_disable=";

/// What switches them on: Armbian's, Raspberry Pi's and Debian's older kernels know it, others pass it by.
pub(super) const ENABLE: &str = "cgroup_enable=";

/// The words that switch controllers on.
pub(crate) fn arguments(controllers: &[impl AsRef<str>]) -> String {
    let each: Vec<_> = controllers.iter().map(|name| format!("{ENABLE}{}", name.as_ref())).collect();
    each.join(" ")
}

/// Whether one of the words switches a controller on.
pub(super) fn enables<'w>(words: impl IntoIterator<Item = &'w str>, name: &str) -> bool {
    words.into_iter().any(|word| has(word, ENABLE, name))
}

/// Whether one of the words switches one of the controllers off.
pub(crate) fn disables<'w>(words: impl IntoIterator<Item = &'w str>, controllers: &[impl AsRef<str>]) -> bool {
    let of = |word: &str| controllers.iter().any(|name| has(word, DISABLE, name.as_ref()));
    words.into_iter().any(of)
}

/// Whether the words of a command line switch a controller on, and none of them switches it off.
pub(crate) fn in_force(words: &[String], name: &str) -> bool {
    let each = || words.iter().map(String::as_str);
    enables(each(), name) && !disables(each(), &[name])
}

/// Whether a word is that switch, with the controller in its list; it may stand in an assignment of a shell.
fn has(word: &str, switch: &str, name: &str) -> bool {
    let list = word.split_once(switch).map_or("", |(_, list)| list);
    list.split(',').any(|of| of.trim_matches(['"', '\'']) == name)
}

/// A word without the controllers that it switches off; none where nothing is left of it.
pub(super) fn without(word: &str, controllers: &[String]) -> Option<String> {
    let Some(list) = word.strip_prefix(DISABLE) else { return Some(word.to_owned()) };
    let left: Vec<_> = list.split(',').filter(|name| !controllers.iter().any(|of| of == name)).collect();
    (!left.is_empty()).then(|| format!("{DISABLE}{}", left.join(",")))
}
