//! A real InfluxDB 2, for what Tidegate writes to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{eventually, http, mosquitto, tool};

/// The token of who may do everything.
const OPERATOR: &str = "the-operators-token";

/// A running InfluxDB on a free port with the organization `plant` and the bucket `readings`, its data in a folder that goes
/// when the test ends.
pub struct InfluxDb {
    /// Where it is asked.
    pub address: SocketAddr,
    child: Child,
    data: PathBuf,
    /// Of data of its own; goes with it.
    _folder: Option<TempDir>,
}

/// A value as InfluxDB has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Its measurement.
    pub measurement: String,
    /// Its tag `device`.
    pub device: String,
    /// Its field.
    pub field: String,
    /// As an answer in CSV has it.
    pub value: String,
    /// RFC 3339 with up to nine decimals.
    pub time: String,
}

impl InfluxDb {
    /// Starts one and sets it up.
    ///
    /// # Panics
    /// When it is not built, or does not get ready.
    pub async fn start() -> InfluxDb {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let influxdb = InfluxDb::start_in(folder.path()).await;
        InfluxDb { _folder: Some(folder), ..influxdb }
    }

    /// Starts one with its data in an empty folder of the caller's, and sets it up.
    ///
    /// # Panics
    /// As [`InfluxDb::start`].
    pub async fn start_in(data: &Path) -> InfluxDb {
        let (data, address) = (data.to_owned(), mosquitto::free_address());
        let influxdb = InfluxDb { address, child: spawn(&data, address), data, _folder: None };
        influxdb.answers().await;
        let body = json!({ "username": "operator", "password": "a password", "org": "plant", "bucket": "readings", "token": OPERATOR });
        influxdb.call("POST", "/api/v2/setup", &body).await;
        influxdb
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Stops its progress (SIGSTOP): it answers nobody.
    pub async fn freeze(&self) {
        tool::run("kill", &["-STOP", &self.pid()]).await;
    }

    /// Lets it go on (SIGCONT).
    pub async fn thaw(&self) {
        tool::run("kill", &["-CONT", &self.pid()]).await;
    }

    /// Ends it as an operator does (SIGTERM), and waits.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        tool::run("kill", &[&self.pid()]).await;
        tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await.expect("it ends").expect("it ran");
    }

    /// Starts it again on its data, after it has ended.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.data, self.address);
        self.answers().await;
    }

    /// A new token that may write to the bucket: its identifier, and itself.
    pub async fn token(&self) -> (String, String) {
        self.token_to("write").await
    }

    /// A new token that may do one thing (`read`, `write`) with the bucket: its identifier, and itself.
    pub async fn token_to(&self, action: &str) -> (String, String) {
        let bucket = self.bucket().await;
        let of = json!({ "type": "buckets", "id": bucket["id"], "orgID": bucket["orgID"] });
        let body = json!({ "orgID": bucket["orgID"], "permissions": [{ "action": action, "resource": of }] });
        let made = self.call("POST", "/api/v2/authorizations", &body).await;
        (text(&made["id"]), text(&made["token"]))
    }

    /// A token counts, or does not.
    pub async fn set_token(&self, id: &str, is_active: bool) {
        let body = json!({ "status": if is_active { "active" } else { "inactive" } });
        self.call("PATCH", &format!("/api/v2/authorizations/{id}"), &body).await;
    }

    /// Deletes the bucket with everything in it; gives the identifier of the organization.
    pub async fn delete_bucket(&self) -> String {
        let bucket = self.bucket().await;
        self.call("DELETE", &format!("/api/v2/buckets/{}", text(&bucket["id"])), &Value::Null).await;
        text(&bucket["orgID"])
    }

    /// Makes the bucket again.
    pub async fn make_bucket(&self, org: &str) {
        self.call("POST", "/api/v2/buckets", &json!({ "orgID": org, "name": "readings", "retentionRules": [] })).await;
    }

    /// The bucket keeps points for so many seconds from now on, by the server's clock; 0: for ever.
    pub async fn set_retention(&self, seconds: u64) {
        let bucket = self.bucket().await;
        let rule = json!({ "type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": 3_600 });
        let path = format!("/api/v2/buckets/{}", text(&bucket["id"]));
        self.call("PATCH", &path, &json!({ "retentionRules": [rule] })).await;
    }

    /// Writes lines, as another client does.
    ///
    /// # Panics
    /// When they are not taken.
    pub async fn write(&self, lines: &str) {
        let path = "/api/v2/write?org=plant&bucket=readings&precision=ns";
        let answer = http::request(self.address, "POST", path, &[("Authorization", &authorization())], lines).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    /// Everything that is in the bucket, by Flux.
    pub async fn points(&self) -> Vec<Point> {
        let flux = "from(bucket: \"readings\") |> range(start: 0, stop: 2200-01-01T00:00:00Z) \
                    |> map(fn: (r) => ({r with _value: string(v: r._value)})) |> group()";
        let headers = [("Authorization", &*authorization()), ("Content-Type", "application/vnd.flux")];
        let answer = http::request(self.address, "POST", "/api/v2/query?org=plant", &headers, flux).await;
        if answer.status != 200 {
            return Vec::new();
        }
        let mut points = read(&answer.body);
        points.sort();
        points
    }

    /// Everything that is in the bucket, as `influxd inspect export-lp` gives it of one that is stopped; it is, then.
    pub async fn exported_lines(&mut self) -> String {
        let bucket = text(&self.bucket().await["id"]);
        self.stop().await;
        let engine = self.data.join("engine");
        let engine = engine.to_str().expect("a path of plain text");
        let command = ["inspect", "export-lp", "--bucket-id", &bucket, "--engine-path", engine, "--output-path", "-"];
        tool::run(program(), &command).await
    }

    async fn bucket(&self) -> Value {
        self.call("GET", "/api/v2/buckets?name=readings", &Value::Null).await["buckets"][0].clone()
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::request(self.address, method, path, &[("Authorization", &authorization())], &body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        answer.json()
    }

    async fn answers(&self) {
        eventually("InfluxDB answers", Duration::from_secs(60), || async {
            (http::get(self.address, "/health").await.status == 200).then_some(())
        })
        .await;
    }

    fn pid(&self) -> String {
        self.child.id().expect("it runs").to_string()
    }
}

fn authorization() -> String {
    format!("Token {OPERATOR}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Answers in CSV (RFC 4180), by the names of their columns.
fn read(csv: &str) -> Vec<Point> {
    let (mut points, mut names) = (Vec::new(), Vec::new());
    for row in rows(csv) {
        if row.iter().any(|cell| cell == "_value") {
            names = row;
            continue;
        }
        let cell = |name: &str| {
            let at = names.iter().position(|other| other == name);
            at.and_then(|at| row.get(at)).cloned().unwrap_or_default()
        };
        if row.len() == names.len() && !names.is_empty() {
            let (measurement, device, field) = (cell("_measurement"), cell("device"), cell("_field"));
            points.push(Point { measurement, device, field, value: cell("_value"), time: cell("_time") });
        }
    }
    points
}

fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = csv.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    rows
}

fn program() -> PathBuf {
    let cache = tool::cache().join("influxdb");
    let is_program = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("influxd-") && !name.ends_with(".part")
    };
    let files = std::fs::read_dir(&cache).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(is_program).max().expect("InfluxDB is not built: run tests/setup")
}

fn spawn(folder: &Path, address: SocketAddr) -> Child {
    Command::new(program())
        .arg(format!("--http-bind-address={address}"))
        .arg(format!("--bolt-path={}", folder.join("bolt").display()))
        .arg(format!("--sqlite-path={}", folder.join("sqlite").display()))
        .arg(format!("--engine-path={}", folder.join("engine").display()))
        .arg("--reporting-disabled")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("influxd starts: run tests/setup")
}
