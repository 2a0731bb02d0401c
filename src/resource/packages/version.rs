//! Versions as users write them (`28.*`), held against Debian's (`5:28.5.2-1~debian.12~bookworm`).

/// Whether a wanted version, in which `*` stands for any run of characters, is met by Debian's: by the whole of it, or
/// by what is left without its epoch, its revision and what a distribution adds.
pub fn fits(wanted: &str, version: &str) -> bool {
    let bare = without_epoch(version);
    let upstream = bare.split('-').next().unwrap_or(bare);
    [version, bare, upstream, plain(version)].iter().any(|spelling| matches(wanted, spelling))
}

/// Whether everything that fits `wanted` is older than the installed version, as far as its numbers tell.
pub fn is_older(wanted: &str, installed: &str) -> bool {
    let numbers = |text: &str| -> Vec<Option<u64>> { text.split('.').map(|part| part.parse().ok()).collect() };
    let known = plain(wanted).split('*').next().unwrap_or_default().trim_end_matches('.');
    let mut pairs = numbers(known).into_iter().zip(numbers(plain(installed)));
    let difference = pairs.find(|(wanted, installed)| wanted != installed);
    matches!(difference, Some((Some(wanted), Some(installed))) if wanted < installed)
}

fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

/// What upstream calls it: without Debian's revision (`-1`), `+dfsg1`, and the number that Docker's older packages
/// counted up themselves (`~3`). A release candidate (`~rc.1`) stays one.
fn plain(version: &str) -> &str {
    let bare = without_epoch(version);
    let upstream = bare.split(['-', '+']).next().unwrap_or(bare);
    match upstream.rsplit_once('~') {
        Some((release, count)) if count.bytes().all(|byte| byte.is_ascii_digit()) => release,
        _ => upstream,
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|place| text.is_char_boundary(*place)).any(|place| matches(rest, &text[place..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, expected) in [
            ("20.10.*", "20.10.24+dfsg1", true),
            ("20.10.*", "20.1", false),
            ("20.10", "20.10.24", false),
            ("20.10.24", "20.10.24", true),
            ("*", "", true),
            ("5:28.*~debian.12*", "5:28.2.1-1~debian.12~bookworm", true),
            ("5:28.*~debian.12*", "5:28.2.1-1~debian.11~bullseye", false),
            ("*ü*", "aüb", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn upstream_versions_fit_what_packages_make_of_them() {
        const CE: &str = "5:28.5.2-1~debian.12~bookworm";
        const OLD_CE: &str = "5:20.10.24~3-0~debian-bookworm";
        for (wanted, version, expected) in [
            ("28.*", CE, true),
            ("28.5.*", CE, true),
            ("28.5.2", CE, true),
            ("28.5.2-1~debian.12~bookworm", CE, true),
            (CE, CE, true),
            ("28.5", CE, false),
            ("28", CE, false),
            ("8.*", CE, false),
            ("5.*", CE, false),
            ("20.10.24", OLD_CE, true),
            ("20.10.24~3", OLD_CE, true),
            ("20.10.24", "20.10.24+dfsg1-1+deb12u1+b2", true),
            ("20.10.*", "20.10.24+dfsg1-1+deb12u1+b2", true),
            ("28.2.2", "28.2.2-0ubuntu1~24.04.1", true),
            ("29.0.0", "5:29.0.0~rc.1-1~debian.13~trixie", false),
        ] {
            assert_eq!(fits(wanted, version), expected, "{wanted} {version}");
        }
    }

    #[test]
    fn the_first_number_that_differs_tells_the_direction() {
        for (wanted, installed, expected) in [
            ("28.4.*", "5:28.5.2-1~debian.12~bookworm", true),
            ("28.*", "5:29.0.1-1~debian.12~bookworm", true),
            ("5:28.4.0-1~x", "5:28.5.2-1~x", true),
            ("9.*", "5:28.5.2-1~x", true),
            ("29.*", "5:28.5.2-1~x", false),
            ("28.10.0", "5:28.5.2-1~x", false),
            ("28.5.3", "5:28.5.2-1~x", false),
            ("*", "1", false),
            ("28.5.2-2", "5:28.5.2-1", false),
            ("x.*", "1.2", false),
            ("1.*", "x.2", false),
        ] {
            assert_eq!(is_older(wanted, installed), expected, "{wanted} {installed}");
        }
    }
}
