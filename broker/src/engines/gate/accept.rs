use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gate;
use super::connection::serve;
use super::hub::Hub;
use crate::listeners::{Accepted, Listener, OpenError, Opened, Peer, Way};

/// Pause after a failed accept: the process is out of descriptors, and trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Gate {
    /// Accepts from one listener; never ends.
    pub(super) async fn accept_from(&self, listener: &Listener, tracker: &TaskTracker, cancel: &CancellationToken) {
        loop {
            match listener.accept().await {
                Ok(accepted) => self.admit(listener, accepted, tracker, cancel),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted; raise the limit of open files");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, listener: &Listener, accepted: Accepted, tracker: &TaskTracker, cancel: &CancellationToken) {
        let address = match &accepted {
            Accepted::Tcp(_, address) => Some(*address),
            Accepted::Unix(_) => None,
        };
        let peer = Peer { transport: listener.way.transport, address, certificate: None };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.hub.connection_refused(&peer);
        };
        let (hub, now) = (Arc::clone(&self.hub), Instant::now());
        match accepted {
            Accepted::Unix(stream) => drop(tracker.spawn(serve(hub, stream, peer, now, place))),
            Accepted::Tcp(stream, _) => {
                // Acknowledgements are small; waiting to fill a segment would only add latency.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "TCP_NODELAY could not be set");
                }
                if listener.way.is_plain() {
                    drop(tracker.spawn(serve(hub, stream, peer, now, place)));
                } else {
                    let arrival = Arrival { hub, peer, accepted: now, place };
                    tracker.spawn(arrival.arrive(Arc::clone(&listener.way), stream, cancel.clone()));
                }
            }
        }
    }
}

/// A connection that does not speak MQTT yet.
struct Arrival {
    hub: Arc<Hub>,
    peer: Peer,
    accepted: Instant,
    place: OwnedSemaphorePermit,
}

impl Arrival {
    /// Opens the connection and serves it. Whatever the way asks for and the CONNECT share one deadline.
    async fn arrive(mut self, way: Arc<Way>, stream: tokio::net::TcpStream, cancel: CancellationToken) {
        let deadline = self.accepted + self.hub.config.connect_timeout;
        // Boxed, as what follows: what happens once must not make every connection larger.
        let opening = Box::pin(way.open(stream, &mut self.peer));
        let opened = match tokio::time::timeout_at(deadline.into(), cancel.run_until_cancelled(opening)).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            Err(_) => Err(OpenError::Timeout),
        };
        match opened {
            Err(error) => self.hub.arrival_refused(&self.peer, &error),
            Ok(Opened::Tcp(stream)) => self.serve(stream).await,
            Ok(Opened::Tls(stream)) => self.serve(*stream).await,
            Ok(Opened::WebSocket(stream)) => self.serve(*stream).await,
            Ok(Opened::Wss(stream)) => self.serve(*stream).await,
        }
    }

    fn serve<S: super::connection::Stream>(self, stream: S) -> std::pin::Pin<Box<impl Future<Output = ()> + Send>> {
        Box::pin(serve(self.hub, stream, self.peer, self.accepted, self.place))
    }
}
