use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::{Connection, Stream};
use crate::engines::gate::linger::Linger;
use crate::metrics;
use crate::wire::{End, Now};

/// How long the last bytes may take where the client waits for none, or the program ends.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

impl<S: Stream> Connection<S> {
    /// Gives up what the connection holds, so that a client that is back waits for nothing, and closes the stream: gently
    /// where the client may still be sending.
    pub(super) async fn say_farewell(&mut self) {
        let output = std::mem::take(self.machine.output());
        let Some(end) = self.machine.ended().cloned() else { return };
        self.part();
        let linger = Linger::of(&self.gate.config);
        match end {
            // It has closed its side, or is about to: there is nothing to read.
            End::Disconnected | End::DisconnectedWithWill | End::Lost => {
                let last = async {
                    self.stream.write_all(&output).await?;
                    self.stream.shutdown().await
                };
                // Whether it gets there or not, the connection ends.
                let _ = tokio::time::timeout(FAREWELL_MAX, last).await;
            }
            End::Shutdown => {
                let linger = Linger { time: linger.time.min(FAREWELL_MAX), ..linger };
                linger.close(&mut self.stream, &output).await;
            }
            _ => linger.close(&mut self.stream, &output).await,
        }
    }

    fn report_end(&mut self, now: Now) {
        let Some(end) = self.machine.ended().cloned() else { return };
        self.remember_end(&end, now);
        metrics::closed(end.name());
        let (owner, client) = self.holder();
        if end.is_refusal() {
            self.gate.note_refusal(&self.peer, end.name(), end.detail(), self.machine.client());
        }
        if let End::Refused { reason, detail, sample } = &end {
            tracing::debug!(%client, peer = %self.peer, detail, "connection refused");
            self.gate.refused(*reason, detail.clone(), (owner, client.clone()), "", sample.clone());
        }
        tracing::trace!(%client, reason = end.name(), at_ms = now.unix_ms, "connection ended");
    }

    /// The client's will, session and registration are seen to, in this order: a connection that takes the client identifier over
    /// waits for the last step.
    fn part(&mut self) {
        if std::mem::replace(&mut self.has_parted, true) {
            return;
        }
        let now = self.gate.now();
        if self.machine.ended().is_none() {
            self.machine.abandon(End::Lost);
        }
        self.report_end(now);
        let number = self.machine.session();
        let had_will = self.machine.will(now.unix_ms).is_some();
        let will = self.machine.take_will(now.unix_ms);
        let (received, expiry_s) = self.machine.take_state();
        match will {
            Some((will, delay_s)) => self.gate.leave_will(will, delay_s, expiry_s),
            None if had_will => self.gate.forgive_will(number),
            None => {}
        }
        if let Some(client) = self.holds.take() {
            if self.presence.is_some()
                && let Some(session) = self.registration.session.take()
            {
                self.gate.park(&client, self.machine.auth().address(), session, &received, expiry_s);
            }
            self.gate.release(&client, &self.registration.handle);
        }
        self.gate.note_inflight(self.noted_inflight, 0);
        self.gate.leave(&self.registration);
    }
}

impl<S: Stream> Drop for Connection<S> {
    /// However the task ends.
    fn drop(&mut self) {
        self.part();
    }
}
