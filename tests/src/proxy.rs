//! A way to a server that can be cut, and one over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
        Proxy::at(server, None).await
    }

    /// Stands before a server and speaks TLS with clients, by a certificate and its key in PEM.
    ///
    /// # Panics
    /// When they cannot be read, or there is no port.
    pub async fn secured(server: SocketAddr, certificate: &str, key: &str) -> Proxy {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key in PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .expect("a certificate that has this key");
        Proxy::at(server, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn at(server: SocketAddr, tls: Option<TlsAcceptor>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has a port");
        let (answer_max, cut) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn({
            let (answer_max, cut) = (answer_max.clone(), cut.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (tls, answer_max, cut) = (tls.clone(), answer_max.clone(), cut.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => pass(client, server, &answer_max, &cut).await,
                            Some(tls) => {
                                // One that does not trust it goes again.
                                if let Ok(client) = tls.accept(client).await {
                                    pass(client, server, &answer_max, &cut).await;
                                }
                            }
                        }
                    });
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

async fn pass<C>(client: C, server: SocketAddr, answer_max: &AtomicUsize, cut: &AtomicUsize)
where
    C: AsyncRead + AsyncWrite + Send + 'static,
{
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (tokio::io::split(client), server.into_split());
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let (mut buffer, mut passed) = (vec![0; 4096], 0);
    while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
        let room = answer_max.load(Ordering::Relaxed).saturating_sub(passed).min(count);
        if to_client.write_all(&buffer[..room]).await.is_err() || to_client.flush().await.is_err() {
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
