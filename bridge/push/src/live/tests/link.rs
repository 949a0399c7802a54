use std::sync::Arc;

use serde_json::Value;
use tidegate_telemetry::History;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::live::encoding::LiveEncoding;
use crate::live::encodings::ENCODINGS;
use crate::live::hub::Hub;
use crate::live::session::{self, HubGuard, Runtimes};
use crate::live::transport::{Gone, Received, Transport};

/// The server's end: whole messages through channels. The link holds one message; the next waits until it was taken.
struct ServerEnd {
    out: mpsc::Sender<Vec<u8>>,
    into: mpsc::UnboundedReceiver<String>,
}

impl Transport for ServerEnd {
    async fn send(&mut self, message: Vec<u8>, _: bool) -> Result<(), Gone> {
        self.out.send(message).await.map_err(|_| Gone)
    }

    async fn close(&mut self, _: u16, _: &str) {}

    async fn receive(&mut self) -> Received {
        self.into.recv().await.map_or(Received::Gone, Received::Text)
    }
}

/// The viewer's end. The session ends with it.
pub(super) struct Link {
    out: mpsc::UnboundedSender<String>,
    into: mpsc::Receiver<Vec<u8>>,
}

impl Link {
    pub fn open(hub: &Arc<Hub>, history: &Arc<dyn History>) -> Link {
        Link::open_with(hub, history, ENCODINGS)
    }

    /// A session that may have one of these encodings.
    pub fn open_with(
        hub: &Arc<Hub>,
        history: &Arc<dyn History>,
        offered: &'static [&'static dyn LiveEncoding],
    ) -> Link {
        let (to_viewer, from_server) = mpsc::channel(1);
        let (to_server, from_viewer) = mpsc::unbounded_channel();
        let entered = hub.enter().expect("there is room");
        let guard = HubGuard::new(Arc::clone(hub), entered);
        let end = ServerEnd { out: to_viewer, into: from_viewer };
        let runtimes = Runtimes { asks: Handle::current(), live: Handle::current() };
        session::begin(Arc::clone(hub), Arc::clone(history), guard, end, offered, runtimes);
        Link { out: to_server, into: from_server }
    }

    /// `false` when the session has ended.
    pub fn say(&self, message: &Value) -> bool {
        self.out.send(message.to_string()).is_ok()
    }

    /// The next message as bytes; `None` when the session has ended.
    pub async fn hear(&mut self) -> Option<Vec<u8>> {
        self.into.recv().await
    }

    /// The next message, if it is there already.
    pub fn heard(&mut self) -> Option<Vec<u8>> {
        self.into.try_recv().ok()
    }
}
