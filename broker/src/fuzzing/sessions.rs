use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::noise::Noise;
use super::session_model::{Kept, Model, Owed};
use super::silent_log::SilentLog;
use crate::clock::Clock;
use crate::sessions::{SessionStore, SessionStoreConfig, Writer};

/// Changes of sessions, written in batches, with the file closed and opened in between as after a crash: it holds what
/// a model of it holds, and nothing of sessions that ended.
pub fn session_store(noise: &[u8]) {
    let mut noise = Noise::new(noise);
    let place = FolderGuard::new();
    let mut open = Opened::at(&place);
    let mut written = Model::default();
    let mut now = written.clone();
    while !noise.is_empty() {
        match noise.byte() {
            // A crash: what was not written never was.
            0..12 => {
                drop(open);
                open = Opened::at(&place);
                now = written.clone();
                now.assert_is(&open.held);
            }
            12..40 => {
                open.write();
                written = now.clone();
            }
            _ => {
                if let Some(change) = now.change(&mut noise) {
                    open.store.note(change);
                }
            }
        }
    }
    open.write();
    drop(open);
    now.assert_is(&Opened::at(&place).held);
}

/// A directory of its own, removed at the end.
struct FolderGuard(PathBuf);

impl FolderGuard {
    fn new() -> FolderGuard {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidegate-sessions-{}-{number}", std::process::id());
        FolderGuard(std::env::temp_dir().join(name))
    }
}

impl Drop for FolderGuard {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Opened {
    store: SessionStore,
    writer: Writer,
    held: Model,
}

impl Opened {
    fn at(place: &FolderGuard) -> Opened {
        let config = SessionStoreConfig { directory: Some(place.0.clone()), ..SessionStoreConfig::default() };
        let store = SessionStore::open(config).expect("a file that was closed at a commit opens");
        let recovered = store.recover().expect("what was written can be read");
        let writer = store.writer(Arc::new(SilentLog), Clock::never_set(|| 0)).expect("nobody else writes it");
        let mut held = Model::default();
        for session in recovered.sessions {
            let deliveries = writer.mailbox(session.id).into_iter().map(|d| (d.number, Owed::of(&d))).collect();
            held.sessions.insert(
                session.id,
                Kept {
                    client: session.client,
                    expiry_s: session.expiry_s,
                    expires_ms: session.expires_ms,
                    filters: session.subscriptions.iter().map(|(f, o)| (f.to_string(), *o)).collect(),
                    received: session.received.into_iter().collect(),
                    next: session.next_number,
                    mailbox: deliveries,
                },
            );
        }
        held.retained =
            recovered.retained.iter().map(|(at, m, _)| (m.topic.to_string(), (at.0, m.payload.clone()))).collect();
        held.set_forward_ms = -store.waiting_at(Clock::never_set(|| 0), 0);
        held.wills = recovered.wills.iter().map(|w| (w.will.session, (w.delay_s, w.due_ms))).collect();
        assert!(held.messages().all(|id| id < recovered.next_message), "a message's number would be given again");
        Opened { store, writer, held }
    }

    fn write(&mut self) {
        let cut = self.writer.cut();
        self.writer.write(cut);
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise::try_seeds;
    use super::*;

    #[test]
    fn the_file_holds_what_its_model_holds_over_any_changes_and_crashes() {
        try_seeds(12, 600, session_store);
    }
}
