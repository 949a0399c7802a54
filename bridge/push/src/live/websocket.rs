//! The session over axum's WebSocket.

use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tidegate_telemetry::History;
use tokio::runtime::Handle;

use crate::error::{ApiError, Kind};
use crate::live::encodings::ENCODINGS;
use crate::live::hub::Hub;
use crate::live::session::{self, Runtimes};
use crate::live::transport::{Gone, Received, Transport};

/// Measured: with this an idle viewer costs 3.1 KB instead of 134 KB.
const READ_BUFFER_BYTES: usize = 1_024;
/// RFC 6455 section 5.5: a control frame has 125 bytes at most, and the code takes two.
const CLOSE_REASON_BYTES_MAX: usize = 123;
/// How long a client may take to answer that the session ends.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// What `/v1/live` needs.
#[derive(Clone)]
pub(crate) struct Live {
    hub: Arc<Hub>,
    history: Arc<dyn History>,
    addresses: Arc<Addresses>,
    live: Handle,
}

impl Live {
    /// Sessions that wait for changes are on the runtime `live`; what they ask for is done where it comes in.
    pub fn new(hub: Arc<Hub>, history: Arc<dyn History>, live: Handle) -> Self {
        let addresses = Addresses { max: hub.config.sessions_per_address_max, open: Mutex::default() };
        Live { hub, history, addresses: Arc::new(addresses), live }
    }
}

/// `GET /v1/live`: turns the connection into a live session. Origin and Host must have been checked before.
pub(crate) async fn upgrade(
    State(live): State<Live>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let request = request.map_err(|error| {
        let detail = format!("{error}: open a WebSocket here, as docs/protocol.md says");
        ApiError::new(Kind::UpgradeRequired, detail)
    })?;
    let Some(address) = Addresses::enter(&live.addresses, peer.ip()) else {
        return Err(refuse("address", "too many live sessions are open from your address: close some"));
    };
    let Some(entered) = live.hub.enter() else {
        return Err(refuse("full", "no more live sessions are taken now: try again later"));
    };
    // What a client sends is small; one larger than the limit by little is told so, the rest is cut off.
    let bytes_max = live.hub.config.message_bytes_max.saturating_mul(2);
    let guard = session::HubGuard::new(Arc::clone(&live.hub), entered);
    let request = request
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max);
    Ok(request.on_upgrade(async move |socket| {
        let runtimes = Runtimes { asks: Handle::current(), live: live.live };
        let viewer = Viewer { socket, _address: address };
        session::begin(live.hub, live.history, guard, viewer, ENCODINGS, runtimes);
    }))
}

fn refuse(reason: &'static str, detail: &'static str) -> ApiError {
    metrics::counter!("tidegate_live_refused_total", "reason" => reason).increment(1);
    ApiError::new(Kind::Busy, detail)
}

/// Open sessions by address.
#[derive(Debug)]
struct Addresses {
    max: usize,
    open: Mutex<FxHashMap<IpAddr, usize>>,
}

/// A session of an address; counts until it is dropped.
struct AddressPermit {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn enter(addresses: &Arc<Addresses>, address: IpAddr) -> Option<AddressPermit> {
        let mut open = addresses.open.lock();
        let count = open.entry(address).or_default();
        if *count >= addresses.max {
            return None;
        }
        *count += 1;
        Some(AddressPermit { addresses: Arc::clone(addresses), address })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.addresses.open.lock().entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The connection of a viewer, which counts for its address as long as it is there.
struct Viewer {
    socket: WebSocket,
    _address: AddressPermit,
}

impl Transport for Viewer {
    async fn send(&mut self, message: Vec<u8>, is_text: bool) -> Result<(), Gone> {
        let bytes = Bytes::from(message);
        let message = match is_text {
            true => Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| Gone)?),
            false => Message::Binary(bytes),
        };
        self.socket.send(message).await.map_err(|_| Gone)
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let most = reason.len().min(CLOSE_REASON_BYTES_MAX);
        let end = (0..=most).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
        let frame = CloseFrame { code, reason: reason[..end].into() };
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            // With bytes that nobody read the kernel would break the connection off, and the reason with it.
            let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            _ = tokio::time::timeout(CLOSE_PATIENCE, answered).await;
        }
    }

    async fn receive(&mut self) -> Received {
        loop {
            match self.socket.recv().await {
                Some(Ok(Message::Text(text))) => return Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(_))) => return Received::Binary,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Received::Gone,
                Some(Err(error)) if error.to_string().contains("too long") => return Received::TooLarge,
                Some(Err(_)) => return Received::Gone,
            }
        }
    }
}
