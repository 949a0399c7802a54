//! From a TCP connection that was accepted to MQTT, within the limits.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gate;
use super::connection::{Stream, serve};
use super::linger::Linger;
use super::state::GateState;
use crate::access::{Permit, REFUSAL_WAIT_MAX};
use crate::listeners::{Accepted, Begun, Handshakes, Listener, OpenError, Opened, Peer};
use crate::metrics;
use crate::wire::is_packet;

/// Pause after a failed accept: the process is out of descriptors, and trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Gate {
    /// Accepts from one listener; never ends.
    pub(super) async fn accept_from(&self, listener: &Listener, tracker: &TaskTracker, cancel: &CancellationToken) {
        loop {
            match listener.accept().await {
                Ok(accepted) => self.admit(listener, accepted, tracker, cancel),
                Err(error) => self.rest_after(&error).await,
            }
        }
    }

    /// A connection that was gone before it was accepted is nobody's trouble. Whatever else fails goes on failing: that
    /// is counted each time, and told once a minute for all listeners together.
    async fn rest_after(&self, error: &io::Error) {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        metrics::unopened("accept", 1);
        let told = self.unaccepted.lock().happened(Instant::now());
        if let Some(times) = told {
            tracing::warn!(%error, times, "connections could not be accepted; raise the limit of open files (ulimit -n)");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    /// Gives a connection a task, within the limits: past them nothing is spent on it.
    fn admit(&self, listener: &Listener, stream: Accepted, tracker: &TaskTracker, cancel: &CancellationToken) {
        let (gate, handshakes) = (&self.gate, &listener.handshakes);
        gate.metrics.connections_accepted.increment(1);
        let peer = Peer { transport: handshakes.transport, address: stream.address(), certificate: None };
        let taken = gate.access.permits.take().and_then(|permit| match handshakes.trusts_proxy() {
            // The address is the proxy's; the client's comes with the header.
            true => Ok(permit),
            false => gate.access.permits.take_at(permit, peer.ip()),
        });
        let permit = match taken {
            Ok(permit) => permit,
            Err(kept_out) => {
                gate.kept_out(&peer, &kept_out);
                // Before a handshake there is nothing a client could be told.
                let refused = handshakes.is_plain().then(|| gate.access.permits.take_to_be_refused(kept_out)).flatten();
                let Some(permit) = refused else { return };
                permit
            }
        };
        // Acknowledgements are small; waiting to fill a segment would only add latency.
        if let Err(error) = stream.set_nodelay() {
            tracing::debug!(%peer, %error, "TCP_NODELAY could not be set");
        }
        let (gate, handshakes, tracker, cancel) =
            (Arc::clone(gate), Arc::clone(handshakes), tracker.clone(), cancel.clone());
        gate.metrics.arriving.increment(1.0);
        let arrival =
            Arrival { gate, handshakes, peer, accepted: Instant::now(), permit: Some(permit), tracker, cancel };
        arrival.tracker.clone().spawn(arrival.arrive(stream));
    }
}

/// A connection whose first packet has not come yet. Most of what a connection needs is made when it has: who sends
/// nothing, or a byte a minute, holds a small task and a socket.
struct Arrival {
    gate: Arc<GateState>,
    handshakes: Arc<Handshakes>,
    peer: Peer,
    accepted: Instant,
    permit: Option<Permit>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Arrival {
    /// Brings the connection as far as MQTT, and lets a task of its own serve it. Whatever its way asks for and the
    /// CONNECT share one deadline.
    ///
    /// Not an `async fn`: the arguments would live in the future a second time.
    fn arrive(mut self, stream: Accepted) -> impl Future<Output = ()> + Send {
        let (deadline, cancel) = (self.deadline().into(), self.cancel.clone());
        let mut stream = Some(stream);
        async move {
            let opened = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                opened = self.open(&mut stream) => opened,
                () = patience(deadline) => Err(OpenError::Timeout),
            };
            if let Err(error) = opened {
                self.gate.arrival_refused(&self.peer, &error);
                if !matches!(error, OpenError::Timeout | OpenError::Lost(_)) {
                    // Boxed: what happens seldom must not make every waiting connection larger.
                    Box::pin(self.dismiss(stream, &error)).await;
                }
            }
        }
    }

    fn deadline(&self) -> Instant {
        let kept_out = self.permit.as_ref().is_some_and(|permit| permit.kept_out.is_some());
        let patience = self.gate.config.connect_timeout;
        self.accepted + if kept_out { patience.min(REFUSAL_WAIT_MAX) } else { patience }
    }

    async fn open(&mut self, arrived: &mut Option<Accepted>) -> Result<(), OpenError> {
        let Some(stream) = arrived.as_mut() else { return Ok(()) };
        if self.handshakes.trusts_proxy() {
            self.handshakes.meet_proxy(stream, &mut self.peer).await?;
            if !self.enter() {
                return Ok(());
            }
        }
        let packet_bytes_max = self.gate.config.packet_bytes_max;
        let begun =
            stream.until(|bytes| self.handshakes.begun(bytes, |bytes| is_packet(bytes, packet_bytes_max))).await?;
        if let Some(Begun::Other(spoken)) = begun {
            return Err(self.handshakes.refusal_of(spoken));
        }
        match arrived.take() {
            None => {}
            Some(Accepted::Unix(stream)) => self.serve(stream),
            Some(Accepted::Tcp(stream, _)) if self.handshakes.is_plain() => self.serve(stream),
            // Boxed: what happens once must not make every waiting connection larger.
            Some(Accepted::Tcp(stream, from)) => {
                match Box::pin(self.handshakes.shake_hands(stream, &mut self.peer)).await {
                    Ok(Opened::Tls(stream)) => self.serve(*stream),
                    Ok(Opened::WebSocket(stream)) => self.serve(*stream),
                    Ok(Opened::Wss(stream)) => self.serve(*stream),
                    Err((error, stream)) => {
                        *arrived = stream.map(|stream| Accepted::Tcp(stream, from));
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Closes the stream of a connection that is not served, so that its client is not cut off while it is sending.
    async fn dismiss(&self, stream: Option<Accepted>, error: &OpenError) {
        let answer = if let OpenError::OtherProtocol { answer, .. } = error { *answer } else { b"" };
        let linger = Linger::of(&self.gate.config);
        match stream {
            Some(Accepted::Tcp(stream, _)) => linger.close(stream, answer).await,
            Some(Accepted::Unix(stream)) => linger.close(stream, answer).await,
            None => {}
        }
    }

    /// The proxy said where the client is. Returns whether the connection goes on: with its place, or to be told why it
    /// has none.
    fn enter(&mut self) -> bool {
        let permits = &self.gate.access.permits;
        let Some(permit) = self.permit.take_if(|permit| permit.kept_out.is_none()) else { return true };
        self.permit = match permits.take_at(permit, self.peer.ip()) {
            Ok(permit) => Some(permit),
            Err(kept_out) => {
                self.gate.kept_out(&self.peer, &kept_out);
                self.handshakes.is_plain().then(|| permits.take_to_be_refused(kept_out)).flatten()
            }
        };
        self.permit.is_some()
    }

    fn serve(&mut self, stream: impl Stream + 'static) {
        let Some(permit) = self.permit.take() else { return };
        let peer = Peer { certificate: self.peer.certificate.take(), ..self.peer };
        drop(self.tracker.spawn(serve(Arc::clone(&self.gate), stream, peer, self.accepted, permit)));
    }
}

/// Until the deadline, and until what had arrived by then was looked at.
async fn patience(deadline: tokio::time::Instant) {
    tokio::time::sleep_until(deadline).await;
    tokio::task::yield_now().await;
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.gate.metrics.arriving.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_has_sent_nothing_whole_is_a_small_task() {
        fn future_bytes<F: Future>(_: impl Fn(Arrival, Accepted) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = future_bytes(Arrival::arrive);
        assert!(bytes <= 1024, "{bytes} bytes: did a handshake or a buffer get into the future?");
    }
}
