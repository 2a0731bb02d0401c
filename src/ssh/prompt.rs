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

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

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

/// A connection whose acknowledgements can be hurried; tcp(7), `TCP_QUICKACK`.
pub(super) struct Prompt {
    stream: TcpStream,
    acknowledgement: Acknowledgement,
}

impl Prompt {
    /// Requests are small and wait for their answers, so Nagle's algorithm would delay each. A socket that cannot be
    /// told so works all the same.
    pub(super) fn new(stream: TcpStream, acknowledgement: Acknowledgement) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, acknowledgement }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.acknowledgement.is_due() {
            let _ = self.stream.set_quickack(true);
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
