use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, Error, RootCertStore, ServerConfig};

use super::config::TlsConfig;

/// The TLS side of a listener: its certificates, read again when their files change.
pub(crate) struct Tls {
    files: TlsConfig,
    alpn: &'static [u8],
    current: RwLock<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    stamps: Stamps,
}

/// What tells a file from its successor: time of change, size, inode.
type Stamps = Vec<Option<(SystemTime, u64, u64)>>;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("{}: there is no certificate in it; PEM is expected: -----BEGIN CERTIFICATE-----", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The certificate and the key do not go together, or are of a kind that is not served.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// Client certificates cannot be verified.
    #[error("{}: {source}", path.display())]
    ClientCa {
        /// The authorities' file.
        path: PathBuf,
        /// What is wrong.
        source: VerifierBuilderError,
    },
    /// The system gives no random bytes, or the like.
    #[error("TLS: {0}")]
    Provider(#[from] rustls::Error),
}

/// What came of a look at the files.
#[derive(Debug)]
pub(crate) enum Reload {
    Unchanged,
    Loaded,
    /// The ones loaded before stay in use.
    Refused(TlsError),
}

impl Tls {
    pub(crate) fn load(files: TlsConfig, alpn: &'static [u8]) -> Result<Tls, TlsError> {
        let stamps = stamps(&files);
        let config = server_config(&files, alpn)?;
        Ok(Tls { files, alpn, current: RwLock::new(Current { config, stamps }) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read().config))
    }

    pub(crate) fn check_interval(&self) -> std::time::Duration {
        self.files.check_interval
    }

    /// Reads the files again if they changed; blocks on the file system.
    pub(crate) fn reload(&self) -> Reload {
        // Taken before the files are read: what changes meanwhile is seen the next time.
        let stamps = stamps(&self.files);
        if self.current.read().stamps == stamps {
            return Reload::Unchanged;
        }
        let loaded = server_config(&self.files, self.alpn);
        let mut current = self.current.write();
        // A refused file is not tried again before it changes, so that it is reported once.
        current.stamps = stamps;
        match loaded {
            Ok(config) => {
                current.config = config;
                Reload::Loaded
            }
            Err(error) => Reload::Refused(error),
        }
    }
}

fn stamps(files: &TlsConfig) -> Stamps {
    let paths = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
    let stamp = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len(), file.ino()))
    };
    paths.into_iter().flatten().map(stamp).collect()
}

fn server_config(files: &TlsConfig, alpn: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|source| TlsError::File { path: files.key.clone(), source })?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refused = |source| TlsError::ClientCa { path: path.clone(), source };
            let verifier = WebPkiClientVerifier::builder_with_provider(roots(path)?, provider);
            let verifier = if files.require_certificate { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(refused)?)
        }
    };
    let mut config = builder
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(|source| TlsError::Certificate { path: files.certificate.clone(), source })?;
    config.alpn_protocols = vec![alpn.to_vec()];
    // Resumption costs the server no memory: the state travels in the ticket. Tickets end with the certificates they
    // were issued under, since their key is made here.
    config.ticketer = ring::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // A client holds one connection and resumes it once.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |source| TlsError::File { path: path.to_owned(), source };
    let found: Vec<_> = CertificateDer::pem_file_iter(path).map_err(file)?.collect::<Result<_, _>>().map_err(file)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Certificate { path: path.to_owned(), source })?;
    }
    Ok(Arc::new(roots))
}

/// Whether `bytes` hold a whole handshake record (RFC 8446, section 5.1), or begin with something else.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    match bytes {
        [HANDSHAKE, _, _, high, low, rest @ ..] => rest.len() >= usize::from(u16::from_be_bytes([*high, *low])),
        [HANDSHAKE, ..] => false,
        _ => true,
    }
}

/// Value of the `reason` label for a failed handshake.
pub(crate) fn reason_of(error: &io::Error) -> &'static str {
    match tls_error(error) {
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => "client_certificate",
        Some(Error::AlertReceived(alert)) if is_about_ours(*alert) => "server_certificate",
        // Also one that ended in the middle: its hello was there, so somebody wanted in.
        Some(_) | None => "tls",
    }
}

const LOST: &str = "the client went away in its TLS handshake, as one does that takes no certificate of this server's \
                    authority and does not say so, or whose connection broke";

/// What went wrong in a handshake, and what to do.
pub(crate) fn words(error: &io::Error) -> String {
    let detail = match tls_error(error) {
        None => return LOST.to_owned(),
        Some(Error::NoCertificatesPresented) => {
            "the client showed no certificate, which require_certificate of this listener asks for".to_owned()
        }
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "the client's certificate is of no authority in this listener's client_ca".to_owned()
        }
        Some(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            "the client's certificate has expired (or this server's clock is wrong): give it a new one".to_owned()
        }
        Some(Error::InvalidCertificate(why)) => format!("the client's certificate is not valid: {why}"),
        Some(Error::AlertReceived(alert)) if is_about_ours(*alert) => format!(
            "the client does not take this server's certificate ({alert:?}): give it the authority's certificate, and \
             connect by a name that the server's certificate has"
        ),
        Some(Error::NoApplicationProtocol) => {
            "the client names other protocols than this listener's (ALPN: mqtt on tls, http/1.1 on wss); pages and REST are \
             at http.listen"
                .to_owned()
        }
        Some(other) => other.to_string(),
    };
    format!("the TLS handshake failed: {detail}")
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
}

/// Whether a client that says so means the server's certificate.
fn is_about_ours(alert: AlertDescription) -> bool {
    matches!(
        alert,
        // The last where an authority of the same name has another key.
        AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
    )
}
