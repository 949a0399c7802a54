use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Names in a client certificate that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerCertificate {
    /// The subject's common name; of several the last, which is the most specific (RFC 4514 section 2.1).
    pub common_name: Option<String>,
    /// The subject's alternative names that are text (RFC 5280 section 4.2.1.6): DNS names, mail addresses and URIs,
    /// in their order.
    pub names: Vec<String>,
}

impl PeerCertificate {
    /// Reads the names out of a certificate in DER; a name that holds control characters is left out, so that it
    /// can neither be cut short by whoever compares it nor forge a line of a log.
    pub(crate) fn parse(der: &[u8]) -> Option<PeerCertificate> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let common_names = certificate.subject().iter_common_name();
        let common_name = common_names.filter_map(|name| name.as_str().ok()).last().filter(|name| is_plain(name));
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
        Some(PeerCertificate {
            common_name: common_name.map(str::to_owned),
            names: names.filter_map(text_of).filter(|name| is_plain(name)).map(str::to_owned).collect(),
        })
    }
}

fn text_of<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some(text),
        _ => None,
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}
