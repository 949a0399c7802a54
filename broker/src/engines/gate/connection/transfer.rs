//! Bytes between a stream and a connection, without a buffer of its own.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once, which is as much as is parsed without a pause: some eight thousand of the smallest packets. The
/// buffer belongs to the thread: an idle connection has none.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Takes one step of writing `output`: what the stream took leaves it. Pending when the stream takes nothing.
pub(super) fn poll_write(
    stream: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    output: &mut Vec<u8>,
    is_unflushed: &mut bool,
) -> Poll<io::Result<()>> {
    if !output.is_empty() {
        let written = ready!(Pin::new(&mut *stream).poll_write(cx, output))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *is_unflushed = true;
        if written < output.len() {
            output.drain(..written);
            return Poll::Ready(Ok(()));
        }
        *output = Vec::new();
    }
    ready!(Pin::new(stream).poll_flush(cx))?;
    *is_unflushed = false;
    Poll::Ready(Ok(()))
}

/// Reads once into the thread's buffer and hands the bytes on.
pub(super) fn poll_receive(
    reader: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    receive: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    READ_BUFFER.with_borrow_mut(|bytes| {
        let mut buffer = ReadBuf::new(bytes);
        ready!(Pin::new(reader).poll_read(cx, &mut buffer))?;
        let filled = buffer.filled();
        if !filled.is_empty() {
            receive(filled);
        }
        Poll::Ready(Ok(filled.len()))
    })
}
