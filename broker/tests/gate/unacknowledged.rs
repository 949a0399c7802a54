//! What a client sends and the broker cannot acknowledge yet is bounded: past it the client is not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tidegate_broker::BrokerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::Served;

const V3: u8 = 4;
const V5: u8 = 5;
const PAYLOAD_BYTES: usize = 10_000;
/// What the broker reads at once; it takes all of it before it looks at the limits again.
const READ_BYTES: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_durable_are_bounded_and_all_are_acknowledged_later() {
    const BYTES_MAX: usize = 256 * 1024;
    for level in [V3, V5] {
        let stalled = Stalled::of(level, |config| config.inflight_bytes_max = BYTES_MAX).await;
        let taken = stalled.taken() * PAYLOAD_BYTES;
        assert!(taken >= BYTES_MAX, "{taken} bytes were taken (level {level})");
        assert!(taken < BYTES_MAX + READ_BYTES + PAYLOAD_BYTES, "{taken} bytes were taken (level {level})");
        stalled.all_are_acknowledged_once_durable().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publications_that_are_not_durable_are_bounded_and_all_are_acknowledged_later() {
    const COUNT_MAX: usize = 20;
    let stalled = Stalled::of(V3, |config| {
        config.receive_max = COUNT_MAX as u16;
        config.inflight_bytes_max = usize::MAX;
    })
    .await;
    let taken = stalled.taken();
    assert!((COUNT_MAX..=COUNT_MAX + READ_BYTES / PAYLOAD_BYTES + 1).contains(&taken), "{taken} were taken");
    stalled.all_are_acknowledged_once_durable().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v5_client_past_the_receive_maximum_it_was_told_is_ended() {
    const COUNT_MAX: u16 = 20;
    let served = Served::with(|config| config.receive_max = COUNT_MAX);
    served.log.hold();
    let (mut reads, mut writes) = connected(&served, V5).await;
    let publications: Vec<u8> = (1..=COUNT_MAX + 1).flat_map(|id| publication(V5, id, 200)).collect();
    writes.write_all(&publications).await.unwrap();
    let mut told = Vec::new();
    let ended = timeout(Duration::from_secs(30), reads.read_to_end(&mut told)).await;
    ended.expect("it is ended").unwrap();
    assert_eq!((told[0], told[2]), (0xe0, 0x93));
    assert!(served.log.publications().len() <= usize::from(COUNT_MAX));
}

/// A client that has sent all that its socket took, over a log that makes nothing durable.
struct Stalled {
    served: Served,
    level: u8,
    reads: OwnedReadHalf,
    writing: JoinHandle<u32>,
    stop: Arc<AtomicBool>,
}

impl Stalled {
    async fn of(level: u8, change: impl FnOnce(&mut BrokerConfig)) -> Stalled {
        let served = Served::with(change);
        served.log.hold();
        let (reads, writes) = connected(&served, level).await;
        let (sent, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let writing = tokio::spawn(send(writes, level, Arc::clone(&sent), Arc::clone(&stop)));
        // It goes on until the buffers of both sockets are full, which shows in that no further one gets through.
        let mut before = (0, 0);
        loop {
            sleep(Duration::from_millis(300)).await;
            let now = (sent.load(Ordering::Relaxed), served.log.publications().len());
            if now == before && now.1 > 0 {
                break;
            }
            before = now;
        }
        assert!(!writing.is_finished(), "the client still wants to send");
        Stalled { served, level, reads, writing, stop }
    }

    /// Publications that the broker took.
    fn taken(&self) -> usize {
        self.served.log.publications().len()
    }

    async fn all_are_acknowledged_once_durable(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.served.log.release();
        let acknowledging = async {
            let sent = self.writing.await.unwrap();
            for id in 1..=sent {
                let mut puback = [0; 4];
                self.reads.read_exact(&mut puback).await.unwrap();
                let id = (id as u16).to_be_bytes();
                assert_eq!(puback, [0x40, 2, id[0], id[1]], "level {}", self.level);
            }
            sent
        };
        let sent = timeout(Duration::from_secs(60), acknowledging).await.expect("all are acknowledged");
        assert_eq!(self.served.log.publications().len(), sent as usize);
    }
}

async fn connected(served: &Served, level: u8) -> (OwnedReadHalf, OwnedWriteHalf) {
    let mut client = served.raw().await;
    client.connect(level, 2, "client").await;
    let head = client.read(2).await;
    client.read(head[1].into()).await;
    client.stream.into_split()
}

/// Sends publications until told to stop; returns how many.
async fn send(mut writes: OwnedWriteHalf, level: u8, sent: Arc<AtomicU32>, stop: Arc<AtomicBool>) -> u32 {
    while !stop.load(Ordering::Relaxed) {
        let number = sent.load(Ordering::Relaxed) + 1;
        let id = u16::try_from(number).expect("sockets hold less than 65,535 of them");
        writes.write_all(&publication(level, id, PAYLOAD_BYTES)).await.unwrap();
        sent.store(number, Ordering::Relaxed);
    }
    // The connection stays open: dropping its half would end it.
    writes.forget();
    sent.load(Ordering::Relaxed)
}

/// A QoS 1 publication to `a`.
fn publication(level: u8, id: u16, payload_bytes: usize) -> Vec<u8> {
    let properties: &[u8] = if level == V5 { b"\0" } else { b"" };
    let body = [&b"\0\x01a"[..], &id.to_be_bytes(), properties, &vec![b'x'; payload_bytes]].concat();
    let length = [(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8];
    [&[0x32][..], &length, &body].concat()
}
