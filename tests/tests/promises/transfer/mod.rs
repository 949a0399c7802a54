//! History goes out as text and comes in again, each point once.

mod flaws;
mod home_assistant;
mod influxd;
mod interrupted;
mod live;
mod round;
mod thingsboard;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_tests::{Server, tool};
use tokio::process::{Child, Command};

const LIMIT: Duration = Duration::from_secs(60);

/// A program, and a folder for what goes out of it.
struct World {
    server: Server,
    folder: TempDir,
}

/// What a command said.
struct Said {
    out: String,
    err: String,
    is_success: bool,
}

impl World {
    async fn new() -> World {
        World::with("").await
    }

    async fn with(config: &str) -> World {
        World { server: Server::with_config(config).await, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(tool::binary("tidegate"));
        command.arg(name).args(["--http", &self.server.http.to_string()]).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn run(&self, name: &str, arguments: &[&str]) -> Said {
        let output =
            tokio::time::timeout(LIMIT, self.command(name, arguments).output()).await.expect("it ends").unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Said { out: text(&output.stdout), err: text(&output.stderr), is_success: output.status.success() }
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Child {
        self.command(name, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What `tidegate export` gives.
    async fn export(&self, arguments: &[&str]) -> String {
        let said = self.run("export", arguments).await;
        assert!(said.is_success, "{}", said.err);
        said.out
    }

    /// Has lines imported.
    async fn import(&self, lines: &str, arguments: &[&str]) -> Said {
        let file = self.path("lines");
        std::fs::write(&file, lines).unwrap();
        self.import_file(&file, arguments).await
    }

    async fn import_file(&self, file: &Path, arguments: &[&str]) -> Said {
        let said = self.run("import", &[&[file.to_str().unwrap()], arguments].concat()).await;
        assert!(said.is_success, "{}", said.err);
        said
    }
}

/// Lines of the line protocol: `count` points of ten devices, a second apart from `from_ms` on.
fn lines(count: i64, from_ms: i64) -> String {
    let line = |n: i64| {
        let (device, time_ms) = (n % 10, from_ms + n / 10 * 1_000);
        format!("temperature,device=old/dev{device},group=old value={}.5 {time_ms}000000\n", n % 977)
    };
    (0..count).map(line).collect()
}
