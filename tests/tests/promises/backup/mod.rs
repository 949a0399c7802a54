//! A backup is taken while the program runs, and restored it is what the program was at one position.
//!
//! - here: what runs the program's other commands, and a folder with something of everything in it
//! - `load`: exactly the entries up to the position, under load
//! - `whole`: everything is answered as before; a second backup brings what is new
//! - `broken`: what is broken off, killed, full, deleted or asked for by somebody else
//! - `damage`: a wrong byte is named
//! - `formats`: what `tidegate upgrade --check` says

mod broken;
mod damage;
mod formats;
mod load;
mod whole;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually, now_ms, tool};
use tokio::process::{Child, Command};

const LIMIT: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;

/// What a command of the program said.
pub(crate) struct Said {
    pub(crate) is_well: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Starts a command of the program, which ends with the test.
fn begin(arguments: &[&str]) -> Child {
    let mut command = Command::new(tool::binary("tidegate"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("tidegate is built: cargo build --workspace --all-targets")
}

async fn end(child: Child) -> Said {
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { is_well: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}

pub(crate) async fn tidegate(arguments: &[&str]) -> Said {
    end(begin(arguments)).await
}

pub(crate) async fn well(arguments: &[&str]) -> String {
    let said = tidegate(arguments).await;
    assert!(said.is_well, "{arguments:?}: {}{}", said.out, said.err);
    said.out
}

pub(crate) async fn refused(arguments: &[&str]) -> String {
    let said = tidegate(arguments).await;
    assert!(!said.is_well, "{arguments:?}: {}{}", said.out, said.err);
    said.err
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Takes a backup of a running server.
pub(crate) async fn backup(server: &Server, folder: &Path) -> String {
    well(&["backup", "--http", &server.http.to_string(), text(folder)]).await
}

/// What the manifest of a backup says.
fn manifest(folder: &Path) -> Value {
    let sealed: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    sealed["manifest"].clone()
}

/// The files of a backup: each with its name in the data folder, and where it is.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let manifest = manifest(folder);
    let text = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
    let file = |file: &Value| {
        let (name, sum) = (text(file, "name"), text(file, "sha256"));
        (name.clone(), folder.join("files").join(format!("{name}.{sum}")))
    };
    manifest["files"].as_array().unwrap().iter().map(file).collect()
}

/// Publishes, and waits for the acknowledgements.
pub(crate) async fn publish(client: &mut Client, topic: &str, payload: &str, retain: bool) {
    client.publish(topic, payload, 1, retain).await;
    while client.session.in_flight() > 0 {
        client.step().await.unwrap();
    }
}

/// Publications that make the log so large: what they hold is no reading.
async fn fill_log(server: &Server, bytes: usize) {
    let mut client = Client::v5("filler");
    client.connect(server.mqtt).await.unwrap();
    let noise: String =
        (0..100_000_u32).map(|at| char::from(b'a' + (at.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    for _ in 0..bytes / noise.len() {
        publish(&mut client, "filler/none", &noise, false).await;
    }
    client.leave().await;
}

/// Alerts, flushes all the time, and hours that are closed as soon as they may be.
pub(crate) const CONFIG: &str = "[flush]\ninterval = \"300 ms\"\n[store]\nhour_close_delay = \"1 ms\"\n\
    [[alert]]\nname = \"hot\"\nmetric = \"temperature\"\nabove = 30.0\n";

/// Readings of the last three days, an alert, a problem, a retained message, a sleeping session with messages that wait.
async fn with_something_of_everything(server: &Server) {
    let (mut sleeper, mut device) = (Client::v3("sleeper"), Client::v5("device"));
    sleeper.connect(server.mqtt).await.unwrap();
    sleeper.subscribe("site/+/door", 1).await.unwrap();
    sleeper.leave().await;
    device.connect(server.mqtt).await.unwrap();
    for day in (1..=3).rev() {
        for minute in 0..30 {
            let time = now_ms() - day * DAY_MS + minute * 60_000;
            let reading = format!(r#"{{"temperature":{}.5,"humidity":{minute},"timestamp":{time}}}"#, 20 + minute % 7);
            publish(&mut device, "site/a", &reading, false).await;
        }
    }
    publish(&mut device, "site/b/temperature", "31.5", false).await;
    publish(&mut device, "site/b/door", "open", true).await;
    publish(&mut device, "site/c/door", "closed", false).await;
    publish(&mut device, "site/d", "\u{1}", false).await;
    closed(server, &mut device).await;
    device.leave().await;
}

/// The hours of the days before are in the files of their days: an hour is closed once two flushes have passed it by.
pub(crate) async fn closed(server: &Server, device: &mut Client) {
    let end = std::time::Instant::now() + LIMIT;
    while server.metric("tidegate_store_closed_hours_total").await < 3.0 {
        publish(device, "site/e/temperature", "20", false).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(std::time::Instant::now() < end, "no hours are closed: {}", server.log());
    }
    // What was published is in history and state.
    eventually("everything is flushed", LIMIT, || async {
        let stats = server.get("/v1/stats").await;
        (stats["store"]["flushed"] == stats["log"]["appended"]).then_some(())
    })
    .await;
}
