use super::*;
use crate::{machine::fixture, model::item::ResponseItem};
use std::time::Duration;

/// Tells a task what the words say and compares what it does. `turn:2:done` is the end of turn 2, `turn:2:fed` one
/// with an output to feed back, `full` one that fills the window and is fed back; `sum` is the start of a turn that sums
/// up; `+5s` lets time pass. Its first events are left out.
fn check(script: &str, expected: &str) {
    let done = run(start(), script);
    let beginning = "task_started item_started item_completed user_message ";
    assert_eq!(done.strip_prefix(beginning), Some(expected), "script: {script}: {done}");
}

/// As [`check`], of a conversation of `items` that fills the window and of a task that is `work`.
fn check_full(items: usize, work: Work, script: &str, expected: &str) {
    let message = || ResponseItem::message("user", "hi");
    let mut history = History::default().with_counted(vec![message(); items], None, Some(900));
    if matches!(work, Work::Answer(_)) {
        history = history.with(vec![message()], None);
    }
    let done = run(TaskStart { history, work, ..start() }, script);
    let beginning = ["task_started item_started item_completed user_message ", "task_started "];
    let rest = beginning.iter().find_map(|beginning| done.strip_prefix(beginning));
    assert_eq!(rest, Some(expected), "script: {script}: {done}");
}

fn run(start: TaskStart, script: &str) -> String {
    let mut task = Task::new(start);
    let mut now = Instant::now();
    let mut done = Vec::new();
    for word in script.split_whitespace() {
        let input = match word.strip_prefix('+') {
            Some(wait) => {
                now += Duration::from_secs(wait.trim_end_matches('s').parse().unwrap());
                Input::Tick
            }
            None => input(word),
        };
        done.extend(task.apply(input, now).iter().map(shown));
    }
    done.join(" ")
}

fn start() -> TaskStart {
    TaskStart {
        task: TaskId(1),
        submission: "u1".into(),
        session: "thread".into(),
        settings: Arc::new(fixture::settings()),
        history: History::default().with(vec![ResponseItem::message("user", "hi")], None),
        work: Work::Answer(vec![UserInput::Text { text: "hi".into() }]),
        first_turn: TurnId(1),
        used: TokenUsage::default(),
        seed: 0,
    }
}

fn input(word: &str) -> Input {
    let turn = |n: &str| TurnId(n.parse().unwrap());
    match word.split(':').collect::<Vec<_>>()[..] {
        ["begin"] => Input::Begin,
        ["turn", n, how] => Input::TurnEnded { turn: turn(n), end: turn_end(how) },
        ["crashed", n] => Input::TurnCrashed { turn: turn(n), why: "bang".into() },
        ["swept"] => Input::Swept,
        ["stop"] => Input::Stop(AbortReason::Interrupted),
        ["replace"] => Input::Stop(AbortReason::Replaced),
        ["steer"] => Input::Steer(Steering {
            id: "s".into(),
            input: vec![UserInput::Text { text: "look".into() }],
            message: ResponseItem::message("user", "look"),
        }),
        _ => panic!("unknown word {word}"),
    }
}

fn turn_end(how: &str) -> TurnEnd {
    let output = || ResponseItem::function_call_output(&"c1".into(), "x");
    TurnEnd {
        outcome: match how {
            "stopped" => Outcome::Stopped,
            "failed" => Outcome::Failed("broken".into()),
            "overflowed" => Outcome::Overflowed("no room".into()),
            _ => Outcome::Completed,
        },
        said: vec![ResponseItem::message("assistant", "hello")],
        response_id: (how != "nameless").then(|| "r1".into()),
        outputs: matches!(how, "fed" | "full").then(output).into_iter().collect(),
        last_message: (how != "mute").then(|| "hello".into()),
        used: TokenUsage::default(),
        diff: Arc::default(),
        context_tokens: (how == "full").then_some(900),
    }
}

fn shown(effect: &Effect) -> String {
    match effect {
        Effect::Publish(EventMsg::TurnAborted { reason }) => format!("turn_aborted:{}", reason.as_str()),
        Effect::Publish(EventMsg::Error { message }) => format!("error:{}", message.replace(' ', "_")),
        Effect::Publish(msg) => fixture::name(msg),
        Effect::StartTurn(start, prompt) => {
            let what = if start.purpose == Purpose::Summary { "sum" } else { "start" };
            format!("{what}:{}:{}", start.turn, prompt.items().len())
        }
        Effect::StopTurn => "stop_turn".into(),
        Effect::YieldTurn => "yield_turn".into(),
        Effect::Sweep => "sweep".into(),
        Effect::Bookmark(bookmark) => {
            let Bookmark { id, point, heard } = bookmark;
            format!("bookmark:{id}:{}{}", point.history.items().len(), if heard.is_empty() { "" } else { ":heard" })
        }
        Effect::Finish(end) => format!("finish:{}:{}", end.history.items().len(), end.next_turn),
    }
}

const ABORTED: &str = "turn_aborted:interrupted error:interrupted";

#[test]
fn a_task_goes_on_while_there_is_something_to_feed_back() {
    check("begin", "start:1:1");
    check("begin turn:1:done turn:1:done", "start:1:1 bookmark:r1:2 turn_complete task_complete finish:2:2");
    check(
        "begin turn:1:fed turn:1:fed turn:2:done",
        "start:1:1 bookmark:r1:3 turn_complete start:2:3 bookmark:r1:4 turn_complete task_complete finish:4:3",
    );
    check("begin turn:1:nameless", "start:1:1 bookmark:llmx_thread_1:2 turn_complete task_complete finish:2:2");
    check("turn:1:done begin begin", "start:1:1");
}

#[test]
fn a_task_that_is_stopped_ends_when_its_turn_has() {
    check("begin stop stop", "start:1:1 stop_turn");
    check("begin stop turn:1:stopped stop", &format!("start:1:1 stop_turn {ABORTED} finish:2:2"));
    check("begin stop replace turn:1:stopped", &format!("start:1:1 stop_turn {ABORTED} finish:2:2"));
    check("begin replace turn:1:stopped", "start:1:1 stop_turn turn_aborted:replaced error:replaced finish:2:2");
    check("begin stop turn:1:fed", &format!("start:1:1 stop_turn bookmark:r1:3 turn_complete {ABORTED} finish:3:2"));
    check("begin stop turn:1:failed", &format!("start:1:1 stop_turn warning {ABORTED} finish:2:2"));
    check("stop begin", &format!("{ABORTED} finish:1:2"));
    check("begin stop turn:1:stopped +60s crashed:1", &format!("start:1:1 stop_turn {ABORTED} finish:2:2"));
}

#[test]
fn a_steered_task_hears_the_user_before_it_asks_again() {
    let (steered, words) = ("start:1:1 yield_turn", "item_started item_completed user_message");
    let own = format!("bookmark:llmx_thread_1:3:heard {words}");
    check("begin steer", steered);
    check("begin steer turn:1:stopped", &format!("{steered} {own} start:2:3"));
    check("begin steer turn:1:fed", &format!("{steered} bookmark:r1:4:heard {words} turn_complete start:2:4"));
    let fed = format!("bookmark:r1:3:heard {words} turn_complete start:2:3");
    let done = "bookmark:r1:4 turn_complete task_complete finish:4:3";
    check("begin steer turn:1:done turn:2:done", &format!("{steered} {fed} {done}"));
    check("begin steer turn:1:failed", &format!("{steered} {own} error:broken finish:3:2"));
    check("begin steer stop turn:1:stopped", &format!("{steered} stop_turn {own} {ABORTED} finish:3:2"));
    check("begin stop steer turn:1:stopped", &format!("start:1:1 stop_turn {own} {ABORTED} finish:3:2"));
    check("begin turn:1:done steer", "start:1:1 bookmark:r1:2 turn_complete task_complete finish:2:2");
}

#[test]
fn a_turn_that_breaks_breaks_its_task() {
    let died = "error:internal_error:_the_turn_crashed:_bang";
    check("begin turn:1:failed", "start:1:1 error:broken finish:2:2");
    check("begin crashed:1", "start:1:1 sweep");
    check("begin crashed:1 swept swept", &format!("start:1:1 sweep {died} finish:1:2"));
    check("begin crashed:1 stop swept", &format!("start:1:1 sweep warning {ABORTED} finish:1:2"));
    check("begin crashed:1 +5s", &format!("start:1:1 sweep {died};_its_commands_may_still_run finish:1:2"));
    check("begin crashed:2 swept", "start:1:1");
}

#[test]
fn a_turn_that_does_not_hear_a_stop_is_swept_away() {
    check("begin stop +9s", "start:1:1 stop_turn");
    check("begin stop +10s swept", &format!("start:1:1 stop_turn sweep warning {ABORTED} finish:1:2"));
}

/// What stands in a compacted conversation before the user's words: the environment.
const AHEAD: usize = 1;

const SUMS_UP: &str = "context_compaction_begin sum";
const SUMMED_UP: &str = "context_compaction_end";

fn ask() -> Work {
    Work::Answer(vec![UserInput::Text { text: "hi".into() }])
}

#[test]
fn a_conversation_that_fills_the_window_is_summed_up_before_the_next_request() {
    let summed = "bookmark:llmx_thread_1:5 turn_complete";
    // Before the first request the new input stays as it is, behind the summary.
    check_full(2, ask(), "begin", &format!("background_event {SUMS_UP}:1:3"));
    check_full(
        2,
        ask(),
        "begin turn:1:done",
        &format!("background_event {SUMS_UP}:1:3 {SUMMED_UP} warning {summed} start:2:5"),
    );
    // Between two requests everything is summed up.
    let items = AHEAD + "hi, summary".split(", ").count();
    check(
        "begin turn:1:full turn:2:done turn:3:done",
        &format!(
            "start:1:1 bookmark:r1:3 turn_complete background_event {SUMS_UP}:2:4 {SUMMED_UP} warning bookmark:llmx_thread_2:{items} \
             turn_complete start:3:{items} bookmark:r1:4 turn_complete task_complete finish:4:4"
        ),
    );
}

#[test]
fn a_conversation_that_a_summary_does_not_shorten_ends_the_task() {
    let script = "begin turn:1:full turn:2:done turn:3:full";
    let done = run(start(), script);
    assert!(done.contains("start:3:3 bookmark:r1:5 turn_complete error:the_conversation_takes_900_tokens"), "{done}");
    // A second summary is due when the first one has helped in between.
    assert!(run(start(), &format!("{} turn:3:fed turn:4:full", &script[..script.len() - 12])).ends_with("sum:5:8"));
}

#[test]
fn the_ui_may_ask_for_a_summary_at_any_size() {
    let done = "agent_message warning bookmark:llmx_thread_1:4 turn_complete task_complete finish:4:2";
    check_full(2, Work::Compact, "begin turn:1:done", &format!("{SUMS_UP}:1:3 {SUMMED_UP} {done}"));
}

#[test]
fn a_summary_that_fails_or_is_stopped_changes_nothing() {
    let error = "error:failed_to_compact_the_conversation:_";
    let compact = |script: &str, expected: &str| check_full(2, Work::Compact, script, expected);
    compact("begin turn:1:failed", &format!("{SUMS_UP}:1:3 {error}broken finish:2:2"));
    compact("begin turn:1:mute", &format!("{SUMS_UP}:1:3 {error}the_model_gave_no_summary finish:2:2"));
    compact("begin stop turn:1:stopped", &format!("{SUMS_UP}:1:3 stop_turn {ABORTED} finish:2:2"));
    compact("begin stop turn:1:overflowed", &format!("{SUMS_UP}:1:3 stop_turn warning {ABORTED} finish:2:2"));
    check_full(2, ask(), "begin turn:1:failed", &format!("background_event {SUMS_UP}:1:3 {error}broken finish:3:2"));
}

#[test]
fn what_is_too_long_to_be_summed_up_is_shortened_step_by_step() {
    let error = "error:failed_to_compact_the_conversation:_no_room";
    let compact = |items, script: &str, expected: &str| check_full(items, Work::Compact, script, expected);
    compact(2, "begin turn:1:overflowed turn:2:overflowed", &format!("{SUMS_UP}:1:3 sum:2:2 {error} finish:2:3"));
    compact(
        8,
        "begin turn:1:overflowed turn:2:done",
        &format!(
            "{SUMS_UP}:1:9 sum:2:7 background_event {SUMMED_UP} agent_message warning bookmark:llmx_thread_2:10 \
             turn_complete task_complete finish:10:3"
        ),
    );
    let overflowing: String = (1..20).map(|turn| format!(" turn:{turn}:overflowed")).collect();
    let done = run(
        TaskStart {
            history: History::default().with(vec![ResponseItem::message("user", "hi"); 1000], None),
            work: Work::Compact,
            ..start()
        },
        &format!("begin{overflowing}"),
    );
    assert_eq!(done.matches("sum:").count(), 9, "{done}");
    assert!(done.ends_with(&format!("{error} finish:1000:10")), "{done}");
}

#[test]
fn a_conversation_that_overflowed_is_known_to_be_full() {
    let mut task = Task::new(start());
    let begun = task.apply(Input::Begin, Instant::now());
    assert_eq!(begun.last().map(shown).as_deref(), Some("start:1:1"));
    let ended = task.apply(input("turn:1:overflowed"), Instant::now());
    assert_eq!(ended.iter().map(shown).collect::<Vec<_>>(), ["token_count", "error:no_room", "finish:2:2"]);
    let Some(Effect::Finish(end)) = ended.last() else { panic!("{ended:?}") };
    assert_eq!(end.history.tokens(), Some(1000));
}
