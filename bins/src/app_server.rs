//! `llmx app-server`: threads, turns and items for editors and SDKs (`spec/app-server.md`).

use crate::{
    cli::AppServerArguments,
    exit, generate,
    listen::{self, Address, JsonRpc},
    proto::settled,
    sources::Configured,
    stdio::{self, Output},
};
use llmx_actors::{
    app_server::{AppServerHandle, AppServerOptions},
    engine::Engine,
    replay::Recordings,
    threads::ThreadOrigin,
};
use llmx_protocol::wire::rollout::SessionSource;
use std::{io, process::ExitCode, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// How long a client that does not read may keep llmx from leaving when a signal asked for it.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Where `unix://` is, in llmx's home.
const SOCKET: &str = "app-server.sock";

/// Serves until the client is gone, or where clients connect until a signal comes.
pub(crate) fn run(overrides: &[String], arguments: &AppServerArguments) -> ExitCode {
    if let Some(about) = &arguments.about {
        return generate::run(about);
    }
    let (configured, token) = match listen::prepare(overrides, &arguments.listen, &arguments.token) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let home = configured.sources.home.clone().unwrap_or_default();
    let address = arguments.listen.clone().or_usual(|| home.join(SOCKET));
    let served = async {
        let (server, recordings) = launch(configured)?;
        let code = match &address {
            Address::Stdio => serve_stdio(&server).await?,
            address => listen::run(address, token, JsonRpc(server)).await?,
        };
        recordings.flush();
        Ok(code)
    };
    actix_rt::System::new().block_on(served).unwrap_or_else(|error: io::Error| exit::cannot_start(error))
}

fn launch(configured: Configured) -> io::Result<(AppServerHandle, Recordings)> {
    let (config, sources, cwd) = (configured.config.clone(), configured.sources.clone(), std::env::current_dir()?);
    let mut options = configured.engine();
    options.origin = ThreadOrigin { originator: "llmx-app-server".to_owned(), source: SessionSource::Vscode };
    let (recordings, runner) = (options.recordings.clone(), options.runner.clone());
    let server = AppServerHandle::launch(AppServerOptions {
        engine: Engine::launch(options),
        runner,
        config: Arc::new(config),
        sources,
        cwd,
        platform: format!("{}; {}", std::env::consts::OS, std::env::consts::ARCH),
    });
    Ok((server, recordings))
}

async fn serve_stdio(server: &AppServerHandle) -> io::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (writer, mut output) = stdio::output()?;
    let mut input = stdio::input()?;
    let Some(client) = server.connect(Box::new(writer)).await else {
        return Err(io::Error::other("the app-server is gone"));
    };
    let conversation = async {
        client.listen(&mut input).await;
        client.answered().await;
        server.drain().await;
        client.gone();
    };
    let code = tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
        end = settled(&mut output) => if end == Output::Lost { exit::INTERNAL } else { exit::OUTPUT_CLOSED },
        () = conversation => exit::DONE,
    };
    if code != exit::DONE {
        // A second signal does not wait: the helpers end what still runs when this process is gone.
        tokio::select! {
            () = server.leave() => client.gone(),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    let _ = timeout(LAST_WORDS, settled(&mut output)).await;
    Ok(ExitCode::from(code))
}
