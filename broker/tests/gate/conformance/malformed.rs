//! Malformed packets of every type, generated from well-formed ones: each ends its own connection with the right code,
//! is counted, and a bystander's publications go on.

use tidegate_telemetry::Reason;

use super::language::*;
use crate::support::Served;

/// What is sent to a connection that is open, and the codes it may end with (MQTT 5.0 section 4.13).
struct Case {
    what: String,
    bytes: Vec<u8>,
    codes: &'static [u8],
}

const MALFORMED: &[u8] = &[0x81];
/// The standard calls it a malformed packet, or leaves open which it is.
const EITHER: &[u8] = &[0x81, 0x82];
const NOT_UTF8: [&[u8]; 7] =
    [b"\xff", b"a\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xf5\x80\x80\x80", b"\x80a", b"a\0b"];

/// One packet of each type that a client sends once it is let in. No beginning of their bodies is a packet.
fn specimens(version: Version) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PUBLISH QoS 0", version.publish("a", "").into()),
        ("PUBLISH QoS 1", version.publish("a", "").qos(1, 7).into()),
        ("PUBLISH QoS 2", version.publish("a", "").qos(2, 7).into()),
        ("PUBACK", ack(PUBACK, 7)),
        ("PUBREC", ack(PUBREC, 7)),
        ("PUBREL", ack(PUBREL, 7)),
        ("PUBCOMP", ack(PUBCOMP, 7)),
        ("SUBSCRIBE", version.subscribe(&[("a", 0)])),
        ("UNSUBSCRIBE", version.unsubscribe(&["a"])),
        ("PINGREQ", PINGREQ.to_vec()),
        ("DISCONNECT", GOODBYE.to_vec()),
    ]
}

fn cases(version: Version) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |what: String, bytes: Vec<u8>, codes| cases.push(Case { what, bytes, codes });
    for (name, bytes) in specimens(version) {
        let (first, body) = (bytes[0], &bytes[2..]);
        for flags in (0..16).filter(|&flags| !is_allowed(first >> 4, flags)) {
            let first = first & 0xf0 | flags;
            add(format!("{name} with flags {flags:#x}"), packet(first, &[body]), MALFORMED);
        }
        for length in 0..body.len() {
            add(format!("{name} cut to {length} bytes"), packet(first, &[&body[..length]]), EITHER);
        }
        if first >> 4 != 3 {
            add(format!("{name} with a byte more"), packet(first, &[body, b"\xff"]), EITHER);
        }
        add(format!("{name} with a length of five bytes"), [&[first, 255, 255, 255, 255, 1], body].concat(), MALFORMED);
    }
    for (name, bytes) in specimens(version) {
        let at = match bytes[0] >> 4 {
            3 if bytes[0] & 6 != 0 => 5,
            4..=11 => 2,
            _ => continue,
        };
        let mut zero = bytes;
        zero[at..at + 2].fill(0);
        add(format!("{name} with packet identifier 0"), zero, EITHER);
    }
    for kind in [0, 2, 9, 11, 13] {
        add(format!("packet type {kind}, which no client sends"), packet(kind << 4, &[b"\0\x07\0\0"]), EITHER);
    }
    add("a second CONNECT".into(), version.connect("c").into(), &[0x82]);
    for options in (0..=255).filter(|options| !is_option(version, *options)) {
        add(format!("SUBSCRIBE with options {options:#x}"), version.subscribe(&[("a", options)]), EITHER);
    }
    for wrong in NOT_UTF8 {
        let shown = wrong.escape_ascii();
        add(format!("topic {shown}"), version.publish(wrong, "x").into(), MALFORMED);
        add(format!("filter {shown}"), version.subscribe(&[(wrong, 0)]), MALFORMED);
        add(format!("filter {shown} to end"), version.unsubscribe(&[wrong]), MALFORMED);
    }
    if version == V5 {
        properties(&mut cases);
    }
    cases
}

/// Properties that are cut, doubled, out of range or in the wrong packet (MQTT 5.0 section 2.2.2).
fn properties(cases: &mut Vec<Case>) {
    let mut add = |what: String, bytes: Vec<u8>, codes| cases.push(Case { what, bytes, codes });
    let publish = |property: Vec<u8>| V5.publish("a", "x").with(property).into();
    let known = [
        ("payload format", property::payload_format(1)),
        ("message expiry", property::message_expiry(60)),
        ("content type", property::content_type("t")),
        ("response topic", property::response_topic("t")),
        ("correlation data", property::correlation_data("d")),
        ("topic alias", property::topic_alias(1)),
    ];
    for (name, one) in &known {
        add(format!("{name} twice"), publish([&one[..], one].concat()), EITHER);
        for length in 1..one.len() {
            add(format!("{name} cut to {length} bytes"), publish(one[..length].to_vec()), EITHER);
        }
        add(format!("{name} in SUBSCRIBE"), V5.subscribe_with(std::slice::from_ref(one), &[("a", 0)]), EITHER);
    }
    // Of packets that only other ones may have, and numbers that are none.
    for id in [0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x27, 0x28] {
        add(format!("property {id:#x} in PUBLISH"), publish([&[id][..], b"\0\x01\0\x01"].concat()), EITHER);
    }
    for id in [0x00, 0x04, 0x0a, 0x0c, 0x10, 0x14, 0x1b, 0x2b, 0x7f] {
        add(format!("property {id:#x}, which is none"), publish(vec![id, 0]), EITHER);
    }
    add("a payload format that is none".into(), publish(property::payload_format(2)), EITHER);
    add("topic alias 0".into(), publish(property::topic_alias(0)), &[0x82, 0x94]);
    add("a subscription identifier from a client".into(), publish(property::subscription_identifier(1)), EITHER);
    for wrong in NOT_UTF8 {
        let shown = wrong.escape_ascii();
        add(format!("content type {shown}"), publish(property::content_type(wrong)), MALFORMED);
        add(format!("response topic {shown}"), publish(property::response_topic(wrong)), MALFORMED);
        add(format!("user property {shown}"), publish([&[0x26][..], &text(wrong), &text("v")].concat()), MALFORMED);
        add(format!("user property of {shown}"), publish([&[0x26][..], &text("k"), &text(wrong)].concat()), MALFORMED);
    }
    let lengths: [(&str, &[u8]); 4] = [
        ("beyond the packet", b"\x7f"),
        ("within a property", b"\x01\x26\0\x01k\0\x01v"),
        ("of five bytes", b"\xff\xff\xff\xff\x01"),
        ("longer than need be", b"\x80\0"),
    ];
    for (what, length) in lengths {
        add(format!("PUBLISH: property length {what}"), packet(0x30, &[&text("a"), length]), EITHER);
        add(
            format!("SUBSCRIBE: property length {what}"),
            packet(0x82, &[b"\0\x01", length, &text("a"), b"\0"]),
            EITHER,
        );
        add(format!("UNSUBSCRIBE: property length {what}"), packet(0xa2, &[b"\0\x01", length, &text("a")]), EITHER);
    }
    for first in [PUBACK, PUBREC, PUBREL, PUBCOMP] {
        add(format!("{first:#x}: a code that is none"), ack_with(first, 7, 0x03), EITHER);
        add(format!("{first:#x}: a property that is none"), packet(first, &[b"\0\x07\0\x02\x01\0"]), EITHER);
    }
    add("DISCONNECT: session expiry twice".into(), packet(0xe0, &[b"\0\x0a", &[0x11, 0, 0, 0, 0].repeat(2)]), EITHER);
}

/// Flags of a fixed header (section 2.1.3).
fn is_allowed(kind: u8, flags: u8) -> bool {
    match kind {
        3 => flags & 6 != 6 && (flags & 6 != 0 || flags & 8 == 0),
        6 | 8 | 10 => flags == 2,
        _ => flags == 0,
    }
}

/// Options of a subscription (section 3.8.3.1).
fn is_option(version: Version, options: u8) -> bool {
    let is_qos = options & 3 != 3;
    match version {
        V3 => is_qos && options < 4,
        V5 => is_qos && options & 0x30 != 0x30 && options < 0x40,
    }
}

/// First packets: a CONNECT in every way that is wrong.
fn first_packets(version: Version) -> Vec<(String, Vec<u8>)> {
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    let whole: Vec<u8> = version.connect("c").will("w", "gone", 1, true).user("u").password("p").into();
    let body = &whole[2..];
    cases.extend((0..body.len()).map(|length| (format!("cut to {length} bytes"), packet(0x10, &[&body[..length]]))));
    cases.push(("a byte more".into(), packet(0x10, &[body, b"\0"])));
    cases.extend((1..16).map(|flags| (format!("header flags {flags:#x}"), packet(0x10 | flags, &[body]))));
    for (what, flags) in [("reserved flag", 1), ("will QoS without a will", 8), ("will retain without a will", 0x20)] {
        cases.push((what.into(), version.connect("c").flags(flags).into()));
    }
    cases.push(("will QoS 3".into(), version.connect("c").will("w", "x", 3, false).into()));
    for wrong in NOT_UTF8 {
        let shown = wrong.escape_ascii();
        cases.push((format!("client identifier {shown}"), version.connect(wrong).into()));
        cases.push((format!("will topic {shown}"), version.connect("c").will(wrong, "x", 0, false).into()));
        cases.push((format!("user {shown}"), version.connect("c").user(wrong).into()));
    }
    for kind in (0..16).filter(|kind| *kind != 1) {
        cases.push((format!("packet type {kind} first"), packet(kind << 4, &[b"\0\x07"])));
    }
    if version == V5 {
        let twice = [
            property::session_expiry(1),
            property::receive_maximum(9),
            property::maximum_packet_size(99),
            property::topic_alias_maximum(9),
            property::byte(0x17, 0),
            property::byte(0x19, 0),
        ];
        let connect = |property: Vec<u8>| V5.connect("c").with(property).into();
        cases.extend(
            twice.iter().map(|one| (format!("property {:#x} twice", one[0]), connect([&one[..], one].concat()))),
        );
        for wrong in [property::receive_maximum(0), property::maximum_packet_size(0), property::byte(0x17, 2)] {
            cases.push((format!("property {:#x} out of range", wrong[0]), connect(wrong)));
        }
    }
    cases
}

#[tokio::test]
async fn each_malformed_packet_of_a_generated_set_is_refused_and_counted_and_hurts_nobody() {
    for version in BOTH {
        let served = Served::start();
        let mut bystander = Client::new(&served, version, "bystander").await;
        let (cases, mut wrong) = (cases(version), Vec::new());
        for Case { what, bytes, codes } in &cases {
            let mut client = Client::new(&served, version, "c").await;
            client.send(bytes.clone()).await;
            if let Err(why) = client.ended_with(codes).await {
                wrong.push(format!("{what}: {why}"));
            }
            bystander.says("fine", "1").await;
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        all_are_counted(&served, cases.len()).await;
        assert!(served.log.publications().iter().all(|publication| publication.topic == "fine"));
        assert_eq!(served.log.publications().len(), cases.len());
    }
}

#[tokio::test]
async fn each_malformed_first_packet_of_a_generated_set_is_refused_and_counted_and_hurts_nobody() {
    for version in BOTH {
        let served = Served::start();
        let mut bystander = Client::new(&served, version, "bystander").await;
        let (cases, mut wrong) = (first_packets(version), Vec::new());
        for (what, bytes) in &cases {
            let answer = answer_to(&served, bytes.clone()).await;
            // A refusal may be told, in the form of the version that was understood.
            let is_refusal = answer.is_empty() || matches!(answer[..], [0x20, _, 0, code, ..] if code != 0);
            if !is_refusal {
                wrong.push(format!("{version:?} {what}: {answer:x?}"));
            }
            bystander.says("fine", "1").await;
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        all_are_counted(&served, cases.len()).await;
        assert_eq!(served.log.publications().len(), cases.len(), "no will, and all of the bystander");
    }
}

async fn all_are_counted(served: &Served, cases: usize) {
    let refused = [Reason::MalformedPacket, Reason::InvalidTopic];
    let count = |served: &Served| refused.iter().map(|reason| served.problems.count(*reason)).sum::<usize>();
    served.until("all are counted", |served| count(served) >= cases).await;
    assert_eq!(count(served), cases, "each once");
}
