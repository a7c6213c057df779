//! No tool runs, and nobody is asked, while the model may still take its answer back.

use crate::{script::any_script, trace::Seen, world};
use llmx_protocol::{
    ids::{Attempt, TurnId},
    wire::event::EventMsg,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

proptest! {
    #[test]
    fn tools_run_after_the_response_completed(script in any_script()) {
        let mut completed: HashSet<TurnId> = HashSet::new();
        let mut tries: BTreeMap<TurnId, Attempt> = BTreeMap::new();
        for seen in &world::run(&script).seen {
            match seen {
                Seen::Request(request) => {
                    tries.insert(request.turn, request.attempt);
                }
                Seen::Completed { turn, attempt, .. } => {
                    completed.extend((tries.get(turn) == Some(attempt)).then_some(*turn));
                }
                Seen::Starts { call, .. } => prop_assert!(completed.contains(&call.turn), "{call:?} starts"),
                Seen::Asked { question, .. } => {
                    prop_assert!(completed.contains(&question.call.turn), "{:?} asks", question.call);
                }
                _ => if matches!(seen.msg(), Some(EventMsg::PlanUpdate(_) | EventMsg::ExecCommandBegin(_) | EventMsg::PatchApplyBegin { .. })) {
                    let current = tries.last_key_value().map_or(TurnId(0), |(turn, _)| *turn);
                    prop_assert!(completed.contains(&current), "{seen:?}");
                }
            }
        }
    }
}
