//! Back-pressure (DESIGN §3): what a UI does not read pauses the model's socket and the command's pipe, memory stays
//! bounded, an interrupt gets in at once, and nothing is dropped.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use llmx_actors::testkit::{Answer, Process, Ui, World, in_stopped_time};
use llmx_protocol::wire::event::EventMsg;
use serde_json::json;
use std::{cell::Cell, rc::Rc, time::Duration};

const WINDOW: usize = 4096;
/// Of an event that carries a delta or of an output chunk; the first is made of `DELTA`.
const LARGEST_CHUNK: usize = 400;
const DELTA: usize = 100;

async fn world() -> (World, Ui) {
    let world = World::with(&[], |options| {
        options.model_window = u32::try_from(WINDOW).unwrap();
        options.output_window = u32::try_from(WINDOW).unwrap();
    });
    let mut ui = world.open().await;
    ui.configure().await;
    (world, ui)
}

/// Long enough for an endless producer to fill any window.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

async fn interrupt(ui: &Ui) {
    ui.submit("stop", json!({"type": "interrupt"})).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// A task that gets through only if all of both windows is free.
async fn both_windows_are_free(world: &World, ui: &mut Ui) {
    let words = "w".repeat(WINDOW);
    world.model.answers([Answer::new().whispers(&words).calls("fill", &["fill"]).completes()]);
    world.commands.play("fill", Process::new().writes("f".repeat(WINDOW)));
    ui.say("last", "fill the windows").await;
    assert!(matches!(ui.until_terminal("last").await, EventMsg::TaskComplete { .. }));
}

#[test]
fn a_ui_that_does_not_read_holds_the_model_back_and_can_interrupt_it() {
    in_stopped_time(async {
        let (world, mut ui) = world().await;
        world.model.answers([Answer::new().never_ends(DELTA)]);
        ui.say("t", "talk").await;
        a_while().await;
        let taken = world.model.bytes_taken();
        assert!((WINDOW - LARGEST_CHUNK..=WINDOW + LARGEST_CHUNK).contains(&taken), "{taken}");
        a_while().await;
        assert_eq!(world.model.bytes_taken(), taken);

        interrupt(&ui).await;
        assert_eq!(world.model.open_in(&ui.session.id), 0, "the interrupt waits for the UI to read");
        assert_eq!(ui.until_terminal("t").await, EventMsg::error("interrupted"));
        both_windows_are_free(&world, &mut ui).await;
    });
}

#[test]
fn a_ui_that_does_not_read_holds_a_command_back_and_can_interrupt_it() {
    in_stopped_time(async {
        let (world, mut ui) = world().await;
        world.model.answers([Answer::new().calls("c", &["endless"]).completes()]);
        world.commands.play("endless", Process::new().never_stops_writing(DELTA));
        ui.say("t", "run").await;
        a_while().await;
        let taken = world.commands.bytes_taken();
        assert!((WINDOW - DELTA..=WINDOW + DELTA).contains(&taken), "{taken}");

        interrupt(&ui).await;
        assert_eq!(world.commands.live(), 0, "the interrupt waits for the UI to read");
        assert_eq!(ui.until_terminal("t").await, EventMsg::error("interrupted"));
        both_windows_are_free(&world, &mut ui).await;
    });
}

#[test]
fn a_command_that_fills_its_window_leaves_the_models_free() {
    in_stopped_time(async {
        let (world, mut ui) = world().await;
        world.model.answers([Answer::new().calls("c", &["endless"]).completes(), Answer::new().never_ends(DELTA)]);
        world.commands.play("endless", Process::new().never_stops_writing(DELTA));
        ui.say("noisy", "run").await;
        a_while().await;
        let before = world.model.bytes_taken();
        ui.say("next", "talk").await;
        a_while().await;
        let talked = world.model.bytes_taken() - before;
        assert!(talked > WINDOW / 2, "the model could say only {talked} bytes");
        interrupt(&ui).await;
        assert_eq!(ui.until_terminal("next").await, EventMsg::error("interrupted"));
    });
}

#[test]
fn a_model_that_fills_its_window_leaves_the_commands_free() {
    in_stopped_time(async {
        let (world, mut ui) = world().await;
        let talk = "w".repeat(WINDOW - 1500);
        world.model.answers([Answer::new().whispers(&talk).calls("c", &["endless"]).completes()]);
        world.commands.play("endless", Process::new().never_stops_writing(DELTA));
        ui.say("t", "talk and run").await;
        a_while().await;
        let taken = world.commands.bytes_taken();
        assert!(taken >= WINDOW, "the command could write only {taken} bytes");
        interrupt(&ui).await;
        assert_eq!(ui.until_terminal("t").await, EventMsg::error("interrupted"));
    });
}

#[test]
fn a_slow_ui_gets_everything_in_order() {
    in_stopped_time(async {
        let (world, mut ui) = world().await;
        let deltas: Vec<String> = (0..500).map(|n| format!("{n},")).collect();
        let answer = deltas.iter().fold(Answer::new(), |answer, delta| answer.whispers(delta)).completes();
        world.model.answers([answer]);
        ui.say("t", "count").await;
        let mut heard = String::new();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            match ui.next_event().await.unwrap().msg {
                EventMsg::AgentMessageDelta { delta, .. } => heard += &delta,
                EventMsg::TaskComplete { .. } => break,
                _ => {}
            }
        }
        assert_eq!(heard, deltas.concat());
    });
}

#[test]
fn a_flood_of_submissions_waits_outside_while_a_task_is_ending() {
    in_stopped_time(async {
        const FLOOD: usize = 200;
        let (world, mut ui) = world().await;
        world.model.answers([Answer::new().calls("c", &["stubborn"]).completes()]);
        world.commands.play("stubborn", Process::new().writes("x").hangs().lingers(Duration::from_secs(3)));
        ui.say("t", "run").await;
        ui.until("output", |msg| matches!(msg, EventMsg::ExecCommandOutputDelta { .. })).await;
        ui.submit("stop", json!({"type": "interrupt"})).await;

        let (session, taken) = (ui.session.clone(), Rc::new(Cell::new(0)));
        let count = taken.clone();
        actix_rt::spawn(async move {
            for n in 0..FLOOD {
                let bad = llmx_protocol::wire::submission::Submission::parse(format!(r#"{{"id":"f{n}"}}"#).as_bytes());
                session.submit(bad).await.unwrap();
                count.set(count.get() + 1);
            }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!((1..=64).contains(&taken.get()), "{} submissions wait inside", taken.get());
        for n in 0..FLOOD {
            ui.until("an answer", |msg| matches!(msg, EventMsg::Error { message } if message.contains("no `op`")))
                .await;
            assert_eq!(ui.seen.last().unwrap().event.id.as_str(), format!("f{n}"));
        }
        assert_eq!(taken.get(), FLOOD);
    });
}
