//! What it costs to keep threads:
//!
//! ```text
//! cargo bench -p llmx-tests --bench threads [-- SECTION…]
//! ```
//!
//! Sections: turns list many. The scripted model answers from another process for `many`, else from this one; times are
//! those of the host of an engine, as [`EngineHandle`]'s callers see them.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench reports on standard output and breaks loudly")]

use llmx_actors::{
    config::{ConfigSources, Environment, load},
    engine::{Engine, EngineHandle, EngineOptions, SessionHandle},
    executor::process::{HelperPath, run_if_helper},
    journal::{FileThreads, Redaction},
    outbox::{EventStream, event_stream},
    threads::{NewThread, NoThreads, SyncPolicy, ThreadQuery, ThreadRef, ThreadStore},
};
use llmx_protocol::wire::{event::EventMsg, submission::Submission};
use llmx_tests::world::{ModelServer, Response};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How many sessions there are, and how many of them stream at once.
const SESSIONS: usize = 1000;
const STREAMING: usize = 100;

fn main() -> ExitCode {
    if let Some(exit) = run_if_helper() {
        return exit;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [mode, url] = &wanted[..]
        && mode == "host-many"
    {
        actix_rt::System::new().block_on(host_many(url));
        return ExitCode::SUCCESS;
    }
    let sections: [(&str, fn()); 3] = [("turns", turns), ("list", list), ("many", many)];
    for (name, run) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            run();
        }
    }
    ExitCode::SUCCESS
}

/// A thread of many turns: what each costs with a journal and without, and what it takes to go on with all of them.
fn turns() {
    let count = 200;
    let home = TempDir::new().expect("a directory is made");
    let without = a_thread_of(count, Arc::new(NoThreads));
    let kept = a_thread_of(count, store(home.path(), SyncPolicy::Task));
    report("a turn, without a journal", &format!("{:.3} ms", ms(without) / count as f64), "-");
    report("a turn, with one", &format!("{:.3} ms", ms(kept) / count as f64), "-");
    let page = store(home.path(), SyncPolicy::Task).list(&ThreadQuery::default()).expect("it lists");
    let path = page.threads.first().and_then(|thread| thread.path.clone()).expect("one thread with a file");
    report("bytes of a turn", &format!("{}", fs::metadata(&path).expect("it is there").len() / count as u64), "-");
    report("resume of 200 turns", &median_and_max(resumed(home.path(), &path)), "<= 20 ms");
    grow(&path, 25);
    report("resume of 5,000 turns", &median_and_max(resumed(home.path(), &path)), "<= 300 ms");
}

/// A thread so many times as long, as if its tasks had gone on: to have them all run takes the model most of the time.
fn grow(path: &Path, times: u64) {
    let text = fs::read_to_string(path).expect("it is there");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let last = lines.iter().filter_map(|line| line["seq"].as_u64()).max().expect("it has events");
    let mut grown = text;
    for copy in 1..times {
        for mut line in lines.iter().filter(|line| line["type"] != "session_meta").cloned() {
            if let Some(seq) = line["seq"].as_u64() {
                line["seq"] = json!(seq + copy * last);
            }
            if let Some(task) = line["payload"]["task"].as_u64() {
                line["payload"]["task"] = json!(task + copy * 200);
            }
            for id in ["/id", "/payload/id", "/payload/response_id"] {
                if let Some(Value::String(id)) = line.pointer_mut(id) {
                    id.push_str(&format!("-{copy}"));
                }
            }
            grown.push_str(&format!("{line}\n"));
        }
    }
    fs::write(path, grown).expect("it is written");
}

fn a_thread_of(turns: usize, threads: Arc<dyn ThreadStore>) -> Duration {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let answers = (0..turns).map(|n| Response::of(&format!("resp_{n}")).says(&["all right, ", "done"]).completed());
    let model = runtime.block_on(ModelServer::start(answers));
    let took = actix_rt::System::new().block_on(async {
        let engine = engine(&model.url(), threads, None);
        let (session, mut events) = configured(&engine).await;
        let start = Instant::now();
        for n in 0..turns {
            submit(&session, &format!("u{n}"), say("what is next on the list?")).await;
            until(&mut events, |msg| msg.ends_a_task()).await;
        }
        let took = start.elapsed();
        session.leave().await.expect("it is there");
        session.closed().await;
        took
    });
    drop(runtime);
    took
}

/// Times of one engine that goes on with the thread again and again; the first, which looks once whether the machine has a
/// sandbox, is left out.
fn resumed(home: &Path, path: &Path) -> Vec<Duration> {
    actix_rt::System::new().block_on(async {
        let engine = engine("http://127.0.0.1:1", store(home, SyncPolicy::Task), None);
        let mut times = Vec::new();
        for _ in 0..12 {
            let start = Instant::now();
            let thread = ThreadRef::Path(path.to_owned());
            let resumed = engine.resume_thread(thread, event_stream().0).await.expect("it is there");
            times.push(start.elapsed());
            assert!(resumed.thread.damage.is_empty() && !resumed.thread.events.is_empty());
            resumed.session.leave().await.expect("it is there");
            resumed.session.closed().await;
        }
        times.split_off(1)
    })
}

/// Ten thousand threads of one day: the worst case, for a page reads the whole directory of its days.
fn list() {
    let home = TempDir::new().expect("a directory is made");
    let store = store(home.path(), SyncPolicy::Never);
    for n in 0..10_000 {
        let thread = NewThread::now();
        let lines = [
            json!({"timestamp": "", "type": "session_meta", "payload": {"id": thread.id, "cwd": format!("/project/{}", n % 50),
                "timestamp": "2026-01-01T00:00:00.000Z", "source": "cli", "cli_version": "0", "schema_version": 1}}),
            json!({"timestamp": "", "type": "event_msg", "id": "u", "seq": 1,
                "payload": {"type": "user_message", "message": format!("question {n}")}}),
        ];
        let mut journal = store.create(&thread).expect("it keeps threads");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        journal.append(text.as_bytes()).expect("it is written");
    }
    let timed = |query: ThreadQuery| {
        let start = Instant::now();
        let page = store.list(&query).expect("it lists");
        (start.elapsed(), page)
    };
    let (first, _) = timed(ThreadQuery::default());
    report("list of 10,000 threads, first page, the first time", &format!("{:.2} ms", ms(first)), "<= 1000 ms");
    let warm = (0..21).map(|_| timed(ThreadQuery::default()).0);
    report("list of 10,000 threads, first page", &median_and_max(warm), "<= 20 ms");
    let (nothing, page) = timed(ThreadQuery { search: Some("nowhere".into()), ..ThreadQuery::default() });
    assert!(page.threads.is_empty());
    report("a search in all of them that finds nothing", &format!("{:.0} ms", ms(nothing)), "-");
    let mut seen = 0;
    let mut query = ThreadQuery { limit: Some(100), ..ThreadQuery::default() };
    loop {
        let (_, page) = timed(query.clone());
        seen += page.threads.len();
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen, 10_000, "every thread is on one page");
}

/// The engine in a process of its own, so that the scripted model does not count.
fn many() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let short = (0..SESSIONS).map(|n| Response::of(&format!("r{n}")).says(&["ok"]).completed());
    let words = vec!["word "; 500];
    let long = (0..STREAMING).map(|n| Response::of(&format!("s{n}")).says(&words).completed());
    let endless = (0..STREAMING).map(|n| Response::of(&format!("e{n}")).begins_to_say(&["and"]).so_far().stalls());
    let model = runtime.block_on(ModelServer::start(short.chain(long).chain(endless)));
    let this = std::env::current_exe().expect("a bench has a name");
    let status = Command::new(this).args(["host-many", &model.url()]).status().expect("the host starts");
    assert!(status.success(), "the host of sessions failed");
}

async fn host_many(url: &str) {
    let home = TempDir::new().expect("a directory is made");
    let engine = engine(url, store(home.path(), SyncPolicy::Task), Some(Duration::from_millis(200)));
    // What the first session costs, others do not.
    let mut open = vec![configured(&engine).await];
    let before = memory();
    while open.len() < SESSIONS {
        open.push(configured(&engine).await);
    }
    report("RSS per session that was configured", &format!("{} kB", (memory() - before) / SESSIONS as u64), "<= 60 kB");
    for (n, (session, events)) in open.iter_mut().enumerate() {
        submit(session, &format!("short{n}"), say("one task each")).await;
        until(events, |msg| matches!(msg, EventMsg::TaskComplete { .. })).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    report(
        "RSS per idle session that had a task",
        &format!("{} kB", (memory() - before) / SESSIONS as u64),
        "<= 60 kB",
    );
    let start = Instant::now();
    for (n, (session, _)) in open[..STREAMING].iter().enumerate() {
        submit(session, &format!("long{n}"), say("all at once")).await;
    }
    for (_, events) in &mut open[..STREAMING] {
        until(events, |msg| matches!(msg, EventMsg::TaskComplete { .. })).await;
    }
    report("100 of 1,000 sessions stream 500 deltas each", &format!("{:.0} ms", ms(start.elapsed())), "each completes");
    for (n, (session, _)) in open[..STREAMING].iter().enumerate() {
        submit(session, &format!("endless{n}"), say("on and on")).await;
    }
    let mut times = Vec::new();
    for (session, events) in &mut open[..STREAMING] {
        until(events, |msg| matches!(msg, EventMsg::AgentMessageDelta { .. })).await;
        let start = Instant::now();
        submit(session, "stop", json!({"type": "interrupt"})).await;
        until(events, EventMsg::ends_a_task).await;
        times.push(start.elapsed());
    }
    report("interrupt of one of them", &median_and_max(times), "<= 10 ms");
}

fn store(home: &Path, sync: SyncPolicy) -> Arc<dyn ThreadStore> {
    Arc::new(FileThreads::new(home, "scripted".into(), sync, Redaction::default()))
}

fn engine(url: &str, threads: Arc<dyn ThreadStore>, rests_after: Option<Duration>) -> EngineHandle {
    let provider = format!("model_providers.scripted.base_url='{url}'");
    let overrides = ["model='scripted'", "model_provider='scripted'", "sandbox_mode='danger-full-access'", &provider];
    let overrides = overrides.iter().map(ToString::to_string).collect();
    let sources = ConfigSources { home: None, overrides, environment: Environment::from_os([]) };
    let config = load(&sources).expect("the configuration is good").config;
    let options = EngineOptions::configured(config, Vec::new(), Vec::new(), HelperPath::this_program());
    Engine::launch(EngineOptions { threads, rests_after, ..options })
}

async fn configured(engine: &EngineHandle) -> (SessionHandle, EventStream) {
    let (subscriber, mut events) = event_stream();
    let session = engine.start_thread(subscriber).await.expect("the engine lives");
    submit(&session, "c", json!({"type": "configure_session", "cwd": "/tmp"})).await;
    until(&mut events, |msg| matches!(msg, EventMsg::SessionConfigured(_))).await;
    (session, events)
}

fn say(text: &str) -> Value {
    json!({"type": "user_input", "items": [{"type": "text", "text": text}]})
}

async fn submit(session: &SessionHandle, id: &str, op: Value) {
    let line = json!({"id": id, "op": op}).to_string();
    session.submit(Submission::parse(line.as_bytes())).await.expect("the session is open");
}

async fn until(events: &mut EventStream, wanted: impl Fn(&EventMsg) -> bool) {
    loop {
        let delivery = events.next().await.expect("the session is open");
        if delivery.events.iter().any(|(_, msg)| wanted(msg)) {
            return;
        }
    }
}

/// In kB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("it has VmRSS");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("it is a number")
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median_and_max(times: impl IntoIterator<Item = Duration>) -> String {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    format!("{:.2} ms, at most {:.2} ms", ms(times[times.len() / 2]), ms(times[times.len() - 1]))
}

fn report(what: &str, figure: &str, target: &str) {
    println!("{what:<60} {figure:<34} {target}");
}
