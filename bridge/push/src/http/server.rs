//! Connections: accepted, given time limits, and ended in order.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics::counter;
use tidegate_telemetry::Seldom;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::config::PushConfig;
use crate::http::patience::Patience;

/// How often it is told that connections cannot be accepted.
const UNACCEPTED_INTERVAL: Duration = Duration::from_secs(60);

/// Serves HTTP/1.1 until `cancel`; a task of `tracker` for each connection, which ends within
/// `http.drain_timeout` after that. Handlers find the peer in [`ConnectInfo<SocketAddr>`].
///
/// A connection that became a WebSocket is no longer this function's: its session watches a token of its own.
pub async fn serve(
    config: &PushConfig,
    listener: TcpListener,
    router: Router,
    tracker: TaskTracker,
    cancel: CancellationToken,
) {
    let server = Arc::new(Server {
        http: protocol(config),
        router,
        write_timeout: config.write_timeout,
        drain_timeout: config.drain_timeout,
        cancel: cancel.clone(),
    });
    let room = Arc::new(Semaphore::new(config.connections_max));
    let mut unaccepted = Seldom::new(UNACCEPTED_INTERVAL);
    while let Some(accepted) = cancel.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                rest_after(&error, &mut unaccepted).await;
                continue;
            }
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(permit) => drop(tracker.spawn(Arc::clone(&server).connection(stream, peer, permit))),
            Err(_) => turn_away(&stream),
        }
    }
}

struct Server {
    http: http1::Builder,
    router: Router,
    write_timeout: Duration,
    drain_timeout: Duration,
    cancel: CancellationToken,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Small answers and frames should leave at once; without it each waits for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "the connection was gone before its first request");
            return;
        }
        let answers = TowerToHyperService::new(self.router.clone());
        let is_websocket = Arc::new(AtomicBool::new(false));
        let stream = Patience::new(stream, self.write_timeout, Arc::clone(&is_websocket));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            let (answer, is_websocket) = (answers.call(request), Arc::clone(&is_websocket));
            async move {
                let answer = answer.await?;
                is_websocket.store(answer.status() == StatusCode::SWITCHING_PROTOCOLS, Ordering::Relaxed);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection.with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(self.drain_timeout, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "a connection ended early");
            if let Some(reason) = fault_of_the_client(&error) {
                counter!("tidegate_http_refused_total", "reason" => reason).increment(1);
            }
        }
        drop(permit);
    }
}

fn protocol(config: &PushConfig) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_header_size(config.header_bytes_max)
        .max_buf_size(config.header_bytes_max.max(64 * 1024));
    http
}

/// What a client did wrong before a request of it could be answered, or while it was.
fn fault_of_the_client(error: &hyper::Error) -> Option<&'static str> {
    match error {
        error if error.is_timeout() => Some("header_timeout"),
        error if is_timed_out(error) => Some("write_timeout"),
        error if error.is_parse_too_large() => Some("header_too_large"),
        error if error.is_parse() => Some("malformed_request"),
        _ => None,
    }
}

/// Whether it was [`Patience`] that ended.
fn is_timed_out(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

/// Says that the server is full before it harms those inside. A fresh socket takes these few bytes at once.
fn turn_away(stream: &TcpStream) {
    counter!("tidegate_http_refused_total", "reason" => "connections").increment(1);
    let answer =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    if let Err(error) = stream.try_write(answer) {
        debug!(%error, "a connection beyond http.connections_max was gone before it was told");
    }
}

/// A connection that was gone before it was accepted is nobody's trouble; want of file descriptors is, and passes
/// only with time: it is counted each time, and told once a minute.
async fn rest_after(error: &io::Error, unaccepted: &mut Seldom) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        if let Some(times) = unaccepted.happened(Instant::now()) {
            warn!(%error, times, "connections could not be accepted; raise the limit of open files (ulimit -n)");
        }
        counter!("tidegate_http_refused_total", "reason" => "accept").increment(1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
