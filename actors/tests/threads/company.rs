//! Several subscribers of one session, and sessions that rest.

use crate::home::{Home, resume};
use llmx_actors::{
    flow::company::MOST_LAG,
    outbox::{Delivery, Gone, Subscriber, event_stream},
    testkit::{Answer, Ui, World, in_real_time},
    threads::ThreadRef,
};
use llmx_protocol::{machine::session::SessionEnd, wire::event::EventMsg};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Keeps everything and deals with nothing.
#[derive(Clone, Default)]
struct Sleeper(Arc<Mutex<(Vec<Delivery>, Option<String>)>>);

impl Subscriber for Sleeper {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Gone> {
        self.0.lock().unwrap().0.push(delivery);
        Ok(())
    }

    fn close(&mut self, _: &SessionEnd) {}

    fn cut_off(&mut self, why: &str) {
        self.0.lock().unwrap().1 = Some(why.to_owned());
    }
}

#[test]
fn a_subscriber_that_does_nothing_is_cut_off_and_the_others_get_everything() {
    in_real_time(async {
        let home = Home::new();
        let world = home.world();
        let mut ui = world.open().await;
        ui.configure().await;
        let sleeper = Sleeper::default();
        ui.session.attach(Box::new(sleeper.clone()), None).await.unwrap();
        let word = "x".repeat(64 * 1024);
        let mut answer = Answer::new();
        for _ in 0..MOST_LAG / 2 / word.len() + 64 {
            answer = answer.says(&word);
        }
        world.model.answers_to(&ui.session.id, [answer.completes()]);
        ui.say("u", "much").await;
        assert!(matches!(ui.until_terminal("u").await, EventMsg::TaskComplete { .. }));
        let (held, why) = {
            let held = sleeper.0.lock().unwrap();
            (held.0.len(), held.1.clone())
        };
        assert!(held > 0 && why.unwrap().contains("cut off"));
    });
}

#[test]
fn one_who_comes_later_sees_what_was_said_and_what_is_asked_and_his_answer_counts() {
    in_real_time(async {
        let home = Home::new();
        let store: Arc<dyn llmx_actors::threads::ThreadStore> = Arc::new(home.store());
        let world = World::with(&[r#"approval_policy="untrusted""#], |options| options.threads = store);
        let mut ui = world.open().await;
        ui.configure().await;
        world.model.answers_to(&ui.session.id, [Answer::new().says("may I").calls("c1", &["work"]).completes()]);
        ui.say("u", "do it").await;
        let asked = ui.until("a question", |msg| matches!(msg, EventMsg::ExecApprovalRequest(_))).await;
        let (joined, mut stream) = resume(&world.engine, &ThreadRef::Id(ui.session.id.clone())).await.unwrap();
        assert_eq!(joined.thread.open_approvals, std::slice::from_ref(&asked));
        assert_eq!(joined.thread.events.last(), Some(&asked));
        let yes = json!({"id": "yes", "op": {"type": "exec_approval", "id": "u", "decision": "approved"}}).to_string();
        let yes = llmx_protocol::wire::submission::Submission::parse(yes.as_bytes());
        joined.session.submit(yes.clone()).await.unwrap();
        joined.session.submit(yes).await.unwrap();
        while !(is_over(&ui, "yes") && is_over(&ui, "u")) {
            ui.next_event().await.unwrap();
        }
        let mut seq = joined.thread.seq;
        let last = ui.seen.last().unwrap().event.seq;
        while seq < last {
            for (number, _) in stream.next().await.unwrap().events.iter() {
                seq += 1;
                assert_eq!(number, seq);
            }
        }
        let rest = ui.session.attach(event_stream().0, Some(asked.seq)).await.unwrap();
        assert!(rest.events.iter().all(|event| event.seq > asked.seq) && rest.open_approvals.is_empty());
    });
}

/// Whether the UI has read the end of this task, or that this submission was refused.
fn is_over(ui: &Ui, id: &str) -> bool {
    ui.seen.iter().any(|seen| seen.event.id.as_str() == id && seen.event.msg.ends_a_task())
}

#[test]
fn a_session_that_rests_wakes_up_with_all_it_knew() {
    in_real_time(async {
        let home = Home::new();
        let store: Arc<dyn llmx_actors::threads::ThreadStore> = Arc::new(home.store());
        let world = World::with(&[], |options| {
            options.threads = store;
            options.rests_after = Some(Duration::from_millis(1));
        });
        let mut ui = world.open().await;
        ui.configure().await;
        for task in 0..4 {
            ui.say(&format!("u{task}"), &format!("question {task}")).await;
            assert!(
                matches!(ui.until_terminal(&format!("u{task}")).await, EventMsg::TaskComplete { .. }),
                "{}",
                ui.transcript()
            );
            // It rests when another engine can open its thread.
            let thread = ThreadRef::Path(home.journals().remove(0));
            let other = home.world();
            let mut tries = 0;
            let (visitor, _events) = loop {
                match resume(&other.engine, &thread).await {
                    Ok(opened) => break opened,
                    Err(error) => assert!(tries < 3000, "it does not rest: {error}"),
                }
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            visitor.session.leave().await.unwrap();
            visitor.session.closed().await;
            let request = world.model.requests().last().unwrap().body.to_string();
            assert!((0..=task).all(|n| request.contains(&format!("question {n}"))), "{request}");
            let seqs: Vec<_> = ui.seen.iter().map(|s| s.event.seq).collect();
            assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
        }
    });
}
