use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection's bytes in memory: the server's end of it.
pub(super) struct ServerEnd(Arc<Mutex<State>>);

/// The other end, in the hand of the network.
#[derive(Clone)]
pub(super) struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// What the network holds for a client that does not read.
    to_client_max: usize,
    is_cut: bool,
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Line {
    /// One that holds up to `to_client_max` bytes for a client that does not read.
    pub(super) fn new(to_client_max: usize) -> (ServerEnd, Line) {
        let state = Arc::new(Mutex::new(State { to_client_max, ..State::default() }));
        (ServerEnd(Arc::clone(&state)), Line(state))
    }

    /// Bytes arrive at the server.
    pub(super) fn bring(&self, bytes: impl IntoIterator<Item = u8>) {
        let mut state = self.0.lock();
        state.to_server.extend(bytes);
        if !state.to_server.is_empty() {
            wake(&mut state.reader);
        }
    }

    /// Up to `count` bytes arrive at the client.
    pub(super) fn take(&self, count: usize) -> Vec<u8> {
        let mut state = self.0.lock();
        let count = count.min(state.to_client.len());
        let taken = state.to_client.drain(..count).collect();
        if count > 0 {
            wake(&mut state.writer);
        }
        taken
    }

    /// The server learns that the connection is gone; with `loses` before it read what had arrived.
    pub(super) fn cut(&self, loses: bool) {
        let mut state = self.0.lock();
        state.is_cut = true;
        if loses {
            state.to_server.clear();
        }
        wake(&mut state.reader);
        wake(&mut state.writer);
    }

    /// The server has closed it, and nothing it said before is left.
    pub(super) fn is_over(&self) -> bool {
        let state = self.0.lock();
        state.is_closed && state.to_client.is_empty()
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.to_server.is_empty() && !state.is_cut {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.remaining().min(state.to_server.len());
        buffer.put_slice(&state.to_server.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.is_cut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(state.to_client_max.saturating_sub(state.to_client.len()));
        if count == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.to_client.extend(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().is_closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
    }
}
