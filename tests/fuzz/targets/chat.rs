//! Chat Completions answers: no cut changes what is read, the events keep the order that `ModelEvent` promises, and memory is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llmx_fuzz::Order;
use llmx_protocol::model::{Failure, ModelEvent, chat::ChatDecoder, responses::DecodeLimits};

const LIMITS: DecodeLimits = DecodeLimits { max_event_bytes: 4096, max_items: 8 };

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ModelEvent>, Result<(), Failure>) {
    let mut events = Vec::new();
    let mut decoder = ChatDecoder::new(LIMITS);
    let fed = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut events));
    let outcome = fed.and_then(|()| if decoder.is_done() { Ok(()) } else { decoder.finish(&mut events) });
    (events, outcome)
}

fuzz_target!(|input: &[u8]| {
    let (events, outcome) = decode([input]);
    let message_and_thoughts = 2;
    let mut order = Order::new(LIMITS.max_items + message_and_thoughts);
    events.iter().for_each(|event| order.check(event));
    assert_eq!(outcome.is_ok(), order.is_completed());
    assert_eq!(decode(llmx_fuzz::chunks(input)), (events, outcome));
});
