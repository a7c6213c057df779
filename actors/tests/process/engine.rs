//! What the engine itself keeps, and what is left when it dies.

use crate::world::{Scene, alone, eventually, is_alone, own_process};
use llmx_actors::executor::process::{Ended, spawn};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn two_hundred_commands_leave_no_descriptor_and_no_zombie() {
    alone("engine::two_hundred_commands_leave_no_descriptor_and_no_zombie", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            one_of_each().await;
            let before = open_descriptors();
            for _ in 0..50 {
                one_of_each().await;
            }
            assert_eq!(open_descriptors(), before);
            assert_eq!(children(), "");
        });
    });
}

async fn one_of_each() {
    assert_eq!(Scene::of(&["true"]).run().await.end.ended, Ended::Exited(0));
    assert!(matches!(Scene::of(&["no-such-program"]).run().await.end.ended, Ended::SpawnFailed(_)));
    assert_eq!(Scene::shell("(setsid sleep 1000 &) ; exit 1").run().await.end.ended, Ended::Exited(1));
    let killed = Scene::shell("echo ready; sleep 1000").kill_when_ready(Duration::from_secs(60)).await;
    assert_eq!(killed.end.ended, Ended::Signalled(15));
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> String {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap()).collect()
}

/// The test program is the engine here; its second self, which starts the command, is killed by the first.
#[tokio::test]
async fn the_death_of_the_engine_is_the_death_of_its_commands() {
    let mark = |engine: u32| format!("engine-{engine}");
    let script = "trap '' TERM HUP; setsid sleep 1000 & (setsid sleep 1000 &) ; sleep 1000";
    if is_alone() {
        let scene = Scene::with_mark(&["sh", "-c", script], &mark(std::process::id()));
        let _running = spawn(&scene.launch).unwrap();
        eventually("all the sleeps run", || scene.sleeps() == 3).await;
        println!("\nrunning");
        return std::future::pending().await;
    }
    let mut engine = own_process("engine::the_death_of_the_engine_is_the_death_of_its_commands");
    let mut engine = engine.stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(engine.stdout.take().unwrap());
    assert!(said.lines().any(|line| line.unwrap() == "running"), "the engine did not come up");
    let scene = Scene::with_mark(&["sh", "-c", script], &mark(engine.id()));
    assert_eq!(scene.sleeps(), 3);

    engine.kill().unwrap();
    engine.wait().unwrap();

    scene.wait_until_nothing_is_alive().await;
}
