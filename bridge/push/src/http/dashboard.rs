//! The embedded pages and files.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tidegate_dashboard::{Accepted, Asset};

use crate::error::{ApiError, Kind};

/// Answers what no route took: a file of the dashboard, one of its pages, or a problem.
pub async fn fallback(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if belongs_to_a_program(path) {
        return unknown(path);
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        let refusal = ApiError::new(Kind::MethodNotAllowed, format!("{path} takes GET and HEAD, not {method}"));
        return ([(header::ALLOW, "GET,HEAD")], refusal).into_response();
    }
    let accepted = accepted(&headers);
    answer(path, &headers, |path| tidegate_dashboard::asset(path, accepted))
}

/// The file at `path`; the index for the paths of pages, which only the script in it knows.
fn answer(path: &str, headers: &HeaderMap, asset: impl Fn(&str) -> Option<Asset>) -> Response {
    let name = path.trim_start_matches('/');
    match asset(name) {
        Some(file) if !name.is_empty() => serve(file, headers),
        _ if !is_page(name, headers) => unknown(path),
        _ => match asset("index.html") {
            Some(index) => serve(index, headers),
            None => not_built(),
        },
    }
}

fn serve(file: Asset, headers: &HeaderMap) -> Response {
    let caching = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let unchanged = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| names(value, &file.etag));
    let vary = (header::VARY, "accept-encoding");
    let common = [(header::CACHE_CONTROL, caching), (header::ETAG, file.etag.as_str()), vary];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let encoding = file.encoding.map(|encoding| [(header::CONTENT_ENCODING, encoding)]);
    let mut response = (common, [(header::CONTENT_TYPE, file.content_type)], Body::from(bytes)).into_response();
    response
        .headers_mut()
        .extend(encoding.into_iter().flatten().map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// Which compressions an `Accept-Encoding` names with a weight above 0 (RFC 9110 section 12.5.3); none where there is none.
fn accepted(headers: &HeaderMap) -> Accepted {
    let mut accepted = Accepted::default();
    let listed = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for one in listed.flat_map(|value| value.split(',')) {
        let (name, weight) = one.split_once(';').unwrap_or((one, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        let is_taken = weight.is_none_or(|weight| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "br" => accepted.br = is_taken,
            "gzip" | "x-gzip" => accepted.gzip = is_taken,
            _ => {}
        }
    }
    accepted
}

/// Whether an `If-None-Match` names the validator (RFC 9110 section 13.1.2: weak comparison, a list, or `*`).
fn names(if_none_match: &HeaderValue, etag: &str) -> bool {
    let listed = if_none_match.to_str().unwrap_or_default();
    listed.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// A device's name may hold a dot, so a dot alone does not make a file: a browser that opens a page asks for HTML.
fn is_page(name: &str, headers: &HeaderMap) -> bool {
    let opens_page = |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("text/html"));
    !name.starts_with("assets/") && (!name.contains('.') || headers.get(header::ACCEPT).is_some_and(opens_page))
}

/// Whether no page or file of the dashboard can be at a path.
pub fn belongs_to_a_program(path: &str) -> bool {
    matches!(path.split('/').nth(1), Some("v1" | "prometheus" | "healthz" | "readyz" | "metrics"))
}

fn unknown(path: &str) -> Response {
    let detail = format!("nothing is served at {path}: /v1/openapi.json lists every path");
    ApiError::new(Kind::UnknownPath, detail).into_response()
}

fn not_built() -> Response {
    const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tidegate</title>\
        <h1>Tidegate runs, its dashboard was not built</h1>\
        <p>Run <code>make build</code> and start it again. The data is at <a href=\"/v1/devices\">/v1/devices</a>, \
        described at <a href=\"/v1/openapi.json\">/v1/openapi.json</a>.</p></html>";
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (StatusCode::SERVICE_UNAVAILABLE, html, PAGE).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn built(path: &str) -> Option<Asset> {
        let (bytes, content_type): (&'static [u8], _) = match path {
            "index.html" => (b"<!doctype html>", "text/html; charset=utf-8"),
            "assets/app-1f.js" => (b"1", "text/javascript; charset=utf-8"),
            _ => return None,
        };
        let immutable = path.starts_with("assets/");
        Some(Asset { bytes: Cow::Borrowed(bytes), content_type, etag: "\"aa\"".into(), immutable, encoding: None })
    }

    fn get(path: &str, headers: &[(&'static str, &'static str)]) -> Response {
        let headers = headers
            .iter()
            .map(|&(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        answer(path, &headers.collect(), built)
    }

    fn header_of<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn every_page_of_the_dashboard_is_the_index() {
        for path in ["/", "/alerts", "/devices/site/b/dev7", "/index.html"] {
            let response = get(path, &[]);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header_of(&response, "content-type"), "text/html; charset=utf-8");
            assert_eq!(header_of(&response, "cache-control"), "no-cache");
        }
        assert_eq!(get("/devices/room-1.5", &[("accept", "text/html,*/*")]).status(), StatusCode::OK);
    }

    #[test]
    fn a_file_that_is_missing_is_not_the_index() {
        for path in ["/missing.js", "/assets/app-old.js", "/assets/", "/../Cargo.toml"] {
            assert_eq!(get(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn files_are_sent_once_and_hashed_ones_never_asked_for_again() {
        let first = get("/assets/app-1f.js", &[]);
        assert_eq!(header_of(&first, "cache-control"), "public, max-age=31536000, immutable");
        for again in ["\"aa\"", "\"bb\", W/\"aa\"", "*"] {
            assert_eq!(get("/", &[("if-none-match", again)]).status(), StatusCode::NOT_MODIFIED, "{again}");
        }
        assert_eq!(get("/", &[("if-none-match", "\"bb\"")]).status(), StatusCode::OK);
    }

    #[test]
    fn a_compression_is_taken_where_it_is_named_and_not_weighed_to_nothing() {
        let of = |value: &'static str| {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))];
            let Accepted { br, gzip } = accepted(&headers.into_iter().collect());
            (br, gzip)
        };
        assert_eq!(of("gzip, deflate, br, zstd"), (true, true));
        assert_eq!(of("GZIP;q=0.5,br;q=0"), (false, true));
        assert_eq!((of("identity"), of("*")), ((false, false), (false, false)));
        assert_eq!(accepted(&HeaderMap::new()), Accepted::default());
    }

    #[test]
    fn a_program_without_its_dashboard_says_how_to_build_it() {
        let response = answer("/", &HeaderMap::new(), |_| None);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(belongs_to_a_program("/v1/nothing") && belongs_to_a_program("/metrics/x"));
        assert!(!belongs_to_a_program("/v1x") && !belongs_to_a_program("/"));
    }
}
