use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use metrics::{counter, gauge};
use parking_lot::Mutex;
use tidegate_telemetry::clients::{ClientsError, TraceLine};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::wire::{PacketTrace, TraceReader};

/// Who follows whose packets.
pub(crate) struct Traces {
    /// Each client identifier's readers; nobody need have it.
    readers: Mutex<HashMap<String, Vec<Arc<TraceReader>>>>,
    /// How many there are: a connection that comes looks at this and no further while it is 0.
    count: AtomicUsize,
    max: usize,
    is_closed: AtomicBool,
    clock: fn() -> i64,
}

/// Lines that wait for a reader; with a payload of 4 KiB in each that is 4 MiB.
const LINES_MAX: usize = 1024;

impl Traces {
    pub(super) fn new(max: usize, clock: fn() -> i64) -> Self {
        counter!("tidegate_mqtt_trace_missed_total").increment(0);
        counter!("tidegate_mqtt_traces_refused_total").increment(0);
        let (readers, is_closed) = (Mutex::default(), AtomicBool::new(false));
        Traces { readers, count: AtomicUsize::new(0), max, is_closed, clock }
    }

    /// What a connection with the client identifier shows its packets to, if somebody traces it.
    pub(crate) fn of(&self, client: &str) -> Option<Box<PacketTrace>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.readers.lock().get(client).map(|readers| PacketTrace::new(readers.clone(), self.clock))
    }

    /// A trace of the client; `first` is its first line. A connection that has the identifier already has to look at
    /// [`Traces::of`] afterwards.
    pub(crate) fn open(
        self: &Arc<Self>,
        client: &str,
        payloads: bool,
        first: TraceLine,
    ) -> Result<BoxStream<'static, TraceLine>, ClientsError> {
        let (lines, receiver) = mpsc::channel(LINES_MAX);
        let reader =
            Arc::new(TraceReader { lines, payloads, missed: AtomicU64::new(0), over: CancellationToken::new() });
        {
            let mut readers = self.readers.lock();
            if self.count.load(Ordering::Relaxed) >= self.max {
                counter!("tidegate_mqtt_traces_refused_total").increment(1);
                return Err(ClientsError::TooManyTraces(self.max));
            }
            if self.is_closed.load(Ordering::Relaxed) {
                return Ok(stream::empty().boxed());
            }
            readers.entry(client.to_owned()).or_default().push(Arc::clone(&reader));
            self.note(self.count.fetch_add(1, Ordering::Release) + 1);
        }
        reader.tell(first);
        let trace = Trace { traces: Arc::clone(self), client: client.to_owned(), reader, receiver };
        let lines = stream::unfold(trace, |mut trace| async { trace.next().await.map(|line| (line, trace)) });
        Ok(lines.boxed())
    }

    /// Ends every trace; no other begins.
    pub(crate) fn close(&self) {
        let mut readers = self.readers.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        for reader in readers.drain().flat_map(|(_, readers)| readers) {
            reader.over.cancel();
        }
        self.count.store(0, Ordering::Release);
        self.note(0);
    }

    fn leave(&self, client: &str, reader: &Arc<TraceReader>) {
        let mut all = self.readers.lock();
        let Some(readers) = all.get_mut(client) else { return };
        let before = readers.len();
        readers.retain(|other| !Arc::ptr_eq(other, reader));
        let gone = before - readers.len();
        if readers.is_empty() {
            all.remove(client);
        }
        self.note(self.count.fetch_sub(gone, Ordering::Release) - gone);
    }

    fn note(&self, count: usize) {
        gauge!("tidegate_mqtt_traces").set(count as f64);
    }
}

/// A reader's end of a trace; it is no longer followed once this is dropped.
struct Trace {
    traces: Arc<Traces>,
    client: String,
    reader: Arc<TraceReader>,
    receiver: mpsc::Receiver<TraceLine>,
}

impl Trace {
    async fn next(&mut self) -> Option<TraceLine> {
        if let Ok(line) = self.receiver.try_recv() {
            return Some(line);
        }
        // Nothing waits: what was lost came after everything that was told.
        match self.reader.missed.swap(0, Ordering::Relaxed) {
            0 => tokio::select! {
                biased;
                line = self.receiver.recv() => line,
                () = self.reader.over.cancelled() => None,
            },
            count => Some(TraceLine::Missed { count }),
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.traces.leave(&self.client, &self.reader);
    }
}

#[cfg(test)]
mod tests {
    use tidegate_telemetry::clients::{ClientEnd, ClientState};

    use super::*;

    fn begin() -> TraceLine {
        TraceLine::Begin { time: 0, state: Some(ClientState::Gone) }
    }

    #[tokio::test]
    async fn a_slow_reader_loses_lines_and_is_told_how_many() {
        let traces = Arc::new(Traces::new(2, || 0));
        let mut slow = traces.open("c", false, begin()).expect("there is room");
        let end = ClientEnd { time: 0, reason: "lost", detail: String::new(), address: None };
        let trace = traces.of("c").expect("somebody traces it");
        for _ in 0..LINES_MAX + 11 {
            trace.ended(&end);
        }
        assert_eq!(slow.next().await, Some(begin()));
        trace.ended(&end);
        for _ in 1..LINES_MAX {
            assert_eq!(slow.next().await, Some(TraceLine::End(end.clone())));
        }
        assert_eq!(slow.next().await, Some(TraceLine::Missed { count: 12 }));
        assert_eq!(slow.next().await, Some(TraceLine::Missed { count: 1 }), "the line that came with the count");
        trace.ended(&end);
        assert_eq!(slow.next().await, Some(TraceLine::End(end)));
    }

    #[tokio::test]
    async fn traces_are_bounded_and_end_with_their_readers_or_the_program() {
        let traces = Arc::new(Traces::new(1, || 0));
        let first = traces.open("c", false, begin()).expect("there is room");
        assert!(matches!(traces.open("d", false, begin()), Err(ClientsError::TooManyTraces(1))));
        drop(first);
        assert!(traces.of("c").is_none());
        let mut second = traces.open("c", false, begin()).expect("there is room again");
        assert_eq!(second.next().await, Some(begin()));
        traces.close();
        assert_eq!(second.next().await, None);
        drop(second);
        let mut late = traces.open("c", false, begin()).expect("it is no error");
        assert_eq!(late.next().await, None);
    }
}
