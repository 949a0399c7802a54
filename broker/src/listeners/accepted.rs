use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connection as it was accepted.
pub(crate) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// How far ahead is looked. What begins with more than this is read as it comes.
const PEEK_BYTES: usize = 16 * 1024;

thread_local! {
    static PEEKED: RefCell<Box<[u8]>> = RefCell::new(vec![0; PEEK_BYTES].into_boxed_slice());
}

impl Accepted {
    /// Where the other end is; a client on a Unix socket has no address.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Accepted::Tcp(_, address) => Some(*address),
            Accepted::Unix(_) => None,
        }
    }

    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Accepted::Tcp(stream, _) => stream.set_nodelay(true),
            Accepted::Unix(_) => Ok(()),
        }
    }

    /// Waits until `judge` makes something of the bytes that have come; `None`: nothing more can come, or is waited for.
    /// They stay in the system's buffer: a connection that waits holds none of ours, however slowly they come.
    pub(crate) async fn until<T>(&self, judge: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
        loop {
            let ready = match self {
                Accepted::Tcp(stream, _) => stream.ready(Interest::READABLE).await?,
                Accepted::Unix(stream) => stream.ready(Interest::READABLE).await?,
            };
            // Nothing made of it counts as nothing there: the next byte wakes again.
            let peeked = match self {
                Accepted::Tcp(stream, _) => stream.try_io(Interest::READABLE, || peek(stream, &judge)),
                Accepted::Unix(stream) => stream.try_io(Interest::READABLE, || peek(stream, &judge)),
            };
            match peeked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                done => return done,
            }
        }
    }
}

fn peek<T>(socket: impl AsFd, judge: impl Fn(&[u8]) -> Option<T>) -> io::Result<Option<T>> {
    PEEKED.with_borrow_mut(|bytes| {
        let (_, count) = recv(socket, &mut bytes[..], RecvFlags::PEEK)?;
        match judge(&bytes[..count]) {
            Some(judged) => Ok(Some(judged)),
            // None: the other end is done.
            None if count == 0 || count >= PEEK_BYTES => Ok(None),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    })
}
