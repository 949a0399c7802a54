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
    let answer = exchange(server, path, body, silence_max)?;
    if answer.status != 200 {
        bail!("{}", answer.problem()?);
    }
    Ok(answer.body)
}

/// An answer, of which the body is still to be read.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines, names in small letters.
    headers: Vec<(String, String)>,
    /// The body, up to its end.
    pub body: BufReader<TcpStream>,
}

impl Answer {
    /// The value of a header; its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What a refusal says.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn problem(self) -> Result<String> {
        let mut problem = String::new();
        self.body.take(TEXT_BYTES_MAX).read_to_string(&mut problem).context("the answer broke off")?;
        let problem: Value = serde_json::from_str(&problem).unwrap_or_default();
        let status = format!("the server answered with status {}", self.status);
        Ok(problem["detail"].as_str().map_or(status, str::to_owned))
    }
}

/// Asks as [`ask`] does, whatever the status of the answer is.
///
/// # Errors
/// When the server does not answer.
pub fn exchange(server: SocketAddr, path: &str, body: Option<&[u8]>, silence_max: Duration) -> Result<Answer> {
    request(server, if body.is_some() { "POST" } else { "GET" }, path, body, silence_max)
}

/// Asks by any method, as [`exchange`] does.
///
/// # Errors
/// When the server does not answer.
pub fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
    silence_max: Duration,
) -> Result<Answer> {
    let unreachable = || format!("no tidegate answers on http://{server}; name its HTTP listener with --http");
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5)).with_context(unreachable)?;
    stream.set_read_timeout(Some(silence_max))?;
    stream.set_write_timeout(Some(silence_max))?;
    let body = body.unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).with_context(unreachable)?;
    let mut answer = BufReader::new(stream);
    let mut status = String::new();
    answer.read_line(&mut status).with_context(unreachable)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(unreachable)?;
    let (mut headers, mut header) = (Vec::new(), String::new());
    loop {
        answer.read_line(&mut header).with_context(unreachable)?;
        if !header.ends_with('\n') {
            bail!("the answer broke off");
        }
        if header.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        header.clear();
    }
    Ok(Answer { status, headers, body: answer })
}

/// A text as a part of a path or query (RFC 3986, section 2.1).
#[must_use]
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_program_that_takes_nothing_more_is_not_waited_for_for_ever() -> Result<()> {
        let stopped = TcpListener::bind("127.0.0.1:0")?;
        let (began, body) = (Instant::now(), vec![0; 64 << 20]);
        let answer = exchange(stopped.local_addr()?, "/", Some(&body), Duration::from_millis(200));
        assert!(answer.is_err() && began.elapsed() < Duration::from_secs(60));
        Ok(())
    }

    #[test]
    fn a_head_that_broke_off_is_no_answer() -> Result<()> {
        for (said, is_whole) in [
            ("HTTP/1.0 200 OK\r\nTidegate-Next: a\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\nTidegate-Next: a\r\n", false),
            ("HTTP/1.0 200 OK\r\nTidegate-Ne", false),
            ("HTTP/1.0 200 OK\r\n", false),
        ] {
            let server = TcpListener::bind("127.0.0.1:0")?;
            let address = server.local_addr()?;
            let answers = std::thread::spawn(move || -> std::io::Result<()> {
                let (mut stream, _) = server.accept()?;
                // All of the question is read: else the system resets the connection.
                let mut question = BufReader::new(stream.try_clone()?);
                let mut line = String::new();
                while question.read_line(&mut line)? > 2 {
                    line.clear();
                }
                stream.write_all(said.as_bytes())
            });
            let answer = exchange(address, "/", None, Duration::from_secs(10));
            assert_eq!(answer.is_ok(), is_whole, "{said:?}");
            answers.join().map_err(|_| anyhow::anyhow!("it broke off"))??;
        }
        Ok(())
    }
}
