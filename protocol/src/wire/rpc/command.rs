//! Commands of the client's own.

use super::absent_if_null;
use super::policy::SandboxPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Text that is base64 with its padding: what the ends of a group leave over is zero.
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

wire! {
    /// Params of `command/exec`. It runs as the model's commands do, below the same sandbox.
    pub struct CommandExecParams {
        /// The words.
        pub command: Vec<String>,
        /// A name for `command/exec/terminate` and for output deltas; unique among those that run.
        #[serde(default)]
        pub process_id: Option<String>,
        /// Where; absolute.
        #[serde(default)]
        pub cwd: Option<PathBuf>,
        /// What it may touch; as configured without.
        #[serde(default)]
        pub sandbox_policy: Option<SandboxPolicy>,
        /// How long it may run.
        #[serde(default)]
        pub timeout_ms: Option<u64>,
        /// Whether it may run for ever.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub disable_timeout: bool,
        /// Whether what it writes is told as it comes; the answer then has none of it.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub stream_stdout_stderr: bool,
        /// Whether it gets a terminal; then it streams and is written to, too.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub tty: bool,
        /// The size of its terminal; 24 lines of 80 characters without.
        #[serde(default)]
        pub size: Option<TerminalSize>,
        /// Whether it is to be written to; without that it has no standard input.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub stream_stdin: bool,
        /// How much of each stream is kept, in bytes.
        #[serde(default)]
        pub output_bytes_cap: Option<usize>,
        /// Whether all of it is passed on; of what is kept for the answer, 64 MiB of each stream.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub disable_output_cap: bool,
        /// Further variables; `null` takes one away.
        #[serde(default)]
        pub env: Option<BTreeMap<String, Option<String>>>,
    }

    /// Result of `command/exec`.
    pub struct CommandExecResponse {
        /// Its exit code; 128 + signal where one ended it, 124 after a timeout.
        pub exit_code: i32,
        /// What it wrote.
        pub stdout: String,
        /// What it wrote.
        pub stderr: String,
    }

    /// Params of `command/exec/terminate`.
    pub struct CommandExecProcessParams {
        /// Which.
        pub process_id: String,
    }

    /// Params of `command/exec/write`; answered when the command has taken it.
    pub struct CommandExecWriteParams {
        /// Which.
        pub process_id: String,
        /// Bytes for its standard input, in base64.
        #[serde(default)]
        #[schemars(extend("contentEncoding" = "base64", "pattern" = BASE64))]
        pub delta_base64: Option<String>,
        /// Whether that is all.
        #[serde(default, deserialize_with = "absent_if_null")]
        #[schemars(with = "Option<bool>")]
        pub close_stdin: bool,
    }

    /// Params of `command/exec/resize`.
    pub struct CommandExecResizeParams {
        /// Which.
        pub process_id: String,
        /// The new size.
        pub size: TerminalSize,
    }

    /// Params of `command/exec/outputDelta`.
    pub struct CommandExecOutputDeltaNotification {
        /// Which.
        pub process_id: String,
        /// Where.
        pub stream: OutputStream,
        /// The bytes, in base64.
        #[schemars(extend("contentEncoding" = "base64", "pattern" = BASE64))]
        pub delta_base64: String,
        /// Whether it writes more than is passed on.
        pub cap_reached: bool,
    }
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TerminalSize {
    /// Its lines.
    pub rows: u16,
    /// The characters of a line.
    pub cols: u16,
}

/// One of a command's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
