//! `--listen`: clients that connect, seen from outside.

mod app_server;
mod hostile;
mod proto;
mod slow;
mod who_may;

use llmx_tests::world::{Client, ModelServer, Response, Server, Setup};
use serde_json::json;

/// How much harder to try than every day: `LLMX_HOSTILE=20` makes twenty times as many of everything.
fn times(count: usize) -> usize {
    let factor = std::env::var("LLMX_HOSTILE").ok().and_then(|text| text.parse().ok());
    count * factor.unwrap_or(1)
}

/// A server, and a client of it that must notice nothing of what others do.
struct Scene {
    server: Server,
    bystander: Client,
    thread: String,
    model: ModelServer,
}

impl Scene {
    async fn at(url: &str) -> Self {
        let mut scene = Self::of(ModelServer::start([]).await, url).await;
        // With everything open that stays open.
        scene.is_unharmed(u64::MAX).await;
        scene
    }

    async fn of(model: ModelServer, url: &str) -> Self {
        let server = Setup::with(&model).listen("app-server", url).await;
        let mut bystander = server.client().await;
        let thread = bystander.start_thread(json!({})).await["thread"]["id"].as_str().unwrap().to_owned();
        Self { server, bystander, thread, model }
    }

    /// The bystander has a turn as if nobody else was there, and llmx is no bigger than this, in kB.
    async fn is_unharmed(&mut self, memory: u64) {
        self.model.and_then([Response::of("resp_b").says(&["Unharmed."]).completed()]);
        let turn = self.bystander.say(&self.thread, "still there?").await;
        let messages = self.bystander.until_the_end_of(&turn).await;
        let end = &messages.last().unwrap()["params"]["turn"];
        assert_eq!(end["status"], "completed", "{messages:#?}");
        assert!(messages.iter().any(|message| message["params"]["delta"] == "Unharmed."), "{messages:#?}");
        let now = self.server.memory();
        assert!(now.peak < memory, "{now:?} kB");
    }
}
