//! Long answers, part by part.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Entries that are read under one lock, and encoded before others get their turn on the worker: about 0.2 ms each.
pub const AT_A_TIME: usize = 256;

/// The body of a long answer, encoded part by part: `{"<name>":[…],"next":…}`.
pub struct Listing {
    json: Vec<u8>,
    pub count: usize,
}

impl Listing {
    pub fn of(name: &str) -> Self {
        Listing { json: format!("{{\"{name}\":[").into_bytes(), count: 0 }
    }

    pub fn push(&mut self, entry: &impl Serialize) {
        if self.count > 0 {
            self.json.push(b',');
        }
        self.count += 1;
        serde_json::to_writer(&mut self.json, entry).expect("these structures have text keys, and a Vec takes all");
    }

    /// The whole answer.
    pub fn end(mut self) -> Response {
        self.json.extend(b"]}");
        ([(header::CONTENT_TYPE, "application/json")], self.json).into_response()
    }

    /// The whole answer, with where the next page begins.
    pub fn end_with_next(mut self, next: Option<&str>) -> Response {
        self.json.extend(b"],\"next\":");
        serde_json::to_writer(&mut self.json, &next).expect("a text or null");
        self.json.push(b'}');
        ([(header::CONTENT_TYPE, "application/json")], self.json).into_response()
    }
}

/// Lets others have the worker, between two parts.
pub async fn pause() {
    tokio::task::yield_now().await;
}
