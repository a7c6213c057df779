//! `kill -9` at random moments of generated sessions. `LLMX_KILLS` says how often; `LLMX_KILL_SEED` repeats a run.

use super::run::{Home, Run, journalled, to_be_journalled};
use llmx_tests::world::{
    Answer, ModelServer, Request, Response,
    processes::{marked, none_left},
};
use serde_json::Value;
use std::{collections::HashSet, path::Path, time::Duration};

/// How often in the everyday suite.
const KILLS: u64 = 24;
/// A thread is killed so often before the next one begins.
const KILLS_OF_A_THREAD: u64 = 12;

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn answers(dice: &mut Dice, from: usize) -> Vec<Answer> {
    let answer = |n: usize, kind: u64| {
        let response = Response::of(&format!("resp_{n}"));
        match kind {
            0 => response
                .says(&["I ", "look ", "around"])
                .runs_script(&format!("call_{n}"), "echo out; sleep 0.02")
                .completed(),
            1 => response.runs_script(&format!("call_{n}"), "sleep 60 & echo started").completed(),
            _ => response.says(&["done ", "with ", "it"]).completed(),
        }
    };
    (from..from + 40).map(|n| answer(n, dice.roll(5))).collect()
}

/// Submits tasks and reads until it is time to die.
fn live(run: &mut Run, dice: &mut Dice, kill: u64) {
    let mut left = dice.roll(70);
    for task in 0.. {
        run.say(&format!("u{kill}-{task}"), &format!("question {kill}-{task}"));
        let replaced = dice.roll(4) == 0;
        loop {
            if left == 0 {
                return std::thread::sleep(Duration::from_micros(dice.roll(2000)));
            }
            left -= 1;
            let event = run.next().unwrap();
            if event.kind() == "task_complete" || (replaced && event.kind() == "task_started") {
                break;
            }
        }
    }
}

/// Everything that was read is there, in order, once.
fn assert_kept(read: &[(u64, String, Value)], path: &Path, seed: u64) {
    let kept = journalled(path);
    assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "seed {seed}: numbers are not in order");
    let mut kept = kept.iter();
    for event in read {
        assert!(
            kept.any(|k| k == event),
            "seed {seed}: {event:?} was read and is not in its place in {}",
            path.display()
        );
    }
}

/// No output without its call, one for each.
fn assert_paired(request: &Request, seed: u64) {
    let mut open = HashSet::new();
    for item in request.input() {
        let call = item["call_id"].as_str().unwrap_or_default();
        match item["type"].as_str() {
            Some("function_call") => assert!(open.insert(call), "seed {seed}: {call} twice"),
            Some("function_call_output") => assert!(open.remove(call), "seed {seed}: output without call {call}"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "seed {seed}: without output: {open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_read_is_lost_when_llmx_is_killed() {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (kills, seed) = (number("LLMX_KILLS", KILLS), number("LLMX_KILL_SEED", u64::from(std::process::id())));
    let mut dice = Dice(seed);
    let mut kill = 0;
    while kill < kills {
        let model = ModelServer::start([]).await;
        let home = Home::new(&model);
        let mark = format!("kill.{seed}.{kill}");
        let (mut read, mut path) = (Vec::new(), None);
        for _ in 0..KILLS_OF_A_THREAD.min(kills - kill) {
            kill += 1;
            model.and_then(answers(&mut dice, usize::try_from(kill).unwrap() * 100));
            let mut run = home.run(&mark);
            run.configure(path.as_deref());
            live(&mut run, &mut dice, kill);
            read.extend(to_be_journalled(&run.kill()));
            none_left(|| marked(&mark)).await;
            path = home.journal();
            if let Some(path) = &path {
                assert_kept(&read, path, seed);
            }
        }
        let asked = model.count();
        model.and_then(answers(&mut Dice(4), 1_000_000));
        let mut run = home.run(&mark);
        run.configure(path.as_deref());
        run.say("last", "the last question");
        while run.next().is_some_and(|event| event.kind() != "task_complete") {}
        read.extend(to_be_journalled(&run.leave()));
        assert_kept(&read, &home.journal().unwrap(), seed);
        for number in 1..=model.count() {
            assert_paired(&model.request(number).await, seed);
        }
        assert_all_said(&model.request(asked + 1).await, &read, seed);
    }
}

/// The model is told every message that the UI had read.
fn assert_all_said(request: &Request, read: &[(u64, String, Value)], seed: u64) {
    let told = request.body.to_string();
    for (_, _, msg) in read.iter().filter(|(_, id, msg)| msg["type"] == "user_message" && id != "last") {
        let text = msg["message"].as_str().unwrap();
        assert!(told.contains(text), "seed {seed}: the model does not know of `{text}`");
    }
    let said = |kind: &str, id: &str| read.iter().filter(|(_, of, msg)| msg["type"] == kind && of != id).count();
    assert!(
        told.matches("\"assistant\"").count() >= said("agent_message", "last"),
        "seed {seed}: messages are missing"
    );
}
