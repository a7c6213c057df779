//! How a command is shown.
