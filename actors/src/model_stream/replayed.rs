//! The way to models some of which are replayed ([`crate::replay`]): HTTP in any case, to a server that is started
//! here where a recording answers.

use super::{AnswerBody, HttpTransport, ModelRequest, Transport};
use crate::{
    config::ProviderInfo,
    replay::{Pace, Recording, ReplayOptions, ReplayServer},
};
use futures_util::{FutureExt, future, future::LocalBoxFuture};
use llmx_protocol::{
    machine::settings::Settings,
    model::failure::{Failure, FailureKind},
};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// HTTP, also to models that are replayed. Each conversation has a server of its own, from its first request to its
/// end: two sessions with one recording both hear it from the start. One transport for each arbiter.
pub struct ReplayingTransport {
    http: Arc<HttpTransport>,
    /// To the task that owns the servers. Started with the first one; it ends, and they with it, with this end.
    keeper: OnceLock<mpsc::UnboundedSender<Order>>,
}

impl ReplayingTransport {
    /// No server is started yet.
    #[must_use]
    pub fn new(http: HttpTransport) -> Self {
        Self { http: Arc::new(http), keeper: OnceLock::new() }
    }

    /// The URL of the server that plays `recording` to a conversation, which is started if need be.
    fn base_url(
        &self,
        conversation: &str,
        recording: PathBuf,
        options: ReplayOptions,
    ) -> impl Future<Output = Result<String, Failure>> + use<> {
        let (reply, answer) = oneshot::channel();
        let key = Key { conversation: conversation.to_owned(), recording };
        // If the keeper is gone, so is the other end of `reply`.
        let _ = self.keeper().send(Order::Serve { key, options, reply });
        async { answer.await.unwrap_or_else(|_| Err(unusable("its server is gone"))) }
    }

    fn keeper(&self) -> &mpsc::UnboundedSender<Order> {
        self.keeper.get_or_init(|| {
            let (orders, taken) = mpsc::unbounded_channel();
            actix::spawn(keep(taken));
            orders
        })
    }
}

impl Transport for ReplayingTransport {
    fn open(&self, request: ModelRequest) -> LocalBoxFuture<'static, Result<Box<dyn AnswerBody>, Failure>> {
        let provider = match self.http.provider(&request.settings) {
            Ok(provider) if provider.is_replayed() => provider.into_owned(),
            _ => return self.http.open(request),
        };
        let Some(recording) = provider.recording.clone() else {
            return future::ready(Err(nothing_to_play(&request.settings.provider.id))).boxed_local();
        };
        let pace = if provider.recorded_pauses { Pace::Recorded } else { Pace::Immediate };
        let base_url = self.base_url(&request.conversation, recording, ReplayOptions { pace });
        let http = self.http.clone();
        async move {
            let provider = ProviderInfo { base_url: base_url.await?, ..provider };
            http.open_at(provider, request).await
        }
        .boxed_local()
    }

    fn idle_timeout(&self, settings: &Settings) -> Duration {
        self.http.idle_timeout(settings)
    }

    fn conversation_ended(&self, conversation: &str) {
        if let Some(keeper) = self.keeper.get() {
            let _ = keeper.send(Order::Close { conversation: conversation.to_owned() });
        }
    }
}

/// A conversation that is reconfigured may play several recordings; each goes on where it was left.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    conversation: String,
    recording: PathBuf,
}

enum Order {
    Serve { key: Key, options: ReplayOptions, reply: oneshot::Sender<Result<String, Failure>> },
    Close { conversation: String },
}

/// Owns the servers of an arbiter.
async fn keep(mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut servers = HashMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Serve { key, options, reply } => {
                // A turn that was interrupted meanwhile does not listen any more.
                let _ = reply.send(serve(&mut servers, key, options).await);
            }
            Order::Close { conversation } => servers.retain(|key, _| key.conversation != conversation),
        }
    }
}

async fn serve(servers: &mut HashMap<Key, ReplayServer>, key: Key, options: ReplayOptions) -> Result<String, Failure> {
    if let Some(server) = servers.get(&key) {
        return Ok(server.base_url());
    }
    let server = start(key.recording.clone(), options).await?;
    Ok(servers.entry(key).or_insert(server).base_url())
}

async fn start(recording: PathBuf, options: ReplayOptions) -> Result<ReplayServer, Failure> {
    let read = tokio::task::spawn_blocking(move || Recording::load(&recording)).await;
    let recording = read.map_err(unusable)?.map_err(unusable)?;
    let server = ReplayServer::start(recording, options).await;
    server.map_err(|error| Failure::connect(&error.to_string()))
}

/// Trying again would not help: a person wrote the recording, or its name.
fn unusable(why: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::BadRequest, format!("the recording cannot be replayed: {why}"))
}

fn nothing_to_play(provider: &str) -> Failure {
    unusable(format_args!("model_providers.{provider}.recording is not set to a file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Accounts, ConfiguredKeys},
        config::{Config, ConfigSources, Environment, load},
        executor::process::HelperPath,
        model_stream::Credentials,
        replay::Recordings,
    };
    use std::io::Write;

    fn transport() -> ReplayingTransport {
        let config: Config = load(&ConfigSources::default()).unwrap().config;
        let accounts = Accounts::new(Arc::new(config.login.clone()), None);
        let keys = Arc::new(ConfiguredKeys::new(accounts, Vec::new(), HelperPath::this_program()));
        let credentials = Credentials { keys, config: Arc::new(config), environment: Environment::default() };
        ReplayingTransport::new(HttpTransport::new(credentials, Recordings::default()))
    }

    fn recording() -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, r#"{{"response":{{"events":[]}}}}"#).unwrap();
        file
    }

    async fn url(transport: &ReplayingTransport, conversation: &str, recording: &tempfile::NamedTempFile) -> String {
        transport.base_url(conversation, recording.path().to_owned(), ReplayOptions::default()).await.unwrap()
    }

    async fn answers(base_url: &str) -> bool {
        let address = base_url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/v1")).unwrap();
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    async fn wait_until_closed(base_url: &str) {
        let closed = async {
            while answers(base_url).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap();
    }

    #[actix::test]
    async fn a_conversation_keeps_its_server_of_each_recording() {
        let (transport, one, other) = (transport(), recording(), recording());
        let first = url(&transport, "a", &one).await;
        assert_eq!(url(&transport, "a", &one).await, first);
        let others = [url(&transport, "b", &one).await, url(&transport, "a", &other).await];
        assert!(!others.contains(&first) && others[0] != others[1], "{first} {others:?}");
    }

    #[actix::test]
    async fn the_servers_of_a_conversation_end_with_it() {
        let (transport, recording) = (transport(), recording());
        let (ended, other) = (url(&transport, "a", &recording).await, url(&transport, "b", &recording).await);
        assert!(answers(&ended).await);
        transport.conversation_ended("a");
        wait_until_closed(&ended).await;
        assert!(answers(&other).await);
    }

    #[actix::test]
    async fn the_servers_end_with_the_transport() {
        let (transport, recording) = (transport(), recording());
        let url = url(&transport, "a", &recording).await;
        drop(transport);
        wait_until_closed(&url).await;
    }
}
