//! An actix application that hosts the engine under an actor of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, ResponseFuture};
use llmx_actors::{
    engine::{Engine, EngineOptions, OpenSession, Placement, SessionHandle},
    outbox::event_stream,
    supervise::{ChildExited, Exit, start_watched},
    testkit::{Answer, Gate, Harness, Process, ScriptedCommands, ScriptedModel, World, in_real_time, in_stopped_time},
};
use llmx_protocol::wire::{
    event::{Event, EventMsg},
    submission::Submission,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;

/// The application: its engine is a supervised child like any other.
struct Host {
    options: EngineOptions,
    engine: Option<Addr<Engine>>,
    /// To the test.
    news: mpsc::UnboundedSender<News>,
}

#[derive(Debug, PartialEq)]
enum News {
    Event(usize, EventMsg),
    SessionEnded(usize),
    EngineGone(Exit),
}

/// Opens a session; its events become messages to the host.
#[derive(Message)]
#[rtype(result = "SessionHandle")]
struct Open(usize);

/// An event of a session of the host.
#[derive(Message)]
#[rtype(result = "()")]
struct Happened(usize, EventMsg);

/// The application does not need its engine any more, whatever that is doing.
#[derive(Message)]
#[rtype(result = "()")]
struct DropEngine;

impl Actor for Host {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let (me, options) = (context.address().downgrade().recipient(), self.options.clone());
        self.engine = Some(start_watched("engine", me, |_| Engine::new(options)));
    }
}

impl Handler<Open> for Host {
    type Result = ResponseFuture<SessionHandle>;

    fn handle(&mut self, Open(number): Open, context: &mut Context<Self>) -> Self::Result {
        let (subscriber, mut events) = event_stream();
        let (host, news) = (context.address().downgrade(), self.news.clone());
        let listen = async move {
            while let Some(delivery) = events.next().await {
                for line in delivery.lines().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let event: Event = serde_json::from_slice(line).unwrap();
                    if let Some(host) = host.upgrade() {
                        host.do_send(Happened(number, event.msg));
                    }
                }
            }
            let _ = news.send(News::SessionEnded(number));
        };
        actix::spawn(listen);
        let opened = self.engine.as_ref().unwrap().send(OpenSession(subscriber));
        Box::pin(async { opened.await.unwrap() })
    }
}

impl Handler<Happened> for Host {
    type Result = ();

    fn handle(&mut self, Happened(number, msg): Happened, _: &mut Context<Self>) {
        let _ = self.news.send(News::Event(number, msg));
    }
}

impl Handler<ChildExited<&'static str>> for Host {
    type Result = ();

    fn handle(&mut self, exited: ChildExited<&'static str>, _: &mut Context<Self>) {
        let _ = self.news.send(News::EngineGone(exited.exit));
    }
}

impl Handler<DropEngine> for Host {
    type Result = ();

    fn handle(&mut self, _: DropEngine, _: &mut Context<Self>) {
        self.engine = None;
    }
}

struct Application {
    host: Addr<Host>,
    news: mpsc::UnboundedReceiver<News>,
    model: ScriptedModel,
    commands: ScriptedCommands,
    harness: Harness,
}

impl Application {
    fn start(placement: Placement) -> Self {
        let (model, commands) = (ScriptedModel::default(), ScriptedCommands::default());
        let options = EngineOptions { placement, ..World::options(&[], &model, &commands) };
        let harness = options.harness.clone();
        let (to, news) = mpsc::unbounded_channel();
        #[expect(clippy::disallowed_methods, reason = "the application has no parent")]
        let host = Host { options, engine: None, news: to }.start();
        Self { host, news, model, commands, harness }
    }

    async fn open(&self, number: usize) -> SessionHandle {
        let session = self.host.send(Open(number)).await.unwrap();
        submit(&session, json!({"type": "configure_session", "cwd": "/work-tree"})).await;
        session
    }

    async fn wait_for(&mut self, wanted: impl Fn(&News) -> bool) {
        loop {
            let news = tokio::time::timeout(Duration::from_secs(30), self.news.recv()).await;
            if wanted(&news.expect("news in time").expect("the host lives")) {
                return;
            }
        }
    }

    /// Of a host and its engine nothing is left but the host.
    async fn everything_is_gone(&self) {
        for _ in 0..3000 {
            let living = self.harness.living().len() + self.commands.live();
            if living == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("left: {:?} and {} commands", self.harness.living(), self.commands.live());
    }
}

async fn submit(session: &SessionHandle, op: Value) {
    let line = json!({"id": "t", "op": op}).to_string();
    session.submit(Submission::parse(line.as_bytes())).await.unwrap();
}

fn say() -> Value {
    json!({"type": "user_input", "items": [{"type": "text", "text": "go"}]})
}

fn is_complete(news: &News, session: usize) -> bool {
    matches!(news, News::Event(of, EventMsg::TaskComplete { .. }) if *of == session)
}

fn streams(news: &News, session: usize) -> bool {
    matches!(news, News::Event(of, EventMsg::AgentMessageDelta { .. }) if *of == session)
}

async fn two_sessions_work_at_once(placement: Placement) {
    let mut app = Application::start(placement);
    let sessions = [app.open(0).await, app.open(1).await];
    let gate = Gate::default();
    let long = Answer::new().whispers("one ").waits_for(&gate).says("two").completes();
    app.model.answers_to(&sessions[0].id, [long]);
    submit(&sessions[0], say()).await;
    app.wait_for(|news| streams(news, 0)).await;
    submit(&sessions[1], say()).await;
    app.wait_for(|news| is_complete(news, 1)).await;
    gate.open();
    app.wait_for(|news| is_complete(news, 0)).await;
}

async fn an_engine_that_is_dropped_kills_everything(placement: Placement) {
    let mut app = Application::start(placement);
    let sessions = [app.open(0).await, app.open(1).await];
    app.model.answers_to(&sessions[0].id, [Answer::new().whispers("one ").stalls()]);
    app.model.answers_to(&sessions[1].id, [Answer::new().calls("c", &["hang"]).completes()]);
    app.commands.play("hang", Process::new().writes("x").hangs().ignores_sigterm());
    submit(&sessions[0], say()).await;
    submit(&sessions[1], say()).await;
    app.wait_for(|news| streams(news, 0)).await;
    while app.commands.live() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    app.host.send(DropEngine).await.unwrap();
    app.wait_for(|news| *news == News::EngineGone(Exit::Stopped)).await;
    app.everything_is_gone().await;
    assert_eq!(sessions.each_ref().map(|session| app.model.open_in(&session.id)), [0, 0]);
    let late = Submission::parse(br#"{"id":"late","op":{"type":"interrupt"}}"#);
    for session in &sessions {
        assert!(session.submit(late.clone()).await.is_err());
    }
}

#[test]
fn two_sessions_work_at_once_on_the_hosts_own_arbiter() {
    in_stopped_time(two_sessions_work_at_once(Placement::Here));
}

#[test]
fn two_sessions_work_at_once_on_arbiters_of_the_engine() {
    in_real_time(two_sessions_work_at_once(Placement::Spread(2)));
}

#[test]
fn an_engine_that_is_dropped_mid_task_kills_everything_on_the_hosts_arbiter() {
    in_stopped_time(an_engine_that_is_dropped_kills_everything(Placement::Here));
}

#[test]
fn an_engine_that_is_dropped_mid_task_kills_everything_on_its_arbiters() {
    in_real_time(an_engine_that_is_dropped_kills_everything(Placement::Spread(2)));
}
