//! `skep-agent dial SOCKET`: a byte relay between the standard streams and a Unix socket.
//!
//! The controller speaks with the Docker engine through it under the agent's privilege, so that a join token is
//! never in a file, an argument or an environment.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::Streams;

/// Connects, says hello, relays until the socket's side ends. The end of standard input is passed on to the socket
/// and ends that direction only.
///
/// # Errors
/// Where the socket cannot be connected to, before anything is said; else the streams'.
pub fn dial(socket: &Path) -> io::Result<()> {
    let socket = UnixStream::connect(socket)?;
    let mut streams = Streams::take()?;
    streams.hello()?;
    let (mut input, mut output) = (streams.input, streams.output);
    let (mut from_socket, mut to_socket) = (socket.try_clone()?, socket);
    // Not joined: whoever closed the socket reads no more, so what may still come in has nowhere to go.
    thread::spawn(move || {
        let _ = relay(&mut input, &mut to_socket);
        let _ = to_socket.shutdown(Shutdown::Write);
    });
    relay(&mut from_socket, &mut output)
}

/// Copies as it comes. [`io::copy`] may collect more before it writes, and each side waits for the other's word.
fn relay(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
