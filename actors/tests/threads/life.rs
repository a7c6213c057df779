//! Start, resume, fork, join.

use crate::home::{Home, bookmarks, kept, resume};
use llmx_actors::{
    outbox::event_stream,
    testkit::{Answer, Ui, World, in_real_time},
    threads::{ThreadError, ThreadQuery, ThreadRef},
};
use llmx_protocol::wire::event::{Event, EventMsg};
use serde_json::json;

/// Three tasks, the second with a command.
async fn three_tasks(world: &World) -> Ui {
    let mut ui = world.open().await;
    ui.configure().await;
    world.model.answers_to(
        &ui.session.id,
        [
            Answer::new().says("answer one").completes(),
            Answer::new().says("I look").calls("c1", &["work"]).completes(),
            Answer::new().says("answer two").completes(),
            Answer::new().says("answer three").completes(),
        ],
    );
    for task in ["one", "two", "three"] {
        ui.say(task, &format!("question {task}")).await;
        ui.until_terminal(task).await;
    }
    ui
}

fn seen(ui: &Ui) -> Vec<Event> {
    kept(ui.seen.iter().map(|seen| seen.event.clone()))
}

async fn end(ui: &mut Ui) {
    ui.session.leave().await.unwrap();
    ui.until_closed().await;
}

fn last_request(world: &World) -> String {
    world.model.requests().last().unwrap().body.to_string()
}

async fn say(session: &llmx_actors::engine::SessionHandle, id: &str, op: serde_json::Value) {
    let line = json!({"id": id, "op": op}).to_string();
    session.submit(llmx_protocol::wire::submission::Submission::parse(line.as_bytes())).await.unwrap();
}

fn input(text: &str) -> serde_json::Value {
    json!({"type": "user_input", "items": [{"type": "text", "text": text}]})
}

#[test]
fn a_thread_goes_on_in_another_engine() {
    in_real_time(async {
        let home = Home::new();
        let first = home.world();
        let mut ui = three_tasks(&first).await;
        let before = last_request(&first);
        let (id, events) = (ui.session.id.clone(), seen(&ui));
        end(&mut ui).await;
        let second = home.world();
        let (resumed, mut stream) = resume(&second.engine, &ThreadRef::Id(id.clone())).await.unwrap();
        assert_eq!(resumed.thread.events, events);
        assert_eq!((resumed.session.id.clone(), resumed.thread.summary.id), (id.clone(), id));
        assert_eq!(resumed.thread.summary.preview, "question one");
        say(&resumed.session, "four", input("question four")).await;
        let mut last = resumed.thread.seq;
        loop {
            let delivery = stream.next().await.unwrap();
            let numbered: Vec<_> = delivery.events.iter().map(|(seq, msg)| (seq, msg.clone())).collect();
            for (seq, _) in &numbered {
                assert_eq!(*seq, last + 1);
                last = *seq;
            }
            if numbered.iter().any(|(_, msg)| msg.ends_a_task()) {
                break;
            }
        }
        let request = last_request(&second);
        for text in [
            "question one",
            "answer one",
            "I look",
            "c1",
            "answer two",
            "question three",
            "answer three",
            "question four",
        ] {
            assert!(request.contains(text), "{text} is not in {request}");
        }
        let input_of =
            |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap()["input"].as_array().unwrap().clone();
        let (before, after) = (input_of(&before), input_of(&request));
        assert_eq!(after[..before.len()], before[..]);
    });
}

#[test]
fn a_fork_at_a_bookmark_is_what_was_said_up_to_it() {
    in_real_time(async {
        let home = Home::new();
        let world = home.world();
        let ui = three_tasks(&world).await;
        let events = seen(&ui);
        for (turn, at) in bookmarks(&events).into_iter().enumerate() {
            let (subscriber, _stream) = event_stream();
            let thread = ThreadRef::Id(ui.session.id.clone());
            let fork = world.engine.fork_thread(thread, Some(at.clone()), subscriber).await.unwrap();
            assert_eq!(bookmarks(&fork.thread.events).len(), turn + 1);
            let shared: Vec<_> = fork.thread.events.iter().zip(&events).filter(|(a, b)| a.seq == b.seq).collect();
            assert!(shared.len() + 1 >= fork.thread.events.len());
            assert!(
                fork.thread
                    .events
                    .iter()
                    .all(|e| !matches!(&e.msg, EventMsg::ItemCompleted(i) if i.thread_id != fork.session.id))
            );
        }
        let (subscriber, _stream) = event_stream();
        let unknown =
            world.engine.fork_thread(ThreadRef::Id(ui.session.id.clone()), Some("nothing".into()), subscriber).await;
        assert!(matches!(unknown, Err(ThreadError::Invalid(_))));
    });
}

#[test]
fn a_second_engine_is_told_who_has_the_thread() {
    in_real_time(async {
        let home = Home::new();
        let (first, second) = (home.world(), home.world());
        let ui = three_tasks(&first).await;
        let refused = resume(&second.engine, &ThreadRef::Id(ui.session.id.clone())).await;
        let Err(ThreadError::Locked { holder, .. }) = refused else { panic!("it was opened twice") };
        assert_eq!(holder, format!("this process ({})", std::process::id()));
        let by_path = ThreadRef::Path(home.journals().remove(0));
        let (joined, _events) = resume(&first.engine, &by_path).await.unwrap();
        assert_eq!(joined.thread.events, seen(&ui));
    });
}

#[test]
fn threads_are_listed_named_archived_and_deleted() {
    in_real_time(async {
        let home = Home::new();
        let world = home.world();
        let ui = three_tasks(&world).await;
        let id = ThreadRef::Id(ui.session.id.clone());
        let silent = world.open().await;
        let list = |archived| world.engine.list_threads(ThreadQuery { archived, ..ThreadQuery::default() });
        let ids = |page: llmx_actors::threads::Page| page.threads.into_iter().map(|t| t.id).collect::<Vec<_>>();
        assert_eq!(ids(list(false).await.unwrap()), std::slice::from_ref(&ui.session.id));
        assert_ne!(silent.session.id, ui.session.id);
        world.engine.rename_thread(id.clone(), "my thread".into()).await.unwrap();
        assert_eq!(list(false).await.unwrap().threads[0].name.as_deref(), Some("my thread"));
        world.engine.archive_thread(id.clone()).await.unwrap();
        assert!(ids(list(false).await.unwrap()).is_empty());
        assert_eq!(list(true).await.unwrap().threads[0].name.as_deref(), Some("my thread"));
        world.engine.unarchive_thread(id.clone()).await.unwrap();
        assert_eq!(ids(list(false).await.unwrap()), std::slice::from_ref(&ui.session.id));
        world.engine.delete_thread(id.clone()).await.unwrap();
        assert!(ids(list(false).await.unwrap()).is_empty());
        assert!(matches!(world.engine.read_thread(id).await, Err(ThreadError::NotFound(_))));
        assert!(home.journals().is_empty());
    });
}
