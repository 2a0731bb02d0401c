//! The least of HTTP that asks an engine a question: `GET` over its socket.
//!
//! Version 1.0, so that the answer ends with the connection and is never chunked.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far more than a swarm of a thousand nodes answers.
const MAX_ANSWER: usize = 32 << 20;

/// Asks for `path` and parses the JSON that comes back within `patience`.
///
/// # Errors
/// The system's or the engine's own words.
pub(super) fn get(socket: &Path, path: &str, patience: Duration) -> Result<Value, String> {
    let answer = ask(socket, path, Instant::now() + patience).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("GET {path}: no answer within {} s", patience.as_secs())
        }
        _ => format!("GET {path} over {}: {error}", socket.display()),
    })?;
    parse(&answer).map_err(|cause| format!("GET {path}: {cause}"))
}

fn ask(socket: &Path, path: &str, deadline: Instant) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer)? {
            0 => return Ok(answer),
            read => answer.extend_from_slice(&buffer[..read]),
        }
        if answer.len() > MAX_ANSWER {
            return Err(std::io::Error::other(format!("the answer is longer than {MAX_ANSWER} bytes")));
        }
    }
}

fn left(deadline: Instant) -> std::io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The JSON body of a good answer, or the `message` of a bad one.
fn parse(answer: &[u8]) -> Result<Value, String> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("the answer is cut short")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let status = head.lines().next().unwrap_or_default().to_owned();
    let code = status.split(' ').nth(1).unwrap_or_default();
    let body: Result<Value, _> = serde_json::from_slice(body);
    if code == "200" {
        return body.map_err(|error| format!("the answer is no JSON: {error}"));
    }
    let message = body.ok().and_then(|body| Some(body.get("message")?.as_str()?.trim().to_owned()));
    Err(message.unwrap_or(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (answer, expected) in [
            ("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"a\":1}", Ok(serde_json::json!({"a": 1}))),
            (
                "HTTP/1.0 503 Service Unavailable\r\n\r\n{\"message\":\"no leader\"}\n",
                Err("no leader".to_owned()),
            ),
            ("HTTP/1.0 404 Not Found\r\n\r\n404 page not found", Err("HTTP/1.0 404 Not Found".to_owned())),
            ("HTTP/1.0 200 OK\r\n", Err("the answer is cut short".to_owned())),
            ("", Err("the answer is cut short".to_owned())),
        ] {
            assert_eq!(parse(answer.as_bytes()), expected, "{answer:?}");
        }
        assert!(parse(b"HTTP/1.0 200 OK\r\n\r\n{\"a\":").unwrap_err().starts_with("the answer is no JSON"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
