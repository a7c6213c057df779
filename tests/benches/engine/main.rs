//! The engine's figures (DESIGN §5), measured from outside on the release binary:
//!
//! ```text
//! cargo bench -p llmx-tests --bench engine [-- SECTION…]
//! ```
//!
//! Sections: size cold turn deltas exec patch interrupt long request sessions. CPU is the engine's own, from /proc; times are medians
//! and maxima as a UI on a pipe sees them. The scripted model answers from this process, on the same cores.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench reports on standard output and breaks loudly")]

mod patch;

use llmx_actors::{
    config::{ConfigSources, Environment, load},
    engine::{Engine, EngineOptions},
    executor::process::{HelperPath, run_if_helper},
    outbox::{EventStream, event_stream},
};
use llmx_protocol::{
    history::History,
    model::{Dialect, ResponseItem, chat::ChatOptions, responses::RequestHead},
    wire::submission::Submission,
};
use llmx_tests::world::{Answer, ModelServer, Response, llmx_binary};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

fn main() -> ExitCode {
    if let Some(exit) = run_if_helper() {
        return exit;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [mode, url] = &wanted[..]
        && mode == "host-sessions"
    {
        return host_sessions(url);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let sections: [Section; 10] = [
        ("size", size),
        ("cold", cold),
        ("turn", turn),
        ("deltas", deltas),
        ("exec", exec),
        ("patch", patch::patch),
        ("interrupt", interrupt),
        ("long", long),
        ("request", request),
        ("sessions", sessions),
    ];
    let bench = Bench { runtime };
    for (name, run) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            run(&bench);
        }
    }
    ExitCode::SUCCESS
}

/// A name, and what to measure.
type Section = (&'static str, fn(&Bench));

struct Bench {
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn model(&self, script: impl IntoIterator<Item = Answer>) -> ModelServer {
        self.runtime.block_on(ModelServer::start(script))
    }

    fn ui(&self, model: &ModelServer) -> Ui {
        self.ui_on(model, "responses")
    }

    fn ui_on(&self, model: &ModelServer, wire: &str) -> Ui {
        let mut ui = self.unconfigured(model, wire, "danger-full-access");
        ui.configure(Path::new("/tmp"));
        ui
    }

    fn ui_in(&self, model: &ModelServer, mode: &str, cwd: &Path) -> Ui {
        let mut ui = self.unconfigured(model, "responses", mode);
        ui.configure(cwd);
        ui
    }

    fn unconfigured(&self, model: &ModelServer, wire: &str, mode: &str) -> Ui {
        let home = TempDir::new().expect("a directory is made");
        let config = format!(
            "model = 'scripted'\nmodel_provider = 'scripted'\napproval_policy = 'never'\nsandbox_mode = '{mode}'\n\
             [model_providers.scripted]\nwire_api = '{wire}'\nbase_url = '{}'\n",
            model.url()
        );
        fs::write(home.path().join("config.toml"), config).expect("a file is written");
        let mut engine = Command::new(llmx_binary())
            .arg("proto")
            .env("LLMX_HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("llmx starts");
        let input = engine.stdin.take().expect("piped");
        let output = BufReader::new(engine.stdout.take().expect("piped"));
        Ui { engine, input, output, _home: home, line: String::new() }
    }
}

/// A UI that does as little as it can.
struct Ui {
    engine: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _home: TempDir,
    line: String,
}

impl Ui {
    fn send(&mut self, id: &str, op: &Value) {
        writeln!(self.input, "{}", json!({"id": id, "op": op})).expect("llmx reads");
    }

    fn until(&mut self, kinds: &[&str]) {
        loop {
            self.line.clear();
            assert!(self.output.read_line(&mut self.line).expect("llmx writes") > 0, "llmx closed its output");
            if kinds.iter().any(|kind| self.line.contains(&format!(r#""msg":{{"type":"{kind}""#))) {
                return;
            }
        }
    }

    fn configure(&mut self, cwd: &Path) {
        self.send("c", &json!({"type": "configure_session", "cwd": cwd}));
        self.until(&["session_configured"]);
    }

    fn say(&mut self, id: &str) {
        self.send(id, &json!({"type": "user_input", "items": [{"type": "text", "text": "go"}]}));
    }

    fn task(&mut self, id: &str) -> Duration {
        let start = Instant::now();
        self.say(id);
        self.until(&["task_complete", "error"]);
        assert!(self.line.contains("task_complete"), "{}", self.line);
        start.elapsed()
    }

    fn cpu(&self) -> Duration {
        cpu(self.engine.id())
    }

    fn memory(&self, figure: &str) -> u64 {
        memory(self.engine.id(), figure)
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        let _ = self.engine.kill();
        let _ = self.engine.wait();
    }
}

fn size(_: &Bench) {
    let bytes = fs::metadata(llmx_binary()).expect("llmx was built").len();
    report("binary", &format!("{:.1} MB", bytes as f64 / 1e6), "<= 15 MB");
}

fn cold(bench: &Bench) {
    let model = bench.model([]);
    let times = (0..40).map(|_| {
        let start = Instant::now();
        let _ui = bench.ui(&model);
        start.elapsed()
    });
    report("cold start to session_configured", &median_and_max(times), "<= 12 ms");
    let ui = bench.ui(&model);
    std::thread::sleep(Duration::from_millis(300));
    report("idle RSS, one session", &format!("{} kB", ui.memory("VmRSS")), "<= 12,000 kB");
}

fn turn(bench: &Bench) {
    let model = bench.model((0..320).map(|n| Response::of(&format!("resp_{n}")).says(&["ok"]).completed()));
    let mut ui = bench.ui(&model);
    for n in 0..20 {
        ui.task(&format!("warm{n}"));
    }
    let before = ui.cpu();
    let times: Vec<_> = (0..300).map(|n| ui.task(&format!("u{n}"))).collect();
    report("turn, start to completed", &median_and_max(times), "<= 3 ms");
    report("CPU per turn", &format!("{:.2} ms", ms(ui.cpu() - before) / 300.0), "<= 3 ms");
}

fn deltas(bench: &Bench) {
    let words: Vec<String> = (0..20_000).map(|n| format!("{:>15} ", n % 10)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let on_responses = |n: usize| Response::of(&format!("resp_{n}")).says(&words).completed();
    deltas_on(bench, "responses", on_responses);
    deltas_on(bench, "chat", |_| said_in_chat(&words));
}

fn said_in_chat(words: &[&str]) -> Answer {
    let chunk = |choice: Value| json!({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]});
    let said = words.iter().map(|word| chunk(json!({"index": 0, "delta": {"content": word}})));
    let end = chunk(json!({"index": 0, "delta": {}, "finish_reason": "stop"}));
    Answer::stream().events(said.chain([end])).bytes(b"data: [DONE]\n\n").ends()
}

fn deltas_on(bench: &Bench, wire: &str, answer: impl Fn(usize) -> Answer) {
    let mut seconds = Vec::new();
    let mut peak = 0;
    for n in 0..7 {
        let model = bench.model([answer(n)]);
        let mut ui = bench.ui_on(&model, wire);
        let before = ui.cpu();
        ui.task("u");
        seconds.push(ui.cpu() - before);
        peak = peak.max(ui.memory("VmHWM"));
    }
    report(&format!("20,000 deltas on {wire}, CPU"), &median_and_max(seconds), "<= 150 ms");
    report(&format!("20,000 deltas on {wire}, peak RSS"), &format!("{peak} kB"), "<= 20,000 kB");
}

fn exec(bench: &Bench) {
    let calls = 200;
    for (what, command) in [("true", &["true"][..]), ("bash -c true", &["bash", "-c", "true"])] {
        let script = (0..calls)
            .map(|n| Response::of(&format!("resp_{n}")).runs(&format!("call_{n}"), command).completed())
            .chain([Response::of("resp_last").says(&["done"]).completed()]);
        let model = bench.model(script);
        let mut ui = bench.ui(&model);
        ui.say("u");
        let times = (0..calls).map(|_| {
            ui.until(&["exec_command_begin"]);
            let start = Instant::now();
            ui.until(&["turn_complete"]);
            start.elapsed()
        });
        report(&format!("unsandboxed `{what}`, begin to turn_complete"), &median_and_max(times), "<= 4 ms");
    }
    let floor = (0..200).map(|_| {
        let start = Instant::now();
        Command::new("bash").args(["-c", "true"]).status().expect("bash runs");
        start.elapsed()
    });
    report("floor: `bash -c true` from this process", &median_and_max(floor), "-");
}

fn interrupt(bench: &Bench) {
    let rounds = 200;
    let obedient: &[&str] = &["sleep", "600"];
    let stubborn: &[&str] = &["sh", "-c", "trap '' TERM; setsid sh -c 'sleep 600 & sleep 600' & sleep 600; sleep 600"];
    for (what, command, target) in [
        ("a command", obedient, "<= 10 ms"),
        ("one that ignores SIGTERM, with a daemon", stubborn, "<= 110 ms (grace 100 ms)"),
    ] {
        let rounds = if command == obedient { rounds } else { 50 };
        let script =
            (0..rounds).map(|n| Response::of(&format!("r{n}")).runs(&format!("call_{n}"), command).completed());
        let model = bench.model(script);
        let mut ui = bench.ui(&model);
        let times: Vec<_> = (0..rounds)
            .map(|n| {
                ui.say(&format!("u{n}"));
                ui.until(&["exec_command_begin"]);
                std::thread::sleep(Duration::from_millis(20));
                let start = Instant::now();
                ui.send("stop", &json!({"type": "interrupt"}));
                ui.until(&["error"]);
                let took = start.elapsed();
                assert_eq!(descendants(ui.engine.id()), 0, "a process outlived its task");
                took
            })
            .collect();
        report(&format!("interrupt of {what}, to its terminal event"), &median_and_max(times), target);
    }
    let stream = (0..rounds).map(|n| Response::of(&format!("s{n}")).begins_to_say(&["and"]).so_far().stalls());
    let model = bench.model(stream);
    let mut ui = bench.ui(&model);
    let times = (0..rounds).map(|n| {
        ui.say(&format!("s{n}"));
        ui.until(&["agent_message_delta"]);
        let start = Instant::now();
        ui.send("stop", &json!({"type": "interrupt"}));
        ui.until(&["error"]);
        start.elapsed()
    });
    report("interrupt of a streaming model", &median_and_max(times), "<= 10 ms");
}

fn long(bench: &Bench) {
    let turns = 2_000;
    let script = (0..turns).map(|n| Response::of(&format!("resp_{n}")).says(&["ok"]).completed());
    let model = bench.model(script);
    let mut ui = bench.ui(&model);
    let mut hundred = |from: usize| {
        let before = ui.cpu();
        for n in from..from + 100 {
            ui.task(&format!("u{n}"));
        }
        ms(ui.cpu() - before) / 100.0
    };
    let first = hundred(0);
    for from in (100..turns - 100).step_by(100) {
        hundred(from);
    }
    let last = hundred(turns - 100);
    let size = body_size(&bench.runtime, &model, turns);
    report("CPU per turn, turns 1-100", &format!("{first:.2} ms"), "-");
    report(
        &format!("CPU per turn, turns 1,901-2,000 (request {size} kB)"),
        &format!("{last:.2} ms"),
        "the same beyond bytes",
    );
    report("RSS after 2,000 turns", &format!("{} kB", ui.memory("VmRSS")), "-");
}

/// The bytes of a request, which are copied from what the conversation already is.
fn request(_: &Bench) {
    for (wire, dialect) in [("responses", Dialect::Responses), ("chat", Dialect::Chat(ChatOptions::default()))] {
        for turns in [2, 2_000] {
            let prompt = conversation(turns).prompt(false);
            let began = Instant::now();
            let bytes: usize = (0..50).map(|_| dialect.body(&head(), &prompt).len()).sum::<usize>() / 50;
            let took = began.elapsed() / 50;
            let what = format!("request of turn {turns} on {wire} ({} kB)", bytes / 1000);
            let per_byte = took.as_nanos() as f64 / bytes as f64;
            report(&what, &format!("{:.3} ms, {per_byte:.2} ns/byte", ms(took)), "bytes alone");
        }
    }
}

/// Each turn: input, a call, its output of 2 kB, an answer.
fn conversation(turns: usize) -> History {
    let call = |n: usize| {
        let arguments = json!({"command": ["cat", format!("file-{n}")]}).to_string();
        let call =
            json!({"type": "function_call", "call_id": format!("c{n}"), "name": "shell", "arguments": arguments});
        ResponseItem::from_model(&call.to_string()).expect("a call")
    };
    (0..turns).fold(History::default(), |history, n| {
        let output = ResponseItem::function_call_output(&format!("c{n}").into(), &"line of output\n".repeat(133));
        let [asked, said] =
            [("user", "go on"), ("assistant", "done")].map(|(role, text)| ResponseItem::message(role, text));
        history.with(vec![asked], None).with(vec![call(n)], None).with(vec![output], None).with(vec![said], None)
    })
}

fn head() -> RequestHead {
    RequestHead {
        model: "scripted".into(),
        instructions: "be brief".into(),
        tools: "[]".into(),
        may_call: true,
        parallel_tool_calls: false,
        reasoning: None,
        store: false,
        previous_response_id: None,
        prompt_cache_key: None,
        verbosity: None,
        output_schema: None,
    }
}

fn body_size(runtime: &tokio::runtime::Runtime, model: &ModelServer, turns: usize) -> usize {
    runtime.block_on(model.request(turns)).body.to_string().len() / 1000
}

fn sessions(bench: &Bench) {
    let words = vec!["word "; 500];
    let answers = (0..60).map(|n| Response::of(&format!("resp_{n}")).says(&words).completed());
    let model = bench.model(answers);
    let this = std::env::current_exe().expect("a bench has a name");
    let status = Command::new(this).args(["host-sessions", &model.url()]).status().expect("the host starts");
    assert!(status.success(), "the host of sessions failed");
}

/// In a process of its own, so that the scripted model does not count: an engine with many sessions.
fn host_sessions(url: &str) -> ExitCode {
    let overrides = ["model='scripted'", "model_provider='scripted'", "sandbox_mode='danger-full-access'"];
    let sources = ConfigSources {
        home: None,
        overrides: overrides
            .map(str::to_owned)
            .into_iter()
            .chain([format!("model_providers.scripted.base_url='{url}'")])
            .collect(),
        environment: Environment::from_os([]),
    };
    let config = load(&sources).expect("the configuration is good").config;
    actix_rt::System::new().block_on(async {
        let options = EngineOptions::configured(config, Vec::new(), Vec::new(), HelperPath::this_program());
        let engine = Engine::launch(options);
        let mut open = Vec::new();
        for _ in 0..50 {
            open.push(configured(&engine).await);
        }
        let me = std::process::id();
        let before = memory(me, "VmRSS");
        for _ in 0..200 {
            open.push(configured(&engine).await);
        }
        let each = (memory(me, "VmRSS") - before) as f64 / 200.0;
        report("RSS per extra session, configured and idle", &format!("{each:.1} kB"), "<= 60 kB");
        let start = Instant::now();
        for (session, _) in &open[..50] {
            let op = json!({"id": "u", "op": {"type": "user_input", "items": [{"type": "text", "text": "go"}]}});
            session.submit(Submission::parse(op.to_string().as_bytes())).await.expect("open");
        }
        for (_, events) in &mut open[..50] {
            until(events, "task_complete").await;
        }
        report("50 concurrent turns x 500 deltas", &format!("{:.3} s", start.elapsed().as_secs_f64()), "<= 0.5 s");
        report("their CPU", &format!("{:.3} s", cpu(me).as_secs_f64()), "-");
    });
    ExitCode::SUCCESS
}

async fn configured(engine: &llmx_actors::engine::EngineHandle) -> (llmx_actors::engine::SessionHandle, EventStream) {
    let (subscriber, mut events) = event_stream();
    let session = engine.open_session(subscriber).await.expect("the engine runs");
    let op = json!({"id": "c", "op": {"type": "configure_session", "cwd": "/tmp"}});
    session.submit(Submission::parse(op.to_string().as_bytes())).await.expect("open");
    until(&mut events, "session_configured").await;
    (session, events)
}

async fn until(events: &mut EventStream, kind: &str) {
    let needle = format!(r#""msg":{{"type":"{kind}""#);
    while let Some(delivery) = events.next().await {
        if String::from_utf8_lossy(delivery.lines()).contains(&needle) {
            return;
        }
    }
}

fn report(what: &str, figure: &str, target: &str) {
    println!("{what:<62} {figure:>34}   target {target}");
}

fn median_and_max(times: impl IntoIterator<Item = Duration>) -> String {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort();
    let last = times.len() - 1;
    format!("median {:.2} ms, max {:.2} ms", ms(times[last / 2]), ms(times[last]))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("llmx lives");
    let (_, fields) = stat.rsplit_once(") ").expect("a stat line");
    let ticks: u64 = fields.split(' ').skip(11).take(4).map(|f| f.parse::<u64>().unwrap_or(0)).sum();
    Duration::from_millis(ticks * 10)
}

/// In kB.
fn memory(pid: u32, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("llmx lives");
    let line = status.lines().find(|l| l.starts_with(figure)).expect("a figure of proc(5)");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

fn descendants(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("llmx lives");
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .map(|children| children.split_whitespace().count())
        .sum()
}
