use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The first twelve bytes of every header (PROXY protocol specification, section 2.2).
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, and length of the rest.
const FIXED_BYTES: usize = 16;

/// Longest rest of a header: the longest address (216 bytes for Unix paths) and room for the proxy's own fields, which
/// are skipped.
const REST_BYTES_MAX: usize = 2048;

/// Why a header was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error(
        "the connection does not start with a PROXY protocol v2 header: let the proxy send one (version 2), or set \
         proxy_protocol = false for the listener"
    )]
    Absent,
    #[error("the PROXY protocol header is malformed: {0}")]
    Malformed(&'static str),
    #[error("the connection ended within the PROXY protocol header")]
    Lost(#[from] io::Error),
}

/// Whether `bytes` hold a whole header, or begin with none.
pub(crate) fn is_header(bytes: &[u8]) -> bool {
    let signed = bytes.len().min(SIGNATURE.len());
    if bytes[..signed] != SIGNATURE[..signed] {
        return true;
    }
    let Some(fixed) = bytes.first_chunk() else { return false };
    !length_of_rest(fixed).is_ok_and(|length| bytes.len() < FIXED_BYTES + length)
}

/// Takes the header off the stream, and not a byte more. Gives where the client is; `None` when the proxy speaks for
/// itself (a health check) or over something that has no addresses.
pub(crate) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyError> {
    let mut fixed = [0; FIXED_BYTES];
    // The signature alone, first: who sends something shorter and waits is told at once.
    stream.read_exact(&mut fixed[..1]).await?;
    if fixed[0] != SIGNATURE[0] {
        return Err(ProxyError::Absent);
    }
    stream.read_exact(&mut fixed[1..]).await?;
    let length = length_of_rest(&fixed)?;
    // Not an array: it would be part of every opening connection.
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    address(fixed[12], fixed[13], &rest)
}

fn length_of_rest(fixed: &[u8; FIXED_BYTES]) -> Result<usize, ProxyError> {
    if fixed[..12] != SIGNATURE {
        return Err(ProxyError::Absent);
    }
    if fixed[12] >> 4 != 2 {
        return Err(ProxyError::Malformed("its version is not 2"));
    }
    match usize::from(u16::from_be_bytes([fixed[14], fixed[15]])) {
        length if length > REST_BYTES_MAX => Err(ProxyError::Malformed("it is longer than 2048 bytes")),
        length => Ok(length),
    }
}

fn address(version_and_command: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let short = ProxyError::Malformed("it is too short for its addresses");
    match (version_and_command & 0xf, family) {
        // LOCAL: the real addresses hold, whatever stands in the header.
        (0, _) => Ok(None),
        (1, 0x11) => {
            let [a, b, c, d, _, _, _, _, high, low, ..] = *rest else { return Err(short) };
            rest.get(..12).ok_or(short)?;
            Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low]))))
        }
        (1, 0x21) => {
            let addresses: &[u8; 36] = rest.first_chunk().ok_or(short)?;
            let (ip, _) = addresses.split_first_chunk::<16>().expect("36 bytes hold 16");
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Ok(Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*ip)), port)))
        }
        // Unspecified, and Unix sockets of the proxy: there is no address to take.
        (1, 0x00 | 0x31) => Ok(None),
        (1, _) => Err(ProxyError::Malformed("its family is neither TCP over IPv4 nor over IPv6")),
        _ => Err(ProxyError::Malformed("its command is neither LOCAL nor PROXY")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    fn read(mut bytes: &[u8]) -> (Result<Option<SocketAddr>, ProxyError>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(read_header(&mut bytes));
        (result, bytes.len())
    }

    #[test]
    fn the_address_of_the_client_is_taken_and_what_follows_stays() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x07, 0x5b];
        let mut bytes = header(0x21, 0x11, &v4);
        bytes.extend(b"MQTT");
        let (address, left) = read(&bytes);
        assert_eq!((address.unwrap(), left), (Some("192.0.2.7:12345".parse().unwrap()), 4));

        let mut v6 = Vec::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5).octets());
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend([0x30, 0x39, 0x07, 0x5b, 3, 0, 4, 1, 2, 3, 4]);
        assert_eq!(read(&header(0x21, 0x21, &v6)).0.unwrap(), Some("[2001:db8::5]:12345".parse().unwrap()));
        assert_eq!(read(&header(0x20, 0x00, &[])).0.unwrap(), None, "a health check of the proxy");
        assert_eq!(read(&header(0x21, 0x00, &[])).0.unwrap(), None, "unspecified");
    }

    #[test]
    fn what_is_no_header_of_version_2_is_refused() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x07, 0x5b];
        for absent in [&b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01x"[..], b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"] {
            assert!(matches!(read(absent).0, Err(ProxyError::Absent)));
        }
        for (what, bytes) in [
            ("version 1", header(0x11, 0x11, &v4)),
            ("command 2", header(0x22, 0x11, &v4)),
            ("UDP", header(0x21, 0x12, &v4)),
            ("a short address", header(0x21, 0x11, &v4[..11])),
            ("a long rest", header(0x21, 0x11, &[0; 3000])),
        ] {
            assert!(matches!(read(&bytes).0, Err(ProxyError::Malformed(_))), "{what}");
        }
        assert!(matches!(read(&header(0x21, 0x11, &v4)[..20]).0, Err(ProxyError::Lost(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), signed: bool) {
            let mut whole = if signed { SIGNATURE.to_vec() } else { Vec::new() };
            whole.extend(&bytes);
            let _ = read(&whole);
        }
    }
}
