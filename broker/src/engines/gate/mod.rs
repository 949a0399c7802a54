//! Tidegate's own MQTT edge: one listener, one task a connection.

mod connection;
mod hub;
pub(crate) mod outbox;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tidegate_log::Log;
use tidegate_telemetry::ProblemSink;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hub::Hub;
use super::{BrokerStats, Engine};
use crate::config::BrokerConfig;
use crate::listeners::{Peer, Transport};
use crate::sessions::SessionStore;

/// The gate: accepts connections and gives each a task.
pub(crate) struct Gate {
    hub: Arc<Hub>,
    listener: TcpListener,
    local_addr: SocketAddr,
    /// One permit a connection; all of them back means that all connections ended.
    places: Arc<Semaphore>,
}

/// Pause after a failed accept: the process is out of descriptors, and trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often expired sessions are looked for.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);

impl Gate {
    /// Binds the listener. Needs a tokio runtime.
    pub(crate) fn bind(
        config: BrokerConfig,
        log: Arc<dyn Log>,
        problems: Arc<dyn ProblemSink>,
        clock: fn() -> i64,
        sessions: Arc<dyn SessionStore>,
    ) -> io::Result<Self> {
        let listener = listen(config.listen, config.backlog)?;
        let local_addr = listener.local_addr()?;
        let places = Arc::new(Semaphore::new(config.connections_max as usize));
        let hub = Arc::new(Hub::new(config, log, problems, clock, sessions));
        Ok(Gate { hub, listener, local_addr, places })
    }

    fn admit(&self, tracker: &TaskTracker, stream: TcpStream, address: SocketAddr) {
        let peer = Peer { transport: Transport::Tcp, address: Some(address), certificate: None };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.hub.connection_refused(&peer);
        };
        // Acknowledgements are small; waiting to fill a segment would only add latency.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY could not be set");
        }
        tracker.spawn(connection::serve(Arc::clone(&self.hub), stream, peer, Instant::now(), place));
    }

    async fn accept_until(&self, tracker: &TaskTracker, cancel: &CancellationToken) {
        let mut expire = tokio::time::interval(EXPIRE_INTERVAL);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = expire.tick() => self.hub.expire(self.hub.now().unix_ms),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(tracker, stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted; raise the limit of open files");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    async fn drain(&self) {
        self.hub.shut_down();
        // The connections keep the grace themselves; the second is for their last write.
        let grace = self.hub.config.shutdown_grace + Duration::from_secs(1);
        let all = self.places.acquire_many(self.hub.config.connections_max);
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!(connections = self.hub.stats().connections, "connections did not end within the grace");
        }
    }
}

impl Engine for Gate {
    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    fn stats(&self) -> BrokerStats {
        self.hub.stats()
    }

    fn run(&self, tracker: TaskTracker, cancel: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.accept_until(&tracker, &cancel).await;
            self.drain().await;
        })
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the run before to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}
