//! Which devices there are: the few REST answers a viewer needs.

use serde::Deserialize;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// The body of `GET path`, when the status is 200.
///
/// # Errors
/// When there is no answer, or another status; the text has the first line and the body.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0: the answer ends with the connection, and is not chunked.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(ANSWER_TIMEOUT, exchange).await??;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(io::Error::other(format!("GET {path} was answered with {status:?}: {body}")))
}

/// Identifiers of all devices the server knows, page by page.
///
/// # Errors
/// When an answer does not come or is not what the documents say.
pub async fn devices(address: SocketAddr) -> io::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Device {
        id: String,
    }
    #[derive(Deserialize)]
    struct Page {
        devices: Vec<Device>,
        next: Option<String>,
    }
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let body = get(address, &format!("/v1/devices?limit=1000{cursor}")).await?;
        let page: Page = serde_json::from_str(&body).map_err(io::Error::other)?;
        ids.extend(page.devices.into_iter().map(|device| device.id));
        let Some(next) = page.next else { return Ok(ids) };
        cursor = format!("&cursor={}", percent_encode(&next));
    }
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
