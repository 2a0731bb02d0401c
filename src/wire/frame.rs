//! Frames: the length of the JSON that follows, in four bytes with the highest first.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest JSON of a frame in bytes. A survey of a large swarm is some hundred kilobytes; what is longer is not ours.
pub const MAX: usize = 64 << 20;

/// A message as a frame.
///
/// # Errors
/// Where the JSON is longer than [`MAX`].
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).ok().filter(|length| *length as usize <= MAX);
    let length = length.ok_or_else(|| too_long(frame.len() - 4))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// Writes one message and flushes.
///
/// # Errors
/// The stream's, and as [`encode`].
pub fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)?;
    stream.flush()
}

/// Reads one message; none where the stream ends before it.
///
/// # Errors
/// The stream's; `UnexpectedEof` where it ends within a frame; `InvalidData` where it is no frame of such a message.
pub fn read<M: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<M>> {
    let mut head = Vec::with_capacity(4);
    stream.by_ref().take(4).read_to_end(&mut head)?;
    let Some(length) = length(&head)? else { return Ok(None) };
    // Grows with what really comes, so that four bytes of garbage do not claim the memory of a small board.
    let mut json = Vec::new();
    stream.by_ref().take(length as u64).read_to_end(&mut json)?;
    decode(&json, length).map(Some)
}

/// As [`write`], for the controller.
///
/// # Errors
/// As [`write`].
#[cfg(feature = "controller")]
pub async fn send(
    stream: &mut (impl tokio::io::AsyncWrite + Unpin),
    message: &impl Serialize,
) -> io::Result<()> {
    use tokio::io::AsyncWriteExt;
    stream.write_all(&encode(message)?).await?;
    stream.flush().await
}

/// As [`read`], for the controller.
///
/// # Errors
/// As [`read`].
#[cfg(feature = "controller")]
pub async fn receive<M: DeserializeOwned>(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
) -> io::Result<Option<M>> {
    use tokio::io::AsyncReadExt;
    let mut head = Vec::with_capacity(4);
    (&mut *stream).take(4).read_to_end(&mut head).await?;
    let Some(length) = length(&head)? else { return Ok(None) };
    let mut json = Vec::new();
    (&mut *stream).take(length as u64).read_to_end(&mut json).await?;
    decode(&json, length).map(Some)
}

/// The length that a frame's head tells; none where the stream ended before it.
fn length(head: &[u8]) -> io::Result<Option<usize>> {
    if head.is_empty() {
        return Ok(None);
    }
    let head: [u8; 4] = head.try_into().map_err(|_| io::Error::from(ErrorKind::UnexpectedEof))?;
    let length = u32::from_be_bytes(head) as usize;
    if length > MAX { Err(too_long(length)) } else { Ok(Some(length)) }
}

fn decode<M: DeserializeOwned>(json: &[u8], length: usize) -> io::Result<M> {
    if json.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(json).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("a frame of {length} bytes; at most {MAX} are allowed"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Answer, Body, Reply, Request};
    use super::*;

    fn receive_all(mut bytes: &[u8]) -> io::Result<Vec<Request>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut all = Vec::new();
            while let Some(message) = receive(&mut bytes).await? {
                all.push(message);
            }
            Ok(all)
        })
    }

    fn read_all(mut bytes: &[u8]) -> io::Result<Vec<Request>> {
        std::iter::from_fn(|| read(&mut bytes).transpose()).collect()
    }

    #[test]
    fn both_readers_read_what_is_written() {
        let requests: Vec<_> = (0..3).map(|id| Request { id, body: Body::Unlock }).collect();
        let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request).expect("short")).collect();
        assert_eq!(read_all(&bytes).expect("whole frames"), requests);
        assert_eq!(receive_all(&bytes).expect("whole frames"), requests);
        assert_eq!(read_all(&[]).expect("an end"), []);
    }

    #[test]
    fn a_frame_is_its_length_and_json() {
        let frame = encode(&Reply { id: 1, body: Answer::Unlocked }).expect("short");
        assert_eq!(frame, b"\0\0\0\x1a{\"id\":1,\"body\":\"unlocked\"}");
    }

    #[test]
    fn refusals() {
        for (bytes, kind) in [
            (&b"\0\0"[..], ErrorKind::UnexpectedEof),
            (b"\0\0\0\x05{}", ErrorKind::UnexpectedEof),
            (b"\0\0\0\x02{}", ErrorKind::InvalidData),
            (b"\xff\xff\xff\xff{}", ErrorKind::InvalidData),
        ] {
            assert_eq!(read_all(bytes).expect_err("no frame").kind(), kind, "{bytes:?}");
            assert_eq!(receive_all(bytes).expect_err("no frame").kind(), kind, "{bytes:?}");
        }
    }

    #[test]
    fn too_long_a_message_is_not_sent() {
        let error = encode(&"x".repeat(MAX)).expect_err("two quotes too long");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn both_readers_agree_about_any_bytes(bytes: Vec<u8>) {
            let kind = |read: io::Result<Vec<Request>>| read.map_err(|error| error.kind());
            prop_assert_eq!(kind(read_all(&bytes)), kind(receive_all(&bytes)));
        }

        #[test]
        fn no_json_panics(json: Vec<u8>) {
            let mut bytes = u32::try_from(json.len()).expect("short").to_be_bytes().to_vec();
            bytes.extend(json);
            let _ = read_all(&bytes);
            let _: io::Result<Option<Reply>> = read(&mut &bytes[..]);
        }
    }
}
