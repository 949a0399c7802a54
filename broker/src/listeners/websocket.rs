use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The bytes of MQTT packets over a WebSocket: packets may span frames, and a frame may hold several (MQTT 5.0
/// section 6.0).
pub(crate) struct WebSocket<S> {
    frames: WebSocketStream<S>,
    /// What is left of the last message.
    unread: Bytes,
    /// What came is no frame, or none that is taken: what follows cannot be told apart.
    is_broken: bool,
}

/// Who may connect, and how much one message may hold.
#[derive(Debug)]
pub(crate) struct WebSocketRules {
    /// In lower case.
    pub origins: Vec<String>,
    pub message_bytes_max: usize,
}

/// Frames sent are no longer than this, and neither is what a connection keeps for sending while it is idle.
const FRAME_BYTES: usize = 4 * 1024;

/// A request that is longer is not waited for; the WebSocket library judges it as it comes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// What a connection keeps for reading while it is idle.
const READ_BUFFER_BYTES: usize = 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) async fn accept(stream: S, rules: &WebSocketRules) -> Result<Self, Error> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            // What is written while the client does not read: one frame, a header and a pong.
            .max_write_buffer_size(4 * FRAME_BYTES)
            .max_message_size(Some(rules.message_bytes_max))
            .max_frame_size(Some(rules.message_bytes_max));
        // The error is a whole response; the crate asks for it by value.
        #[allow(clippy::result_large_err)]
        let check = |request: &Request, response: Response| answer(rules, request, response);
        let frames = tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config)).await?;
        Ok(WebSocket { frames, unread: Bytes::new(), is_broken: false })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Pin::new(self.frames.get_mut()).poll_read(cx, buffer);
        }
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // MQTT-6.0.0-1: packets come in binary frames; in others the connection is closed.
                Some(Ok(Message::Text(_))) => {
                    let detail = "a WebSocket frame is one of text: MQTT comes in binary frames";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, detail)));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                // A ping is answered by the crate.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => {
                    let error = io_error(error);
                    self.is_broken = error.kind() == io::ErrorKind::InvalidData;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let bytes = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..bytes]);
        self.unread.advance(bytes);
        if self.unread.is_empty() {
            // An empty slice still holds its message.
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.frames).poll_ready(cx)).map_err(io_error)?;
        let bytes = &bytes[..bytes.len().min(FRAME_BYTES)];
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.frames).start_send(message).map_err(io_error)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_flush(cx).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.frames).poll_close(cx)).map_err(io_error)?;
        // The client's answer to the closing frame is not to be found any more, for which it would wait.
        if self.is_broken { Pin::new(self.frames.get_mut()).poll_shutdown(cx) } else { Poll::Ready(Ok(())) }
    }
}

/// Whether `bytes` hold a whole request, or more than one may have.
pub(crate) fn is_request(bytes: &[u8]) -> bool {
    bytes.len() >= REQUEST_BYTES_MAX || bytes.windows(4).any(|end| end == b"\r\n\r\n")
}

/// Why a handshake failed: what it was answered with, where it was.
pub(crate) fn words(error: &Error) -> String {
    let answer = match error {
        Error::Http(response) => response.body().as_deref().map(String::from_utf8_lossy),
        _ => None,
    };
    answer.map_or_else(|| error.to_string(), |answer| answer.trim_end().to_owned())
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        wrong @ (Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_)) => {
            io::Error::new(io::ErrorKind::InvalidData, format!("what came over WebSocket is refused: {wrong}"))
        }
        other => io::Error::other(other),
    }
}

#[allow(clippy::result_large_err)]
fn answer(rules: &WebSocketRules, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let checked = subprotocol(request.headers()).and_then(|name| rules.check_origin(request.headers()).map(|()| name));
    match checked {
        Ok(name) => {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
            Ok(response)
        }
        Err((status, detail)) => {
            let mut refusal = ErrorResponse::new(Some(detail));
            *refusal.status_mut() = status;
            Err(refusal)
        }
    }
}

/// MQTT-6.0.0-3: the client offers the subprotocol `mqtt`, or that of clients of 3.1. Either may carry every version.
fn subprotocol(headers: &HeaderMap) -> Result<&'static str, (StatusCode, String)> {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<&str> = offers.flat_map(|value| value.split(',')).map(str::trim).collect();
    let refused = || (StatusCode::BAD_REQUEST, "offer the WebSocket subprotocol \"mqtt\"\n".to_owned());
    ["mqtt", "mqttv3.1"].into_iter().find(|name| offered.contains(name)).ok_or_else(refused)
}

impl WebSocketRules {
    /// Programs send no `Origin`; browsers always do. A page that was loaded from this host by address, or from a
    /// loopback name, may connect from any port. A page of a name may not without being listed: the name can have been
    /// pointed here by somebody else (DNS rebinding).
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let origin = String::from_utf8_lossy(origin.as_bytes()).to_ascii_lowercase();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_listed = self.origins.iter().any(|listed| *listed == "*" || *listed == origin);
        if origins.next().is_none() && (is_listed || is_same_address(&origin, host)) {
            return Ok(());
        }
        let detail = format!("pages of {origin:?} may not connect: add it to the listener's origins\n");
        Err((StatusCode::FORBIDDEN, detail))
    }
}

fn is_same_address(origin: &str, host: &str) -> bool {
    let name_of = |authority: &str| {
        let uri: Uri = format!("http://{authority}/").parse().ok()?;
        uri.host().map(|name| name.trim_matches(['[', ']']).to_ascii_lowercase())
    };
    let Some(("http" | "https", authority)) = origin.split_once("://") else { return false };
    let Some(name) = name_of(authority) else { return false };
    let cannot_be_rebound =
        name.parse::<std::net::IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost");
    cannot_be_rebound && name_of(host).as_deref() == Some(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn pages_connect_from_the_same_address_or_a_listed_origin_only() {
        let rules = WebSocketRules { origins: vec!["https://wall.example".to_owned()], message_bytes_max: 1 };
        let asked = |host: &str, origin: &str| rules.check_origin(&headers(&[("host", host), ("origin", origin)]));
        for (host, origin) in [
            ("127.0.0.1:9001", "http://127.0.0.1:8080"),
            ("localhost:9001", "http://LOCALHOST:8080"),
            ("[::1]:9001", "http://[::1]:8080"),
            ("tide.example", "https://wall.example"),
        ] {
            assert_eq!(asked(host, origin), Ok(()), "{origin} at {host}");
        }
        for (host, origin) in [
            ("127.0.0.1:9001", "http://evil.example"),
            ("rebound.example:9001", "http://rebound.example:9001"),
            ("127.0.0.1:9001", "http://127.0.0.1.evil.example"),
            ("127.0.0.1:9001", "null"),
            ("127.0.0.1:9001", "file://127.0.0.1"),
            ("tide.example", "https://wall.example.evil.example"),
            ("tide.example", "http://wall.example"),
        ] {
            assert_eq!(asked(host, origin).unwrap_err().0, StatusCode::FORBIDDEN, "{origin} at {host}");
        }
        assert_eq!(rules.check_origin(&headers(&[("host", "tide.example")])), Ok(()), "a program sends none");
        let two = headers(&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1"), ("origin", "http://evil.example")]);
        let mut both = HeaderMap::new();
        both.extend(two);
        both.append(header::ORIGIN, HeaderValue::from_static("http://evil.example"));
        assert!(rules.check_origin(&both).is_err(), "two origins");
    }

    #[test]
    fn a_subprotocol_of_mqtt_must_be_offered() {
        let offered = |value: &str| subprotocol(&headers(&[("sec-websocket-protocol", value)]));
        for (offer, taken) in [("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("mqttv3.1, mqtt", "mqtt")] {
            assert_eq!(offered(offer), Ok(taken), "{offer}");
        }
        assert!(offered("chat").is_err() && offered("MQTT2").is_err());
        assert!(subprotocol(&HeaderMap::new()).is_err());
    }
}
