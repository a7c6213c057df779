//! `llmx proto`: protocol v1 on standard input and output (`spec/protocol-v1.md`).

use crate::{
    cli::ProtoArguments,
    exit,
    listen::{self, Address, ProtocolV1},
    stdio::{self, Output},
};
use llmx_actors::engine::{Engine, EngineOptions, SessionHandle};
use llmx_protocol::{
    framing::{LineDecoder, LineError},
    ids::SubmissionId,
    wire::submission::{BadSubmission, Submission},
};
use std::{io, process::ExitCode, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::timeout,
};

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;
/// How long a UI that does not read may keep llmx from leaving when a signal asked for it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs a session from the first line to the last; or one for each client that connects, until a signal comes.
pub(crate) fn run(overrides: &[String], arguments: &ProtoArguments) -> ExitCode {
    let (configured, token) = match listen::prepare(overrides, &arguments.listen, &arguments.token) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let options = configured.engine();
    let recordings = options.recordings.clone();
    let code = actix_rt::System::new().block_on(async {
        match &arguments.listen {
            Address::Stdio => serve_stdio(options).await,
            address => listen::run(address, token, ProtocolV1(Engine::launch(options))).await,
        }
    });
    recordings.flush();
    code.unwrap_or_else(exit::cannot_start)
}

async fn serve_stdio(options: EngineOptions) -> io::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (subscriber, mut output) = stdio::output()?;
    let engine = Engine::launch(options);
    let session = engine.open_session(Box::new(subscriber)).await.map_err(io::Error::other)?;
    actix_rt::spawn(submit_lines(stdio::input()?, session.clone()));
    let code = tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
        end = settled(&mut output) => match end {
            Output::Closed => exit::OUTPUT_CLOSED,
            Output::Lost => exit::INTERNAL,
            Output::Written | Output::Open => exit::DONE,
        },
    };
    if code == exit::DONE || code == exit::INTERNAL {
        return Ok(ExitCode::from(code));
    }
    // A second signal does not wait: the helpers end what still runs when this process is gone.
    tokio::select! {
        () = leave(&session, output) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(ExitCode::from(code))
}

pub(crate) async fn settled(output: &mut watch::Receiver<Output>) -> Output {
    output.wait_for(|state| *state != Output::Open).await.map_or(Output::Lost, |state| *state)
}

async fn leave(session: &SessionHandle, mut output: watch::Receiver<Output>) {
    let _ = session.leave().await;
    session.closed().await;
    let _ = timeout(LAST_WORDS, settled(&mut output)).await;
}

async fn submit_lines(mut chunks: mpsc::Receiver<Vec<u8>>, session: SessionHandle) {
    let mut decoder = LineDecoder::new(LONGEST_LINE);
    let mut lines = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        decoder.feed(&chunk, &mut |line| lines.push(submission(line)));
        for line in lines.drain(..) {
            if session.submit(line).await.is_err() {
                return;
            }
        }
    }
    decoder.finish(&mut |line| lines.push(submission(line)));
    for line in lines {
        if session.submit(line).await.is_err() {
            return;
        }
    }
    let _ = session.no_more_input().await;
}

/// A line as a submission.
pub(crate) fn submission(line: Result<&[u8], LineError>) -> Result<Submission, BadSubmission> {
    match line {
        Ok(line) => Submission::parse(line),
        Err(error) => Err(BadSubmission { id: SubmissionId::default(), message: error.to_string() }),
    }
}
