use crate::{Authenticator, Check, Credentials, Identity, Now, Principal, Refusal, Refused};

/// Which name of a certificate says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertificateName {
    /// Certificates identify nobody.
    #[default]
    None,
    /// The subject's common name.
    CommonName,
    /// The first alternative name.
    AlternativeName,
}

/// Takes the name in a certificate that the TLS handshake verified.
#[derive(Debug)]
pub(crate) struct Certificates(pub CertificateName);

impl Authenticator for Certificates {
    fn check(&self, credentials: &Credentials<'_>, _: Now) -> Check {
        let Some(names) = credentials.certificate else { return Check::NotMine };
        let (key, name) = match self.0 {
            CertificateName::None => return Check::NotMine,
            CertificateName::CommonName => ("common name", names.common_name.as_deref()),
            CertificateName::AlternativeName => {
                ("alternative name", names.alternative_names.first().map(String::as_str))
            }
        };
        let refused = |detail| Check::Refused(Refused::new(Refusal::NotAuthorized, detail));
        match name.map(Principal::named) {
            Some(Ok(principal)) => Check::Known(Identity::of(principal)),
            Some(Err(error)) => refused(format!("the certificate's {key}: {error}")),
            None => refused(format!("the certificate has no {key}, which identity.certificate_name asks for")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::CertificateNames;

    #[test]
    fn a_certificate_speaks_for_the_name_that_was_chosen() {
        let names = CertificateNames {
            common_name: Some("truck-7".into()),
            alternative_names: vec!["truck-7.fleet.example".into(), "other".into()],
        };
        let now = Now { instant: Instant::now(), unix_ms: 0 };
        let check = |name, names: Option<&CertificateNames>| match Certificates(name)
            .check(&Credentials { certificate: names, ..Credentials::default() }, now)
        {
            Check::Known(identity) => identity.principal.name().to_owned(),
            Check::Refused(refused) => refused.detail,
            other => format!("{other:?}"),
        };
        assert_eq!(check(CertificateName::CommonName, Some(&names)), "truck-7");
        assert_eq!(check(CertificateName::AlternativeName, Some(&names)), "truck-7.fleet.example");
        assert_eq!(check(CertificateName::None, Some(&names)), "NotMine");
        assert_eq!(check(CertificateName::CommonName, None), "NotMine");
        let nameless = CertificateNames::default();
        assert!(check(CertificateName::CommonName, Some(&nameless)).contains("no common name"));
    }
}
