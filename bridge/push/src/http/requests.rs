use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::counter;

/// Counts a request by the route it took (never by its path, which has no bound) and its status.
pub async fn count(request: Request, next: Next) -> Response {
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None => "other".to_owned(),
    };
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    counter!("tidegate_http_requests_total", "route" => route, "status" => status).increment(1);
    response
}
