//! `llmx app-server`: threads, turns and items for editors and SDKs (`spec/app-server.md`).

use crate::{
    cli::AppServerArguments,
    exit, generate,
    proto::settled,
    sources::{self, Configured},
    stdio::{self, Output},
};
use llmx_actors::{
    app_server::{AppServerHandle, AppServerOptions},
    engine::Engine,
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

/// Serves until the client is gone.
pub(crate) fn run(overrides: &[String], arguments: &AppServerArguments) -> ExitCode {
    if let Some(about) = &arguments.about {
        return generate::run(about);
    }
    let configured = match sources::configured(overrides) {
        Ok(configured) => configured,
        Err(why) => return exit::cannot_start(why),
    };
    actix_rt::System::new().block_on(serve(configured)).unwrap_or_else(exit::cannot_start)
}

async fn serve(configured: Configured) -> io::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
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
    recordings.flush();
    Ok(ExitCode::from(code))
}
