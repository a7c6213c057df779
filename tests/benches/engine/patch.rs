//! A patch of 500 hunks to a file of 10,000 lines, from the model's words to the next request (target: under 50 ms).

use super::{Bench, median_and_max, report};
use llmx_tests::world::Response;
use std::{fmt::Write as _, fs, time::Instant};
use tempfile::TempDir;

const LINES: usize = 10_000;
const HUNKS: usize = 500;
const ROUNDS: usize = 20;

pub(super) fn patch(bench: &Bench) {
    for mode in ["danger-full-access", "workspace-write"] {
        // Not below `/tmp`, which may be a file system in memory.
        let ground = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory is made");
        let file = ground.path().join("long.txt");
        fs::write(&file, text(0)).expect("a file is written");
        let script = (0..ROUNDS).flat_map(|round| {
            let called = Response::of(&format!("call_{round}")).patches(&format!("c{round}"), &hunks(round));
            [called.completed(), Response::of(&format!("said_{round}")).says(&["done"]).completed()]
        });
        let model = bench.model(script);
        let mut ui = bench.ui_in(&model, mode, ground.path());
        let (mut looked, mut applied, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let said = Instant::now();
            ui.say(&format!("u{round}"));
            ui.until(&["patch_apply_begin"]);
            looked.push(said.elapsed());
            let began = Instant::now();
            ui.until(&["patch_apply_end"]);
            applied.push(began.elapsed());
            ui.until(&["task_complete"]);
            whole.push(said.elapsed());
            assert!(fs::read_to_string(&file).is_ok_and(|found| found == text(round + 1)), "round {round}");
        }
        report(&format!("patch, {mode}: input to begin"), &median_and_max(looked), "-");
        report(&format!("patch, {mode}: begin to end"), &median_and_max(applied), "-");
        report(&format!("patch, {mode}: two requests and all"), &median_and_max(whole), "<= 50 ms");
    }
}

/// After so many rounds, each of which has changed every twentieth line.
fn text(rounds: usize) -> String {
    (0..LINES).map(|n| line(n, rounds) + "\n").collect()
}

fn line(n: usize, rounds: usize) -> String {
    match n % (LINES / HUNKS) {
        10 => format!("    let value_{n} = compute({rounds}, {n});"),
        _ => format!("    let other_{n} = unchanged(\"line {n}\");"),
    }
}

fn hunks(round: usize) -> String {
    let mut patch = String::from("*** Update File: long.txt\n");
    for hunk in 0..HUNKS {
        let n = hunk * (LINES / HUNKS) + 10;
        let context = |range: std::ops::Range<usize>| range.map(|n| format!(" {}\n", line(n, 0))).collect::<String>();
        let (before, after) = (context(n - 3..n), context(n + 1..n + 4));
        let _ = write!(patch, "@@\n{before}-{}\n+{}\n{after}", line(n, round), line(n, round + 1));
    }
    patch
}
