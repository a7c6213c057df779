//! A model that says what a test told it to, over HTTP/1.1 written by hand: a library would not let a test cut, stall
//! or reset where it likes.

mod connection;
mod request;
mod script;

pub use request::Request;
pub use script::{Answer, Gate};

use super::PATIENCE;
use connection::{Connection, Next};
use script::Step;
use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// The server. Requests are counted from 1, over all connections.
pub struct ModelServer {
    address: SocketAddr,
    told: Arc<Told>,
    accepting: JoinHandle<()>,
}

/// What the server is to say, and what it heard.
struct Told {
    script: Mutex<VecDeque<Answer>>,
    heard: watch::Sender<Heard>,
}

#[derive(Default)]
struct Heard {
    requests: Vec<Request>,
    /// Requests whose connection the client has closed.
    closed: BTreeSet<usize>,
    /// Bytes of answers that the sockets took.
    written: usize,
}

impl ModelServer {
    /// Serves `script`, an answer a request, in the order in which requests come.
    pub async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let script = Mutex::new(script.into_iter().collect());
        let told = Arc::new(Told { script, heard: watch::Sender::default() });
        let accepting = tokio::spawn(accept(listener, told.clone()));
        Self { address, told, accepting }
    }

    /// The base URL of its API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds answers to the end of the script.
    pub fn and_then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.told.script.lock().expect("no holder panics").extend(answers);
    }

    /// Waits for the request of this number.
    pub async fn request(&self, number: usize) -> Request {
        self.until(&format!("request {number}"), |heard| heard.requests.get(number - 1).cloned()).await
    }

    /// How many requests have come.
    #[must_use]
    pub fn count(&self) -> usize {
        self.told.heard.borrow().requests.len()
    }

    /// How many bytes of answers the sockets have taken.
    #[must_use]
    pub fn written(&self) -> usize {
        self.told.heard.borrow().written
    }

    /// Waits until the client has closed the connection that carried the request of this number.
    pub async fn closed_by_client(&self, number: usize) {
        let what = format!("the client to close the connection of request {number}");
        self.until(&what, |heard| heard.closed.contains(&number).then_some(())).await;
    }

    async fn until<T>(&self, what: &str, look: impl Fn(&Heard) -> Option<T>) -> T {
        let mut heard = self.told.heard.subscribe();
        let waited = timeout(PATIENCE, heard.wait_for(|heard| look(heard).is_some())).await;
        match waited {
            Ok(Ok(heard)) => look(&heard).expect("it was just there"),
            _ => panic!("waited in vain for {what}; {} requests came", self.count()),
        }
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An address of this machine at which nobody listens.
pub async fn deserted_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    format!("http://{}/v1", listener.local_addr().expect("a bound socket has an address"))
}

async fn accept(listener: TcpListener, told: Arc<Told>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, told.clone()));
    }
}

async fn serve(stream: TcpStream, told: Arc<Told>) {
    let mut connection = Connection::new(stream);
    let mut carried = Vec::new();
    while let Some(request) = connection.read_request().await {
        let number = told.hear(request);
        carried.push(number);
        if connection.answer(told.answer(number), &|bytes| told.wrote(bytes)).await == Next::ClosedByServer {
            return;
        }
    }
    told.heard.send_modify(|heard| heard.closed.extend(carried));
}

impl Told {
    fn hear(&self, request: Request) -> usize {
        self.heard.send_modify(|heard| heard.requests.push(request));
        self.heard.borrow().requests.len()
    }

    fn wrote(&self, bytes: usize) {
        self.heard.send_modify(|heard| heard.written += bytes);
    }

    fn answer(&self, number: usize) -> Vec<Step> {
        let scripted = self.script.lock().expect("no holder panics").pop_front();
        let unexpected =
            || Answer::refusal(400, &[], &format!(r#"{{"error":{{"message":"request {number} was not expected"}}}}"#));
        scripted.unwrap_or_else(unexpected).into_steps()
    }
}
