//! Commands of the clients' own: run as the model's are, by the same runner.

use super::{
    AppServerOptions,
    caller::Caller,
    connection::{ConnectionId, Notes, ToClient},
    unix_millis,
};
use crate::{
    executor::{Killed, Limits, Order, OutputSink, Runner},
    flow::Credits,
};
use actix::Recipient;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_protocol::{
    machine::turn::CallEnd,
    wire::{
        event::ExecOutputStream,
        rpc::{
            RpcError, ServerNotification,
            command::{CommandExecOutputDeltaNotification, CommandExecParams, CommandExecResponse, OutputStream},
            method, notification_line,
        },
    },
};
use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long a command may run that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of each stream is kept unless the client says otherwise, in bytes.
const DEFAULT_CAP: usize = 1024 * 1024;
/// How many may run at once for a client.
const MOST: usize = 64;
/// What may be under way to a client that streams, in bytes.
const WINDOW: u32 = 256 * 1024;
/// What a command that ran out of time is said to have ended with.
const TIMED_OUT: i32 = 124;

/// Those that run. Dropping an entry ends its command.
#[derive(Default)]
pub(super) struct Commands {
    running: HashMap<(ConnectionId, String), watch::Sender<bool>>,
    unnamed: u64,
}

impl Commands {
    /// The command as a future that answers its caller; or it is refused at once.
    pub(super) fn start(
        &mut self,
        params: CommandExecParams,
        options: &AppServerOptions,
        caller: Caller,
    ) -> Option<LocalBoxFuture<'static, ()>> {
        self.running.retain(|_, tell| !tell.is_closed());
        match self.refusal(&params, &caller) {
            Some(why) => {
                caller.refuse(&RpcError::invalid_request(format!("command/exec: {why}")));
                None
            }
            None => {
                let name = params.process_id.clone().unwrap_or_else(|| self.new_name());
                let (tell, told) = watch::channel(false);
                self.running.insert((caller.connection, name.clone()), tell);
                let run = Run::new(name, params, options, &caller.client);
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
            CommandExecParams { tty: true, .. } => Some("there is no terminal to give".to_owned()),
            CommandExecParams { stream_stdin: true, .. } => Some("commands have no standard input".to_owned()),
            CommandExecParams { stream_stdout_stderr: true, process_id: None, .. } => {
                Some("streaming needs a processId".to_owned())
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
        let tell = self.running.remove(&(connection, process.to_owned()));
        tell.is_some_and(|tell| tell.send(true).is_ok())
    }

    pub(super) fn knows(&self, connection: ConnectionId, process: &str) -> bool {
        self.running.contains_key(&(connection, process.to_owned()))
    }

    /// Ends what a client left behind.
    pub(super) fn end_all_of(&mut self, connection: ConnectionId) {
        self.running.retain(|(of, _), _| *of != connection);
    }
}

struct Run {
    order: Order,
    grace: Duration,
    timeout: Option<Duration>,
    written: Rc<RefCell<Written>>,
    sink: Sink,
}

impl Run {
    fn new(name: String, params: CommandExecParams, options: &AppServerOptions, client: &Recipient<ToClient>) -> Self {
        let written = Rc::new(RefCell::new(Written::default()));
        let timeout = params.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis);
        let streams = params.stream_stdout_stderr;
        Self {
            grace: Duration::from_millis(options.config.kill_grace_ms),
            timeout: (!params.disable_timeout).then_some(timeout),
            sink: Sink {
                process_id: name,
                streams: streams.then(|| (client.clone(), Credits::new(WINDOW))),
                cap: params.output_bytes_cap.unwrap_or(DEFAULT_CAP),
                written: written.clone(),
                passed_on: 0,
            },
            order: order(params, options),
            written,
        }
    }

    async fn finish(self, runner: Arc<dyn Runner>, told: watch::Receiver<bool>, caller: Caller) {
        let Self { order, grace, timeout, written, sink } = self;
        let timed_out = Rc::new(RefCell::new(false));
        let killed: Killed = killed(told, timeout, grace, timed_out.clone()).boxed_local();
        let end = runner.run(order, killed, Box::new(sink)).await;
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
