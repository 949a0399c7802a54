//! A real Mosquitto, for what Tidegate does with another broker.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{eventually, tool};

/// A running Mosquitto on a free port, with its data in a folder that goes when the test ends.
pub struct Mosquitto {
    /// Where clients connect.
    pub address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Mosquitto {
    /// Starts one that keeps sessions in a file, which it writes when it is stopped. Anybody may connect.
    pub async fn start() -> Mosquitto {
        Mosquitto::with_config("allow_anonymous true\n").await
    }

    /// Starts one with further lines of configuration, which belong to its listener.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn with_config(more: &str) -> Mosquitto {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let config = format!(
            "persistence true\npersistence_location {}/\nuser root\nmax_queued_messages 10000\nlog_type all\n\
             listener {} 127.0.0.1\n{more}",
            folder.path().display(),
            address.port(),
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).expect("the configuration can be written");
        let child = spawn(folder.path());
        let mosquitto = Mosquitto { address, child, folder };
        mosquitto.answers().await;
        mosquitto
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Ends it as an operator does (SIGTERM) and waits.
    ///
    /// # Panics
    /// When it does not end within 12 s.
    pub async fn stop(&mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        tool::run("kill", &["-TERM", &pid]).await;
        let ended = tokio::time::timeout(Duration::from_secs(12), self.child.wait()).await;
        ended.expect("it ends within 12 s of SIGTERM").expect("it can be waited for");
    }

    /// Starts it again on the same data and port.
    pub async fn restart(&mut self) {
        self.child = spawn(self.folder.path());
        self.answers().await;
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn answers(&self) {
        eventually("Mosquitto answers", Duration::from_secs(20), || async {
            TcpStream::connect(self.address).await.ok().map(drop)
        })
        .await;
    }
}

/// An address on loopback that nobody uses.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address")
}

/// Debian has it where only root's path leads.
#[must_use]
pub fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() { debian.to_owned() } else { PathBuf::from("mosquitto") }
}

fn spawn(folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    Command::new(program())
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("mosquitto is installed: run tests/setup")
}
