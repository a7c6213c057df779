use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

/// Something a server waits for until the test opens it.
#[derive(Clone, Debug, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// Lets everybody through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn opened(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// What is done with one request, step by step.
#[derive(Clone, Debug)]
pub struct Answer {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Write(Bytes),
    WriteOften(Bytes, usize),
    Wait(Gate),
    /// Close with RST.
    Reset,
    /// Close with FIN.
    Close,
    /// Nothing more, until the client goes.
    Hang,
}

impl Answer {
    /// A stream of events that has begun.
    #[must_use]
    pub fn stream() -> Self {
        Self::stream_with(&[])
    }

    /// [`Answer::stream`] with further headers.
    #[must_use]
    pub fn stream_with(headers: &[(&str, &str)]) -> Self {
        let fixed = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")];
        Self { steps: vec![Step::Write(head(200, &[&fixed, headers].concat()))] }
    }

    /// A whole answer that is no stream.
    #[must_use]
    pub fn refusal(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self::whole(status, &[&[("content-type", "application/json")], headers].concat(), body.as_bytes())
    }

    /// A whole answer with a length.
    #[must_use]
    pub fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let length = body.len().to_string();
        let head = head(status, &[headers, &[("content-length", length.as_str())]].concat());
        Self { steps: vec![Step::Write([&head[..], body].concat().into())] }
    }

    /// Reads the request and says nothing.
    #[must_use]
    pub fn never() -> Self {
        Self { steps: vec![Step::Hang] }
    }

    /// Hangs up on the request, before the first byte of an answer.
    #[must_use]
    pub fn hangup() -> Self {
        Self { steps: vec![Step::Reset] }
    }

    /// These events, one piece each.
    #[must_use]
    pub fn events(self, events: impl IntoIterator<Item = Value>) -> Self {
        events.into_iter().fold(self, |answer, event| answer.bytes(&sse(&event)))
    }

    /// These bytes as one piece of the stream.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.and(Step::Write(chunk(bytes)))
    }

    /// This event again and again, as fast as the client takes it.
    #[must_use]
    pub fn floods(self, event: &Value, times: usize) -> Self {
        self.and(Step::WriteOften(chunk(&sse(event)), times))
    }

    /// Waits.
    #[must_use]
    pub fn waits_for(self, gate: &Gate) -> Self {
        self.and(Step::Wait(gate.clone()))
    }

    /// The stream ends as it should; the connection stays.
    #[must_use]
    pub fn ends(self) -> Self {
        self.and(Step::Write(Bytes::from_static(b"0\r\n\r\n")))
    }

    /// The connection is closed in the middle of the stream.
    #[must_use]
    pub fn cuts(self) -> Self {
        self.and(Step::Close)
    }

    /// The connection is reset in the middle of the stream.
    #[must_use]
    pub fn resets(self) -> Self {
        self.and(Step::Reset)
    }

    /// Nothing more comes.
    #[must_use]
    pub fn stalls(self) -> Self {
        self.and(Step::Hang)
    }

    fn and(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Bytes {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} Scripted\r\n{headers}\r\n").into()
}

fn chunk(bytes: &[u8]) -> Bytes {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
}

fn sse(event: &Value) -> Vec<u8> {
    let kind = event["type"].as_str().unwrap_or("message");
    format!("event: {kind}\ndata: {event}\n\n").into_bytes()
}
