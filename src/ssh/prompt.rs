//! A connection that acknowledges at once what it is asked to.
//!
//! OpenSSH's server leaves Nagle's algorithm on until its first session has begun: it says nothing more before all that it
//! said is acknowledged. After the login it announces its host keys, which nobody answers, and so its answer to the first
//! request waits for an acknowledgement that this computer's kernel puts off for 40 ms, in the hope of data to go with it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::route::Stream;

/// Whether what came is to be acknowledged now; shared with whoever knows what came.
#[derive(Debug, Clone, Default)]
pub(super) struct Acknowledgement(Arc<AtomicBool>);

impl Acknowledgement {
    /// Has it sent with the next look at the connection.
    pub(super) fn hurry(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// What comes over a connection whose acknowledgements can be hurried; tcp(7), `TCP_QUICKACK`.
struct Prompt {
    stream: OwnedReadHalf,
    acknowledgement: Acknowledgement,
}

/// Has the acknowledgements of a connection hurried. Requests are small and wait for their answers, so Nagle's algorithm
/// would delay each, too. A socket that cannot be told so works all the same.
pub(super) fn prompt(stream: TcpStream, acknowledgement: Acknowledgement) -> impl Stream + 'static {
    let _ = stream.set_nodelay(true);
    let (stream, writer) = stream.into_split();
    tokio::io::join(Prompt { stream, acknowledgement }, writer)
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.acknowledgement.is_due() {
            let _ = self.stream.as_ref().set_quickack(true);
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}
