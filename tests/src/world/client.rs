use super::{
    PATIENCE, Remains, Workspace,
    conformance::Conformance,
    processes::{self, Memory, Process},
};
use serde_json::{Value, json};
use std::{collections::VecDeque, fs};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    process::Child,
    time::timeout,
};

/// Of a long conversation, this many lines are shown when a test fails.
const SHOWN: usize = 200;
/// Of a long line, this many bytes.
const SHOWN_OF_A_LINE: usize = 600;

/// A client of an `llmx app-server`: of its own, or of one that listens. It reads only when it is asked for a message.
/// Every message, either way, is held to the schema that llmx generates.
pub struct Client {
    /// Where its threads work.
    pub workspace: Workspace,
    /// The server, if it is its own.
    child: Option<Child>,
    input: Option<Box<dyn AsyncWrite + Unpin + Send>>,
    output: BufReader<Box<dyn AsyncRead + Unpin + Send>>,
    home: TempDir,
    mark: String,
    transcript: VecDeque<String>,
    /// Read while something else was waited for.
    read: VecDeque<Value>,
    requests: i64,
    conformance: Conformance,
}

impl Client {
    pub(super) fn of(mut child: Child, home: TempDir, workspace: Workspace, mark: String) -> Self {
        let input = child.stdin.take().expect("input is open");
        let output = child.stdout.take().expect("output is open");
        Self { child: Some(child), home, mark, ..Self::speaking(workspace, output, input) }
    }

    /// One that is connected to a server of others.
    pub(super) fn speaking(
        workspace: Workspace,
        output: impl AsyncRead + Unpin + Send + 'static,
        input: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Self {
        Self {
            workspace,
            child: None,
            input: Some(Box::new(input)),
            output: BufReader::new(Box::new(output)),
            home: TempDir::with_prefix("llmx-home-").expect("a temporary directory can be made"),
            mark: String::new(),
            transcript: VecDeque::new(),
            read: VecDeque::new(),
            requests: 1000,
            conformance: Conformance::default(),
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_line(&message.to_string()).await;
    }

    /// Sends a line.
    ///
    /// # Panics
    /// If llmx takes no input, or if this answers a question otherwise than the schema says.
    pub async fn send_line(&mut self, line: &str) {
        match serde_json::from_str(line).map(|message| self.conformance.sent(&message)) {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => self.fail(&format!("the test answers against the schema: {fault}\n{line}")),
            Err(_) => self.conformance.sent_unread(),
        }
        self.send_against_the_schema(line).await;
    }

    /// Sends a line that deliberately is not what the schema wants of an answer.
    ///
    /// # Panics
    /// If llmx takes no input.
    pub async fn send_against_the_schema(&mut self, line: &str) {
        self.note("→", line);
        self.send_bytes(format!("{line}\n").as_bytes()).await;
    }

    /// Sends bytes, of which nothing is remembered.
    ///
    /// # Panics
    /// If llmx takes no input.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("input is open");
        let sent = timeout(PATIENCE, async {
            input.write_all(bytes).await?;
            input.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {}
            failed => self.fail(&format!("llmx takes no input: {failed:?}")),
        }
    }

    /// Shakes hands.
    pub async fn initialize(&mut self) {
        let info = json!({"name": "suite", "title": "Suite", "version": "1.0.0"});
        self.call("initialize", json!({"clientInfo": info})).await;
        self.send(json!({"method": "initialized"})).await;
    }

    /// Starts a thread in the workspace; `further` are more params. Gives back the answer.
    pub async fn start_thread(&mut self, further: Value) -> Value {
        let mut params = further;
        if params["cwd"].is_null() {
            params["cwd"] = json!(self.workspace.path());
        }
        let answer = self.call("thread/start", params).await;
        self.until("thread/started").await;
        answer
    }

    /// Says something to a thread; gives back the id of the turn.
    ///
    /// # Panics
    /// If llmx refuses.
    pub async fn say(&mut self, thread: &str, text: &str) -> String {
        let params = json!({"threadId": thread, "input": [{"type": "text", "text": text}]});
        let answer = self.call("turn/start", params).await;
        answer["turn"]["id"].as_str().expect("a turn has an id").to_owned()
    }

    /// Sends a request; gives back its id.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        self.requests += 1;
        let id = self.requests;
        self.send(json!({"id": id, "method": method, "params": params})).await;
        id
    }

    /// Sends a request and waits for its result. What comes meanwhile is kept for later.
    ///
    /// # Panics
    /// If llmx refuses.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let mut answer = self.answer_to(id).await;
        if answer["result"].is_null() {
            self.fail(&format!("{method} was refused: {answer}"));
        }
        answer["result"].take()
    }

    /// Sends a request that llmx must refuse, and gives back the error.
    ///
    /// # Panics
    /// If it does not.
    pub async fn refused(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params).await;
        let mut answer = self.answer_to(id).await;
        if answer["error"].is_null() {
            self.fail(&format!("{method} was not refused: {answer}"));
        }
        answer["error"].take()
    }

    /// Waits for the answer to a request. What comes meanwhile is kept for later.
    pub async fn answer_to(&mut self, id: i64) -> Value {
        let is_it = |message: &Value| message["method"].is_null() && message["id"] == id;
        if let Some(at) = self.read.iter().position(is_it) {
            return self.read.remove(at).expect("it is there");
        }
        loop {
            let message = self.read_message().await;
            if is_it(&message) {
                return message;
            }
            self.read.push_back(message);
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// If none comes.
    pub async fn next(&mut self) -> Value {
        match self.read.pop_front() {
            Some(message) => message,
            None => self.read_message().await,
        }
    }

    /// Reads up to the next message of this method and gives back its params.
    pub async fn until(&mut self, method: &str) -> Value {
        self.until_one(method, |_| true).await
    }

    /// Reads up to the next message of this method whose params are the ones, and gives them back.
    pub async fn until_one(&mut self, method: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.note("…", &format!("until {method}"));
        loop {
            let mut message = self.next().await;
            if message["method"] == method && is_it(&message["params"]) {
                return message["params"].take();
            }
        }
    }

    /// Reads up to the next request of the server's; gives back its id and its params.
    pub async fn until_asked(&mut self, method: &str) -> (i64, Value) {
        self.note("…", &format!("until asked {method}"));
        loop {
            let mut message = self.next().await;
            if message["method"] == method && message["id"].is_i64() {
                return (message["id"].as_i64().unwrap_or_default(), message["params"].take());
            }
        }
    }

    /// Reads up to the end of a turn and gives everything back.
    pub async fn until_the_end_of(&mut self, turn: &str) -> Vec<Value> {
        self.note("…", &format!("until the end of {turn}"));
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            let over = message["method"] == "turn/completed" && message["params"]["turn"]["id"] == turn;
            messages.push(message);
            if over {
                return messages;
            }
        }
    }

    /// Ends the input; llmx must then leave well. Gives back its home and where it worked.
    pub async fn leaves(mut self) -> Remains {
        let elsewhere = TempDir::with_prefix("llmx-home-").expect("a temporary directory can be made");
        let home = std::mem::replace(&mut self.home, elsewhere);
        let workspace = std::mem::replace(&mut self.workspace, Workspace::empty());
        self.ends_with(0).await;
        Remains { home, workspace }
    }

    /// Ends the input and gives back everything that still comes; a server of its own must then leave with this code.
    ///
    /// # Panics
    /// If it does not.
    pub async fn ends_with(mut self, code: i32) -> Vec<Value> {
        self.close_input();
        let messages = self.rest().await;
        let Some(child) = &mut self.child else { return messages };
        match timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) => assert_eq!(status.code(), Some(code), "exit code; {}", self.story()),
            failed => self.fail(&format!("llmx does not leave: {failed:?}")),
        }
        messages
    }

    /// Everything that still comes.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut messages: Vec<Value> = self.read.drain(..).collect();
        while let Some(message) = self.read_or_end().await {
            messages.push(message);
        }
        messages
    }

    /// A server of its own must leave with this code without having said anything; gives back what it says of it.
    ///
    /// # Panics
    /// If it does not.
    pub async fn fails_to_start(mut self, code: i32) -> String {
        assert_eq!(self.rest().await, Vec::<Value>::new(), "{}", self.story());
        let child = self.child.as_mut().expect("it is its own");
        let status = timeout(PATIENCE, child.wait()).await.expect("it leaves").expect("it can be waited for");
        assert_eq!(status.code(), Some(code), "{}", self.story());
        self.story()
    }

    /// Where to write to llmx and where to read from it, for tests that do both at once.
    ///
    /// # Panics
    /// If the input is closed.
    pub fn halves(&mut self) -> (&mut (impl AsyncWrite + Unpin), &mut (impl AsyncBufRead + Unpin)) {
        (self.input.as_mut().expect("input is open"), &mut self.output)
    }

    /// Ends the input.
    pub fn close_input(&mut self) {
        self.note("→", "(end of input)");
        self.input = None;
    }

    /// What llmx's memory is.
    ///
    /// # Panics
    /// If it has left already.
    #[must_use]
    pub fn memory(&self) -> Memory {
        processes::memory(self.pid().expect("llmx lives"))
    }

    /// Every living process of this world but llmx itself.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes::marked(&self.mark).into_iter().filter(|p| Some(p.pid) != self.pid()).collect()
    }

    fn pid(&self) -> Option<i32> {
        self.child.as_ref()?.id()?.try_into().ok()
    }

    /// Where llmx keeps its files.
    #[must_use]
    pub fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// What happened so far, for the message of a test that fails.
    #[must_use]
    pub fn story(&self) -> String {
        let lines: Vec<_> = self.transcript.iter().map(String::as_str).collect();
        let stderr = fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default();
        format!("so far:\n{}\nstandard error:\n{stderr}", lines.join("\n"))
    }

    /// Ends the test.
    ///
    /// # Panics
    /// Always, with the story.
    pub fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.story())
    }

    async fn read_message(&mut self) -> Value {
        match self.read_or_end().await {
            Some(message) => message,
            None => self.fail("the server says nothing more"),
        }
    }

    async fn read_or_end(&mut self) -> Option<Value> {
        let mut line = String::new();
        match timeout(PATIENCE, self.output.read_line(&mut line)).await {
            Ok(Ok(0)) => return None,
            Ok(Ok(_)) => {}
            failed => self.fail(&format!("no message came: {failed:?}")),
        }
        self.note("←", line.trim_end());
        let message: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| self.fail(&format!("a line is no JSON ({e}): {line}")));
        if message.get("jsonrpc").is_some() {
            self.fail("a message has the header");
        }
        if let Err(fault) = self.conformance.came(&message) {
            self.fail(&format!("llmx and its schema differ: {fault}\n{message:#}"));
        }
        Some(message)
    }

    fn note(&mut self, direction: &str, line: &str) {
        if self.transcript.len() == SHOWN {
            self.transcript.pop_front();
        }
        let shown = line.char_indices().nth(SHOWN_OF_A_LINE).map(|(at, _)| format!("{}…", &line[..at]));
        self.transcript.push_back(format!("{direction} {}", shown.as_deref().unwrap_or(line)));
    }
}
