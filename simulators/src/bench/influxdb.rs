//! InfluxDB 2 as a peer: a process on a free port, in a folder of its own; and its command line.

use super::server::{folder_bytes, free_port};
use std::{
    io,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};

pub(super) const TOKEN: &str = "measurement";
const BATCH_BYTES: usize = 1 << 20;
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Files that did not change for so long are compacted.
const SETTLED: Duration = Duration::from_secs(10);

/// Starts the program that `tests/servers/influxdb` builds, with its files in a folder, and waits until it answers.
pub(super) async fn started(program: &Path, folder: &Path, address: SocketAddr, more: &[&str]) -> io::Result<Child> {
    started_by(Command::new(program), folder, address, more).await
}

/// As [`started`], as one that gives way to all others: as one on a machine of its own would.
pub(super) async fn started_apart(program: &Path, folder: &Path, address: SocketAddr) -> io::Result<Child> {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(program);
    started_by(command, folder, address, &[]).await
}

async fn started_by(mut command: Command, folder: &Path, address: SocketAddr, more: &[&str]) -> io::Result<Child> {
    let at = |name: &str| folder.join(name);
    command.arg("--http-bind-address").arg(address.to_string()).arg("--reporting-disabled").args(more);
    command.arg("--bolt-path").arg(at("bolt")).arg("--sqlite-path").arg(at("sqlite"));
    command.arg("--engine-path").arg(at("engine"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.kill_on_drop(true).spawn()?;
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        if began.elapsed() > START_TIMEOUT {
            return Err(io::Error::other("InfluxDB does not answer within a minute"));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(child)
}

/// Its command line, as the server at an address is asked: what `tests/servers/influx-cli` builds.
pub(super) fn command(influx: &Path, folder: &Path, address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(influx);
    command.env("INFLUX_CONFIGS_PATH", folder.join("configs")).args(arguments);
    command.args(["--host", &format!("http://{address}"), "--org", "plant", "--token", TOKEN]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Makes the first user of a server, with the bucket `readings`.
pub(super) async fn set_up(influx: &Path, folder: &Path, address: SocketAddr) -> io::Result<()> {
    let names = ["setup", "--force", "--username", "bench", "--password", "a password", "--bucket", "readings"];
    done(command(influx, folder, address, &names)).await
}

/// Runs a command to its end.
///
/// # Errors
/// With what it said, when it failed.
pub(super) async fn done(mut command: Command) -> io::Result<()> {
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("influx: {said}"))) }
}

/// A running server with one bucket.
pub(super) struct Influxdb {
    address: SocketAddr,
    folder: TempDir,
    child: Child,
    batch: String,
}

impl Influxdb {
    /// Starts the program that `tests/servers/influxdb` builds.
    pub(super) async fn start(program: &Path) -> io::Result<Influxdb> {
        let folder = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
        let address = free_port()?;
        let settles =
            ["--storage-cache-snapshot-write-cold-duration=2s", "--storage-compact-full-write-cold-duration=2s"];
        let child = started(program, folder.path(), address, &settles).await?;
        let server = Influxdb { address, folder, child, batch: String::new() };
        let setup = format!(r#"{{"username":"u","password":"password1","org":"o","bucket":"b","token":"{TOKEN}"}}"#);
        server.ask("/api/v2/setup", "application/json", &setup).await?;
        Ok(server)
    }

    /// Adds a line of line protocol, with its time in ms.
    pub(super) async fn line(&mut self, line: &str) -> io::Result<()> {
        self.batch.push_str(line);
        if self.batch.len() >= BATCH_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.ask("/api/v2/write?org=o&bucket=b&precision=ms", "text/plain", &batch).await.map(drop)
    }

    /// Writes what is left, and waits until it lies compacted.
    pub(super) async fn settle(&mut self) -> io::Result<()> {
        self.flush().await?;
        let (mut before, mut since) = (0, Instant::now());
        while since.elapsed() < SETTLED {
            sleep(Duration::from_millis(500)).await;
            let bytes = folder_bytes(self.folder.path());
            if bytes != before {
                (before, since) = (bytes, Instant::now());
            }
        }
        Ok(())
    }

    /// How long a question takes, ms; asked once.
    pub(super) async fn flux(&self, question: &str) -> io::Result<f64> {
        let began = Instant::now();
        let answer = self.ask("/api/v2/query?org=o", "application/vnd.flux", question).await?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        eprintln!("bench: Flux answers {} lines in {ms:.0} ms: {question}", answer.lines().count());
        Ok(ms)
    }

    pub(super) async fn stop(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// In HTTP 1.0, which has no chunks: lines come whole.
    async fn ask(&self, path: &str, media_type: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let head = format!(
            "POST {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Token {TOKEN}\r\naccept: application/csv\r\n\
             content-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let is_good = answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        if is_good { Ok(answer) } else { Err(io::Error::other(format!("InfluxDB: {answer}"))) }
    }
}
