//! Other programs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

/// A program of this workspace, as `cargo build --workspace --all-targets` made it.
///
/// # Panics
/// When the test itself does not run from cargo's target folder.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    profile.join(name)
}

/// A file of the repository.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").join(path)
}

/// Runs a program to its end and gives what it wrote to stdout.
///
/// # Panics
/// When it cannot be started (the message names the set-up), or fails.
pub async fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; run tests/setup", program.display()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{} {arguments:?} ended with {}\n{text}\n{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Starts a program that goes on by itself, and ends with the test at the latest.
///
/// # Panics
/// When it cannot be started.
pub fn start(program: impl AsRef<Path>, arguments: &[&str]) -> Child {
    let program = program.as_ref();
    let child =
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    child.unwrap_or_else(|error| panic!("{}: {error}; run tests/setup", program.display()))
}

/// Publishes with mosquitto_pub.
pub async fn mosquitto_pub(server: SocketAddr, arguments: &[&str]) {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    run("mosquitto_pub", &[&["-h", &host, "-p", &port], arguments].concat()).await;
}

/// Runs a script of `tests/browser` with Node.
pub async fn node(script: &str, arguments: &[&str]) -> String {
    let script = file("tests/browser").join(script);
    run("node", &[&[script.to_str().expect("a path of plain text")], arguments].concat()).await
}

/// Runs a script of `tests/clients` with the Python that has paho-mqtt.
pub async fn python(script: &str, arguments: &[&str]) -> String {
    let script = file("tests/clients").join(script);
    python_with(&[&[script.to_str().expect("a path of plain text")], arguments].concat()).await
}

/// Runs the Python that has the packages of `tests/setup`.
pub async fn python_with(arguments: &[&str]) -> String {
    run(python_program(), arguments).await
}

/// The Python that has the packages of `tests/setup`.
#[must_use]
pub fn python_program() -> PathBuf {
    cache().join("python/bin/python")
}

/// Where `tests/setup` puts what the tests need.
pub(crate) fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("tidegate")
}
