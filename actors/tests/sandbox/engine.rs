//! The sandbox as the engine uses it.

use crate::ground::{Ground, Who, llmx};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use llmx_actors::executor::{HelperRunner, Limits, Order, OutputSink, Recovery, Runner, process::HelperPath};
use llmx_protocol::machine::settings::Enforcement;
use llmx_protocol::machine::turn::CallEnd;
use llmx_protocol::wire::event::ExecOutputStream;
use llmx_protocol::wire::policy::SandboxPolicy;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Said(Rc<RefCell<Vec<u8>>>);

impl OutputSink for Said {
    fn take(&mut self, _: ExecOutputStream, chunk: Bytes) -> LocalBoxFuture<'_, ()> {
        self.0.borrow_mut().extend_from_slice(&chunk);
        async {}.boxed_local()
    }
}

fn writing() -> SandboxPolicy {
    SandboxPolicy::WorkspaceWrite {
        writable_roots: Vec::new(),
        network_access: false,
        exclude_tmpdir_env_var: true,
        exclude_slash_tmp: true,
    }
}

async fn run(ground: &Ground, enforcement: Enforcement, policy: SandboxPolicy, script: &str) -> (CallEnd, String) {
    let runner = HelperRunner {
        environment: Arc::new(vec![("PATH".into(), std::env::var_os("PATH").unwrap())]),
        helper: HelperPath::at(llmx()),
        confining: Arc::new(enforcement),
        llmx_home: Some(ground.at("ws/.home")),
        user_home: Some(ground.at("home")),
        recovery: Recovery::default(),
    };
    let order = Order {
        command: ["sh", "-c", script].map(String::from).to_vec(),
        // As a tool call may ask for: another directory than the session's.
        cwd: ground.at("out"),
        limits: Some(Limits { policy, session_cwd: ground.at("ws") }),
    };
    let said = Said::default();
    let end = runner.run(order, std::future::pending().boxed_local(), Box::new(said.clone())).await;
    let said = String::from_utf8_lossy(&said.0.borrow()).into_owned();
    (end, said)
}

#[tokio::test]
async fn a_directory_that_the_model_names_is_no_root() {
    let ground = Ground::new(Who::everybody()[0]);
    let script =
        "pwd; echo x > here; echo x > ../ws/there; mkdir ../ws/.home; echo network $LLMX_SANDBOX_NETWORK_DISABLED";
    let (end, said) = run(&ground, Enforcement::Full, writing(), script).await;
    assert_eq!(end, CallEnd::Exited(0), "{said}");
    assert!(said.contains("/out\n") && said.contains("network 1"), "{said}");
    assert!(!ground.at("out/here").exists() && ground.at("ws/there").exists() && !ground.at("ws/.home").exists());
}

#[tokio::test]
async fn nothing_runs_where_it_cannot_be_confined() {
    let degraded = |writes| Enforcement::Degraded { why: "no namespaces".into(), writes };
    for (enforcement, policy, runs) in [
        (Enforcement::None("no Landlock".into()), SandboxPolicy::ReadOnly, false),
        (Enforcement::None("no Landlock".into()), writing(), false),
        (degraded(false), writing(), false),
        (degraded(false), SandboxPolicy::ReadOnly, true),
        (degraded(true), writing(), true),
        (Enforcement::Full, writing(), true),
    ] {
        let ground = Ground::new(Who::everybody()[0]);
        let (end, said) = run(&ground, enforcement, policy, "echo ran").await;
        assert_eq!(said.contains("ran"), runs, "{end:?}");
        assert_eq!(matches!(end, CallEnd::NotStarted(_)), !runs, "{end:?}");
    }
}
