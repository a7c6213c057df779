//! The Executor against probes: what it answers, and what becomes of its processes.

use actix::Addr;
use llmx_actors::{
    executor::{CallEnded, CallOutput, Executor, KillCall, StartCall, Sweep, Swept},
    flow::Credits,
    supervise::{ChildExited, Lifeline, start_watched},
    testkit::{Heard, Process, ScriptedCommands, in_stopped_time, probe},
};
use llmx_protocol::{
    ids::TurnId,
    machine::{
        approval::{CallKey, Confinement},
        turn::{self, CallEnd},
    },
    wire::policy::SandboxPolicy,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

const GRACE: Duration = Duration::from_millis(100);
const A_WHILE: Duration = Duration::from_secs(60);

/// An executor whose turn and whose session are probes.
struct Bench {
    commands: ScriptedCommands,
    executor: Addr<Executor>,
    output: Heard<CallOutput>,
    ended: Heard<CallEnded>,
    exited: Heard<ChildExited<&'static str>>,
    session: Lifeline,
}

impl Bench {
    fn new() -> Self {
        let (commands, session) = (ScriptedCommands::default(), Lifeline::default());
        let exited = probe();
        let executor = Executor {
            runner: Arc::new(commands.clone()),
            credits: Credits::new(1024),
            runs: Arc::default(),
            family: session.tether(),
            tether: session.tether(),
            lifeline: Lifeline::default(),
            running: HashMap::new(),
            graces: HashMap::new(),
        };
        let executor = start_watched("executor", exited.weak(), |_| executor);
        Self { commands, executor, output: probe(), ended: probe(), exited, session }
    }

    fn start(&self, index: u32, command: &str, confinement: Confinement) {
        self.executor.do_send(StartCall {
            call: turn::StartCall {
                call: key(index),
                work: turn::Work::Command { command: vec![command.to_owned()], cwd: "/work-tree".into() },
                confinement,
                sandbox_policy: SandboxPolicy::ReadOnly,
                session_cwd: "/work-tree".into(),
            },
            grace: GRACE,
            output: self.output.weak(),
            ended: self.ended.weak(),
        });
    }

    fn run(&self, index: u32, command: &str, process: Process) {
        self.commands.play(command, process);
        self.start(index, command, Confinement::Unconfined);
    }

    async fn next_end(&mut self) -> (CallKey, CallEnd, Duration) {
        let CallEnded { call, end, duration } = self.ended.next().await;
        (call, end, duration)
    }
}

fn key(index: u32) -> CallKey {
    CallKey { turn: TurnId(1), index }
}

#[test]
fn a_call_is_answered_once_after_its_output() {
    in_stopped_time(async {
        let mut bench = Bench::new();
        bench.run(0, "say", Process::new().writes("hello").pauses(GRACE).exits(3));
        assert_eq!(bench.output.next().await.chunk, b"hello");
        assert_eq!(bench.next_end().await, (key(0), CallEnd::Exited(3), GRACE));
        bench.executor.do_send(KillCall(key(0)));
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(bench.ended.so_far().len() + bench.output.so_far().len(), 0);
    });
}

#[test]
fn a_killed_call_ends_when_its_process_does() {
    let check = |process: Process, end: CallEnd, after: Duration| {
        in_stopped_time(async {
            let mut bench = Bench::new();
            bench.run(0, "hang", process.hangs());
            bench.run(1, "other", Process::new().hangs());
            bench.executor.do_send(KillCall(key(0)));
            assert_eq!(bench.next_end().await, (key(0), end, after));
            assert_eq!(bench.commands.live(), 1, "the other call lives");
        });
    };
    check(Process::new(), CallEnd::Signalled(15), Duration::ZERO);
    check(Process::new().ignores_sigterm(), CallEnd::Signalled(9), GRACE);
    check(Process::new().lingers(A_WHILE), CallEnd::Signalled(9), A_WHILE);
}

#[test]
fn a_sweep_is_answered_when_nothing_lives() {
    in_stopped_time(async {
        let mut bench = Bench::new();
        bench.run(0, "hang", Process::new().hangs());
        bench.run(1, "lingering", Process::new().hangs().lingers(A_WHILE));
        let mut swept = probe();
        bench.executor.do_send(Sweep { done: swept.recipient() });
        let Swept = swept.next().await;
        assert_eq!(bench.commands.live(), 0);
        assert_eq!(bench.ended.so_far().len(), 2, "both were answered before");
        bench.executor.do_send(Sweep { done: swept.recipient() });
        let Swept = swept.next().await;
    });
}

#[test]
fn when_its_session_is_gone_it_kills_what_runs_and_stops() {
    in_stopped_time(async {
        let mut bench = Bench::new();
        bench.run(0, "hang", Process::new().hangs().ignores_sigterm());
        tokio::time::sleep(GRACE).await;
        assert_eq!(bench.commands.live(), 1);
        drop(bench.session);
        assert_eq!(bench.exited.next().await.child, "executor");
        assert_eq!(bench.ended.next().await.end, CallEnd::Signalled(9));
        assert_eq!(bench.commands.live(), 0);
    });
}
