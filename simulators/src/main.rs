//! `tidegate-sim`: simulated devices and viewers, replay, benchmarks.

use clap::Parser as _;
use std::process::ExitCode;

/// One thread: the load shares the machine with the server it measures, and tasks this small gain nothing from more.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .init();
    match tidegate_sim::cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidegate-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}
