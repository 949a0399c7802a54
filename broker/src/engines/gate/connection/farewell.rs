use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Connection, Stream};
use crate::metrics;
use crate::wire::{End, Now};

/// How long the last bytes to a client may take.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

impl<S: Stream> Connection<S> {
    /// Writes the last bytes, and gives the client time to read them: closing a socket with unread bytes would reset
    /// the connection, and the client would never see why.
    pub(super) async fn say_farewell(&mut self) {
        let output = std::mem::take(self.machine.output());
        let farewell = async {
            self.stream.write_all(&output).await?;
            self.stream.shutdown().await?;
            let mut unread = [0; 512];
            while !output.is_empty() && self.stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        // Whether it gets there or not, the connection ends.
        let _ = tokio::time::timeout(FAREWELL_MAX, farewell).await;
    }

    fn report_end(&mut self, now: Now) {
        let Some(end) = self.machine.ended().cloned() else { return };
        self.remember_end(&end, now);
        metrics::closed(end.name());
        let (owner, client) = self.holder();
        if let End::Refused { reason, detail, sample } = &end {
            tracing::debug!(%client, peer = %self.peer, detail, "connection refused");
            self.hub.refused(*reason, detail.clone(), (owner, client.clone()), "", sample.clone());
        }
        tracing::trace!(%client, reason = end.name(), at_ms = now.unix_ms, "connection ended");
    }
}

impl<S: Stream> Drop for Connection<S> {
    /// However the task ends, the client's will, session and place are seen to, in this order: a connection that
    /// takes the client identifier over waits for the last step.
    fn drop(&mut self) {
        let now = self.hub.now();
        if self.machine.ended().is_none() {
            self.machine.abandon(End::Lost);
        }
        self.report_end(now);
        let session = self.machine.session();
        let had_will = self.machine.will(now.unix_ms).is_some();
        let will = self.machine.take_will(now.unix_ms);
        let (received, expiry_s) = self.machine.take_state();
        match will {
            Some((will, delay_s)) => self.hub.leave_will(will, delay_s, expiry_s),
            None if had_will => self.hub.forgive_will(session),
            None => {}
        }
        if let Some(client) = self.holds.take() {
            if self.presence.is_some()
                && let Some(outbox) = self.seat.outbox.take()
            {
                self.hub.park(&client, self.machine.speaker().address(), outbox, &received, expiry_s);
            }
            self.hub.release(&client, &self.seat.bell);
        }
        self.hub.note_inflight(self.noted_inflight, 0);
        self.hub.leave(&self.seat);
    }
}
