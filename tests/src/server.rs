use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{http, tool};

/// A running `tidegate`, with its data in a folder that goes when the test ends.
pub struct Server {
    /// Where devices connect.
    pub mqtt: SocketAddr,
    /// Where people connect.
    pub http: SocketAddr,
    child: Child,
    /// What the ready line names: each listener, and where it is.
    ready: Vec<(String, String)>,
    folder: TempDir,
    data: PathBuf,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    listeners: (String, String),
}

impl Server {
    /// Starts one on embedded defaults.
    pub async fn start() -> Server {
        Server::with_config("").await
    }

    /// Starts one with a configuration.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn with_config(config: &str) -> Server {
        Server::with_data(config, None).await
    }

    /// Starts one with further variables in its environment.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn with_environment(config: &str, environment: &[(&str, &str)]) -> Server {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Server::begin(config, None, environment.collect()).await
    }

    /// Starts one whose data are in a folder of the caller's, else in its own.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn with_data(config: &str, data: Option<PathBuf>) -> Server {
        Server::begin(config, data, Vec::new()).await
    }

    async fn begin(config: &str, data: Option<PathBuf>, environment: Vec<(String, String)>) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("tidegate.toml"), config).expect("the configuration can be written");
        let listeners = ("127.0.0.1:0".to_owned(), "127.0.0.1:0".to_owned());
        let data = data.unwrap_or_else(|| folder.path().join("data"));
        let (child, ready) = spawn(folder.path(), &data, &environment, &[], &listeners).await;
        let (mqtt, http) = (parsed(&ready, "mqtt"), parsed(&ready, "http"));
        Server { mqtt, http, child, ready, folder, data, environment, arguments: Vec::new(), listeners }
    }

    /// Ends it at once (SIGKILL) and starts it again on the same data and ports.
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.restart().await;
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Stops its progress (SIGSTOP): it answers nobody and writes nothing.
    pub async fn freeze(&self) {
        tool::run("kill", &["-STOP", &self.pid()]).await;
    }

    /// Lets it go on (SIGCONT).
    pub async fn thaw(&self) {
        tool::run("kill", &["-CONT", &self.pid()]).await;
    }

    /// Starts it again on other data and the same ports.
    pub async fn restart_on(&mut self, data: PathBuf) {
        self.data = data;
        self.restart().await;
    }

    /// Would start it again on other data, where it shall not start; gives what it says.
    pub async fn restart_on_refused(&mut self, data: &Path) -> String {
        let before = std::mem::replace(&mut self.data, data.to_owned());
        let said = self.is_refused().await;
        self.data = before;
        said
    }

    /// Starts it again with further arguments, for this one start.
    pub async fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.restart().await;
        self.arguments.clear();
    }

    /// Starts it again where it shall not start; gives what it says.
    ///
    /// # Panics
    /// When it starts.
    pub async fn is_refused(&self) -> String {
        let start = Command::new(tool::binary("tidegate"))
            .args(["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(20), start).await.expect("it does not start");
        let output = output.expect("tidegate is built");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        said
    }

    /// CPU time that its threads of a name have used, in ticks of the system's clock (10 ms as a rule).
    ///
    /// # Panics
    /// When it does not run on Linux.
    #[must_use]
    pub fn cpu_ticks(&self, thread: &str) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs on Linux");
        let ticks = |task: std::fs::DirEntry| {
            // A thread may end between the two readings.
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            let (before, after) = stat.rsplit_once(") ")?;
            let fields: Vec<&str> = after.split(' ').collect();
            // proc_pid_stat(5): utime and stime are the 14th and 15th, and the third comes after the name.
            let used = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
            before.ends_with(&format!("({thread}")).then(|| Some(used(14)? + used(15)?))?
        };
        tasks.filter_map(Result::ok).filter_map(ticks).sum()
    }

    fn pid(&self) -> String {
        self.child.id().expect("it runs").to_string()
    }

    /// Starts it again on the same data and ports.
    pub async fn restart(&mut self) {
        self.listeners = (self.mqtt.to_string(), self.http.to_string());
        (self.child, self.ready) =
            spawn(self.folder.path(), &self.data, &self.environment, &self.arguments, &self.listeners).await;
        (self.mqtt, self.http) = (self.address("mqtt"), self.address("http"));
    }

    /// Where a listener of the ready line is: `"tls"`, `"ws"`, ….
    ///
    /// # Panics
    /// When the line names none.
    #[must_use]
    pub fn address(&self, name: &str) -> SocketAddr {
        parsed(&self.ready, name)
    }

    /// Ends it as an operator does (SIGTERM) and waits.
    ///
    /// # Panics
    /// When it takes longer than 12 s or does not exit with 0.
    pub async fn stop(&mut self) {
        tool::run("kill", &["-TERM", &self.pid()]).await;
        let ended = tokio::time::timeout(Duration::from_secs(12), self.child.wait()).await;
        let status = ended.expect("it ends within 12 s of SIGTERM").expect("it can be waited for");
        assert!(status.success(), "it ended with {status}: {}", self.log());
    }

    /// What it wrote to its log since it was first started.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The most memory it had since it was started (resident), bytes.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn memory_peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.and_then(|kib| kib.parse::<u64>().ok()).expect("the system tells it") * 1024
    }

    /// Where its data are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// GET, as JSON.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        http::get(self.http, path).await.json()
    }

    /// The newest value of a metric, or `None` while the device or the metric is unknown.
    pub async fn value(&self, device: &str, metric: &str) -> Option<serde_json::Value> {
        let answer = http::get(self.http, &format!("/v1/devices/{device}")).await;
        let metric = answer.json()["metrics"][metric]["value"].clone();
        (answer.status == 200 && !metric.is_null()).then_some(metric)
    }

    /// A figure of GET /metrics, summed over its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = http::get(self.http, "/metrics").await.body;
        let of = |line: &str| {
            let (key, value) = line.rsplit_once(' ')?;
            (key.split('{').next() == Some(name)).then(|| value.parse::<f64>().ok()).flatten()
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(of).sum()
    }
}

impl Drop for Server {
    /// A test that fails shows what its server said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.log());
        }
    }
}

async fn spawn(
    folder: &Path,
    data: &Path,
    environment: &[(String, String)],
    arguments: &[String],
    listeners: &(String, String),
) -> (Child, Vec<(String, String)>) {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    let mut child = Command::new(tool::binary("tidegate"))
        .current_dir(folder)
        .args(["--config", "tidegate.toml", "--mqtt", &listeners.0, "--http", &listeners.1, "--data"])
        .arg(data)
        .args(arguments)
        .envs(environment.iter().cloned())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("tidegate is built: cargo build --workspace --all-targets");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let ready = tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(line) = lines.next_line().await.expect("its output is text") {
            if let Some(ready) = line.strip_prefix("tidegate ready: ") {
                return Some(ready.to_owned());
            }
        }
        None
    });
    let said = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let ready = ready.await.expect("it is ready within 30 s").unwrap_or_else(|| panic!("it ended: {}", said()));
    let words: Vec<&str> = ready.split(' ').collect();
    (child, words.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect())
}

fn parsed(ready: &[(String, String)], name: &str) -> SocketAddr {
    let found = ready.iter().find(|(listener, _)| listener == name);
    found.expect("the ready line names the listener").1.parse().expect("the ready line gives addresses")
}
