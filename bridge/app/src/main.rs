//! `tidegate`: the whole way of a reading in one program.

mod backup;
mod cli;
mod config;
mod decode;
mod devices;
mod forget;
mod http;
mod inspect;
mod passwd;
mod program;
mod restore;
mod trace;
mod transfer;
mod words;

use std::io::IsTerminal;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use tidegate_identity::Exposure;
use tidegate_node::NodeConfig;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Run};
use config::Config;
use tidegate_settings::Mistake;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Check { config, insecure_allow_anonymous }) => check(&config, insecure_allow_anonymous),
        Some(Command::SampleConfig) => {
            print!("{}", config::sample());
            Ok(())
        }
        Some(Command::Passwd { file, user }) => passwd::run(&file, &user),
        Some(Command::Decode(arguments)) => decode::run(&arguments),
        Some(Command::Trace(arguments)) => trace::run(&arguments),
        Some(Command::Backup(arguments)) => backup::run(&arguments),
        Some(Command::Restore { backup, data }) => restore::run(&backup, &data),
        Some(Command::Verify { folder, absent: Some(device) }) => inspect::absent(&folder, &device),
        Some(Command::Verify { folder, absent: None }) => inspect::verify(&folder),
        Some(Command::Forget(arguments)) => forget::run(&arguments),
        Some(Command::Devices(arguments)) => devices::run(&arguments),
        Some(Command::Upgrade(arguments)) => inspect::formats(&arguments.data),
        Some(Command::Export(arguments)) => transfer::export::run(&arguments),
        Some(Command::Import(arguments)) => transfer::import::run(&arguments),
        None => run(cli.run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidegate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Refuses what a start refuses, in the same words, as far as the file alone says it.
fn check(file: &Path, insecure_allow_anonymous: bool) -> Result<()> {
    let (config, text) = load(Some(file))?;
    servable(Some(file), &config.node, &text, insecure_allow_anonymous)?;
    println!("{} is fine", file.display());
    Ok(())
}

fn servable(file: Option<&Path>, config: &NodeConfig, text: &str, insecure_allow_anonymous: bool) -> Result<()> {
    let exposure = if insecure_allow_anonymous { Exposure::AnonymousAllowed } else { Exposure::LoopbackOnly };
    match config::unservable(config, text, exposure) {
        mistakes if mistakes.is_empty() => Ok(()),
        mistakes => Err(refusal(file, &mistakes)),
    }
}

/// By how much the threads of what viewers ask for give way to those of devices: they get about a third of what these get.
const VIEWERS_GIVE_WAY: i32 = 5;

fn run(arguments: Run) -> Result<()> {
    let file = arguments.config.as_deref();
    let (Config { node: mut config, influxdb, history }, text) = load(file)?;
    if let Some(data) = arguments.data {
        config.keep_in(data);
    }
    config.broker.listen = arguments.mqtt.unwrap_or(config.broker.listen);
    config.push.listen = arguments.http.unwrap_or(config.push.listen);
    config.clock.trusted = arguments.trust_clock;
    config.accepted = arguments.accept_loss.into_iter().map(Into::into).collect();
    servable(file, &config, &text, arguments.insecure_allow_anonymous)?;

    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rumqttd=warn,rumqttc=warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    end_with_vital_threads();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let devices = workers("devices", cores, 0)?;
    let viewers = workers("viewers", cores.saturating_sub(1).max(1), VIEWERS_GIVE_WAY)?;
    let ended = devices.block_on(program::run(config, (influxdb, history), viewers.handle()));
    // A question to the history that nobody waits for any more is not waited for.
    viewers.shutdown_background();
    ended
}

/// Workers of one kind: what viewers ask for does not hold up those who serve devices, and tell viewers what these say. All that
/// is asked for leaves a core to them, and give way by `niceness` (nice(2)) where there are not cores enough for all.
fn workers(name: &'static str, count: usize, niceness: i32) -> Result<Runtime> {
    let give_way = move || {
        if let Err(error) = rustix::process::nice(niceness) {
            tracing::warn!("the threads of {name} do not give way to others: {error}");
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(count).thread_name(name).on_thread_start(give_way).enable_all().build();
    runtime.with_context(|| format!("workers for {name}"))
}

/// The program cannot do its work without these threads: when one panics, it ends instead of going on half alive.
/// Whatever was acknowledged is in the log and is replayed at the next start.
fn end_with_vital_threads() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if matches!(std::thread::current().name(), Some("pipeline" | "flush" | "log-writer")) {
            std::process::abort();
        }
    }));
}

/// The configuration and the text it was read from.
fn load(file: Option<&Path>) -> Result<(Config, String)> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => String::new(),
    };
    let config = config::parse(&text).map_err(|mistakes| refusal(file, &mistakes))?;
    Ok((config, text))
}

/// Every mistake, as the program ends with them.
fn refusal(file: Option<&Path>, mistakes: &[Mistake]) -> anyhow::Error {
    let name = file.map_or_else(|| "the command line".to_owned(), |file| file.display().to_string());
    let count = if mistakes.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
    let list: Vec<String> = mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
    anyhow!("{name} has {count}\n{}", list.join("\n"))
}
