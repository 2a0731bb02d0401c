//! HTTP over one relay that is kept open for many requests.
//!
//! A relay costs an SSH channel and a process on the host, about ten times what a request costs: it is dialled once
//! and again only when it broke.

use std::future::Future;
use std::io;
use std::sync::Arc;

use bollard::BollardRequest;
use bollard::errors::Error as ApiError;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

/// What bollard takes for the engine's address; only the path of each URI reaches the engine.
pub(super) const BASE: &str = "http://docker";

/// Names the body of a request, which bollard keeps to itself.
trait HasBody {
    type Body;
}

impl<B> HasBody for Request<B> {
    type Body = B;
}

type Body = <BollardRequest as HasBody>::Body;

/// A relay to an engine, dialled when first needed and when it broke.
pub(super) struct Relay<F> {
    dial: F,
    open: Mutex<Option<SendRequest<Body>>>,
}

impl<S, F, Dialing> Relay<F>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn() -> Dialing + Send + Sync + 'static,
    Dialing: Future<Output = io::Result<S>> + Send + 'static,
{
    pub(super) fn new(dial: F) -> Self {
        Self { dial, open: Mutex::default() }
    }

    /// Sends one request; others wait for their turn.
    pub(super) async fn request(
        self: Arc<Self>,
        request: BollardRequest,
    ) -> Result<Response<Incoming>, ApiError> {
        let mut request = to_engine(request)?;
        let mut open = self.open.lock().await;
        // Taken out while in use: a request that is given up half way takes its relay with it.
        if let Some(mut relay) = open.take()
            && relay.ready().await.is_ok()
        {
            match relay.try_send_request(request).await {
                Ok(response) => {
                    *open = Some(relay);
                    return Ok(response);
                }
                // Only what never left is sent again: an engine must not be asked for one change twice.
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failure.into_error().into()),
                },
            }
        }
        let mut relay = self.dial().await?;
        let response = relay.send_request(request).await?;
        *open = Some(relay);
        Ok(response)
    }

    async fn dial(&self) -> Result<SendRequest<Body>, ApiError> {
        let stream = (self.dial)().await?;
        let (relay, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the relay is dropped or broke; what went wrong reaches the request that it went wrong for.
        tokio::spawn(connection);
        Ok(relay)
    }
}

/// What the engine wants of a request: a `Host`, and a path instead of a whole URI.
fn to_engine(mut request: BollardRequest) -> Result<BollardRequest, ApiError> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>()?;
    request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
    Ok(request)
}
