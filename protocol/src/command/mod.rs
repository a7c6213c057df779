//! What can be told of a command by looking at it (reference `config-and-storage.md` §10): whether it is known to be
//! harmless, whether it might do harm, and how to show it.
//!
//! Both judgements only decide whether a person is asked. What a command may touch is the sandbox's affair; nothing
//! here makes a command safe to run without one.

mod dangerous;
mod display;
#[cfg(test)]
mod fixture;
mod option;
mod program;
mod quote;
mod safe;
mod script;

pub use dangerous::might_be_dangerous;
pub use display::parsed;
pub use quote::shell_quote;
pub use safe::is_known_safe;
