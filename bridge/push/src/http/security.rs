//! Whom the server answers (`Host`, `Origin`), and what it tells browsers they may do.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::counter;

use crate::config::PushConfig;
use crate::error::{ApiError, Kind};
use crate::http::dashboard;

/// Where bodies have a limit of their own.
const IMPORT: &str = "/v1/import";

/// Whom the server answers: requests under its own names, and changes from its own pages.
///
/// A page of another site can send requests here from inside a person's browser. It cannot read the answers, since
/// no CORS header is ever sent; but it could change things, watch over a WebSocket (to which the same-origin policy
/// does not apply), open streams until there is room for no more, or have its own name point here (DNS rebinding). The
/// last is refused by `Host`, all else by one rule for everything but the dashboard's own files: by `Origin` (RFC
/// 6454), and by `Sec-Fetch-Site` (W3C Fetch Metadata) where a browser sends no `Origin`.
#[derive(Debug)]
pub struct Gatekeeper {
    hosts: Vec<String>,
    origins: Vec<String>,
    body_bytes_max: u64,
    import_body_bytes_max: u64,
}

impl Gatekeeper {
    pub fn new(config: &PushConfig) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Gatekeeper {
            hosts: lower(&config.hosts),
            origins: lower(&config.origins),
            body_bytes_max: config.body_bytes_max as u64,
            import_body_bytes_max: config.import_body_bytes_max as u64,
        }
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        let host = host_of(request)?;
        self.check_host(&host)?;
        if !is_for_anybody(request) {
            self.check_origin(request.headers(), &host)?;
        }
        self.check_body(request)
    }

    /// An address is as good as a loopback name: no name was resolved, so no name can have been rebound.
    fn check_host(&self, host: &Authority) -> Result<(), ApiError> {
        let name = host.host().to_ascii_lowercase();
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
        let is_loopback = name == "localhost" || name.ends_with(".localhost");
        if is_address || is_loopback || self.hosts.contains(&name) {
            return Ok(());
        }
        let detail =
            format!("this server is not known as {name:?}: ask it by its address, or add the name to http.hosts");
        Err(refused("host", ApiError::new(Kind::HostRefused, detail)))
    }

    /// Programs send neither header. Browsers send `Origin` when they change something or open a WebSocket, and
    /// `Sec-Fetch-Site` always: `none` stands for an address that a person typed.
    fn check_origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), ApiError> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
            return match headers.get_all("sec-fetch-site").iter().all(is_own) {
                true => Ok(()),
                false => Err(refused_origin("another site")),
            };
        };
        let text = String::from_utf8_lossy(origin.as_bytes()).to_ascii_lowercase();
        let alone = origins.next().is_none();
        if alone && (is_same_origin(&text, host) || self.origins.contains(&text)) {
            return Ok(());
        }
        Err(refused_origin(&text))
    }

    /// Refuses a body by its announced length, before any of it is read.
    fn check_body(&self, request: &Request) -> Result<(), ApiError> {
        let (key, bytes_max) = match request.uri().path() {
            IMPORT => ("http.import_body_bytes_max", self.import_body_bytes_max),
            _ => ("http.body_bytes_max", self.body_bytes_max),
        };
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > bytes_max) {
            let detail = format!("the body is larger than {key} ({bytes_max} bytes): send less");
            return Err(refused("body_too_large", ApiError::new(Kind::BodyTooLarge, detail)));
        }
        Ok(())
    }
}

fn refused_origin(origin: &str) -> ApiError {
    let detail = format!(
        "pages of {origin:?} may not do this: open the dashboard from this server, or add that origin to http.origins"
    );
    refused("origin", ApiError::new(Kind::OriginRefused, detail))
}

/// Counts a refusal.
pub fn refused(reason: &'static str, error: ApiError) -> ApiError {
    counter!("tidegate_http_refused_total", "reason" => reason).increment(1);
    error
}

/// Lets through what may pass, and says to browsers what they may do with the answer.
pub async fn guard(State(gatekeeper): State<Arc<Gatekeeper>>, request: Request, next: Next) -> Response {
    let mut response = match gatekeeper.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The authority a request is meant for: that of its target when it has one (RFC 9112 section 3.2.2), else its one
/// `Host`.
fn host_of(request: &Request) -> Result<Authority, ApiError> {
    if let Some(authority) = request.uri().authority() {
        return Ok(authority.clone());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        _ => None,
    };
    host.ok_or_else(|| {
        let detail = "the request needs exactly one Host header with the name and port it was sent to";
        refused("host", ApiError::new(Kind::InvalidHost, detail))
    })
}

/// Whether the page came from `host`, over HTTP or, behind a proxy that ends TLS, HTTPS.
fn is_same_origin(origin: &str, host: &Authority) -> bool {
    let (authority, port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, 80),
        Some(("https", authority)) => (authority, 443),
        _ => return false,
    };
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let port_of = |authority: &Authority| authority.port_u16().unwrap_or(port);
    authority.host().eq_ignore_ascii_case(host.host()) && port_of(&authority) == port_of(host)
}

/// Whether a request is for a page or file of the dashboard: these are the same for everybody, and links lead to them.
fn is_for_anybody(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads && !request.headers().contains_key(header::UPGRADE) && !dashboard::belongs_to_a_program(request.uri().path())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::Body;
    use axum::http::StatusCode;

    fn ask(method: &str, headers: &[(&str, &str)]) -> Result<(), StatusCode> {
        let config = PushConfig {
            hosts: vec!["Tide.Example".into()],
            origins: vec!["https://wall.example".into()],
            ..PushConfig::default()
        };
        let mut request = Request::builder().method(method).uri("/v1/stats");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Gatekeeper::new(&config).check(&request.body(Body::empty()).unwrap()).map_err(|refusal| refusal.status())
    }

    #[test]
    fn a_rebound_name_is_refused_whatever_is_asked() {
        for good in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "192.0.2.7:80", "TIDE.example:8080"] {
            assert_eq!(ask("GET", &[("host", good)]), Ok(()), "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "tide.example.evil"] {
            assert_eq!(ask("GET", &[("host", bad)]), Err(StatusCode::MISDIRECTED_REQUEST), "{bad}");
        }
        for none in [&[][..], &[("host", "localhost"), ("host", "evil.example")], &[("host", "a b")]] {
            assert_eq!(ask("GET", none), Err(StatusCode::BAD_REQUEST), "{none:?}");
        }
    }

    #[test]
    fn only_our_own_pages_are_answered() {
        let stream = |origin| ask("GET", &[("host", "localhost:8080"), ("upgrade", "websocket"), ("origin", origin)]);
        let change = |origin| ask("POST", &[("host", "localhost:8080"), ("origin", origin)]);
        for good in ["http://localhost:8080", "https://LOCALHOST:8080", "https://wall.example"] {
            assert_eq!((change(good), stream(good)), (Ok(()), Ok(())), "{good}");
        }
        let forbidden = || Err(StatusCode::FORBIDDEN);
        for bad in
            ["null", "http://localhost", "http://localhost:8081", "http://evil.example", "https://wall.example:1"]
        {
            assert_eq!((change(bad), stream(bad)), (forbidden(), forbidden()), "{bad}");
        }
        assert_eq!(ask("POST", &[("host", "tide.example"), ("origin", "https://tide.example")]), Ok(()));
        assert_eq!(ask("POST", &[("host", "localhost")]), Ok(()), "a program that is no browser");
        let fetched = |site| ask("GET", &[("host", "localhost"), ("sec-fetch-site", site)]);
        assert_eq!(
            (fetched("same-origin"), fetched("none")),
            (Ok(()), Ok(())),
            "our page, and an address that was typed"
        );
        assert_eq!((fetched("cross-site"), fetched("same-site")), (forbidden(), forbidden()));
        let wall = [("host", "localhost"), ("origin", "https://wall.example"), ("sec-fetch-site", "cross-site")];
        assert_eq!(ask("POST", &wall), Ok(()), "http.origins says so");
    }

    #[test]
    fn a_body_that_announces_too_much_is_not_read() {
        let post = |length| ask("POST", &[("host", "localhost"), ("content-length", length)]);
        assert_eq!((post("131072"), post("131073")), (Ok(()), Err(StatusCode::PAYLOAD_TOO_LARGE)));
    }
}
