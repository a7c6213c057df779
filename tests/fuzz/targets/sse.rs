//! Server-sent events: no cut changes what is read, and nothing is hoarded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llmx_protocol::model::sse::{SseDecoder, SseError};

/// Small, so that the fuzzer finds it.
const LIMIT: usize = 256;

type Events = (Vec<(Option<String>, String)>, Option<SseError>);

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Events {
    let mut events = Vec::new();
    let mut decoder = SseDecoder::new(LIMIT);
    let mut sink = |event: llmx_protocol::model::sse::SseEvent<'_>| {
        // Every bad byte may become a replacement character of three.
        assert!(event.data.len() <= LIMIT * 3);
        events.push((event.event.map(str::to_owned), event.data.to_owned()));
    };
    let fed = chunks.into_iter().try_for_each(|chunk| decoder.feed(chunk, &mut sink));
    let error = fed.and_then(|()| decoder.finish(&mut sink)).err();
    (events, error)
}

fuzz_target!(|input: &[u8]| {
    assert_eq!(decode(llmx_fuzz::chunks(input)), decode([input]));
});
