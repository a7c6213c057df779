//! A UI that speaks before the session is there is told so, once for each line, and nothing else happens.

use crate::{
    script::{Script, any_script},
    trace::{Seen, Trace},
    world,
};
use llmx_protocol::wire::event::EventMsg;
use proptest::prelude::*;

proptest! {
    #[test]
    fn before_configure_every_op_gets_one_error(mut script in any_script()) {
        script.setup.configured = false;
        holds(&world::run(&script))?;
    }

    #[test]
    fn a_session_that_is_never_configured_does_nothing(script in any_script()) {
        let trace = world::run(&without_configure(script));
        prop_assert!(trace.tasks().is_empty());
        holds(&trace)?;
    }
}

fn holds(trace: &Trace) -> Result<(), TestCaseError> {
    let configured = |seen: &Seen| matches!(seen.msg(), Some(EventMsg::SessionConfigured(_)));
    let before = trace.seen.split(configured).next().unwrap_or_default();
    let mut unanswered = None;
    for seen in before {
        match seen {
            Seen::Taken(line) => {
                prop_assert_eq!(&unanswered, &None, "no answer before the next line");
                unanswered = Some(line.as_ref().map_or_else(|bad| bad.id.clone(), |s| s.id.clone()));
            }
            Seen::Event(event) => {
                prop_assert!(matches!(event.msg, EventMsg::Error { .. }), "{event:?}");
                let lost = event.id.as_str().is_empty();
                prop_assert!(lost || unanswered.take().as_ref() == Some(&event.id), "{event:?} answers nothing");
            }
            Seen::LostWithSession(_) | Seen::Crash(_) | Seen::Rebuilt { .. } => {}
            other => prop_assert!(false, "{other:?} without a session"),
        }
    }
    let ended_by_configure = before.len() < trace.seen.len();
    prop_assert!(ended_by_configure || unanswered.is_none(), "{unanswered:?} has no answer");
    Ok(())
}

fn without_configure(mut script: Script) -> Script {
    use crate::script::{Say, Step};
    script.setup.configured = false;
    script.steps.retain(|step| !matches!(step, Step::Say { say: Say::Configure { absolute: true, .. }, .. }));
    script
}
