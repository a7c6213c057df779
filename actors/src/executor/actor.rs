use super::{
    Application, Inspection, KillCall, Limits, Order, Runner, StartCall, Sweep, Swept,
    run::{Errand, Run},
};
use crate::{
    flow::Credits,
    supervise::{Lifeline, Tether, crash_point},
};
use actix::{Actor, Context, Handler};
use llmx_protocol::machine::{
    approval::{CallKey, Confinement},
    turn::{self, Work},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Starts and kills commands, and applies patches. Child of the Session; it may be replaced at any time, its runs die with it.
pub struct Executor {
    /// How commands are run.
    pub runner: Arc<dyn Runner>,
    /// Of the session's pool for what commands write.
    pub credits: Credits,
    /// Tells what runs, over all of the session's executors.
    pub runs: Arc<Lifeline>,
    /// The whole session's; whoever rebuilds it waits for it.
    pub family: Tether,
    /// Ends with the session.
    pub tether: Tether,
    /// Dropped with this struct, it kills what runs.
    pub lifeline: Lifeline,
    /// By call: how to tell a run to die.
    pub running: HashMap<CallKey, watch::Sender<Option<Duration>>>,
    /// The grace that each call was started with.
    pub graces: HashMap<CallKey, Duration>,
}

impl Executor {
    fn run(&mut self, StartCall { call, grace, output, ended }: StartCall) {
        let (tell, kill) = watch::channel(None);
        self.forget_ended();
        self.running.insert(call.call, tell);
        self.graces.insert(call.call, grace);
        let run = Run {
            runner: self.runner.clone(),
            call: call.call,
            errand: errand(call),
            credits: self.credits.clone(),
            output,
            ended,
            kill,
            executor: self.lifeline.tether(),
            alive: [self.runs.tether(), self.family.clone()],
        };
        // Not `ctx.spawn`: should this actor panic, the run must still see its command dead and say so.
        actix::spawn(run.finish());
    }

    fn forget_ended(&mut self) {
        self.running.retain(|_, tell| !tell.is_closed());
        self.graces.retain(|call, _| self.running.contains_key(call));
    }

    fn kill(&self, call: CallKey, grace: Duration) {
        if let Some(tell) = self.running.get(&call) {
            tell.send_replace(Some(grace));
        }
    }
}

fn errand(call: turn::StartCall) -> Errand {
    let policy = Limits { policy: call.sandbox_policy, session_cwd: call.session_cwd };
    let limits = || match call.confinement {
        Confinement::Sandboxed => Some(policy.clone()),
        Confinement::Unconfined => None,
    };
    match call.work {
        Work::Command { command, cwd } => Errand::Run(Order { command, cwd, limits: limits() }),
        Work::Inspect { patch, cwd } => Errand::Inspect(Inspection { patch, cwd, limits: policy }),
        Work::Apply { plan } => Errand::Apply(Application { plan, limits: limits() }),
    }
}

impl Actor for Executor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.tether.clone().hold(context, self);
    }
}

impl Handler<StartCall> for Executor {
    type Result = ();

    /// A turn may have sent this with its last breath, after the sweep that followed its task's death: nobody would
    /// end such a command.
    fn handle(&mut self, start: StartCall, _: &mut Context<Self>) {
        crash_point::<Self>(&"StartCall");
        if start.ended.upgrade().is_some() {
            self.run(start);
        }
    }
}

impl Handler<KillCall> for Executor {
    type Result = ();

    fn handle(&mut self, KillCall(call): KillCall, _: &mut Context<Self>) {
        crash_point::<Self>(&"KillCall");
        let grace = self.graces.get(&call).copied().unwrap_or_default();
        self.kill(call, grace);
    }
}

impl Handler<Sweep> for Executor {
    type Result = ();

    fn handle(&mut self, Sweep { done }: Sweep, _: &mut Context<Self>) {
        crash_point::<Self>(&"Sweep");
        for call in self.running.keys() {
            self.kill(*call, Duration::ZERO);
        }
        // At once, where there is nothing to wait for: the next command would be waited for too.
        if !self.runs.holds_something() {
            return done.do_send(Swept);
        }
        let runs = self.runs.clone();
        actix::spawn(async move {
            runs.slack().await;
            done.do_send(Swept);
        });
    }
}
