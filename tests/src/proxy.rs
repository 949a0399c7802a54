//! A way to a server that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Hands on what comes, and may cut the answers.
pub struct Proxy {
    /// Where it is.
    pub address: SocketAddr,
    /// Bytes of its answers that a connection gets before it is cut; `usize::MAX`: all of them.
    answer_max: Arc<AtomicUsize>,
    /// Connections that were cut.
    cut: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Stands before a server.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn before(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has a port");
        let (answer_max, cut) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn({
            let (answer_max, cut) = (answer_max.clone(), cut.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, server, answer_max.clone(), cut.clone()));
                }
            }
        });
        Proxy { address, answer_max, cut, task }
    }

    /// From now on a connection is cut after so many bytes of answers.
    pub fn cut_after(&self, answer_max: usize) {
        self.answer_max.store(answer_max, Ordering::Relaxed);
    }

    /// Connections that were cut so far.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, answer_max: Arc<AtomicUsize>, cut: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let (mut buffer, mut passed) = (vec![0; 4096], 0);
    while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
        let room = answer_max.load(Ordering::Relaxed).saturating_sub(passed).min(count);
        if to_client.write_all(&buffer[..room]).await.is_err() {
            break;
        }
        passed += room;
        if room < count {
            cut.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    asking.abort();
}
