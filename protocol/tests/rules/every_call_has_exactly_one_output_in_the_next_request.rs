//! Whatever happened to a call, the model is told once, in the next request that has the call.

use crate::{
    script::any_script,
    trace::{Request, call_or_output},
    world,
};
use llmx_protocol::model::item::ResponseItem;
use proptest::prelude::*;
use std::collections::HashMap;

proptest! {
    #[test]
    fn every_call_has_exactly_one_output_in_the_next_request(script in any_script()) {
        for request in world::run(&script).requests() {
            paired(&request.whole)?;
        }
    }

    #[test]
    fn the_server_knows_what_the_engine_remembers(script in any_script()) {
        for Request { whole, known_to_server, turn, .. } in world::run(&script).requests() {
            prop_assert_eq!(texts(whole), texts(known_to_server), "{:?}", turn);
        }
    }
}

/// No output without a call before it, none twice, and none missing.
fn paired(items: &[ResponseItem]) -> Result<(), TestCaseError> {
    let mut open: HashMap<&str, usize> = HashMap::new();
    for item in items {
        match call_or_output(item) {
            Some((id, false)) => *open.entry(id).or_default() += 1,
            Some((id, true)) => {
                let calls = open.get_mut(id).filter(|n| **n > 0);
                prop_assert!(calls.is_some(), "an output without a call: {}", item.json());
                calls.into_iter().for_each(|n| *n -= 1);
            }
            None => {}
        }
    }
    let unanswered: Vec<_> = open.iter().filter(|(_, n)| **n > 0).collect();
    prop_assert!(unanswered.is_empty(), "no output: {unanswered:?}");
    Ok(())
}

fn texts(items: &[ResponseItem]) -> Vec<&str> {
    items.iter().map(|i| &**i.json()).collect()
}
