//! `tidegate forget`: nothing of a device stays.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cli::Forget;
use crate::http::{self, encoded};

/// How long the program may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How often it is asked how far it is.
const PAUSE: Duration = Duration::from_millis(200);

/// Erases a device, and waits until no file has anything of it.
///
/// # Errors
/// When the program refuses, or files still have something of the device when the time is up; what that is, is said.
pub fn run(arguments: &Forget) -> Result<()> {
    let Forget { device, http: server, by, wait } = arguments;
    let by = by.as_ref().map_or(String::new(), |by| format!("?by={}", encoded(by)));
    let path = format!("/v1/devices/{}{by}", encoded(device));
    let answer = http::request(*server, "DELETE", &path, None, SILENCE_MAX)?;
    if answer.status != 200 {
        bail!("{}", answer.problem()?);
    }
    let position = read(answer)?["position"].as_u64().context("the answer names no entry")?;
    println!("{device:?} is erased with entry {position}: nothing shows or answers anything of it any more");
    let standing = wait_for(*server, position, *wait)?;
    if standing.erasing {
        bail!("files of history still have something of it: the program goes on, also after a restart");
    }
    println!("history: no file has a name or a point of it");
    if standing.log_first <= position {
        let first = standing.log_first;
        bail!(
            "the log begins with entry {first} and still has entries that name it, up to {position}: they go with a later flush, or \
             once a sink that is behind (GET /v1/stats, sinks) has them. Stopped, the program's folder says whether they are gone: \
             tidegate verify DATA --absent {device:?}"
        );
    }
    println!("log: it begins after it");
    println!(
        "What backups of before, and InfluxDB, have of it stays there. What of it MQTT retains, if anything, says"
    );
    println!("  tidegate verify BACKUP --absent {device:?}");
    Ok(())
}

/// How far the program is.
struct Standing {
    erasing: bool,
    log_first: u64,
}

fn wait_for(server: SocketAddr, position: u64, wait: Duration) -> Result<Standing> {
    let begun = Instant::now();
    loop {
        let stats = read(http::exchange(server, "/v1/stats", None, SILENCE_MAX)?)?;
        let number = |of: &str, key: &str| stats[of][key].as_u64().unwrap_or(0);
        let erasing = number("store", "erasing") > 0 || number("store", "flushed") < position;
        let standing = Standing { erasing, log_first: number("log", "first") };
        if (!erasing && standing.log_first > position) || begun.elapsed() > wait {
            return Ok(standing);
        }
        thread::sleep(PAUSE);
    }
}

fn read(mut answer: http::Answer) -> Result<Value> {
    let mut text = String::new();
    answer.body.read_to_string(&mut text).context("the answer broke off")?;
    serde_json::from_str(&text).context("the answer is no JSON")
}
