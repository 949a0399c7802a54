//! A backup of a data folder with an hour of a fleet in it: how fast it is beside `cp -r`, and what devices feel of it.

use super::{
    BenchConfig,
    growth::beside::{Times, pubacks},
    hour::Convoy,
    server::{Kind, Server},
    table::Table,
};
use std::{ffi::OsStr, io, path::Path, time::Duration};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

/// Publications a second while backups are taken.
const RATE: u64 = 2_000;
/// As the configuration has it by default.
const PACE: &str = "64MiB";
/// What is measured alone is as fast as it goes.
const CONFIG: &str = "[backup]\nbytes_per_second_max = \"0 B\"\n";
/// Until nothing is left to be done of what was published.
const QUIET: Duration = Duration::from_secs(5);

/// Tidegate alone: Mosquitto has no backups.
///
/// # Errors
/// When a program cannot be started, ends a connection or fails.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let server = Server::start_with(Kind::Tidegate, &config.tidegate, CONFIG).await?;
    let mut fleet = Convoy::new(config);
    let points = fleet.publish(&server, config.hour, config).await? * super::hour::METRICS_A_READING;
    sleep(QUIET).await;
    let place = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
    let alone = pubacks(server.mqtt, RATE).await?;
    let (beside, taken) = tokio::join!(pubacks(server.mqtt, RATE), one_after_the_other(config, &server, place.path()));
    let (beside, taken) = (beside?, taken?);
    compare(table, &beside, &alone, taken);

    let load = format!("{:.0} million points, {:.0} MB", points as f64 / 1e6, server.disk_bytes("") as f64 / 1e6);
    let (whole, http) = (place.path().join("whole"), server.web.to_string());
    let again = ["backup", "--http", &http];
    let first_s = timed(&config.tidegate, &again, Some(&whole)).await?;
    let bytes = super::server::folder_bytes(&whole) as f64;
    let second_s = timed(&config.tidegate, &again, Some(&whole)).await?;
    let data = server.data();
    let copy = ["-c", "cp -r \"$0\" \"$1\" && sync -f \"$1\""];
    let copied_s =
        timed(Path::new("sh"), &[&copy[..], &[text(&data)]].concat(), Some(&place.path().join("copy"))).await?;
    let copied = super::server::folder_bytes(&place.path().join("copy")) as f64;
    table.add(
        &format!("{load}; peer: cp -r"),
        "backup, MB/s",
        bytes / 1e6 / first_s,
        Some(copied / 1e6 / copied_s),
        "",
    );
    table.add(&load, "a second backup, s", second_s, Some(first_s), "");
    let verified_s = timed(&config.tidegate, &["verify"], Some(&whole)).await?;
    table.add(&load, "verify, million points/s", points as f64 / 1e6 / verified_s, None, "");
    server.stop().await
}

fn compare(table: &mut Table, beside: &Times, alone: &Times, taken: usize) {
    let load = format!("{RATE} publications/s beside {taken} backups; peer: alone");
    table.add(&load, "PUBACK p50, ms", beside.p50, Some(alone.p50), "");
    table.add(&load, "PUBACK p99, ms", beside.p99, Some(alone.p99), "ratio 1.3");
}

/// Whole backups while publications are measured; how many there were.
async fn one_after_the_other(config: &BenchConfig, server: &Server, place: &Path) -> io::Result<usize> {
    let until = Instant::now() + super::growth::beside::MEASURED;
    for number in 0.. {
        if Instant::now() >= until {
            return Ok(number);
        }
        let arguments = ["backup", "--rate", PACE, "--http", &server.web.to_string()];
        timed(&config.tidegate, &arguments, Some(&place.join(number.to_string()))).await?;
    }
    Ok(0)
}

/// How long a program takes, s.
pub(crate) async fn timed(program: &Path, arguments: &[&str], last: Option<&Path>) -> io::Result<f64> {
    let began = Instant::now();
    let last = last.map(Path::as_os_str).into_iter();
    let output =
        Command::new(program).args(arguments.iter().map(OsStr::new).chain(last)).kill_on_drop(true).output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("{} {arguments:?} failed: {said}", program.display())));
    }
    Ok(began.elapsed().as_secs_f64())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
