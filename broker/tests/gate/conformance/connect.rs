//! CONNECT and CONNACK (sections 3.1 and 3.2).

use super::language::*;
use crate::support::Served;

/// A connection that was refused got nothing, or in version 5 a CONNACK that refuses it.
fn is_refusal(version: Version, answer: &[u8]) -> bool {
    match answer {
        [] => true,
        [0x20, _, 0, code, ..] => version == V5 && *code >= 0x80,
        _ => false,
    }
}

#[tokio::test]
async fn a_connect_that_contradicts_the_standard_is_refused() {
    let served = Served::start();
    let mut wrong = Vec::new();
    for version in BOTH {
        let c = || version.connect("c");
        let mut cases = vec![
            ("the reserved flag", c().flags(1)),
            ("will QoS 3", c().will("w", "x", 3, false)),
            ("will QoS without a will", c().flags(0x08)),
            ("will retain without a will", c().flags(0x20)),
            ("a will that is not there", c().flags(4)),
            ("a user name that is not announced", c().append(text("u"))),
            ("a user name that is not there", c().flags(0x80)),
            ("a password that is not announced", c().user("u").append(text("p"))),
            ("a password that is not there", c().user("u").flags(0x40)),
            ("a client identifier that is not UTF-8", version.connect(b"\xff")),
            ("a surrogate in the client identifier", version.connect(b"\xed\xa0\x80")),
            ("U+0000 in the client identifier", version.connect("a\0b")),
            ("a will topic that is not UTF-8", c().will(b"\xff", "x", 0, false)),
            ("U+0000 in the will topic", c().will("a\0b", "x", 0, false)),
            ("a wildcard in the will topic", c().will("a/#", "x", 0, false)),
            ("a user name that is not UTF-8", c().user(b"\xff")),
            ("U+0000 in the user name", c().user("a\0b")),
            ("another protocol name", c().named("MQTX", 4)),
            ("no client identifier", Connect::without_payload(version)),
        ];
        if version == V3 {
            cases.push(("a password without a user name", c().password("p")));
        } else {
            cases.extend([
                ("a property twice", c().with(property::receive_maximum(1)).with(property::receive_maximum(1))),
                ("a receive maximum of 0", c().with(property::receive_maximum(0))),
                ("a maximum packet size of 0", c().with(property::maximum_packet_size(0))),
                ("a property of PUBLISH", c().with(property::topic_alias(1))),
                ("an unknown property", c().with(property::byte(0x7f, 1))),
                ("request problem information 2", c().with(property::byte(0x17, 2))),
                ("authentication data without a method", c().with(property::string(0x16, "x"))),
                ("U+0000 in a user property", c().with(property::user("k", "a\0b"))),
                ("a will property that is none", c().will_with(&[property::receive_maximum(1)], "w", "x")),
                (
                    "a wildcard in the will's response topic",
                    c().will_with(&[property::response_topic("a/+")], "w", "x"),
                ),
            ]);
        }
        for (what, connect) in cases {
            let answer = answer_to(&served, connect).await;
            if !is_refusal(version, &answer) {
                wrong.push(format!("{version:?} {what}: {answer:x?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(served.stats().connections, 0);
}

#[tokio::test]
async fn the_first_packet_is_a_connect_and_there_is_no_second() {
    let served = Served::start();
    for first in [PINGREQ.to_vec(), V3.publish("a", "x").into(), V5.subscribe(&[("a", 0)]), b"\xf0\0".to_vec()] {
        assert_eq!(answer_to(&served, first.clone()).await, b"", "{first:x?}");
    }
    for version in BOTH {
        let mut client = Client::new(&served, version, "c").await;
        client.send(version.connect("c")).await;
        assert_eq!(client.ended(0x82).await, Ok(()));
    }
    assert_eq!(served.log.publications(), []);
}

#[tokio::test]
async fn a_version_that_is_not_served_is_told_so_and_closed() {
    let served = Served::start();
    for level in [0, 3, 6] {
        assert_eq!(answer_to(&served, V3.connect("c").named("MQTT", level)).await, b"\x20\x02\0\x01", "{level}");
    }
}

#[tokio::test]
async fn a_client_identifier_of_the_standards_alphabet_is_taken() {
    let served = Served::start();
    for version in BOTH {
        for id in ["0", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ"] {
            Client::new(&served, version, id).await.has_nothing().await;
        }
    }
}

#[tokio::test]
async fn an_empty_client_identifier_is_replaced_by_one_that_nobody_has() {
    let served = Served::start();
    let assigned = |client: &Client| {
        let at = client.connack.windows(2).position(|two| two == [0x12, 0]).expect("an assigned identifier");
        client.connack[at..][..3 + usize::from(client.connack[at + 2])].to_vec()
    };
    let mut one = Client::new(&served, V5, "").await;
    let two = Client::connected(&served, V5.connect("").keeping()).await;
    assert_ne!(assigned(&one), assigned(&two));
    assert!(!two.session_is_present());
    one.has_nothing().await;
    Client::new(&served, V3, "").await.has_nothing().await;
    assert_eq!(answer_to(&served, V3.connect("").resuming()).await, b"\x20\x02\0\x02");
}

#[tokio::test]
async fn a_client_identifier_past_the_limit_is_refused_with_its_code() {
    let served = Served::with(|config| config.client_id_bytes_max = 30);
    let long = "c".repeat(31);
    assert_eq!(answer_to(&served, V3.connect(&long)).await, b"\x20\x02\0\x02");
    assert_eq!(answer_to(&served, V5.connect(&long)).await[..4][2..], [0, 0x85]);
}

#[tokio::test]
async fn version_5_takes_a_password_without_a_user_name() {
    let served = Served::start();
    Client::connected(&served, V5.connect("c").password("secret")).await.has_nothing().await;
    let will = V5.connect("c").will_with(&[property::user("k", "v")], "w", "x").password("secret");
    Client::connected(&served, will).await.has_nothing().await;
}

#[tokio::test]
async fn what_follows_a_refused_connect_is_not_processed() {
    let served = Served::start();
    for version in BOTH {
        let mut bytes: Vec<u8> = version.connect("c".repeat(300)).into();
        bytes.extend(Vec::from(version.publish("a", "x")));
        bytes.extend_from_slice(PINGREQ);
        let answer = answer_to(&served, bytes).await;
        assert_eq!((answer[0], answer.len()), (0x20, usize::from(answer[1]) + 2), "a CONNACK alone: {answer:x?}");
    }
    assert_eq!(served.log.publications(), []);
}

#[tokio::test]
async fn the_connack_comes_first_and_once() {
    let served = Served::start();
    for version in BOTH {
        let mut bytes: Vec<u8> = version.connect("c").into();
        bytes.extend(Vec::from(version.publish("a", "x").qos(1, 7)));
        bytes.extend_from_slice(PINGREQ);
        bytes.extend_from_slice(GOODBYE);
        let mut answer = answer_to(&served, bytes).await;
        let mut types = Vec::new();
        while !answer.is_empty() {
            types.push(answer[0]);
            answer.drain(..usize::from(answer[1]) + 2);
        }
        assert_eq!(types[0], 0x20);
        assert!(!types[1..].contains(&0x20), "{version:?}: {types:x?}");
    }
    assert_eq!(served.log.payloads(), ["x", "x"]);
}

#[tokio::test]
async fn a_client_that_takes_no_connack_gets_none_and_is_closed() {
    let served = Served::start();
    assert_eq!(answer_to(&served, V5.connect("c").with(property::maximum_packet_size(5))).await, b"");
    let refused = V5.connect("c".repeat(300)).with(property::maximum_packet_size(5));
    assert_eq!(answer_to(&served, refused).await, b"\x20\x03\0\x85\0", "no reason string where it is too large");
}

#[tokio::test]
async fn response_information_is_given_to_nobody() {
    let served = Served::start();
    for asked in [0, 1] {
        let client = Client::connected(&served, V5.connect("c").with(property::byte(0x19, asked))).await;
        let reference = Client::new(&served, V5, "d").await;
        assert_eq!(client.connack, reference.connack);
    }
}

#[tokio::test]
async fn the_connack_says_nothing_of_what_is_fully_served() {
    let served = Served::start();
    let client = Client::new(&served, V5, "c").await;
    let mut properties = client.connack[5..].to_vec();
    let mut ids = Vec::new();
    while !properties.is_empty() {
        ids.push(properties[0]);
        properties.drain(..if properties[0] == 0x27 { 5 } else { 3 });
    }
    assert_eq!(
        ids,
        [0x21, 0x27, 0x22],
        "receive maximum, maximum packet size, topic alias maximum: nothing is missing"
    );
}

#[tokio::test]
async fn enhanced_authentication_is_refused_with_its_code() {
    let served = Served::start();
    let connect = V5.connect("c").with(property::authentication_method("SCRAM-SHA-256"));
    let answer = answer_to(&served, connect.clone()).await;
    assert_eq!(answer[2..4], [0, 0x8c], "{answer:x?}");
    let answer = answer_to(&served, connect.with(property::string(0x16, "data"))).await;
    assert_eq!(answer[2..4], [0, 0x8c], "{answer:x?}");
    let method = V5.properties(&[property::authentication_method("m")]);
    each_ends(
        V5,
        &[
            ("AUTH without a method in the CONNECT", b"\xf0\0".to_vec(), 0x82),
            ("authentication again", packet(0xf0, &[&[0x19], &method]), 0x82),
            ("reserved flags of AUTH", b"\xf1\0".to_vec(), 0x81),
        ],
    )
    .await;
}
