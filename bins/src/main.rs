//! llmx.
fn main() {}
