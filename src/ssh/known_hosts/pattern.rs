//! Which host names the first field of a known_hosts line stands for: pure functions, after sshd(8),
//! "SSH_KNOWN_HOSTS FILE FORMAT".

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_encoding::base64::{Base64, Encoding};
use sha1::Sha1;

/// The port whose hosts are recorded by their bare name.
const DEFAULT_PORT: u16 = 22;

/// The name under which a host is recorded: `host`, or `[host]:port` away from port 22.
pub(super) fn recorded_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == DEFAULT_PORT { host } else { format!("[{host}]:{port}") }
}

/// Whether the hosts field `field` stands for `name`, which is in the form of [`recorded_name`].
pub(super) fn field_matches(field: &str, name: &str) -> bool {
    match field.strip_prefix("|1|") {
        Some(hashed) => hash_matches(hashed, name),
        None => list_matches(field, name),
    }
}

/// `salt|hash`, both base64: one name, never a list.
fn hash_matches(hashed: &str, name: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (Base64::decode_vec(salt), Base64::decode_vec(hash)) else {
        return false;
    };
    let Ok(mac) = Hmac::<Sha1>::new_from_slice(&salt) else {
        return false;
    };
    mac.chain_update(name).verify_slice(&hash).is_ok()
}

/// The hosts field for `name`, hashed with `salt`.
pub(super) fn hashed(name: &str, salt: &[u8]) -> String {
    // HMAC takes keys of any length.
    let mac = Hmac::<Sha1>::new_from_slice(salt).expect("a key").chain_update(name);
    format!("|1|{}|{}", Base64::encode_string(salt), Base64::encode_string(&mac.finalize().into_bytes()))
}

/// A comma list of patterns; a negated one that matches decides against the whole line.
fn list_matches(list: &str, name: &str) -> bool {
    let mut matched = false;
    for pattern in list.split(',') {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(excluded) if glob_matches(excluded, name) => return false,
            Some(_) => {}
            None => matched |= glob_matches(&pattern, name),
        }
    }
    matched
}

/// `*` stands for any run of characters, `?` for one; brackets are plain characters here.
///
/// It remembers only the last `*`, so that hostile patterns cost at most the product of the two lengths.
pub(crate) fn glob_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_carry_a_port_only_away_from_22() {
        assert_eq!(recorded_name("Pi.Local", 22), "pi.local");
        assert_eq!(recorded_name("192.168.2.1", 2222), "[192.168.2.1]:2222");
        assert_eq!(recorded_name("::1", 22), "::1");
        assert_eq!(recorded_name("::1", 23), "[::1]:23");
    }

    #[test]
    fn lists_wildcards_and_negations() {
        for (field, name, expected) in [
            ("pi", "pi", true),
            ("pi", "pi2", false),
            ("PI", "pi", true),
            ("a,pi,b", "pi", true),
            ("pi*", "pi.local", true),
            ("*", "", true),
            ("", "pi", false),
            ("p?", "pi", true),
            ("p?", "p", false),
            ("*.local,!pi.local", "pi.local", false),
            ("!pi.local,*.local", "pi.local", false),
            ("*.local,!pi.local", "n1.local", true),
            ("!other", "pi", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("192.168.2.*", "192.168.2.7", true),
            ("[192.168.2.7]:2222", "[192.168.2.7]:2222", true),
            ("[192.168.2.?]:*", "[192.168.2.7]:2222", true),
            ("192.168.2.7", "[192.168.2.7]:2222", false),
            ("[pi]:22", "pi", false),
        ] {
            assert_eq!(field_matches(field, name), expected, "{field} for {name}");
        }
    }

    #[test]
    fn hashed_names() {
        // Written by `ssh-keygen -H` for the name 192.168.2.1.
        let field = "|1|Nm0fKvmBSWeIEh6+0E9AVdV3cYw=|B8vTOFNokYHSaTlij235Ehd6vkU=";
        assert!(field_matches(field, "192.168.2.1"));
        assert!(!field_matches(field, "192.168.2.2"));
        let ours = hashed("192.168.2.1", &[7; 20]);
        assert!(field_matches(&ours, "192.168.2.1") && !field_matches(&ours, "192.168.2.2"), "{ours}");
        for broken in ["|1|", "|1||", "|1|abc", "|1|!!|!!", "|2|a|b"] {
            assert!(!field_matches(broken, "192.168.2.1"), "{broken}");
        }
    }
}
