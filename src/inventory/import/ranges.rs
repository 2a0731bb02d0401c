//! Host ranges of Ansible: `www[01:50].example`, `db-[a:f]`, `rack[1:3]-[a:c]`, `n[0:10:2]`.

use super::word::shown;

/// How many hosts one file may name: ten times what a swarm is known to bear.
pub(super) const MAX_HOSTS: usize = 1000;

/// A host name has up to 253 characters; a range in it takes some more.
const LONGEST: usize = 300;

/// The hosts that a pattern names, in order. Brackets without a colon are left as they are.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    if pattern.len() > LONGEST {
        return Err(format!("`{}` is too long for a host", shown(pattern)));
    }
    let mut done = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, inside, after)) = next_range(rest) {
        let items = items(inside)?;
        if done.len().saturating_mul(items.len()) > MAX_HOSTS {
            return Err(format!("`{}` names more than {MAX_HOSTS} hosts", shown(pattern)));
        }
        done = done
            .iter()
            .flat_map(|head| items.iter().map(move |item| format!("{head}{before}{item}")))
            .collect();
        rest = after;
    }
    done.iter_mut().for_each(|name| name.push_str(rest));
    Ok(done)
}

/// Text before, within and after the first `[x:y]`.
fn next_range(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text.get(from..)?.find('[')?;
        let close = open + text[open..].find(']')?;
        if text[open..close].contains(':') {
            return Some((&text[..open], &text[open + 1..close], &text[close + 1..]));
        }
        from = close;
    }
}

fn items(range: &str) -> Result<Vec<String>, String> {
    let odd = || {
        format!(
            "`[{}]` is no range: write `[1:9]`, `[01:50]`, `[a:f]` or with a step `[1:9:2]`",
            shown(range)
        )
    };
    let mut parts = range.split(':');
    let (first, last, step) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(odd)?, parts.next());
    let step: usize = step.map_or(Ok(1), str::parse).map_err(|_| odd())?;
    if parts.next().is_some() || step == 0 || last.is_empty() {
        return Err(odd());
    }
    let first = if first.is_empty() { "0" } else { first };
    match (letter(first), letter(last)) {
        (Some(a), Some(z)) if a <= z => {
            Ok(letters().skip(a).take(z - a + 1).step_by(step).map(String::from).collect())
        }
        (None, None) => numbers(first, last, step).ok_or_else(odd),
        _ => Err(odd()),
    }
}

/// The letters in the order that Ansible counts them: small ones first.
fn letters() -> impl Iterator<Item = char> {
    ('a'..='z').chain('A'..='Z')
}

fn letter(text: &str) -> Option<usize> {
    let mut chars = text.chars();
    let first = chars.next().filter(|_| chars.next().is_none())?;
    letters().position(|letter| letter == first)
}

fn numbers(first: &str, last: &str, step: usize) -> Option<Vec<String>> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // `01` keeps its zeros, and the last one must be as wide.
    let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
    if !digits(first) || !digits(last) || (width > 0 && width != last.len()) {
        return None;
    }
    let (from, to): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    // One more than allowed is enough for the caller to see that it is too many.
    let list: Vec<_> =
        (from..=to).step_by(step).take(MAX_HOSTS + 1).map(|number| format!("{number:0width$}")).collect();
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_expanded() {
        for (pattern, hosts) in [
            ("n1", "n1"),
            ("www[01:03].example", "www01.example www02.example www03.example"),
            ("db-[a:c]", "db-a db-b db-c"),
            ("n[8:11]", "n8 n9 n10 n11"),
            ("n[1:9:4]", "n1 n5 n9"),
            ("n[:2]", "n0 n1 n2"),
            ("r[1:2]-[a:b].lan", "r1-a.lan r1-b.lan r2-a.lan r2-b.lan"),
            ("n[y:B]", "ny nz nA nB"),
            ("n[x]", "n[x]"),
            ("n[x][1:2]", "n[x]1 n[x]2"),
            ("é[1:1]", "é1"),
            ("n[5:5]", "n5"),
        ] {
            assert_eq!(expand(pattern).map(|hosts| hosts.join(" ")).as_deref(), Ok(hosts), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for pattern in [
            "n[3:1]",
            "n[01:100]",
            "n[a:9]",
            "n[1:]",
            "n[1:2:0]",
            "n[1:2:3:4]",
            "n[:]",
            "n[c:a]",
            "n[-1:2]",
            "n[1:99999999999999999999]",
            "n[0:1000]",
            &"n".repeat(301),
            "n[1:100]-[1:100]",
            "n[1: 2]",
        ] {
            assert!(expand(pattern).is_err(), "{pattern}: {:?}", expand(pattern));
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_or_grows(pattern in "[a-c0-2:\\[\\]é]{0,20}") {
            if let Ok(hosts) = expand(&pattern) {
                prop_assert!(!hosts.is_empty() && hosts.len() <= MAX_HOSTS);
            }
        }
    }
}
