//! The same view through Centrifugo's client protocol (JSON over WebSocket): a subscription for each device's channel.
//! For the comparison, so a publication is read as lean as [`super::peer`] reads one.

use super::{Audience, peer::timestamp, session::ViewerProtocol, socket::Outbox};
use serde::{Deserialize, de::IgnoredAny};
use std::fmt::Write as _;

const CONNECT_ID: u32 = 1;

/// A viewer's state.
pub struct CentrifugeViewer {
    channels: Vec<String>,
    /// Subscriptions the server has not answered yet.
    unanswered: usize,
}

/// An answer to a command. What is pushed and is no publication has no `id`.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    id: u32,
    error: Option<Refusal>,
    push: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u32,
    message: String,
}

impl CentrifugeViewer {
    /// A viewer of these channels.
    pub fn new(channels: Vec<String>) -> Self {
        Self { channels, unanswered: 0 }
    }

    /// All subscriptions in one frame, as the client libraries send what is asked for at once.
    fn subscribe(&mut self, out: &mut Outbox) {
        let mut commands = String::new();
        for (id, channel) in (CONNECT_ID + 1..).zip(&self.channels) {
            writeln!(commands, "{{\"id\":{id},\"subscribe\":{{\"channel\":\"{channel}\"}}}}").expect("a String grows");
        }
        self.unanswered = self.channels.len();
        out.text(commands.trim_end());
    }

    fn reply(&mut self, line: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String> {
        let text = || String::from_utf8_lossy(&line[..line.len().min(160)]).into_owned();
        let reply: Reply =
            serde_json::from_slice(line).map_err(|error| format!("not a reply ({error}): {}", text()))?;
        match reply {
            Reply { error: Some(Refusal { code, message }), .. } => return Err(format!("error {code}: {message}")),
            Reply { push: Some(_), .. } => return Err(format!("a push that is no publication: {}", text())),
            Reply { id: CONNECT_ID, .. } => self.subscribe(out),
            Reply { .. } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                if self.unanswered == 0 {
                    audience.stats.count(|counts| counts.snapshots += 1);
                }
            }
        }
        Ok(())
    }
}

impl ViewerProtocol for CentrifugeViewer {
    fn endpoint(&self) -> (&'static str, Option<&'static str>) {
        ("/connection/websocket", None)
    }

    fn open(&mut self, out: &mut Outbox) {
        out.text(&format!("{{\"id\":{CONNECT_ID},\"connect\":{{}}}}"));
    }

    fn message(&mut self, payload: &[u8], audience: &Audience, out: &mut Outbox) -> Result<(), String> {
        for line in payload.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some((channel, publication)) = publication(line) {
                let age = audience
                    .index
                    .get(channel)
                    .zip(timestamp(publication))
                    .and_then(|(&index, time_ms)| audience.sent.as_ref().and_then(|sent| sent.age(index, time_ms)));
                audience.stats.updates(std::iter::once(age));
            } else if line == b"{}" {
                audience.stats.count(|counts| counts.pulses += 1);
                out.text("{}");
            } else {
                self.reply(line, audience, out)?;
            }
        }
        Ok(())
    }

    /// The server asks, this side answers.
    fn tick(&mut self, _: &mut Outbox) {}
}

/// Channel and publication of `{"push":{"channel":…,"pub":{"data":…}}}`.
fn publication(line: &[u8]) -> Option<(&str, &[u8])> {
    let rest = line.strip_prefix(b"{\"push\":{\"channel\":\"")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    let publication = rest[end..].strip_prefix(b"\",\"pub\":")?;
    Some((std::str::from_utf8(&rest[..end]).ok()?, publication))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{latency::SentTimes, viewers::Stats};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    fn audience() -> Audience {
        let sent = SentTimes::new(1);
        sent.sent(0, 1_704_723_845_000);
        Audience {
            index: [("dev7".into(), 0)].into_iter().collect(),
            sent: Some(Arc::new(sent)),
            stats: Stats::default(),
            stop: CancellationToken::new(),
        }
    }

    /// What the viewer says to this message.
    fn tell(viewer: &mut CentrifugeViewer, audience: &Audience, message: &str) -> Result<String, String> {
        let mut out = Outbox::default();
        viewer.message(message.as_bytes(), audience, &mut out)?;
        Ok(String::from_utf8_lossy(&out.0).into_owned())
    }

    #[test]
    fn a_viewer_has_its_view_when_every_subscription_is_answered() {
        let (audience, mut viewer) = (audience(), CentrifugeViewer::new(vec!["dev7".to_owned(), "dev8".to_owned()]));
        let said = tell(&mut viewer, &audience, r#"{"id":1,"connect":{"client":"c","ping":25,"pong":true}}"#).unwrap();
        assert!(said.contains("{\"id\":2,\"subscribe\":{\"channel\":\"dev7\"}}\n{\"id\":3,"), "{said}");
        tell(&mut viewer, &audience, r#"{"id":2,"subscribe":{}}"#).unwrap();
        assert_eq!(audience.stats.measured().counts.snapshots, 0);
        tell(&mut viewer, &audience, r#"{"id":3,"subscribe":{}}"#).unwrap();
        assert_eq!(audience.stats.measured().counts.snapshots, 1);
    }

    #[test]
    fn publications_of_one_frame_are_counted_one_by_one_and_a_ping_is_answered() {
        let (audience, mut viewer) = (audience(), CentrifugeViewer::new(vec!["dev7".to_owned()]));
        let publication = r#"{"push":{"channel":"dev7","pub":{"data":{"temperature":1,"timestamp":1704723845000}}}}"#;
        let said = tell(&mut viewer, &audience, &format!("{publication}\n{publication}\n{{}}")).unwrap();
        assert!(said.ends_with("{}"), "{said}");
        let measured = audience.stats.measured();
        assert_eq!((measured.counts.updates, measured.samples, measured.counts.pulses), (2, 2, 1));
    }

    #[test]
    fn a_refusal_and_the_end_of_a_subscription_end_the_session() {
        let (audience, mut viewer) = (audience(), CentrifugeViewer::new(vec!["dev7".to_owned()]));
        let refused = r#"{"id":2,"error":{"code":106,"message":"limit exceeded"}}"#;
        assert_eq!(tell(&mut viewer, &audience, refused).unwrap_err(), "error 106: limit exceeded");
        let ended = r#"{"push":{"channel":"dev7","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#;
        assert!(tell(&mut viewer, &audience, ended).unwrap_err().contains("no publication"));
    }
}
