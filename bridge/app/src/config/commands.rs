//! Commands to devices.

use tidegate_process::CommandsConfig as Kept;
use tidegate_push::CommandsConfig as Asked;

use super::reader::Reader;

/// What a command is when a request does not say, and how many are remembered.
pub fn commands(reader: &mut Reader) -> (Asked, Kept) {
    let (d, kept) = (Asked::default(), Kept::default());
    let mut s = reader.section("commands", "Commands to devices.");
    let mut seconds = |key, default: u32, meaning| {
        let ms = s.duration_ms(key, i64::from(default) * 1_000, meaning);
        u32::try_from(ms / 1_000).unwrap_or(u32::MAX).max(1)
    };
    let expires_in_s =
        seconds("expires_in", d.expires_in_s, "How long a command waits for its device when the request does not say.");
    let expires_in_max_s = seconds(
        "expires_in_max",
        d.expires_in_max_s,
        "How long it may wait at most; sleepers get it only within sessions.mailbox_age_max.",
    );
    let asked = Asked {
        topic: s.text("topic", &d.topic, "Topic when the request names none; %d is the device's full identifier."),
        response_topic: s.text(
            "response_topic",
            &d.response_topic,
            "Topic of answers when the request names none; what is published there is no telemetry.",
        ),
        payload_bytes_max: s.bytes(
            "payload_bytes_max",
            d.payload_bytes_max,
            "Largest payload; the whole request is bounded by http.body_bytes_max.",
        ),
        expires_in_s,
        expires_in_max_s,
    };
    let kept = Kept {
        per_device_max: s.count(
            "per_device_max",
            kept.per_device_max,
            "Commands of one device that are remembered; when all of them wait, a further one is answered 409.",
        ),
        total_max: s.count("total_max", kept.total_max, "Commands of all devices that are remembered."),
        bytes_max: s.bytes("bytes_max", kept.bytes_max, "Bytes of all of them, payloads and answers included."),
        age_max_ms: s.duration_ms("age_max", kept.age_max_ms, "How long a command, and its key, is remembered."),
    };
    (asked, kept)
}
