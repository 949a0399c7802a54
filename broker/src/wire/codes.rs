//! Reason codes in words (MQTT 5.0 section 2.4), and the return codes of 3.1.1.

/// What a code says; nothing where it says that all is well.
pub(super) fn words(packet: &str, v5: bool, code: u8) -> Option<&'static str> {
    match (packet, code) {
        ("SUBACK", 0) => return Some("granted qos 0"),
        ("SUBACK", 1) => return Some("granted qos 1"),
        ("SUBACK", 2) => return Some("granted qos 2"),
        ("SUBACK", 0x80) if !v5 => return Some("refused"),
        ("CONNACK", 1..=5) if !v5 => return Some(CONNACK_3[usize::from(code) - 1]),
        ("DISCONNECT", 4) => return Some("with its will"),
        (_, 0x10) => return Some("no subscriber"),
        (_, 0x11) => return Some("no such subscription"),
        _ => {}
    }
    code.checked_sub(0x80).and_then(|at| FAILURES.get(usize::from(at)).copied())
}

const CONNACK_3: [&str; 5] = [
    "protocol version not served",
    "client identifier rejected",
    "server unavailable",
    "bad user name or password",
    "not authorized",
];

/// From 0x80 on.
const FAILURES: [&str; 35] = [
    "unspecified error",
    "malformed packet",
    "protocol error",
    "implementation specific error",
    "unsupported protocol version",
    "client identifier not valid",
    "bad user name or password",
    "not authorized",
    "server unavailable",
    "server busy",
    "banned",
    "server shutting down",
    "bad authentication method",
    "keep-alive timeout",
    "session taken over",
    "topic filter invalid",
    "topic name invalid",
    "packet identifier in use",
    "packet identifier not found",
    "receive maximum exceeded",
    "topic alias invalid",
    "packet too large",
    "message rate too high",
    "quota exceeded",
    "administrative action",
    "payload format invalid",
    "retain not supported",
    "qos not supported",
    "use another server",
    "server moved",
    "shared subscriptions not supported",
    "connection rate exceeded",
    "maximum connect time",
    "subscription identifiers not supported",
    "wildcard subscriptions not supported",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_stand_at_the_codes_of_the_standard() {
        for (code, said) in [
            (0x87, "not authorized"),
            (0x8e, "session taken over"),
            (0x97, "quota exceeded"),
            (0x98, "administrative action"),
        ] {
            assert_eq!(words("DISCONNECT", true, code), Some(said));
        }
        assert_eq!(words("SUBACK", true, 0xa2), Some("wildcard subscriptions not supported"));
        assert_eq!(words("CONNACK", false, 5), Some("not authorized"));
        assert_eq!((words("PUBACK", true, 0), words("PUBACK", true, 0xff)), (None, None));
    }
}
