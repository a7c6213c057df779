use super::*;
use serde_json::{Value, json};

/// Words: `ask:ID`, `compact:ID`, `stop:ID`, or an event `TYPE:ID`. Gives back who listens after each.
fn check(script: &str, expected: &str) {
    let mut surface = Surface::new("t".into());
    let mut listeners = Vec::new();
    for (word, id) in script.split_whitespace().filter_map(|word| word.split_once(':')) {
        let event = |further: Value| {
            let mut event = json!({"type": word});
            event.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
            serde_json::from_value::<EventMsg>(event).unwrap()
        };
        let id = SubmissionId::from(id);
        let msg = match word {
            "ask" | "compact" | "stop" => None,
            "task_started" => Some(event(json!({"model_context_window": null}))),
            "task_complete" => Some(event(json!({"last_agent_message": null}))),
            _ => Some(event(json!({"message": "why"}))),
        };
        match (word, msg) {
            (_, Some(msg)) => surface.apply(&id, &msg, 0, &mut Vec::new()),
            ("ask", None) => surface.expect(id, TurnKind::Conversation),
            ("compact", None) => surface.expect(id, TurnKind::Compaction),
            _ => surface.interrupted(&id),
        }
        listeners.push(surface.listening().map_or("-", SubmissionId::as_str).to_owned());
    }
    assert_eq!(listeners.join(" "), expected, "{script}");
}

#[test]
fn a_conversation_that_is_summed_up_is_told_whoever_wanted_it() {
    let told = |kind: TurnKind, events: &[Value]| {
        let mut surface = Surface::new("t".into());
        surface.expect("a".into(), kind);
        let mut said = Vec::new();
        for event in events {
            surface.apply(&"a".into(), &serde_json::from_value(event.clone()).unwrap(), 0, &mut said);
        }
        let methods = said.iter().map(|said| if let Said::Notify(note) = said { note.method() } else { "" });
        methods.skip_while(|method| *method != "turn/started").skip(1).collect::<Vec<_>>().join(" ")
    };
    let began = json!({"type": "task_started", "model_context_window": null});
    let sums_up = json!({"type": "context_compaction_begin", "item_id": "i"});
    let summed_up = json!({"type": "context_compaction_end", "item_id": "i"});
    let done = json!({"type": "task_complete", "last_agent_message": null});
    let failed = json!({"type": "error", "message": "why"});
    for kind in [TurnKind::Conversation, TurnKind::Compaction] {
        assert_eq!(
            told(kind, &[began.clone(), sums_up.clone(), summed_up.clone(), done.clone()]),
            "item/started item/completed thread/compacted thread/status/changed turn/completed"
        );
        assert_eq!(
            told(kind, &[began.clone(), sums_up.clone(), failed.clone()]),
            "item/started error thread/status/changed turn/completed"
        );
    }
}

#[test]
fn a_turn_listens_until_it_ends_or_its_end_is_asked_for() {
    check("ask:a task_started:a task_complete:a", "a a -");
    check("ask:a error:a", "a -");
    check("ask:a task_started:a stop:a ask:b task_complete:a task_started:b", "a a - b b b");
    check("ask:a task_started:a stop:x", "a a a");
    check("compact:a task_started:a ask:b task_complete:a", "- - b b");
    check("ask:a task_started:a compact:b task_complete:a", "a a - -");
}
