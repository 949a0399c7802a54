//! The connection's state machine, driven by bytes and ticks alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tidegate_telemetry::{Position, Publication, Qos, Reason};

use super::{Admission, Delivered, End, Limits, Machine, Now, PropertyLimits, Request, SubscribeOutcome};
use crate::sessions::Delivery;
use crate::topics::TopicLimits;

struct Driver {
    machine: Machine,
    now: Now,
}

fn limits() -> Arc<Limits> {
    Arc::new(Limits {
        topics: TopicLimits { bytes_max: 64, levels_max: 4 },
        connect_timeout: Duration::from_secs(10),
        packet_timeout: Duration::from_secs(30),
        packet_bytes_max: 1000,
        client_id_bytes_max: 32,
        topic_alias_max: 4,
        receive_max: 8,
        inflight_bytes_max: 10_000,
        delivery_inflight_max: 2,
        keep_alive_max_s: 0,
        properties: PropertyLimits::default(),
    })
}

const CONNECT_V3: &[u8] = b"\x10\x0e\0\x04MQTT\x04\x02\0\x0a\0\x02c1";
/// Of a client that wants no reason strings.
const CONNECT_V5_TERSE: &[u8] = b"\x10\x11\0\x04MQTT\x05\x02\0\x0a\x02\x17\0\0\x02c1";
const CONNECT_V5: &[u8] = b"\x10\x0f\0\x04MQTT\x05\x02\0\x0a\0\0\x02c1";

impl Driver {
    fn new() -> Self {
        let now = Now { instant: Instant::now(), unix_ms: 1000 };
        Driver { machine: Machine::new(limits(), now.instant), now }
    }

    fn connected(connect: &[u8]) -> Self {
        let mut driver = Driver::new();
        driver.receive(connect);
        driver.output();
        driver
    }

    /// Receives, lets every client in as session 7, and returns the other requests.
    fn receive(&mut self, bytes: &[u8]) -> Vec<Request> {
        let mut requests = Vec::new();
        self.machine.receive(bytes, self.now, &mut requests);
        if let Some(Request::Connect(_)) = requests.last()
            && let Some(Request::Connect(connect)) = requests.pop()
        {
            let admission = Admission { session: 7, ..Admission::default() };
            self.machine.accept(&connect, admission, self.now, &mut requests);
        }
        requests
    }

    fn publications(&mut self, bytes: &[u8]) -> Vec<Publication> {
        let requests = self.receive(bytes).into_iter();
        requests.filter_map(|r| if let Request::Publish(publication) = r { Some(*publication) } else { None }).collect()
    }

    fn deliver(&mut self, delivery: Delivery) -> Option<Delivered> {
        let packet_id = self.machine.bind(&delivery);
        self.machine.deliver(delivery, packet_id, 0);
        self.machine.send_next(Position(u64::MAX), 0, self.now.unix_ms).map(|(_, delivered)| delivered)
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(self.machine.output())
    }

    fn refused_for(&self) -> Option<Reason> {
        match self.machine.ended() {
            Some(End::Refused { reason, .. }) => Some(*reason),
            _ => None,
        }
    }
}

fn publish_v3(qos: u8, packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(topic.as_bytes());
    if qos > 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    let mut packet = vec![0x30 | (qos << 1), body.len() as u8];
    packet.extend_from_slice(&body);
    packet
}

#[test]
fn an_acknowledgement_waits_until_its_entry_is_durable() {
    let mut driver = Driver::connected(CONNECT_V3);
    let mut bytes = publish_v3(1, 5, "a", b"1");
    bytes.extend(publish_v3(2, 6, "a", b"2"));
    assert_eq!(driver.publications(&bytes).len(), 2);
    assert_eq!(driver.machine.durable(Position(1_000_000), 0), 0, "not even in the log");
    driver.machine.appended(Position(9), usize::MAX);
    assert_eq!(driver.machine.durable(Position(8), 0), 0);
    assert_eq!(driver.output(), b"");
    assert_eq!(driver.machine.durable(Position(9), 0), 2);
    assert_eq!(driver.output(), b"\x40\x02\0\x05\x50\x02\0\x06");
}

#[test]
fn publications_of_one_read_are_acknowledged_by_the_entry_that_each_has() {
    let mut driver = Driver::connected(CONNECT_V3);
    let all = [publish_v3(1, 5, "a", b"1"), publish_v3(2, 6, "a", b"2"), b"\x62\x02\0\x06".to_vec()];
    driver.publications(&[&all.concat()[..], &publish_v3(1, 7, "a", b"3")].concat());
    driver.machine.appended(Position(3), 1);
    driver.machine.durable(Position(9), 0);
    assert_eq!(driver.output(), b"\x40\x02\0\x05", "the others are not in the log yet");
    driver.machine.appended(Position(4), 1);
    driver.machine.durable(Position(9), 0);
    assert_eq!(driver.output(), b"\x50\x02\0\x06\x70\x02\0\x06");
    driver.machine.found_no_room(1);
    driver.machine.durable(Position(9), 0);
    assert_eq!((driver.output(), driver.machine.owes_answers()), (b"".to_vec(), true));
}

#[test]
fn a_publication_carries_who_sent_it_and_how() {
    let mut driver = Driver::connected(CONNECT_V3);
    let publication = driver.publications(&publish_v3(1, 5, "a/b", b"23.5")).remove(0);
    assert_eq!((publication.client.as_str(), publication.principal.as_str()), ("c1", "anonymous"));
    assert_eq!((publication.session, publication.packet_id, publication.qos), (7, 5, Qos::AtLeastOnce));
    assert_eq!((publication.topic.as_str(), &publication.payload[..]), ("a/b", &b"23.5"[..]));
    assert_eq!(publication.received_ms, 1000);
}

#[test]
fn a_repeated_qos_2_publish_makes_no_second_entry_and_no_early_pubrec() {
    let mut driver = Driver::connected(CONNECT_V3);
    let publish = publish_v3(2, 6, "a", b"x");
    assert_eq!(driver.publications(&publish).len(), 1);
    driver.machine.appended(Position(3), usize::MAX);
    assert_eq!(driver.publications(&publish).len(), 0, "the same identifier before PUBREL");
    driver.machine.durable(Position(2), 0);
    assert_eq!(driver.output(), b"", "the first one is not durable yet");
    driver.machine.durable(Position(3), 0);
    assert_eq!(driver.output(), b"\x50\x02\0\x06");
    assert_eq!(driver.publications(&publish).len(), 0);
    driver.machine.durable(Position(3), 0);
    assert_eq!(driver.output(), b"\x50\x02\0\x06", "again, for it may have been lost");
    driver.receive(b"\x62\x02\0\x06");
    driver.machine.durable(Position(3), 0);
    assert_eq!(driver.output(), b"\x70\x02\0\x06");
    assert_eq!(driver.publications(&publish).len(), 1, "after PUBREL the identifier is free");
}

#[test]
fn a_pubrel_before_the_entry_is_durable_gets_its_pubcomp_after_it() {
    let mut driver = Driver::connected(CONNECT_V3);
    let mut bytes = publish_v3(2, 6, "a", b"x");
    bytes.extend_from_slice(b"\x62\x02\0\x06");
    driver.publications(&bytes);
    driver.machine.appended(Position(3), usize::MAX);
    driver.machine.durable(Position(2), 0);
    assert_eq!(driver.output(), b"");
    driver.machine.durable(Position(3), 0);
    assert_eq!(driver.output(), b"\x50\x02\0\x06\x70\x02\0\x06");
}

#[test]
fn what_finds_no_room_is_refused_on_version_5_and_may_be_sent_again() {
    let mut driver = Driver::connected(CONNECT_V5_TERSE);
    let bytes = [&b"\x32\x06\0\x01a\0\x05\0"[..], b"\x34\x06\0\x01a\0\x06\0"].concat();
    assert_eq!(driver.publications(&bytes).len(), 2);
    driver.machine.found_no_room(usize::MAX);
    driver.machine.durable(Position::START, 0);
    assert_eq!(driver.output(), b"\x40\x03\0\x05\x97\x50\x03\0\x06\x97");
    assert_eq!(driver.publications(&bytes).len(), 2, "both are new");
    driver.machine.appended(Position(1), usize::MAX);
    driver.machine.durable(Position(1), 0);
    assert_eq!(driver.output(), b"\x40\x02\0\x05\x50\x02\0\x06");
}

#[test]
fn what_finds_no_room_gets_no_answer_on_3_1_1_and_what_was_before_it_does() {
    let mut driver = Driver::connected(CONNECT_V3);
    driver.publications(&publish_v3(2, 4, "a", b"x"));
    driver.machine.appended(Position(1), usize::MAX);
    driver
        .publications(&[publish_v3(1, 5, "a", b"x"), publish_v3(2, 6, "a", b"x"), b"\x62\x02\0\x04".to_vec()].concat());
    assert!(!driver.machine.owes_answers());
    driver.machine.found_no_room(usize::MAX);
    assert!(driver.machine.owes_answers());
    assert_eq!(driver.publications(&publish_v3(1, 7, "a", b"x")).len(), 0, "it would overtake the one before");
    driver.publications(&publish_v3(2, 6, "a", b"x"));
    driver.machine.durable(Position(1), 0);
    assert_eq!(driver.output(), b"\x50\x02\0\x04\x70\x02\0\x04");
    assert_eq!(driver.machine.pending(), 0);
    driver.receive(b"\xc0\0");
    assert_eq!(driver.output(), b"\xd0\0", "and it goes on to be served");
}

#[test]
fn what_follows_a_connect_in_the_same_read_waits_for_the_admission() {
    let mut driver = Driver::new();
    let mut bytes = CONNECT_V3.to_vec();
    bytes.extend(publish_v3(0, 0, "a", b"1"));
    bytes.extend_from_slice(b"\xe0\0");
    assert_eq!(driver.publications(&bytes).len(), 1);
    assert_eq!(driver.output(), b"\x20\x02\0\0");
    assert_eq!(driver.machine.ended(), Some(&End::Disconnected));
}

#[test]
fn packet_identifier_zero_is_refused_before_the_protocol_crate_panics() {
    let mut driver = Driver::connected(CONNECT_V5);
    assert_eq!(driver.publications(&publish_v3(1, 0, "a", b"")).len(), 0);
    assert_eq!(driver.refused_for(), Some(Reason::MalformedPacket));
    let told = driver.output();
    assert_eq!((told[0], told[2]), (0xe0, 0x81));
}

#[test]
fn a_second_connect_is_told_to_be_one() {
    let mut driver = Driver::connected(CONNECT_V3);
    driver.receive(CONNECT_V3);
    let told = format!("{:?}", driver.machine.ended());
    assert!(told.contains("CONNECT is against the standard: a second one on its connection"), "{told}");
}

#[test]
fn a_packet_is_too_large_by_its_header_alone() {
    let mut driver = Driver::connected(CONNECT_V5);
    driver.receive(b"\x30\xff\xff\xff\x7f");
    assert_eq!(driver.refused_for(), Some(Reason::PacketTooLarge));
    let told = driver.output();
    assert_eq!((told[0], told[2]), (0xe0, 0x95));
    assert!(String::from_utf8_lossy(&told).contains("larger than mqtt.packet_bytes_max"), "and why");
}

#[test]
fn a_topic_past_a_limit_costs_a_v5_client_the_message_and_a_v3_client_the_connection() {
    let deep = "a/b/c/d/e";
    let mut v3 = Driver::connected(CONNECT_V3);
    v3.receive(&publish_v3(1, 1, deep, b""));
    assert_eq!(v3.refused_for(), Some(Reason::InvalidTopic));

    let mut v5 = Driver::connected(CONNECT_V5_TERSE);
    let requests = v5.receive(b"\x32\x0e\0\x09a/b/c/d/e\0\x05\0");
    assert!(matches!(&requests[..], [Request::Refused { reason: Reason::InvalidTopic, .. }]), "{requests:?}");
    v5.machine.durable(Position::START, 0);
    assert_eq!(v5.output(), b"\x40\x03\0\x05\x90");
    assert_eq!(v5.machine.ended(), None);
}

#[test]
fn silence_ends_a_connection_after_one_and_a_half_keep_alives() {
    let mut driver = Driver::connected(CONNECT_V5);
    let start = driver.now.instant;
    driver.machine.tick(start + Duration::from_millis(14_999));
    assert_eq!(driver.machine.ended(), None);
    driver.now.instant = start + Duration::from_secs(14);
    driver.receive(b"\xc0\0");
    assert_eq!(driver.output(), b"\xd0\0");
    driver.machine.tick(start + Duration::from_millis(28_999));
    assert_eq!(driver.machine.ended(), None);
    driver.machine.tick(start + Duration::from_secs(29));
    assert_eq!(driver.machine.ended(), Some(&End::KeepAliveTimeout));
    assert_eq!(driver.output(), b"\xe0\x01\x8d");
}

#[test]
fn a_keep_alive_of_zero_never_times_out_and_a_missing_connect_does() {
    let mut driver = Driver::connected(b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x02c1");
    assert_eq!(driver.machine.deadline(), None);
    driver.machine.tick(driver.now.instant + Duration::from_secs(1_000_000));
    assert_eq!(driver.machine.ended(), None);

    let mut silent = Driver::new();
    silent.machine.tick(silent.now.instant + Duration::from_secs(10));
    assert_eq!(silent.machine.ended(), Some(&End::ConnectTimeout));
}

#[test]
fn an_unknown_version_is_told_so_in_words_of_3_1_1() {
    let mut driver = Driver::new();
    driver.receive(b"\x10\x0e\0\x04MQTT\x03\x02\0\x0a\0\x02c1");
    assert_eq!(driver.output(), b"\x20\x02\0\x01");
    assert_eq!(driver.refused_for(), Some(Reason::MalformedPacket));
}

#[test]
fn deliveries_keep_within_what_the_client_takes_at_a_time() {
    let mut driver = Driver::connected(CONNECT_V3);
    let delivery = Delivery::for_tests("t", b"x");
    assert_eq!(driver.deliver(delivery.clone()), Some(Delivered::Sent));
    assert_eq!(driver.deliver(delivery), Some(Delivered::Sent));
    assert!(!driver.machine.takes(Qos::AtLeastOnce) && driver.machine.takes(Qos::AtMostOnce));
    assert_eq!(driver.output(), b"\x32\x06\0\x01t\0\x01x\x32\x06\0\x01t\0\x02x");
    driver.receive(b"\x40\x02\0\x01");
    assert!(driver.machine.takes(Qos::AtLeastOnce));
}

#[test]
fn a_qos_2_delivery_is_released_after_its_pubrec() {
    let mut driver = Driver::connected(CONNECT_V3);
    driver.deliver(Delivery { qos: Qos::ExactlyOnce, ..Delivery::for_tests("t", b"x") });
    driver.output();
    driver.receive(b"\x50\x02\0\x01");
    assert_eq!(driver.output(), b"\x62\x02\0\x01");
    driver.receive(b"\x70\x02\0\x01");
    assert_eq!(driver.machine.ended(), None);
}

#[test]
fn a_release_that_was_sent_again_is_completed_by_a_pubcomp_of_any_length() {
    let reason = [&b"\x1f\0\x96"[..], &[b'x'; 150]].concat();
    let long = [&b"\x70\x9e\x01\0\x09\x92\x99\x01"[..], &reason].concat();
    for pubcomp in [&b"\x70\x02\0\x09"[..], &long] {
        let mut driver = Driver::connected(CONNECT_V5);
        let before = Delivery { number: 3, packet_id: 9, is_released: true, ..Delivery::for_tests("t", b"x") };
        driver.deliver(Delivery { qos: Qos::ExactlyOnce, ..before });
        assert_eq!(driver.output(), b"\x62\x02\0\x09");
        let requests = driver.receive(pubcomp);
        assert!(matches!(requests[..], [Request::Settled { number: 3 }]), "{requests:?}");
        assert_eq!(driver.machine.ended(), None);
    }
}

#[test]
fn a_subscribe_is_answered_filter_by_filter() {
    let mut driver = Driver::connected(CONNECT_V3);
    let requests = driver.receive(b"\x82\x0a\0\x09\0\x01a\x01\0\x01+\x02");
    let [Request::Subscribe { packet_id: 9, filters }] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((filters[0].filter.as_str(), filters[1].options.qos), ("a", Qos::ExactlyOnce));
    driver.machine.subscribed(9, &[SubscribeOutcome::Granted(Qos::AtLeastOnce), SubscribeOutcome::QuotaExceeded], 0);
    assert_eq!(driver.output(), b"\x90\x04\0\x09\x01\x80");
}

#[test]
fn a_will_is_left_unless_the_client_says_goodbye() {
    let connect = b"\x10\x15\0\x04MQTT\x04\x06\0\x0a\0\x02c1\0\x01w\0\x02by";
    let mut lost = Driver::connected(connect);
    lost.machine.end(End::Lost);
    let (will, _) = lost.machine.take_will(5).expect("a will");
    assert_eq!((will.topic.as_str(), &will.payload[..], will.received_ms), ("w", &b"by"[..], 5));

    let mut polite = Driver::connected(connect);
    polite.receive(b"\xe0\0");
    assert_eq!(polite.machine.take_will(5), None);
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_the_publications_are_the_same(
        sizes in prop::collection::vec(0_usize..100, 1..10),
        cuts in prop::collection::vec(1_usize..40, 1..40),
    ) {
        let mut bytes = CONNECT_V3.to_vec();
        for (n, size) in sizes.iter().enumerate() {
            bytes.extend(publish_v3(1, n as u16 + 1, "t", &vec![b'x'; *size]));
        }
        let mut driver = Driver::new();
        let mut got = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            got.extend(driver.publications(now).into_iter().map(|p| p.payload.len()));
            rest = later;
            if rest.is_empty() { break; }
        }
        prop_assert_eq!(got, sizes);
    }

    #[test]
    fn no_bytes_make_the_machine_panic(noise in prop::collection::vec(any::<u8>(), 0..200), v5 in any::<bool>()) {
        let mut driver = Driver::connected(if v5 { CONNECT_V5 } else { CONNECT_V3 });
        driver.receive(&noise);
        driver.machine.appended(Position(1), usize::MAX);
        driver.machine.durable(Position(1), 0);
    }
}

/// A v5 PUBLISH with properties; QoS 1, packet identifier 1.
fn publish_v5(topic: &str, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let topic_bytes = u16::try_from(topic.len()).expect("a short topic").to_be_bytes();
    let length = u8::try_from(properties.len()).expect("few properties");
    let body = [&topic_bytes[..], topic.as_bytes(), &[0, 1, length], properties, payload].concat();
    [&[0x32, u8::try_from(body.len()).expect("a short packet")], &body[..]].concat()
}

fn told(driver: &mut Driver, packet: &[u8]) -> (Option<u8>, String) {
    driver.receive(packet);
    driver.machine.durable(Position(u64::MAX), u64::MAX);
    let output = driver.output();
    (output.get(4).copied(), String::from_utf8_lossy(output.get(9..).unwrap_or_default()).into_owned())
}

#[test]
fn what_a_publication_may_not_is_answered_with_its_code_and_words() {
    let mut limits = Limits::clone(&limits());
    limits.properties = PropertyLimits { bytes_max: 8, user_max: 1, checks_payload_format: true };
    let mut driver = Driver::new();
    driver.machine = Machine::new(Arc::new(limits), driver.now.instant);
    driver.receive(CONNECT_V5);
    driver.output();
    let user = b"\x26\0\x01k\0\x01v";
    for (packet, code, words) in [
        (publish_v5("$SYS/broker/uptime", &[], b"1"), 0x87, "$SYS/"),
        (publish_v5("a", &[&user[..], user].concat(), b""), 0x97, "mqtt.user_properties_max"),
        (publish_v5("a", b"\x03\0\x09text/html", b""), 0x97, "mqtt.properties_bytes_max"),
        (publish_v5("a", b"\x01\x01", b"\xff"), 0x99, "UTF-8"),
    ] {
        let (told_code, told_words) = told(&mut driver, &packet);
        assert_eq!(told_code, Some(code), "{words}");
        assert!(told_words.contains(words), "{told_words:?} says nothing of {words}");
        assert!(driver.machine.ended().is_none(), "{words}: the client goes on");
    }
    assert_eq!(driver.publications(&publish_v5("a", user, b"\xff")).len(), 1, "within the limits");
}

#[test]
fn a_client_that_wants_no_reasons_gets_the_code_alone() {
    let mut driver = Driver::connected(CONNECT_V5_TERSE);
    driver.receive(&publish_v5("$SYS/x", &[], b"1"));
    driver.machine.durable(Position(u64::MAX), u64::MAX);
    assert_eq!(driver.output(), b"\x40\x03\0\x01\x87");
}

#[test]
fn a_reason_that_does_not_fit_the_clients_packets_is_left_out() {
    let mut driver = Driver::connected(b"\x10\x14\0\x04MQTT\x05\x02\0\x0a\x05\x27\0\0\0\x20\0\x02c1");
    driver.output();
    driver.receive(&publish_v5("$SYS/x", &[], b"1"));
    driver.machine.durable(Position(u64::MAX), u64::MAX);
    assert_eq!(driver.output(), b"\x40\x03\0\x01\x87");
}

#[test]
fn a_3_1_1_client_that_speaks_for_the_server_is_acknowledged_and_dropped() {
    let mut driver = Driver::connected(CONNECT_V3);
    let requests = driver.receive(&publish_v3(1, 1, "$SYS/broker/uptime", b"1"));
    assert!(matches!(requests[..], [Request::Refused { reason: Reason::NotAuthorized, .. }]), "{requests:?}");
    driver.machine.durable(Position(u64::MAX), u64::MAX);
    assert_eq!(driver.output(), b"\x40\x02\0\x01");
}

#[test]
fn a_packet_is_due_by_its_first_byte_and_a_second_later_for_each_kib_that_came() {
    let ends_after = |pieces: &[(u64, usize)]| {
        let limits = Arc::new(Limits { packet_bytes_max: 100_000, ..(*limits()).clone() });
        let now = Now { instant: Instant::now(), unix_ms: 1000 };
        let mut driver = Driver { machine: Machine::new(limits, now.instant), now };
        driver.receive(b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x02c1");
        driver.receive(&publish_v3(0, 0, "a", b"whole"));
        assert_eq!(driver.machine.deadline(), None, "without a keep-alive silence is allowed");
        driver.receive(b"\x30\x80\x80\x04");
        for &(at_s, bytes) in pieces {
            driver.now.instant = now.instant + Duration::from_secs(at_s);
            driver.receive(&vec![b'a'; bytes]);
        }
        let deadline = driver.machine.deadline().expect("a packet has begun");
        driver.machine.tick(deadline - Duration::from_millis(1));
        assert!(driver.machine.ended().is_none());
        driver.machine.tick(deadline);
        assert_eq!(driver.refused_for(), Some(Reason::ClientLimit));
        (deadline - now.instant).as_secs()
    };
    assert_eq!(ends_after(&[]), 30);
    assert_eq!(ends_after(&[(10, 1), (20, 1), (29, 1)]), 30, "a byte now and then gains nothing");
    assert_eq!(ends_after(&[(10, 10 * 1024)]), 40);
}
