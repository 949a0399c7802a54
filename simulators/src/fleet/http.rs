//! The same readings through Centrifugo's HTTP API, for the comparison: the devices are behind a gateway that holds a
//! few connections open. A connection posts one reading, or what is due by then, and waits for the answer.

use super::Counters;
use crate::{
    fleet::Totals,
    latency::SentTimes,
    model::{Device, FleetPlan, Publication, rng::Rng},
    unix_ms,
};
use std::{cmp::Reverse, collections::BinaryHeap, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections to the server.
pub const CONNECTIONS: usize = 32;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// A running gateway.
pub struct Gateway {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

struct Shared {
    address: SocketAddr,
    /// A connection that is free waits here for its turn, then for the next reading.
    queue: Mutex<Queue>,
    counters: Counters,
    sent: Arc<SentTimes>,
    stop: CancellationToken,
}

struct Queue {
    devices: Vec<Device>,
    /// When each device measures next.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The most devices that are taken at once.
    batch: usize,
}

impl Queue {
    /// The same devices at the same times as those of [`super::Fleet`].
    fn new(plan: &FleetPlan, batch: usize) -> Self {
        let devices: Vec<Device> = plan.specs().into_iter().map(|spec| Device::new(spec, unix_ms())).collect();
        let first = |device: &Device| device.spec.interval.mul_f64(Rng::new(device.spec.seed, 3).unit());
        let now = Instant::now();
        let due = devices.iter().enumerate().map(|(index, device)| Reverse((now + first(device), index))).collect();
        Self { devices, due, batch }
    }

    /// What is due, by the devices' indices, once there is something. Intervals that were missed are not made up for.
    async fn next(&mut self) -> Option<Vec<(usize, Publication)>> {
        let Reverse((first, _)) = *self.due.peek()?;
        sleep_until(first).await;
        let now = Instant::now();
        let mut publications = Vec::new();
        for _ in 0..self.batch {
            let Some(&Reverse((at, index))) = self.due.peek().filter(|Reverse((at, _))| *at <= now) else { break };
            self.due.pop();
            let device = &mut self.devices[index];
            self.due.push(Reverse(((at + device.spec.interval).max(now), index)));
            publications.extend(device.publish(unix_ms()).into_iter().map(|publication| (index, publication)));
        }
        Some(publications)
    }
}

impl Gateway {
    /// Starts all connections and the devices behind them, with up to `batch` readings a request.
    pub fn start(plan: &FleetPlan, batch: usize, address: SocketAddr, sent: Arc<SentTimes>) -> Self {
        let queue = Mutex::new(Queue::new(plan, batch));
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared { address, queue, counters: Counters::default(), sent, stop });
        let tasks = TaskTracker::new();
        for _ in 0..CONNECTIONS {
            tasks.spawn(run(Arc::clone(&shared)));
        }
        Self { shared, tasks }
    }

    /// What happened so far; each connection counts as a device that is connected.
    pub fn totals(&self) -> Totals {
        self.shared.counters.totals()
    }

    /// Ends all connections, with what is under way on them.
    pub async fn stop(self) -> Totals {
        self.shared.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.shared.counters.totals()
    }
}

async fn run(shared: Arc<Shared>) {
    let work = async {
        loop {
            let Err(error) = session(&shared).await else { return };
            Counters::add(&shared.counters.connections_lost, 1);
            tracing::warn!(%error, "a connection to the HTTP API broke");
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = shared.stop.cancelled() => {}
    }
}

async fn session(shared: &Shared) -> io::Result<()> {
    let mut stream = TcpStream::connect(shared.address).await?;
    stream.set_nodelay(true)?;
    Counters::add(&shared.counters.connected, 1);
    let ended = post_all(&mut stream, shared).await;
    shared.counters.connected.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    ended
}

async fn post_all(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let Some(publications) = shared.queue.lock().await.next().await else { return Ok(()) };
        let request = request(shared.address, &publications);
        for (index, publication) in &publications {
            if let Some(time_ms) = publication.readings.first().and_then(|reading| reading.time_ms) {
                shared.sent.sent(*index, time_ms);
            }
        }
        Counters::add(&shared.counters.published, publications.len() as u64);
        timeout(ANSWER_TIMEOUT, exchange(stream, &request)).await??;
        Counters::add(&shared.counters.acknowledged, publications.len() as u64);
    }
}

/// One publication for itself, several as a batch.
fn request(host: SocketAddr, publications: &[(usize, Publication)]) -> Vec<u8> {
    let is_batch = publications.len() > 1;
    let (method, before, after) = if is_batch { ("batch", "{\"publish\":", "}") } else { ("publish", "", "") };
    let mut body = Vec::new();
    for (_, Publication { device, payload, .. }) in publications {
        let separator = if body.is_empty() { "" } else { "," };
        body.extend_from_slice(format!("{separator}{before}{{\"channel\":\"{device}\",\"data\":").as_bytes());
        body.extend_from_slice(payload);
        body.extend_from_slice(format!("}}{after}").as_bytes());
    }
    if is_batch {
        body = [b"{\"commands\":[", &body[..], b"]}"].concat();
    }
    let mut request = format!(
        "POST /api/{method} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    request
}

/// Sends the request, reads the answer to its end.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    while !is_whole(&answer)? {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Whether head and body are there (RFC 9112, 6.2: a body of the announced length).
///
/// # Errors
/// When the status is not 200, or no length is announced.
fn is_whole(answer: &[u8]) -> io::Result<bool> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
    let head = String::from_utf8_lossy(&answer[..end]);
    let (status, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
    let length = fields
        .lines()
        .filter_map(|field| field.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok());
    match length {
        Some(length) if status.starts_with("HTTP/1.1 200") => Ok(answer.len() >= end + 4 + length),
        _ => Err(io::Error::other(format!("a publication was answered with {status:?}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{QosChoice, Scenario};
    use tokio::net::TcpListener;

    #[test]
    fn an_answer_is_whole_with_its_last_byte_and_only_200_is_taken() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"result\":{}}";
        assert!((0..answer.len()).all(|length| !is_whole(&answer[..length]).unwrap()));
        assert!(is_whole(answer).unwrap());
        let refused = is_whole(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap_err();
        assert!(refused.to_string().contains("400"), "{refused}");
    }

    #[test]
    fn several_readings_are_one_batch() {
        let one = Publication {
            topic: String::new(),
            payload: b"{}".to_vec(),
            device: "d".to_owned(),
            readings: vec![],
            retain: false,
        };
        let host = "127.0.0.1:80".parse().unwrap();
        let text = |publications: &[_]| String::from_utf8(request(host, publications)).unwrap();
        let single = text(&[(0, one.clone())]);
        assert!(single.starts_with("POST /api/publish "), "{single}");
        assert!(single.ends_with("Content-Length: 25\r\n\r\n{\"channel\":\"d\",\"data\":{}}"), "{single}");
        let publish = r#"{"publish":{"channel":"d","data":{}}}"#;
        let batch = text(&[(0, one.clone()), (1, one)]);
        assert!(batch.starts_with("POST /api/batch "), "{batch}");
        assert!(batch.ends_with(&format!("\r\n\r\n{{\"commands\":[{publish},{publish}]}}")), "{batch}");
    }

    /// Answers every request on every connection.
    async fn serve(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0 && buffer[count - 1] == b'}') {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn readings_are_posted_at_the_rate_of_the_devices_and_each_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener));
        let plan = FleetPlan {
            devices: 100,
            buildings: 1,
            first_building: 0,
            interval: Duration::from_millis(200),
            scenario: Scenario::Steady,
            qos: QosChoice::Fixed(1),
            maker: None,
            seed: 1,
        };
        let gateway = Gateway::start(&plan, 1, address, Arc::new(SentTimes::new(plan.devices)));
        sleep(Duration::from_millis(1100)).await;
        assert_eq!(gateway.totals().connected, CONNECTIONS as u64);
        let totals = gateway.stop().await;
        assert_eq!(totals.connections_lost, 0, "{totals}");
        assert!((100..=600).contains(&totals.acknowledged), "{totals}");
        assert!(totals.published - totals.acknowledged <= CONNECTIONS as u64, "{totals}");
    }
}
