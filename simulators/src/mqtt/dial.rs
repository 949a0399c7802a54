//! TCP connections in great number: source addresses, open files.

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::net::{TcpSocket, TcpStream};

/// Connections from one source address to one port; the usual range of ephemeral ports holds 28,000.
const CONNECTIONS_A_SOURCE: usize = 20_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one server.
#[derive(Debug, Clone, Copy)]
pub struct Dialer {
    target: SocketAddr,
}

impl Dialer {
    /// To this server.
    pub fn new(target: SocketAddr) -> Self {
        Self { target }
    }

    /// The connection of client number `index`: past 20,000 of them to loopback, from 127.0.0.2, 127.0.0.3, ...
    pub async fn connect(&self, index: usize) -> io::Result<TcpStream> {
        let socket = match source(self.target.ip(), index) {
            None if self.target.is_ipv4() => TcpSocket::new_v4()?,
            None => TcpSocket::new_v6()?,
            Some(source) => {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
                socket.set_nonblocking(true)?;
                socket.set_reuse_address(true)?;
                socket.bind(&SocketAddr::new(source, 0).into())?;
                TcpSocket::from_std_stream(socket.into())
            }
        };
        socket.set_nodelay(true)?;
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, socket.connect(self.target)).await;
        connected.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no TCP connection within 10 s")))
    }
}

fn source(target: IpAddr, index: usize) -> Option<IpAddr> {
    let group = index / CONNECTIONS_A_SOURCE;
    let loopback = matches!(target, IpAddr::V4(address) if address.is_loopback());
    (loopback && group > 0).then(|| IpAddr::V4(Ipv4Addr::new(127, 0, 0, (1 + group).min(254) as u8)))
}

/// Raises the limit of open files to hold `connections`, as far as the system lets us.
///
/// # Errors
/// When the limit stays too low; the text says how to raise it.
pub fn raise_open_files(connections: usize) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = connections as u64 + 256;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let hard = now.maximum.map(|maximum| maximum.max(wanted));
    let within = Rlimit { current: Some(wanted.min(now.maximum.unwrap_or(wanted))), maximum: now.maximum };
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: hard })
        .or_else(|_| setrlimit(Resource::Nofile, within))?;
    let granted = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if granted >= wanted {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{connections} connections need {wanted} open files and the system allows {granted}; \
         raise it with `ulimit -Hn {wanted}` as root, or ask for fewer"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_change_before_the_ports_of_one_run_out() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(source(loopback, 19_999), None);
        assert_eq!(source(loopback, 20_000), Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))));
        assert_eq!(source(loopback, 65_000), Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4))));
        assert_eq!(source(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 65_000), None);
    }
}
