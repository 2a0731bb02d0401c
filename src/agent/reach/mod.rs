//! Trying ports and packet sizes between hosts: [`ear`] notices what arrives, [`probe`] sends.

pub(super) mod ear;
pub(super) mod probe;

/// What every datagram of an audit begins with. Its first byte lacks the flag that a VXLAN header has (RFC 7348), so
/// that the kernel drops it from an overlay network's port at once.
const MAGIC: &[u8; 5] = b"skep\x01";

/// Bytes of a mark.
const MARK: usize = MAGIC.len() + 8 + 4;

/// The beginning of a datagram: whose it is, and of which audit.
fn mark(token: u64, from: u32) -> [u8; MARK] {
    let mut mark = [0; MARK];
    mark[..5].copy_from_slice(MAGIC);
    mark[5..13].copy_from_slice(&token.to_be_bytes());
    mark[13..].copy_from_slice(&from.to_be_bytes());
    mark
}

/// Whose datagram of the audit `token` it is; none where it is no such.
fn sender(payload: &[u8], token: u64) -> Option<u32> {
    let rest = payload.strip_prefix(MAGIC)?.strip_prefix(&token.to_be_bytes())?;
    Some(u32::from_be_bytes(*rest.first_chunk()?))
}

/// The system's words without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn marks_are_read_as_they_are_written() {
        for (token, from) in [(0, 0), (u64::MAX, u32::MAX), (0x0102_0304_0506_0708, 9)] {
            let mut payload = mark(token, from).to_vec();
            assert_eq!(sender(&payload, token), Some(from));
            assert_eq!(sender(&payload, token ^ 1), None, "of another audit");
            assert_eq!(sender(&payload[..MARK - 1], token), None, "cut");
            payload.resize(1472, 0);
            assert_eq!(sender(&payload, token), Some(from));
        }
        assert_eq!(sender(b"", 0), None);
        // The flag of a valid VXLAN network identifier.
        assert_eq!(mark(0, 0)[0] & 0x08, 0);
    }

    #[test]
    fn words_are_the_systems() {
        assert_eq!(words(&io::Error::from(Errno::EHOSTUNREACH)), "No route to host");
    }
}
