//! One request to a running program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Bytes of an answer that is read as a text.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Asks, and reads the answer's head: GET, or POST with a body of JSON. HTTP/1.0, so that the body of the answer comes as it is,
/// until the end. The server may be silent for so long.
///
/// # Errors
/// When the server does not answer, or refuses; with what to do.
pub fn ask(server: SocketAddr, path: &str, body: Option<&[u8]>, silence_max: Duration) -> Result<BufReader<TcpStream>> {
    let unreachable = || format!("no tidegate answers on http://{server}; name its HTTP listener with --http");
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5)).with_context(unreachable)?;
    stream.set_read_timeout(Some(silence_max))?;
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).with_context(unreachable)?;
    let mut answer = BufReader::new(stream);
    let mut status = String::new();
    answer.read_line(&mut status).with_context(unreachable)?;
    let mut header = String::new();
    while answer.read_line(&mut header).with_context(unreachable)? > 2 {
        header.clear();
    }
    if status.split(' ').nth(1) != Some("200") {
        let mut problem = String::new();
        answer.take(TEXT_BYTES_MAX).read_to_string(&mut problem).with_context(unreachable)?;
        let problem: Value = serde_json::from_str(&problem).unwrap_or_default();
        bail!("{}", problem["detail"].as_str().unwrap_or(status.trim()));
    }
    Ok(answer)
}
