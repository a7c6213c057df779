//! A clock that only goes backwards: a minute with each time that it is read. It is the system's to the real binary: a
//! library that is loaded before the C library answers in its place.

use super::run::{Home, journalled, to_be_journalled};
use llmx_tests::world::{ModelServer, Response, Setup};
use serde_json::{Value, json};
use std::{collections::HashSet, fs, path::Path, process::Command, sync::OnceLock};

const LIBRARY: &str = r"
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long readings;

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = (int) syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_REALTIME && !failed)
        time->tv_sec -= 60 * atomic_fetch_add(&readings, 1);
    return failed;
}
";

/// The compiled library; whoever can link these tests has a C compiler.
fn library() -> &'static Path {
    static LIBRARY_FILE: OnceLock<tempfile::TempPath> = OnceLock::new();
    LIBRARY_FILE.get_or_init(|| {
        let file = tempfile::Builder::new().suffix(".so").tempfile().unwrap().into_temp_path();
        let source = tempfile::Builder::new().suffix(".c").tempfile().unwrap();
        fs::write(source.path(), LIBRARY).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&file).arg(source.path());
        assert!(compiler.status().unwrap().success());
        file
    })
}

fn says(id: &str) -> llmx_tests::world::Answer {
    Response::of(id).says(&["I hear ", "you."]).completed()
}

/// The times of a journal's lines.
fn times(journal: &Path) -> Vec<String> {
    let text = fs::read_to_string(journal).unwrap();
    let time = |line: &str| serde_json::from_str::<Value>(line).unwrap()["timestamp"].as_str().unwrap().to_owned();
    text.lines().map(time).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_backwards_loses_and_confuses_nothing() {
    let call = Response::of("resp_1").runs("call_1", &["echo", "done"]).completed();
    let model = ModelServer::start([call, says("resp_2"), says("resp_3"), says("resp_4")]).await;
    let home = Home::new(&model);
    let mut run = home.run_under("backwards", library());
    run.configure(None);
    run.say("u1", "first");
    run.until("task_complete");
    run.say("u2", "second");
    run.until("task_complete");
    let mut read = run.leave();
    let journal = home.journal().unwrap();
    let went_back = times(&journal).windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(went_back > 5, "the library is not used: {:?}", times(&journal));
    assert_eq!(journalled(&journal), to_be_journalled(&read));

    let mut run = home.run_under("backwards", library());
    run.configure(Some(&journal));
    run.say("u3", "third");
    run.until("task_complete");
    read.extend(run.leave());
    assert_eq!(read.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=read.len() as u64).collect::<Vec<_>>());
    assert!(read.iter().all(|event| event.kind() != "warning" && event.kind() != "error"), "{read:#?}");
    assert_eq!(journalled(&journal), to_be_journalled(&read));
    let said = model.request(4).await.conversation();
    let answer = "assistant: I hear you.";
    let expected = ["user: first", answer, "user: second", answer, "user: third"];
    assert_eq!(said.iter().filter(|line| expected.contains(&line.as_str())).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn threads_are_listed_in_the_order_in_which_they_began_whatever_the_clock_says() {
    const THREADS: usize = 5;
    let ids = ["r0", "r1", "r2", "r3", "r4"];
    let server = ModelServer::start(ids.map(says)).await;
    let mut client = Setup::with(&server).variable("LD_PRELOAD", library().to_str().unwrap()).serve();
    client.initialize().await;
    let mut begun = Vec::new();
    for _ in 0..THREADS {
        let started = client.start_thread(json!({})).await;
        begun.push(started["thread"]["id"].as_str().unwrap().to_owned());
        client.say(begun.last().unwrap(), "hello").await;
        client.until("turn/completed").await;
    }
    let mut listed: Vec<String> = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = client.call("thread/list", json!({"limit": 2, "cursor": cursor})).await;
        let threads = page["data"].as_array().unwrap().iter();
        listed.extend(threads.map(|thread| thread["id"].as_str().unwrap().to_owned()));
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(listed.iter().collect::<HashSet<_>>().len(), THREADS);
    listed.reverse();
    assert_eq!(listed, begun);
    client.ends_with(0).await;
}
