//! A disk that does not answer keeps nobody waiting but the one who asked for its files.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use llmx_actors::{
    config::{ConfigSources, load},
    engine::{Engine, EngineHandle, EngineOptions, Placement},
    executor::process::HelperPath,
    outbox::event_stream,
};
use llmx_protocol::{local_files::LocalFiles, machine::settings::Defaults, wire::submission::Submission};
use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

/// Files below `/slow` are read when the gate is open.
#[derive(Debug, Default)]
struct SlowDisk {
    open: Mutex<bool>,
    opened: Condvar,
}

impl SlowDisk {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self, path: &Path) {
        if path.starts_with("/slow") {
            drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
        }
    }
}

impl LocalFiles for SlowDisk {
    fn read(&self, path: &Path, _: usize) -> Result<Vec<u8>, String> {
        self.wait(path);
        Err("nothing here".into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.wait(path);
        false
    }
}

/// All sessions on one arbiter.
fn engine(disk: &Arc<SlowDisk>) -> EngineHandle {
    let config = load(&ConfigSources::default()).unwrap().config;
    let mut options = EngineOptions::configured(config, Vec::new(), Vec::new(), HelperPath::this_program());
    options.placement = Placement::Spread(1);
    options.defaults = Arc::new(Defaults { files: disk.clone(), ..(*options.defaults).clone() });
    Engine::launch(options)
}

/// Configures a session in `cwd` and waits for its first event.
async fn configured(engine: &EngineHandle, cwd: &str) -> String {
    let (subscriber, mut events) = event_stream();
    let session = engine.open_session(subscriber).await.unwrap();
    let line = format!(r#"{{"id":"c1","op":{{"type":"configure_session","cwd":"{cwd}"}}}}"#);
    session.submit(Submission::parse(line.as_bytes())).await.unwrap();
    String::from_utf8_lossy(events.next().await.unwrap().lines()).into_owned()
}

#[actix::test]
async fn a_slow_disk_keeps_no_other_session_waiting() {
    let disk = Arc::new(SlowDisk::default());
    let engine = engine(&disk);
    let slow = actix::spawn({
        let engine = engine.clone();
        async move { configured(&engine, "/slow").await }
    });
    let fast = timeout(DEADLINE, configured(&engine, "/fast")).await.unwrap();
    assert!(fast.contains("session_configured"), "{fast}");
    assert!(!slow.is_finished());
    disk.open();
    let slow = timeout(DEADLINE, slow).await.unwrap().unwrap();
    assert!(slow.contains("session_configured"), "{slow}");
}
