//! A connection to the server.

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::Endpoint;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Makes one; what it carries is driven by the runtime that this runs on.
///
/// # Errors
/// When nobody is there, or the certificate is not trusted.
pub async fn connect(endpoint: &Endpoint, tls: Option<&TlsConnector>) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
            Box::new(tls.connect(name, stream).await?)
        }
    };
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to InfluxDB ended");
        }
    });
    Ok(sender)
}

/// As the header `Host` has it (RFC 9112 section 3.2).
pub fn host(Endpoint { host, port, .. }: &Endpoint) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As a part of a query (RFC 3986 section 2.1).
pub fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
        encoded
    })
}
