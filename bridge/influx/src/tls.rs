//! TLS to the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Where systems keep the authorities that they trust: Debian, Fedora, Alpine and macOS.
const OF_THE_SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Why no connection can be made secure.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of authorities.
    #[error("{path} holds no certificates in PEM that can be read: {source}; correct influxdb.ca_file")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// No file of authorities.
    #[error("this system's authorities are not where they usually are: name a file of them in influxdb.ca_file")]
    NoAuthorities,
    /// Certificates that cannot be used.
    #[error("the authorities of influxdb.ca_file cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Trusts the authorities of a file; of the system where there is none.
pub fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let of_the_system = || OF_THE_SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let path = ca_file.or_else(of_the_system).ok_or(TlsError::NoAuthorities)?;
    let unread = |source| TlsError::Pem { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    let found: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unread)?;
    if found.is_empty() {
        return Err(unread(pem::Error::NoItemsFound));
    }
    for certificate in found {
        match roots.add(certificate) {
            // A system's bundle may have one that is no longer understood.
            Err(error) if ca_file.is_some() => return Err(error.into()),
            _ => {}
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
