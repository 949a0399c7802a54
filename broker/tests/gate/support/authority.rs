//! Certificates for tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tempfile::TempDir;
use tidegate_broker::{ListenAddress, ListenerConfig, TlsConfig, Transport};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A listener on a free port of this machine.
pub fn loopback(transport: Transport) -> ListenerConfig {
    ListenerConfig::new(transport, ListenAddress::Tcp(([127, 0, 0, 1], 0).into()))
}

/// An authority with a folder for what it issues.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub folder: TempDir,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key for 127.0.0.1 and localhost.
    pub fn issue(&self, common_name: &str) -> TlsConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name.push(DnType::CommonName, common_name);
        let file = |ending: &str| self.folder.path().join(format!("{common_name}.{ending}"));
        std::fs::write(file("pem"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        TlsConfig { check_interval: Duration::from_millis(20), ..TlsConfig::new(file("pem"), file("key")) }
    }

    /// A client that resumes sessions or never does.
    pub fn client_that(&self, resumes: bool) -> TlsConnector {
        let mut config = ClientConfig::clone(self.client(None, &[]).config());
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        TlsConnector::from(Arc::new(config))
    }

    /// A client that trusts this authority, and shows a certificate if it has one.
    pub fn client(&self, shows: Option<&TlsConfig>, alpn: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let certificate = CertificateDer::from_pem_file(&files.certificate).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_file(&files.key).unwrap())
                    .unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}
