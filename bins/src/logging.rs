//! Logs: on standard error only, for standard output belongs to the protocol.

use tracing_subscriber::EnvFilter;

/// Starts logging. `LLMX_LOG` holds a filter such as `debug` or `llmx_actors=trace`; without it, warnings.
pub(crate) fn to_stderr() {
    let filter = EnvFilter::try_from_env("LLMX_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
