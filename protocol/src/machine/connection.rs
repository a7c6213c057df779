//! One client of the app-server: its handshake, what it asks, and what it is asked.
//!
//! Requests are handed out as they come and may be answered in any order. Questions of the server's have ids of their
//! own, from 0; whatever is no decision counts as a refusal, and whatever answers no open question is not heard.

use crate::{
    framing::LineError,
    ids::{CallId, SessionId},
    wire::{
        decision::ReviewDecision,
        rpc::{
            ClientRequest, Incoming, Millis, RequestId, RpcError, ServerNotification, ServerRequest, answer_line,
            approval::ApprovalResponse,
            error_line,
            handshake::{ClientInfo, InitializeParams, InitializeResponse},
            notification_line, request_line,
            thread::ServerRequestResolvedNotification,
        },
    },
};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};

/// The version of the app-server's wire that llmx speaks. Clients written for that wire read it in `userAgent` and
/// refuse what is older than they know.
const WIRE_VERSION: &str = "0.169.0";
/// The beginning of the names of clients written for llmx; they read llmx's own version.
const OWN_CLIENTS: &str = "llmx";

/// What a connection can hear.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The client sent a line.
    Line(Result<&'a [u8], LineError>),
    /// A thread that the client follows has a question.
    Ask {
        /// Which thread.
        thread: &'a SessionId,
        /// About which call.
        call: &'a CallId,
        /// The question.
        request: &'a ServerRequest,
    },
    /// A question needs no answer any more.
    Settled {
        /// Of which thread.
        thread: &'a SessionId,
        /// About which call.
        call: &'a CallId,
        /// When.
        now: Millis,
    },
    /// The client does not follow this thread any more.
    Left(&'a SessionId),
}

/// What a connection wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send these bytes, whole lines.
    Send(Vec<u8>),
    /// Deal with a request; it must be answered once.
    Call {
        /// The client's id of it.
        id: RequestId,
        /// The request.
        request: ClientRequest,
    },
    /// Tell a thread what its user decided.
    Decide {
        /// Which thread.
        thread: SessionId,
        /// About which call.
        call: CallId,
        /// What.
        decision: ReviewDecision,
    },
}

/// What a client is told of the server.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// llmx's home directory.
    pub home: String,
    /// llmx's version.
    pub version: String,
    /// The system, for people.
    pub platform: String,
}

#[derive(Clone, Debug)]
struct Question {
    thread: SessionId,
    call: CallId,
}

/// The rules of one connection.
#[derive(Debug)]
pub struct Connection {
    server: ServerInfo,
    client: Option<ClientInfo>,
    unwanted: HashSet<String>,
    questions: BTreeMap<i64, Question>,
    next_question: i64,
}

impl Connection {
    /// A connection before its handshake.
    #[must_use]
    pub fn new(server: ServerInfo) -> Self {
        Self { server, client: None, unwanted: HashSet::new(), questions: BTreeMap::new(), next_question: 0 }
    }

    /// Who the client is, once it said so.
    #[must_use]
    pub fn client(&self) -> Option<&ClientInfo> {
        self.client.as_ref()
    }

    /// Whether every notification is to be sent.
    #[must_use]
    pub fn wants_everything(&self) -> bool {
        self.unwanted.is_empty()
    }

    /// Whether a notification is to be sent.
    #[must_use]
    pub fn wants(&self, method: &str) -> bool {
        !self.unwanted.contains(method)
    }

    /// Takes what happened, says what to do, in that order.
    #[must_use]
    pub fn apply(&mut self, input: Input<'_>) -> Vec<Effect> {
        match input {
            Input::Line(Err(error)) => vec![refuse(None, &RpcError::parse(error))],
            Input::Line(Ok(line)) => self.line(line).into_iter().collect(),
            Input::Ask { thread, call, request } => vec![self.ask(thread, call, request)],
            Input::Settled { thread, call, now } => self.settled(thread, call, now),
            Input::Left(thread) => {
                self.questions.retain(|_, question| question.thread != *thread);
                Vec::new()
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<Effect> {
        match Incoming::parse(line) {
            Err((id, error)) => Some(refuse(id.as_ref(), &error)),
            Ok(Incoming::Notification { .. }) => None,
            Ok(Incoming::Answer { id, result }) => self.answered(&id, result),
            Ok(Incoming::Request { id, method, params }) => Some(match self.request(&id, &method, params) {
                Ok(effect) => effect,
                Err(error) => refuse(Some(&id), &error),
            }),
        }
    }

    fn request(&mut self, id: &RequestId, method: &str, params: Option<&RawValue>) -> Result<Effect, RpcError> {
        if self.client.is_none() && method != "initialize" {
            return Err(RpcError::invalid_request("Not initialized"));
        }
        if self.client.is_some() && method == "initialize" {
            return Err(RpcError::invalid_request("Already initialized"));
        }
        match ClientRequest::parse(method, params).map_err(|error| error.told(method))? {
            ClientRequest::Initialize(params) => Ok(Effect::Send(answer_line(id, &self.initialize(params)))),
            request => Ok(Effect::Call { id: id.clone(), request }),
        }
    }

    fn initialize(&mut self, params: InitializeParams) -> InitializeResponse {
        let capabilities = params.capabilities.unwrap_or_default();
        self.unwanted = capabilities.opt_out_notification_methods.unwrap_or_default().into_iter().collect();
        let response = InitializeResponse {
            user_agent: self.user_agent(&params.client_info),
            codex_home: self.server.home.clone(),
            llmx_home: self.server.home.clone(),
            platform_family: "unix".to_owned(),
            platform_os: "linux".to_owned(),
        };
        self.client = Some(params.client_info);
        response
    }

    fn user_agent(&self, client: &ClientInfo) -> String {
        let ServerInfo { version, platform, .. } = &self.server;
        let client_version = if client.version.is_empty() { "0" } else { &client.version };
        let agent = if client.name.starts_with(OWN_CLIENTS) {
            format!("llmx-app-server/{version} {}/{client_version}", client.name)
        } else {
            format!("llmx-app-server/{WIRE_VERSION} ({platform}) llmx/{version} ({}; {client_version})", client.name)
        };
        agent.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '_' }).collect()
    }

    fn ask(&mut self, thread: &SessionId, call: &CallId, request: &ServerRequest) -> Effect {
        let id = self.next_question;
        self.next_question += 1;
        self.questions.insert(id, Question { thread: thread.clone(), call: call.clone() });
        Effect::Send(request_line(id, request))
    }

    /// An answer that cannot be read is a refusal: whoever waits must not wait for ever.
    fn answered(&mut self, id: &RequestId, result: Result<&RawValue, RpcError>) -> Option<Effect> {
        let RequestId::Number(number) = id else {
            return None;
        };
        // It stays open until the thread says that it is settled: then the client is told so.
        let question = self.questions.get(number)?;
        let answer = result.ok().and_then(|text| serde_json::from_str::<ApprovalResponse>(text.get()).ok());
        let decision = answer.map_or(ReviewDecision::Denied, |answer| answer.decision.into());
        Some(Effect::Decide { thread: question.thread.clone(), call: question.call.clone(), decision })
    }

    fn settled(&mut self, thread: &SessionId, call: &CallId, now: Millis) -> Vec<Effect> {
        let is_it = |question: &Question| question.thread == *thread && question.call == *call;
        let Some(id) = self.questions.iter().find(|(_, question)| is_it(question)).map(|(id, _)| *id) else {
            return Vec::new();
        };
        self.questions.remove(&id);
        let params = ServerRequestResolvedNotification { thread_id: thread.clone(), request_id: id };
        let resolved = ServerNotification::ServerRequestResolved(params);
        if !self.wants(resolved.method()) {
            return Vec::new();
        }
        let mut line = Vec::new();
        notification_line(&resolved, now, &mut line);
        vec![Effect::Send(line)]
    }
}

fn refuse(id: Option<&RequestId>, error: &RpcError) -> Effect {
    Effect::Send(error_line(id, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rpc::approval::FileChangeRequestApprovalParams;

    fn connection() -> Connection {
        let server = ServerInfo { home: "/h".into(), version: "0.1.0".into(), platform: "Linux; x86_64".into() };
        Connection::new(server)
    }

    fn shown(effect: &Effect) -> String {
        match effect {
            Effect::Send(line) => String::from_utf8_lossy(line).trim_end().to_owned(),
            Effect::Call { id, .. } => format!("call {id:?}"),
            Effect::Decide { thread, call, decision } => format!("decide {thread} {call} {decision:?}"),
        }
    }

    fn say(connection: &mut Connection, line: &str) -> String {
        connection.apply(Input::Line(Ok(line.as_bytes()))).iter().map(shown).collect::<Vec<_>>().join("\n")
    }

    fn initialized() -> Connection {
        let mut connection = connection();
        let _ = say(
            &mut connection,
            r#"{"id":0,"method":"initialize","params":{"clientInfo":{"name":"c","version":"1"}}}"#,
        );
        connection
    }

    #[test]
    fn nothing_comes_before_the_handshake_and_that_comes_once() {
        let mut connection = connection();
        let not_yet = r#"{"error":{"code":-32600,"message":"Not initialized"},"id":1}"#;
        assert_eq!(say(&mut connection, r#"{"id":1,"method":"account/read","params":{}}"#), not_yet);
        assert_eq!(say(&mut connection, r#"{"id":1,"method":"no/such"}"#), not_yet);
        let hello = r#"{"id":2,"method":"initialize","params":{"clientInfo":{"name":"llmx-vscode","title":"T","version":"0.1.0"}}}"#;
        assert_eq!(
            say(&mut connection, hello),
            r#"{"id":2,"result":{"userAgent":"llmx-app-server/0.1.0 llmx-vscode/0.1.0","codexHome":"/h","llmxHome":"/h","platformFamily":"unix","platformOs":"linux"}}"#
        );
        assert_eq!(say(&mut connection, r#"{"method":"initialized"}"#), "");
        let again = r#"{"error":{"code":-32600,"message":"Already initialized"},"id":2}"#;
        assert_eq!(say(&mut connection, hello), again);
        assert_eq!(say(&mut connection, r#"{"id":3,"method":"account/read"}"#), "call Number(3)");
    }

    #[test]
    fn clients_of_the_current_wire_read_its_version_first() {
        let mut connection = connection();
        let hello = r#"{"id":2,"method":"initialize","params":{"clientInfo":{"name":"café","version":"2"}}}"#;
        let agent = "llmx-app-server/0.169.0 (Linux; x86_64) llmx/0.1.0 (caf_; 2)";
        assert!(say(&mut connection, hello).contains(agent));
    }

    #[test]
    fn a_failed_handshake_may_be_tried_again() {
        let mut connection = connection();
        assert!(say(&mut connection, r#"{"id":0,"method":"initialize"}"#).contains("missing field `clientInfo`"));
        assert!(say(&mut connection, r#"{"id":0,"method":"account/read"}"#).contains("Not initialized"));
    }

    #[test]
    fn what_cannot_be_read_is_answered_truly() {
        let mut connection = initialized();
        let mut check = |line: &str, expected: &str| {
            let answer = say(&mut connection, line);
            assert!(answer.contains(expected), "{line}: {answer}");
        };
        check("nonsense", r#"{"code":-32700,"message":"Parse error"#);
        check("nonsense", r#""id":null"#);
        check(r#"{"id":7}"#, "-32600");
        check(r#"{"id":7,"method":"fly"}"#, r#"{"code":-32601,"message":"Method not found: fly"}"#);
        check(r#"{"id":"x","method":"turn/interrupt","params":{}}"#, "-32602");
        check(r#"{"id":"x","method":"turn/interrupt","params":{}}"#, "missing field `threadId`");
        check(r#"{"id":"x","method":"turn/interrupt","params":["t","u"]}"#, "expected an object");
    }

    fn question() -> ServerRequest {
        ServerRequest::FileChangeRequestApproval(FileChangeRequestApprovalParams {
            thread_id: "t".into(),
            turn_id: "u".into(),
            item_id: "c".into(),
            started_at_ms: 0,
            reason: None,
            grant_root: None,
        })
    }

    fn ask(connection: &mut Connection) {
        let effects = connection.apply(Input::Ask { thread: &"t".into(), call: &"c".into(), request: &question() });
        assert!(matches!(&effects[..], [Effect::Send(_)]));
    }

    #[test]
    fn whatever_is_no_decision_is_a_refusal() {
        let check = |answer: &str, expected: &str| {
            let mut connection = initialized();
            ask(&mut connection);
            assert_eq!(say(&mut connection, answer), expected, "{answer}");
        };
        check(r#"{"id":0,"result":{"decision":"accept"}}"#, "decide t c Approved");
        check(r#"{"id":0,"result":{"decision":"cancel"}}"#, "decide t c Abort");
        check(r#"{"id":0,"result":{"decision":"perhaps"}}"#, "decide t c Denied");
        check(r#"{"id":0,"result":null}"#, "decide t c Denied");
        check(r#"{"id":0,"error":{"code":-32601,"message":"no handler"}}"#, "decide t c Denied");
        check(r#"{"id":9,"result":{"decision":"accept"}}"#, "");
        check(r#"{"id":"0","result":{"decision":"accept"}}"#, "");
    }

    #[test]
    fn a_settled_question_is_told_once_and_answers_to_it_are_not_heard() {
        let mut connection = initialized();
        ask(&mut connection);
        ask(&mut connection);
        let settled = |connection: &mut Connection| {
            let effects = connection.apply(Input::Settled { thread: &"t".into(), call: &"c".into(), now: 5 });
            effects.iter().map(shown).collect::<Vec<_>>().join("\n")
        };
        let told = r#"{"method":"serverRequest/resolved","params":{"threadId":"t","requestId":0},"emittedAtMs":5}"#;
        assert_eq!(settled(&mut connection), told);
        assert_eq!(say(&mut connection, r#"{"id":0,"result":{"decision":"accept"}}"#), "");
        assert!(settled(&mut connection).contains(r#""requestId":1"#));
        assert_eq!(settled(&mut connection), "");
    }

    #[test]
    fn a_client_says_what_it_does_not_want() {
        let mut connection = connection();
        let hello = r#"{"id":2,"method":"initialize","params":{"clientInfo":{"name":"c","version":"2"},
            "capabilities":{"optOutNotificationMethods":["warning"]}}}"#;
        let _ = say(&mut connection, hello);
        assert!(!connection.wants("warning") && connection.wants("error") && !connection.wants_everything());
    }
}
