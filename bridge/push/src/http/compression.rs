//! Answers above a size are compressed for those who take it. At the fastest level: what viewers ask for is worked on between
//! live sessions. Streams that live on each line's coming at once are not, and neither are the dashboard's files, which
//! are compressed ahead.

use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// Bytes above which an answer is compressed.
const BYTES_MIN: u16 = 1_024;

/// Compresses what is worth it.
pub fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(SizeAbove::new(BYTES_MIN).and(is_whole))
}

/// Whether an answer has an end that is soon reached, and no validator, which would be that of other bytes.
fn is_whole(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let of =
        |kind: &str| headers.get(header::CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(kind.as_bytes()));
    status != StatusCode::SWITCHING_PROTOCOLS
        && !headers.contains_key(header::ETAG)
        && !of("application/x-ndjson")
        && !of("application/x-tar")
        && !of("text/event-stream")
}
