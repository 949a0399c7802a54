use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::config::ExternalTls;

/// Why the connection to the broker cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExternalError {
    /// A setting that cannot work.
    #[error("external.{key} {what}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What it has to be.
        what: &'static str,
    },
    /// The password's file.
    #[error("external.password_file: {path} cannot be read: {source}")]
    Password {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of certificates or a key.
    #[error("[external] {path} holds no certificate or key in PEM that can be read: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// Certificates that cannot be used.
    #[error("[external] the certificates cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// What a connection offers and accepts.
pub(super) fn client_config(files: ExternalTls<'_>) -> Result<Arc<ClientConfig>, ExternalError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(files.ca)? {
        roots.add(certificate)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|source| unread(key, source))?;
            builder.with_client_auth_cert(certificates(certificate)?, private)?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ExternalError> {
    let found = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    match found {
        Ok(found) if found.is_empty() => Err(unread(path, pem::Error::NoItemsFound)),
        found => found.map_err(|source| unread(path, source)),
    }
}

fn unread(path: &Path, source: pem::Error) -> ExternalError {
    ExternalError::Pem { path: path.to_owned(), source }
}
