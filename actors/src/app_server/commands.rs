//! Commands of the clients' own: run as the model's are, by the same runner.

use super::{
    AppServer, AppServerOptions,
    caller::Caller,
    connection::{ConnectionId, Notes, ToClient},
    unix_millis,
};
use crate::{
    executor::{Conversation, Killed, Limits, Order, OutputSink, Runner, Word, process::TerminalSize},
    flow::{Credit, Credits},
};
use actix::{AsyncContext, Context, Recipient};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{
    machine::turn::CallEnd,
    wire::{
        event::ExecOutputStream,
        rpc::{
            Empty, Method, RpcError, ServerNotification,
            command::{
                self, CommandExecOutputDeltaNotification, CommandExecParams, CommandExecResizeParams,
                CommandExecResponse, CommandExecWriteParams, OutputStream,
            },
            method, notification_line,
        },
    },
};
use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// How long a command may run that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of each stream is kept unless the client says otherwise, in bytes.
const DEFAULT_CAP: usize = 1024 * 1024;
/// How much of each stream is kept at most for a client that does not have it streamed, in bytes.
const MOST_KEPT: usize = 64 * 1024 * 1024;
/// How many may run at once for a client.
const MOST: usize = 64;
/// What may be under way to a client that streams, in bytes.
const WINDOW: u32 = 256 * 1024;
/// What a client may have waiting to be written to its commands, in bytes: beyond that it is refused, for if its other
/// requests were held back, so would be the one that ends a command which does not read.
const UNWRITTEN: u32 = 8 * 1024 * 1024;
/// What a word for a command counts for at least, in bytes.
const WORD: usize = 1024;
/// What a command that ran out of time is said to have ended with.
const TIMED_OUT: i32 = 124;

/// The terminal of a command whose client does not say.
const TERMINAL: TerminalSize = TerminalSize { rows: 24, columns: 80 };

/// Those that run. Dropping an entry ends its command.
#[derive(Default)]
pub(super) struct Commands {
    running: HashMap<(ConnectionId, String), Running>,
    unwritten: HashMap<ConnectionId, Credits>,
    unnamed: u64,
}

struct Running {
    end: watch::Sender<bool>,
    /// To one that can be written to.
    words: Option<mpsc::UnboundedSender<Word>>,
}

/// What is to be told to a command's client when the command has heard of it.
struct Taken {
    answer: oneshot::Receiver<Result<(), String>>,
    /// Held until then.
    unwritten: Credit,
}

impl Commands {
    /// The command as a future that answers its caller; or it is refused at once.
    pub(super) fn start(
        &mut self,
        params: CommandExecParams,
        options: &AppServerOptions,
        caller: Caller,
    ) -> Option<LocalBoxFuture<'static, ()>> {
        self.running.retain(|_, running| !running.end.is_closed());
        match self.refusal(&params, &caller) {
            Some(why) => {
                caller.refuse(&RpcError::invalid_request(format!("command/exec: {why}")));
                None
            }
            None => {
                let name = params.process_id.clone().unwrap_or_else(|| self.new_name());
                let (end, told) = watch::channel(false);
                let (words, conversation) = conversation(&params).unzip();
                self.running.insert((caller.connection, name.clone()), Running { end, words });
                let run = Run::new(name, params, conversation, options, &caller.client);
                Some(run.finish(options.runner.clone(), told, caller).boxed_local())
            }
        }
    }

    fn refusal(&self, params: &CommandExecParams, caller: &Caller) -> Option<String> {
        let of_client = self.running.keys().filter(|(connection, _)| *connection == caller.connection).count();
        let taken = |name: &String| self.running.contains_key(&(caller.connection, name.clone()));
        match params {
            CommandExecParams { command, .. } if command.first().is_none_or(String::is_empty) => {
                Some("command must not be empty".to_owned())
            }
            CommandExecParams { tty: false, size: Some(_), .. } => Some("only a tty has a size".to_owned()),
            CommandExecParams { output_bytes_cap: Some(_), disable_output_cap: true, .. } => {
                Some("outputBytesCap and disableOutputCap exclude each other".to_owned())
            }
            CommandExecParams { process_id: None, tty, stream_stdin, stream_stdout_stderr, .. }
                if *tty || *stream_stdin || *stream_stdout_stderr =>
            {
                Some("tty, streamStdin and streamStdoutStderr need a processId".to_owned())
            }
            CommandExecParams { process_id: Some(name), .. } if taken(name) => {
                Some(format!("process `{name}` runs already"))
            }
            _ if of_client >= MOST => Some(format!("{MOST} commands run already")),
            _ => None,
        }
    }

    fn new_name(&mut self) -> String {
        self.unnamed += 1;
        // No name that a client would choose.
        format!("\0{}", self.unnamed)
    }

    /// Whether there was something to end.
    pub(super) fn terminate(&mut self, connection: ConnectionId, process: &str) -> bool {
        let running = self.running.remove(&(connection, process.to_owned()));
        running.is_some_and(|running| running.end.send(true).is_ok())
    }

    pub(super) fn write(&mut self, params: CommandExecWriteParams, caller: Caller, context: &mut Context<AppServer>) {
        let bytes = match BASE64_STANDARD.decode(params.delta_base64.unwrap_or_default()) {
            Ok(bytes) => Bytes::from(bytes),
            Err(why) => {
                return caller.refuse(&RpcError::invalid_params("command/exec/write", format!("deltaBase64: {why}")));
            }
        };
        let (last, size) = (params.close_stdin, bytes.len());
        match self.say(caller.connection, &params.process_id, size, |taken| Word::Input { bytes, last, taken }) {
            Ok(taken) => answer_when_taken(taken, method::CommandExecWrite, caller, context),
            Err(error) => caller.refuse(&error),
        }
    }

    pub(super) fn resize(
        &mut self,
        params: &CommandExecResizeParams,
        caller: Caller,
        context: &mut Context<AppServer>,
    ) {
        let size = size_of(params.size);
        match self.say(caller.connection, &params.process_id, 0, |taken| Word::Resize { size, taken }) {
            Ok(taken) => answer_when_taken(taken, method::CommandExecResize, caller, context),
            Err(error) => caller.refuse(&error),
        }
    }

    fn say(
        &mut self,
        connection: ConnectionId,
        process: &str,
        size: usize,
        word: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Word,
    ) -> Result<Taken, RpcError> {
        let running = self.running.get(&(connection, process.to_owned())).ok_or_else(|| no_process(process))?;
        let words = running.words.as_ref().ok_or_else(|| {
            RpcError::invalid_request(format!("process `{process}` cannot be written to: it has no streamStdin"))
        })?;
        let room = self.unwritten.entry(connection).or_insert_with(|| Credits::new(UNWRITTEN));
        let unwritten = room.try_acquire(size.max(WORD)).ok_or_else(|| {
            let waits = UNWRITTEN as usize - room.free();
            let why = "too much waits to be written to processes already";
            RpcError::invalid_request(format!("{why}: {waits} of at most {UNWRITTEN} bytes"))
        })?;
        let (taken, answer) = oneshot::channel();
        words.send(word(taken)).map_err(|_| no_process(process))?;
        Ok(Taken { answer, unwritten })
    }

    /// Ends what a client left behind.
    pub(super) fn end_all_of(&mut self, connection: ConnectionId) {
        self.running.retain(|(of, _), _| *of != connection);
        self.unwritten.remove(&connection);
    }
}

pub(super) fn no_process(id: &str) -> RpcError {
    RpcError::invalid_request(format!("no such process: {id}"))
}

fn size_of(size: command::TerminalSize) -> TerminalSize {
    TerminalSize { rows: size.rows, columns: size.cols }
}

/// How a command is told things, if it is to be.
fn conversation(params: &CommandExecParams) -> Option<(mpsc::UnboundedSender<Word>, Conversation)> {
    if !params.tty && !params.stream_stdin {
        return None;
    }
    let terminal = params.tty.then(|| params.size.map_or(TERMINAL, size_of));
    // What is under way is bounded by what a client may have unwritten.
    let (say, words) = mpsc::unbounded_channel();
    Some((say, Conversation { terminal, words }))
}

fn answer_when_taken<M: Method<Response = Empty> + 'static>(
    Taken { answer, unwritten }: Taken,
    method: M,
    mut caller: Caller,
    context: &mut Context<AppServer>,
) {
    caller.give_way();
    let answering = async move {
        let told = answer.await;
        drop(unwritten);
        match told {
            Ok(Ok(())) => caller.answer(method, &Empty {}),
            Ok(Err(why)) => caller.refuse(&RpcError::invalid_request(why)),
            Err(_) => caller.refuse(&RpcError::invalid_request("the process is over")),
        }
    };
    context.spawn(actix::fut::wrap_future(answering));
}

struct Run {
    order: Order,
    conversation: Option<Conversation>,
    grace: Duration,
    timeout: Option<Duration>,
    written: Rc<RefCell<Written>>,
    sink: Sink,
}

impl Run {
    fn new(
        name: String,
        params: CommandExecParams,
        conversation: Option<Conversation>,
        options: &AppServerOptions,
        client: &Recipient<ToClient>,
    ) -> Self {
        let written = Rc::new(RefCell::new(Written::default()));
        let timeout = params.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis);
        let streams = params.stream_stdout_stderr || params.tty;
        let most = if streams { usize::MAX } else { MOST_KEPT };
        let cap =
            if params.disable_output_cap { most } else { params.output_bytes_cap.unwrap_or(DEFAULT_CAP).min(most) };
        Self {
            conversation,
            grace: Duration::from_millis(options.config.kill_grace_ms),
            timeout: (!params.disable_timeout).then_some(timeout),
            sink: Sink {
                process_id: name,
                streams: streams.then(|| (client.clone(), Credits::new(WINDOW))),
                cap,
                written: written.clone(),
                passed_on: 0,
            },
            order: order(params, options),
            written,
        }
    }

    async fn finish(self, runner: Arc<dyn Runner>, told: watch::Receiver<bool>, caller: Caller) {
        let Self { order, conversation, grace, timeout, written, sink } = self;
        let timed_out = Rc::new(RefCell::new(false));
        let killed: Killed = killed(told, timeout, grace, timed_out.clone()).boxed_local();
        let end = match conversation {
            Some(conversation) => runner.converse(order, conversation, killed, Box::new(sink)).await,
            None => runner.run(order, killed, Box::new(sink)).await,
        };
        let exit_code = match end {
            _ if *timed_out.borrow() => TIMED_OUT,
            CallEnd::Exited(code) => code,
            CallEnd::Signalled(signal) => 128 + signal,
            CallEnd::NotStarted(why) => {
                return caller.refuse(&RpcError::invalid_request(format!("exec failed: {why}")));
            }
            CallEnd::Lost | CallEnd::Inspected(_) => {
                return caller.refuse(&RpcError::internal("exec failed: the command was lost"));
            }
        };
        let Written { stdout, stderr } = written.take();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        caller.answer(
            method::CommandExec,
            &CommandExecResponse { exit_code, stdout: text(stdout), stderr: text(stderr) },
        );
    }
}

async fn killed(
    mut told: watch::Receiver<bool>,
    timeout: Option<Duration>,
    grace: Duration,
    timed_out: Rc<RefCell<bool>>,
) -> Duration {
    let out_of_time = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // An error is as good: whoever could tell is gone.
        _ = told.wait_for(|told| *told) => {}
        () = out_of_time => {
            timed_out.replace(true);
        }
    }
    grace
}

fn order(params: CommandExecParams, options: &AppServerOptions) -> Order {
    let cwd = params.cwd.map_or_else(|| options.cwd.clone(), |given| options.cwd.join(given));
    let policy = params.sandbox_policy.map_or_else(|| options.config.sandbox_policy.clone(), Into::into);
    let limits = (!policy.is_unrestricted()).then(|| Limits { policy, session_cwd: cwd.clone() });
    let mut command = params.command;
    // Orders have no variables of their own; `env` sets them inside the sandbox.
    if let Some(variables) = params.env.filter(|variables| !variables.is_empty()) {
        let (set, unset): (Vec<_>, Vec<_>) = variables.into_iter().partition(|(_, value)| value.is_some());
        let unset = unset.into_iter().flat_map(|(name, _)| ["-u".to_owned(), name]);
        let set = set.into_iter().map(|(name, value)| format!("{name}={}", value.unwrap_or_default()));
        let words: Vec<_> = ["env".to_owned()].into_iter().chain(unset).chain(set).collect();
        command.splice(..0, words);
    }
    Order { command, cwd, limits }
}

#[derive(Default)]
struct Written {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

struct Sink {
    process_id: String,
    streams: Option<(Recipient<ToClient>, Credits)>,
    cap: usize,
    written: Rc<RefCell<Written>>,
    passed_on: usize,
}

impl OutputSink for Sink {
    fn take(&mut self, stream: ExecOutputStream, chunk: Bytes) -> LocalBoxFuture<'_, ()> {
        async move {
            match self.streams.clone() {
                Some((client, credits)) => self.pass_on(stream, &chunk, &client, &credits).await,
                None => self.keep(stream, &chunk),
            }
        }
        .boxed_local()
    }
}

impl Sink {
    fn keep(&self, stream: ExecOutputStream, chunk: &[u8]) {
        let mut written = self.written.borrow_mut();
        let kept = match stream {
            ExecOutputStream::Stdout => &mut written.stdout,
            ExecOutputStream::Stderr => &mut written.stderr,
        };
        let room = self.cap.saturating_sub(kept.len()).min(chunk.len());
        kept.extend_from_slice(&chunk[..room]);
    }

    async fn pass_on(
        &mut self,
        stream: ExecOutputStream,
        chunk: &[u8],
        client: &Recipient<ToClient>,
        credits: &Credits,
    ) {
        let room = self.cap.saturating_sub(self.passed_on).min(chunk.len());
        if room == 0 {
            return;
        }
        self.passed_on += room;
        let credit = credits.acquire(room).await;
        let delta = ServerNotification::CommandExecOutputDelta(CommandExecOutputDeltaNotification {
            process_id: self.process_id.clone(),
            stream: match stream {
                ExecOutputStream::Stdout => OutputStream::Stdout,
                ExecOutputStream::Stderr => OutputStream::Stderr,
            },
            delta_base64: BASE64_STANDARD.encode(&chunk[..room]),
            cap_reached: self.passed_on >= self.cap,
        });
        let mut lines = Vec::new();
        notification_line(&delta, unix_millis(), &mut lines);
        client.do_send(ToClient::Notes(Notes::one(delta.method(), lines, Some(credit))));
    }
}
