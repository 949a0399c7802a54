//! While one client misbehaves, others are served: each of their publications is acknowledged and delivered.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{Raw, Served};

/// Far longer than a loaded machine takes for one publication.
const SERVED_WITHIN: Duration = Duration::from_secs(30);
const EXCHANGES: u16 = 200;

/// A publisher and its subscriber, who do everything right.
struct Pair {
    publisher: TcpStream,
    subscriber: TcpStream,
    sent: u16,
}

impl Pair {
    async fn of(served: &Served) -> Pair {
        let mut subscriber = served.v3("subscriber").await;
        subscriber.subscribe("pair", 1).await;
        Pair { publisher: served.v3("publisher").await.stream, subscriber: subscriber.stream, sent: 0 }
    }

    /// Publishes with this QoS and the subscriber takes it with QoS 1; each so many times, within the bound.
    async fn is_served(&mut self, qos: u8, times: u16) {
        for _ in 0..times {
            let exchange = timeout(SERVED_WITHIN, self.exchange(qos));
            exchange.await.unwrap_or_else(|_| panic!("publication {} was not served in time", self.sent));
        }
    }

    async fn exchange(&mut self, qos: u8) {
        self.sent = self.sent % u16::MAX + 1;
        let id = self.sent.to_be_bytes();
        let publish = [&[0x30 | qos << 1, 10, 0, 4], &b"pair"[..], &id, &id].concat();
        self.publisher.write_all(&publish).await.unwrap();
        if qos == 2 {
            expect(&mut self.publisher, &[0x50, 2, id[0], id[1]]).await;
            self.publisher.write_all(&[0x62, 2, id[0], id[1]]).await.unwrap();
            expect(&mut self.publisher, &[0x70, 2, id[0], id[1]]).await;
        } else {
            expect(&mut self.publisher, &[0x40, 2, id[0], id[1]]).await;
        }
        let mut delivered = [0; 12];
        self.subscriber.read_exact(&mut delivered).await.unwrap();
        assert_eq!((delivered[0], &delivered[4..8], &delivered[10..]), (0x32, &b"pair"[..], &id[..]));
        self.subscriber.write_all(&[0x40, 2, delivered[8], delivered[9]]).await.unwrap();
    }
}

async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_read_at_its_rate_and_delays_nobody() {
    const RATE: usize = 500;
    for first in [0x30, 0x32] {
        let served = Served::with(|config| config.publish_rate_max = RATE as u32);
        let mut pair = Pair::of(&served).await;
        let began = Instant::now();
        let flooding = flood(served.v3("flood").await, first);
        pair.is_served(1, EXCHANGES).await;
        let is_flood = |served: &Served| served.log.publications().iter().filter(|p| p.topic == *"flood").count();
        served.until("the flood reaches its rate", |served| is_flood(served) >= RATE).await;
        pair.is_served(1, EXCHANGES).await;
        // A second's worth at once, then the rate; what one read of 64 KiB brings is taken whole.
        let (taken, seconds) = (is_flood(&served), began.elapsed().as_secs_f64());
        let bound = RATE as f64 * (seconds + 1.0) + 65536.0 / 20.0;
        assert!((taken as f64) < bound, "{taken} publications in {seconds} s");
        assert!(!flooding.is_finished(), "it is slowed down, not ended");
        flooding.abort();
    }
}

/// Writes publications as fast as the socket takes them, and takes the acknowledgements.
fn flood(client: Raw, first: u8) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (mut reads, mut writes) = client.stream.into_split();
        let mut reading = tokio::spawn(async move { tokio::io::copy(&mut reads, &mut tokio::io::sink()).await });
        let mut packet_id = 0u16;
        while !reading.is_finished() {
            let mut burst = Vec::new();
            for _ in 0..100 {
                packet_id = packet_id % u16::MAX + 1;
                let id = packet_id.to_be_bytes();
                burst.extend_from_slice(&[&[first, 18, 0, 5], &b"flood"[..], &id, &[b'x'; 9]].concat());
            }
            if writes.write_all(&burst).await.is_err() {
                break;
            }
        }
        let _ = (&mut reading).await;
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_keeps_a_bounded_queue_and_delays_nobody() {
    let served = Served::with(|config| config.queue_bytes_max = 10_000);
    let mut pair = Pair::of(&served).await;
    let mut deaf = served.v3("deaf").await;
    deaf.subscribe("#", 0).await;
    served.log.forget();
    let flooding = flood(served.v3("flood").await, 0x30);
    // More than the buffers of its socket hold: from then on its queue is full.
    served.until("its queue is full", |served| served.stats().queued_bytes > 9_000).await;
    pair.is_served(1, EXCHANGES).await;
    let queued = served.stats().queued_bytes;
    assert!(queued <= 20_000, "{queued} bytes are queued for two subscribers");
    flooding.abort();
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_acknowledges_has_a_bounded_window_and_delays_nobody() {
    const WINDOW: u16 = 16;
    for qos in [1, 2] {
        let served = Served::with(|config| {
            config.delivery_inflight_max = WINDOW;
            config.queue_bytes_max = 1000;
        });
        let mut pair = Pair::of(&served).await;
        let mut mute = served.v3("mute").await;
        mute.subscribe("#", qos).await;
        pair.is_served(qos, EXCHANGES).await;
        for number in 1..=WINDOW {
            let delivered = mute.read(12).await;
            assert_eq!((delivered[0], &delivered[10..]), (0x30 | qos << 1, &number.to_be_bytes()[..]));
        }
        assert!(mute.silence().await, "more than {WINDOW} are on their way");
        assert!(served.stats().queued_bytes <= 1000, "{:?}", served.stats());
        mute.is_served().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_end_at_their_deadline_and_delay_nobody() {
    const HALF_OPEN: usize = 500;
    let served = Served::with(|config| config.connect_timeout = Duration::from_secs(5));
    let mut pair = Pair::of(&served).await;
    let mut half_open = Vec::new();
    for number in 0..HALF_OPEN {
        let mut client = served.raw().await;
        // Nothing, one byte, or all of a CONNECT but its last byte.
        let connect = b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01x";
        client.send(&connect[..[0, 1, connect.len() - 1][number % 3]]).await;
        half_open.push(client);
    }
    pair.is_served(1, EXCHANGES).await;
    for mut client in half_open {
        let mut rest = Vec::new();
        let read = timeout(SERVED_WITHIN, client.stream.read_to_end(&mut rest)).await;
        // A reset where it left bytes unread, an end of the stream where it did not.
        let _ = read.expect("it is closed at its deadline");
    }
    served.until("the two are left", |served| served.stats().connections == 2).await;
    pair.is_served(1, EXCHANGES).await;
}
