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

    /// Waits until `is_whole` says so of the bytes that have come, or nothing more can come. They stay in the system's
    /// buffer: a connection that waits holds none of ours, however slowly they come.
    pub(crate) async fn until(&self, is_whole: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        loop {
            let ready = match self {
                Accepted::Tcp(stream, _) => stream.ready(Interest::READABLE).await?,
                Accepted::Unix(stream) => stream.ready(Interest::READABLE).await?,
            };
            // Not whole counts as nothing there: the next byte wakes again.
            let peeked = match self {
                Accepted::Tcp(stream, _) => stream.try_io(Interest::READABLE, || peek(stream, &is_whole)),
                Accepted::Unix(stream) => stream.try_io(Interest::READABLE, || peek(stream, &is_whole)),
            };
            match peeked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                done => return done,
            }
        }
    }
}

fn peek(socket: impl AsFd, is_whole: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    PEEKED.with_borrow_mut(|bytes| {
        let (_, count) = recv(socket, &mut bytes[..], RecvFlags::PEEK)?;
        // None: the other end is done.
        let is_enough = count == 0 || count >= PEEK_BYTES || is_whole(&bytes[..count]);
        if is_enough { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    })
}
