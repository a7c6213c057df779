//! The tools that the model may call: what it is told about them, how its calls are read, what it gets back.

pub mod output;
