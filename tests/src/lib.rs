//! The rules of llmx.
