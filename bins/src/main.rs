//! llmx.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = llmx_actors::executor::process::run_if_helper() {
        return exit;
    }
    ExitCode::SUCCESS
}
