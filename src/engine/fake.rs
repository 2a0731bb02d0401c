//! An engine that answers by script over a stream in memory, for this room's tests.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::{Engine, Error, Patience};

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) host: String,
    pub(super) body: Value,
}

/// What is answered.
pub(super) enum Answer {
    Json(u16, Value),
    /// The relay breaks instead.
    Broken,
    /// Nothing ever comes.
    Silence,
}

type Script = Box<dyn FnMut(&Asked) -> Answer + Send>;

/// An engine that answers by script, and keeps what it was asked.
#[derive(Clone)]
pub(super) struct Fake {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    dialled: Arc<Mutex<usize>>,
}

pub(super) fn ok(body: Value) -> Answer {
    Answer::Json(200, body)
}

/// The engine's form of an error.
pub(super) fn refuse(status: u16, message: &str) -> Answer {
    Answer::Json(status, json!({ "message": message }))
}

/// `/info` of an engine in this state.
pub(super) fn info(state: &str, error: &str) -> Answer {
    ok(
        json!({ "Swarm": { "LocalNodeState": state, "NodeID": "id", "ControlAvailable": false, "Error": error } }),
    )
}

/// Waiting times that make no test slow: what is waited for comes at the next look or never.
pub(super) const EAGER: Patience = Patience {
    request: Duration::from_secs(600),
    join: Duration::from_secs(600),
    begin: Duration::ZERO,
    settle: Duration::from_secs(600),
    drain: Duration::from_secs(600),
    pause: Duration::from_millis(1),
};

/// Waiting times of one who looks but once.
pub(super) const ONCE: Patience =
    Patience { join: Duration::ZERO, settle: Duration::ZERO, drain: Duration::ZERO, ..EAGER };

impl Fake {
    pub(super) fn new(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        Self {
            script: Arc::new(Mutex::new(Box::new(script))),
            asked: Arc::default(),
            dialled: Arc::default(),
        }
    }

    pub(super) async fn connect(&self, patience: Patience) -> Result<Engine, Error> {
        let fake = self.clone();
        let dial = move || {
            let fake = fake.clone();
            async move {
                *fake.dialled.lock().unwrap() += 1;
                let (ours, theirs) = tokio::io::duplex(64);
                tokio::spawn(async move { fake.serve(theirs).await });
                io::Result::Ok(ours)
            }
        };
        Engine::connect_with(dial, patience).await
    }

    /// What was asked after the version was agreed on.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path != "/version").cloned().collect()
    }

    /// The same in short: `GET /info`.
    pub(super) fn paths(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    pub(super) fn dialled(&self) -> usize {
        *self.dialled.lock().unwrap()
    }

    async fn serve(self, stream: DuplexStream) {
        let mut stream = BufReader::new(stream);
        while let Some(asked) = read(&mut stream).await {
            self.asked.lock().unwrap().push(asked.clone());
            let answer = match asked.path.as_str() {
                "/version" => ok(json!({ "ApiVersion": "1.41" })),
                _ => (*self.script.lock().unwrap())(&asked),
            };
            let (status, body) = match answer {
                Answer::Json(status, body) => (status, body.to_string()),
                Answer::Broken => return,
                Answer::Silence => return std::future::pending().await,
            };
            let head = format!(
                "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    }
}

/// One request; none where the stream has ended.
async fn read(stream: &mut BufReader<DuplexStream>) -> Option<Asked> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut length, mut host) = (0, String::new());
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "host" => host = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some(Asked { method, path, host, body })
}
