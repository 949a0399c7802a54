//! A server in a folder of its own on free ports, and what it uses.

use crate::viewers::rest;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const TERM_GRACE: Duration = Duration::from_secs(12);
/// `sysconf(_SC_CLK_TCK)` is 100 on every Linux this runs on; /proc counts CPU time in it.
const TICKS_A_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;
const CONFIG_NAME: &str = "tidegate.toml";

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The product.
    Tidegate,
    /// An earlier build of it.
    Earlier,
    /// The peer.
    Mosquitto,
    /// The second peer of the live steps (`tests/servers/centrifuge`).
    Centrifuge,
}

/// What a server has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// CPU time, user and system, in seconds.
    pub cpu_s: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Bytes given to the block device.
    pub written_bytes: u64,
}

/// A running server. Its folder goes with it.
pub struct Server {
    /// Which one.
    pub kind: Kind,
    /// MQTT over TCP; Centrifuge: its HTTP API.
    pub mqtt: SocketAddr,
    /// Tidegate: HTTP; Mosquitto: MQTT over WebSocket; Centrifuge: the same as its HTTP API.
    pub web: SocketAddr,
    program: PathBuf,
    folder: TempDir,
    child: Child,
}

impl Server {
    /// Starts the program and waits until it is ready.
    ///
    /// # Errors
    /// When it ends at once or is not ready within a minute; the text says what to look at.
    pub async fn start(kind: Kind, program: &Path) -> io::Result<Self> {
        Self::start_with(kind, program, "").await
    }

    /// [`Server::start`] with a configuration of Tidegate's; empty: defaults.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_with(kind: Kind, program: &Path, config: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
        fs::write(folder.path().join(CONFIG_NAME), config)?;
        let (child, mqtt, web) = launch(kind, program, folder.path()).await?;
        Ok(Self { kind, mqtt, web, program: program.to_owned(), folder, child })
    }

    /// Ends it with SIGKILL and starts it again on the same folder. Returns the time from the start to `/readyz`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn kill_and_restart(&mut self) -> io::Result<Duration> {
        self.child.kill().await?;
        let began = Instant::now();
        let (child, mqtt, web) = launch(self.kind, &self.program, self.folder.path()).await?;
        let took = began.elapsed();
        (self.child, self.mqtt, self.web) = (child, mqtt, web);
        Ok(took)
    }

    /// Ends it with SIGTERM, with SIGKILL when it does not listen.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        match timeout(TERM_GRACE, self.child.wait()).await {
            Ok(status) => status.map(drop),
            Err(_) => {
                eprintln!("bench: {:?} did not end within 12 s of SIGTERM and was killed", self.kind);
                self.child.kill().await
            }
        }
    }

    /// What it has used since its (last) start.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        let pid = self.child.id().ok_or_else(|| io::Error::other("the server is gone"))?;
        usage_of(&pid.to_string())
    }

    /// Where its data are.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Bytes in a part of its folder, by file length.
    pub fn disk_bytes(&self, part: &str) -> u64 {
        folder_bytes(&self.folder.path().join("data").join(part))
    }
}

/// What a process uses; `self` is this one.
///
/// # Errors
/// When there is no such process.
pub fn usage_of(pid: &str) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces: fields are counted from behind it (proc(5): utime is 14, rss 24).
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|text| text.parse().ok());
    Ok(Usage {
        cpu_s: (field(14) + field(15)) as f64 / TICKS_A_SECOND,
        resident_bytes: field(24) * PAGE_BYTES,
        written_bytes: written.unwrap_or(0),
    })
}

/// CPU time the machine's host gave to others while this machine wanted it, in seconds since its start (proc(5): steal).
///
/// # Errors
/// When there is no /proc/stat.
pub fn stolen_s() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let ticks = stat.split_whitespace().nth(8).and_then(|text| text.parse::<f64>().ok());
    Ok(ticks.unwrap_or(0.0) / TICKS_A_SECOND)
}

async fn launch(kind: Kind, program: &Path, folder: &Path) -> io::Result<(Child, SocketAddr, SocketAddr)> {
    match kind {
        Kind::Tidegate | Kind::Earlier => timeout(START_TIMEOUT, launch_tidegate(program, folder)).await,
        Kind::Mosquitto => timeout(START_TIMEOUT, launch_mosquitto(program, folder)).await,
        Kind::Centrifuge => timeout(START_TIMEOUT, launch_centrifuge(program, folder)).await,
    }
    .unwrap_or_else(|_| Err(io::Error::other(format!("{} was not ready within a minute", program.display()))))
}

fn command(program: &Path, folder: &Path) -> io::Result<Command> {
    let mut command = Command::new(program);
    let log = fs::File::options().create(true).append(true).open(folder.join("stderr"))?;
    command.kill_on_drop(true).stdin(Stdio::null()).stderr(log);
    Ok(command)
}

fn cannot_start(program: &Path, folder: &Path, error: &dyn std::fmt::Display) -> io::Error {
    let log = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    let last = log.lines().last().unwrap_or_default();
    io::Error::other(format!("cannot start {}: {error}; install or build it first. {last}", program.display()))
}

async fn launch_tidegate(program: &Path, folder: &Path) -> io::Result<(Child, SocketAddr, SocketAddr)> {
    let mut command = command(program, folder)?;
    command.arg("--config").arg(folder.join(CONFIG_NAME));
    command.arg("--data").arg(folder.join("data")).args(["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(program, folder, &error))?;
    let Some((mqtt, web)) = said(&mut child, ready_line).await? else {
        return Err(cannot_start(program, folder, &"it ended before it was ready"));
    };
    while rest::get(web, "/readyz").await.is_err() {
        sleep(Duration::from_millis(2)).await;
    }
    Ok((child, mqtt, web))
}

/// What the first line says that `read` understands; `None`: there was none until the end.
async fn said<T>(child: &mut Child, read: fn(&str) -> Option<T>) -> io::Result<Option<T>> {
    let output = child.stdout.take().ok_or_else(|| io::Error::other("the server has no standard output"))?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(said) = read(&line) {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

/// `tidegate ready: mqtt 127.0.0.1:1883 http 127.0.0.1:8080`
fn ready_line(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (_, addresses) = line.split_once("ready: mqtt ")?;
    let (mqtt, web) = addresses.split_once(" http ")?;
    Some((mqtt.trim().parse().ok()?, web.trim().parse().ok()?))
}

async fn launch_mosquitto(program: &Path, folder: &Path) -> io::Result<(Child, SocketAddr, SocketAddr)> {
    let (mqtt, web) = (free_port()?, free_port()?);
    let settings = format!(
        "listener {} 127.0.0.1\nlistener {} 127.0.0.1\nprotocol websockets\nallow_anonymous true\nuser root\n\
         set_tcp_nodelay true\nmax_queued_messages 100000\nmax_inflight_messages 1000\nlog_type error\n",
        mqtt.port(),
        web.port()
    );
    let file = folder.join("mosquitto.conf");
    fs::write(&file, settings)?;
    let mut command = command(program, folder)?;
    command.arg("-c").arg(file).stdout(Stdio::null());
    let mut child = command.spawn().map_err(|error| cannot_start(program, folder, &error))?;
    while TcpStream::connect(mqtt).await.is_err() || TcpStream::connect(web).await.is_err() {
        if child.try_wait()?.is_some() {
            return Err(cannot_start(program, folder, &"it ended before it was ready"));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok((child, mqtt, web))
}

/// It says `centrifuge ready: http 127.0.0.1:8000` once it listens.
async fn launch_centrifuge(program: &Path, folder: &Path) -> io::Result<(Child, SocketAddr, SocketAddr)> {
    let mut command = command(program, folder)?;
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(program, folder, &error))?;
    match said(&mut child, |line| line.split_once("ready: http ")?.1.trim().parse().ok()).await? {
        Some(http) => Ok((child, http, http)),
        None => Err(cannot_start(program, folder, &"it ended before it was ready")),
    }
}

pub(crate) fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_ready_line_has_both_addresses() {
        let (mqtt, web) = ready_line("tidegate ready: mqtt 127.0.0.1:1883 http 127.0.0.1:8080").unwrap();
        assert_eq!((mqtt.port(), web.port()), (1883, 8080));
        assert_eq!(ready_line("starting"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage_of("self").unwrap().resident_bytes > 100_000);
    }
}
