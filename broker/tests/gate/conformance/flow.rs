//! Receive maximum, maximum packet size and topic aliases, both ways (sections 3.1.2.11, 3.2.2.3, 3.3.2.3.4 and 4.9).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn more_unacknowledged_publications_than_the_receive_maximum_end_the_connection() {
    for qos in [1, 2] {
        let served = Served::with(|config| config.receive_max = 2);
        served.log.hold();
        let mut client = Client::new(&served, V5, "c").await;
        let publish = |packet_id| Vec::from(V5.publish("a", "x").qos(qos, packet_id));
        client.send([publish(1), publish(2), V5.publish("a", "0").into(), publish(3)].concat()).await;
        assert_eq!(client.ended(0x93).await, Ok(()), "QoS {qos}");
    }
    let served = Served::with(|config| config.receive_max = 2);
    let mut client = Client::new(&served, V5, "c").await;
    for packet_id in 1..=5 {
        client.asks(V5.publish("a", "x").qos(1, packet_id), ack(PUBACK, packet_id)).await;
    }
    client.asks(V5.publish("a", "x").qos(2, 1), ack(PUBREC, 1)).await;
    client.asks(V5.publish("a", "x").qos(2, 2), ack(PUBREC, 2)).await;
    client.asks(V5.publish("a", "x").qos(2, 2).dup(), ack(PUBREC, 2)).await;
    client.asks(ack(PUBREL, 1), ack(PUBCOMP, 1)).await;
    client.asks(V5.publish("a", "x").qos(2, 3), ack(PUBREC, 3)).await;
    client.send(V5.publish("a", "x").qos(2, 4)).await;
    assert_eq!(client.ended(0x93).await, Ok(()), "released ones do not count, others do");
}

#[tokio::test]
async fn no_more_is_sent_than_the_clients_receive_maximum_and_all_else_goes_on() {
    let served = Served::start();
    let mut client = Client::connected(&served, V5.connect("c").with(property::receive_maximum(2))).await;
    client.subscribes("a", 2).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    for payload in ["1", "2", "3", "4"] {
        publisher.says("a", payload).await;
    }
    publisher.asks(V5.publish("a", "5").qos(2, 1), ack(PUBREC, 1)).await;
    client.gets(V5.publish("a", "1").qos(1, 1)).await;
    client.gets(V5.publish("a", "2").qos(1, 2)).await;
    client.has_nothing().await;
    client.asks(V5.publish("b", "x").qos(1, 9), ack(PUBACK, 9)).await;
    client.subscribes("c", 0).await;
    client.asks(V5.unsubscribe(&["c"]), V5.unsuback(&[0])).await;
    client.send([ack(PUBACK, 2), ack(PUBACK, 1)].concat()).await;
    for payload in ["3", "4"] {
        let got = client.packet().await;
        assert!(got.ends_with(payload.as_bytes()), "{got:x?}");
        client.send(ack(PUBACK, u16::from_be_bytes([got[5], got[6]]))).await;
    }
    let got = client.packet().await;
    assert_eq!((got[0], got.ends_with(b"5")), (0x34, true), "{got:x?}");
}

#[tokio::test]
async fn a_packet_past_the_servers_maximum_is_refused_with_its_code() {
    let served = Served::with(|config| config.packet_bytes_max = 100);
    let mut client = Client::new(&served, V5, "c").await;
    let fitting = "x".repeat(100 - 6);
    client.send(V5.publish("a", &fitting)).await;
    client.has_nothing().await;
    client.send(V5.publish("a", format!("{fitting}x"))).await;
    assert_eq!(client.ended(0x95).await, Ok(()));
    assert_eq!(served.log.payloads(), [fitting]);
}

#[tokio::test]
async fn what_is_too_large_for_the_client_is_left_out_as_if_it_had_been_sent() {
    let served = Served::start();
    let connect = || V5.connect("c").keeping().with(property::maximum_packet_size(40));
    let mut client = Client::connected(&served, connect().with(property::receive_maximum(1))).await;
    client.subscribes("a", 2).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    let fits = "x".repeat(40 - 8);
    let too_large = format!("{fits}x");
    for payload in [too_large.as_str(), fits.as_str()] {
        publisher.says("a", payload).await;
        publisher.asks(V5.publish("a", payload).qos(2, 1), ack(PUBREC, 1)).await;
        publisher.asks(ack(PUBREL, 1), ack(PUBCOMP, 1)).await;
    }
    let got = client.packet().await;
    assert_eq!((got.len(), got[0]), (40, 0x32), "{got:x?}");
    client.send(ack(PUBACK, u16::from_be_bytes([got[5], got[6]]))).await;
    let got = client.packet().await;
    assert_eq!((got.len(), got[0]), (40, 0x34), "{got:x?}");
    client.lost(&served, 1).await;
    let mut client = Client::connected(&served, connect()).await;
    let again = client.packet().await;
    assert_eq!((again.len(), again[0]), (40, 0x3c), "only what fits: {again:x?}");
    client.send(b"\xc1\0".as_slice()).await;
    assert_eq!(client.rest().await, b"\xe0\x01\x81", "no reason string where it is too large");
}

#[tokio::test]
async fn every_alias_up_to_the_maximum_is_taken_and_may_be_set_anew() {
    let served = Served::with(|config| config.topic_alias_max = 2);
    let mut client = Client::new(&served, V5, "c").await;
    for (topic, alias) in [("a", 1), ("b", 2), ("", 1), ("", 2), ("c", 1), ("", 1), ("", 2)] {
        client.send(V5.publish(topic, "x").with(property::topic_alias(alias))).await;
    }
    client.has_nothing().await;
    let topics: Vec<String> = served.log.publications().into_iter().map(|p| p.topic).collect();
    assert_eq!(topics, ["a", "b", "a", "b", "c", "c", "b"]);
    let publish = V5.publish("", "x").qos(2, 1).with(property::topic_alias(1));
    client.asks(publish, ack(PUBREC, 1)).await;
    assert_eq!(served.log.publications()[7].topic, "c", "with any QoS");
}

#[tokio::test]
async fn an_alias_lives_as_long_as_its_connection() {
    let served = Served::start();
    let mut client = Client::connected(&served, V5.connect("c").keeping().with(property::topic_alias_maximum(1))).await;
    client.subscribes("a", 1).await;
    client.send(V5.publish("b", "x").with(property::topic_alias(1))).await;
    let mut publisher = Client::new(&served, V5, "p").await;
    publisher.says("a", "x").await;
    client.gets(V5.publish("a", "x").qos(1, 1).with(property::topic_alias(1))).await;
    client.lost(&served, 1).await;
    let mut client = Client::connected(&served, V5.connect("c").keeping()).await;
    client.gets(V5.publish("a", "x").qos(1, 1).dup()).await;
    client.send(ack(PUBACK, 1)).await;
    client.send(V5.publish("", "x").with(property::topic_alias(1))).await;
    assert_eq!(client.ended(0x82).await, Ok(()));
}

#[tokio::test]
async fn a_server_without_aliases_takes_none() {
    let served = Served::with(|config| config.topic_alias_max = 0);
    let mut client = Client::connected(&served, V5.connect("c").with(property::topic_alias_maximum(10))).await;
    client.send(V5.publish("b", "x").with(property::topic_alias(1))).await;
    assert_eq!(client.ended(0x94).await, Ok(()));
}

#[tokio::test]
async fn a_client_that_takes_no_aliases_is_sent_none() {
    let served = Served::start();
    let connect = V5.connect("c").with(property::topic_alias_maximum(0)).password("and no user name");
    let mut client = Client::connected(&served, connect).await;
    client.subscribes("a", 0).await;
    for payload in ["1", "2"] {
        client.says("a", payload).await;
        client.gets(V5.publish("a", payload)).await;
    }
}
