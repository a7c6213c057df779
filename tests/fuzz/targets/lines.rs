//! Lines of the protocol: no cut changes what is read, every line is a submission or named in an error, and a
//! submission survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llmx_protocol::{
    framing::{LineDecoder, LineError},
    wire::submission::Submission,
};

const LIMIT: usize = 1024;

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Vec<u8>, LineError>> {
    let mut lines = Vec::new();
    let mut decoder = LineDecoder::new(LIMIT);
    let mut sink = |line: Result<&[u8], LineError>| {
        assert!(line.is_ok_and(|line| line.len() <= LIMIT) || line.is_err());
        lines.push(line.map(<[u8]>::to_vec));
    };
    chunks.into_iter().for_each(|chunk| decoder.feed(chunk, &mut sink));
    decoder.finish(&mut sink);
    lines
}

fuzz_target!(|input: &[u8]| {
    let lines = decode([input]);
    assert_eq!(decode(llmx_fuzz::chunks(input)), lines);
    for line in lines.into_iter().flatten() {
        match Submission::parse(&line) {
            Ok(submission) => {
                let written = serde_json::to_vec(&submission).unwrap();
                assert_eq!(Submission::parse(&written), Ok(submission));
            }
            Err(bad) => assert!(!bad.message.is_empty()),
        }
    }
});
