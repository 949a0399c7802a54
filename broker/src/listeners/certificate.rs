use tidegate_identity::CertificateNames;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Reads the names out of a certificate in DER; of several common names the last, which is the most specific (RFC 4514
/// section 2.1). A name that holds control characters is left out, so that it can neither be cut short by whoever
/// compares it nor forge a line of a log.
pub(crate) fn names(der: &[u8]) -> Option<CertificateNames> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let common_names = certificate.subject().iter_common_name();
    let common_name = common_names.filter_map(|name| name.as_str().ok()).last().filter(|name| is_plain(name));
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    Some(CertificateNames {
        common_name: common_name.map(str::to_owned),
        alternative_names: names.filter_map(text_of).filter(|name| is_plain(name)).map(str::to_owned).collect(),
    })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_read_and_odd_ones_left_out() {
        let mut params = CertificateParams::new(vec!["truck-7.fleet.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.subject_alt_names.push(SanType::URI("urn:device:7".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("a\0b@fleet.example".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "truck-7");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let names = names(certificate.der()).unwrap();
        assert_eq!(names.common_name.as_deref(), Some("truck-7"));
        assert_eq!(names.alternative_names, ["truck-7.fleet.example", "urn:device:7"]);
        assert_eq!(super::names(b"\x30\x03abc"), None);
    }
}
