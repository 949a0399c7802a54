use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::promises::Site;
use crate::live::LiveConfig;

fn watch(id: u32, rate: Option<f64>) -> Value {
    json!({"type":"subscribe","id":id,"rate":rate,"view":{"kind":"devices","devices":["dev1"]}})
}

#[tokio::test]
async fn an_envelope_counts_what_came_since_the_last_value_and_nothing_twice() {
    let mut site = Site::new(3, LiveConfig::default()).await;
    site.publish(1, 0.0);
    let mut viewers = Vec::new();
    for rate in [None, Some(20.0), Some(8.0), Some(3.0)] {
        let mut viewer = site.connect().await;
        viewer.subscribe(watch(1, rate)).await;
        viewers.push(tokio::spawn(async move {
            let (mut last, mut skipped) = (0.0, 0);
            while last < 60.0 {
                let cell = viewer.delta().await["r"][0][2].clone();
                let Some(newest) = cell.get("v").and_then(Value::as_f64) else {
                    assert_eq!(cell.as_f64(), Some(last + 1.0), "no value was passed over");
                    last += 1.0;
                    continue;
                };
                let figures = [&cell["n"], &cell["lo"], &cell["hi"]].map(Value::as_f64);
                assert_eq!(figures, [newest - last, last + 1.0, newest].map(Some), "after {last}: {cell}");
                (last, skipped) = (newest, skipped + 1);
                viewer.seen().await;
            }
            skipped
        }));
    }
    for value in 1..=60 {
        sleep(Duration::from_millis(25)).await;
        site.publish(1, f64::from(value));
    }
    let mut skipped = Vec::new();
    for viewer in viewers {
        skipped.push(viewer.await.unwrap());
    }
    assert!(skipped[2] > 5 && skipped[3] > 2, "those with a rate had envelopes: {skipped:?}");
}

#[tokio::test]
async fn who_begins_wrong_hears_in_words_what_was_wrong() {
    let site = Site::new(1, LiveConfig { hello_timeout: Duration::from_millis(300), ..LiveConfig::default() }).await;
    let large = format!("{{\"type\":\"hello\",\"filling\":\"{}\"}}", "x".repeat(70_000));
    let hello = json!({"type":"hello","protocol":3,"encoding":"json"});
    for (first, code, words) in [
        (Some(Message::binary(vec![8, 1, 18, 4])), 4001, "binary"),
        (Some(Message::text("SUBSCRIBE dev1")), 4001, "not JSON"),
        (Some(Message::text("null")), 4001, "expected an object with a `type`"),
        (Some(Message::text(r#"{"type":"hello","protocol":2}"#)), 4001, "missing field `encoding`"),
        (Some(Message::text(watch(1, None).to_string())), 4001, "the first message must be a `hello`"),
        (Some(Message::text(large)), 4003, "limits.message_bytes"),
        (Some(Message::text(hello.to_string())), 4002, "protocol 2 with encoding \"json\""),
        (None, 4001, "none came within 300 ms"),
    ] {
        let mut client = site.dial().await;
        let is_silent = first.is_none();
        if let Some(first) = first {
            client.socket.send(first).await.unwrap();
            // It goes on talking, as who does not wait for answers.
            _ = client.socket.send(Message::binary(vec![0; 2_000])).await;
        }
        let error = client.hear().await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        let Some(Ok(Message::Close(Some(close)))) = client.socket.next().await else {
            panic!("no word of the end after {error}")
        };
        assert_eq!(close.code, CloseCode::from(code), "{is_silent}");
        assert!(error["message"].as_str().unwrap().starts_with(close.reason.as_str()), "{close:?}");
    }
}

#[tokio::test]
async fn a_binary_message_in_a_session_is_told_as_one_and_the_session_goes_on() {
    let site = Site::new(1, LiveConfig::default()).await;
    let mut client = site.connect().await;
    client.socket.send(Message::binary(vec![1])).await.unwrap();
    let error = client.hear().await;
    assert_eq!(error["code"], 4000);
    assert!(error["message"].as_str().unwrap().contains("binary"), "{error}");
    client.say(json!({"type":"ping","n":7})).await;
    assert_eq!(client.hear().await["n"], 7);
}

#[tokio::test]
async fn nobody_has_to_wait_for_the_welcome_and_fields_of_a_newer_client_are_passed_over() {
    let site = Site::new(2, LiveConfig::default()).await;
    let mut client = site.dial().await;
    let mut subscribe = watch(1, None);
    subscribe["colour"] = json!("blue");
    client.say(json!({"type":"hello","protocol":2,"encoding":"json","max_rate":4,"compression":["zstd"]})).await;
    client.say(subscribe).await;
    client.say(json!({"type":"seen","bytes":0,"loss":0.1})).await;
    let welcome = client.hear().await;
    assert_eq!((&welcome["max_rate"], &welcome["max_bytes_per_second"]), (&json!(4.0), &json!(null)));
    assert_eq!(client.hear().await, json!({"type":"subscribed","id":1,"rate":4.0}));
    assert_eq!(client.hear().await["rows"][0]["id"], "site/dev1");
    // But for those of a view, which would show something else.
    let chart = json!({"kind":"series","series":[{"device":"dev1","metric":"co2"}],"last":9,"width":9,"grupo":1});
    for view in [json!({"kind":"fleet","grupo":"site"}), chart] {
        client.say(json!({"type":"subscribe","id":2,"view":view})).await;
        let error = client.hear().await;
        assert!(error["code"] == 4101 && error["message"].as_str().unwrap().contains("`grupo`"), "{error}");
    }
}

#[tokio::test]
async fn every_wish_is_answered_with_what_was_granted() {
    let mut site = Site::new(3, LiveConfig::default()).await;
    let mut client = site.connect().await;
    for (id, rate, kind, granted) in [
        (1, json!(5), json!({"kind":"device","device":"dev1"}), json!(5.0)),
        (2, json!(null), json!({"kind":"devices","devices":["dev2"]}), json!(null)),
        (3, json!(50), json!({"kind":"fleet"}), json!(10.0)),
        (4, json!(0.5), json!({"kind":"group"}), json!(0.5)),
        (5, json!(5), json!({"kind":"alerts"}), json!(null)),
    ] {
        client.say(json!({"type":"subscribe","id":id,"view":kind,"rate":rate})).await;
        let subscribed = client.hear_of("subscribed").await;
        assert_eq!((&subscribed["id"], &subscribed["rate"]), (&json!(id), &granted));
        client.hear_of("snapshot").await;
    }
    client.say(json!({"type":"update","id":2,"add":["dev1"],"rate":2})).await;
    assert_eq!(client.hear_of("updated").await, json!({"type":"updated","id":2,"rate":2.0}));
    assert_eq!(client.delta().await["a"][0]["id"], "site/dev1", "what comes after it shows the change");
    client.say(json!({"type":"unsubscribe","id":1})).await;
    client.say(json!({"type":"unsubscribe","id":1})).await;
    assert_eq!(client.hear_of("unsubscribed").await["id"], 1);
    assert_eq!(client.hear_of("error").await["id"], 1, "it was answered once");
    client.say(json!({"type":"subscribe","id":1,"view":{"kind":"device","device":"dev0"}})).await;
    assert_eq!(client.hear_of("subscribed").await["id"], 1, "the number is free again");
    site.publish(0, 1.0);
    assert_eq!(client.delta().await["d"][0], 1);
}

#[tokio::test]
async fn a_rate_that_is_met_is_told_of_its_subscription_until_it_is_taken_away() {
    let mut site = Site::new(3, LiveConfig::default()).await;
    let mut client = site.connect().await;
    client.subscribe(watch(1, Some(4.0))).await;
    client.subscribe(json!({"type":"subscribe","id":2,"view":{"kind":"device","device":"dev2"}})).await;
    for value in 0..10 {
        site.publish(1, f64::from(value));
        site.publish(2, f64::from(value));
        sleep(Duration::from_millis(5)).await;
    }
    let told = client.hear_of("pace").await;
    assert_eq!(told, json!({"type":"pace","id":1,"rate":4.0,"reason":"rate_limit"}));
    client.say(json!({"type":"update","id":1,"rate":0})).await;
    assert_eq!(client.hear_of("updated").await["rate"], json!(null));
    assert_eq!(client.hear_of("pace").await, json!({"type":"pace","id":1,"rate":null,"reason":"full"}));
}

#[tokio::test]
async fn who_forgets_to_say_what_it_saw_is_told_so_by_name() {
    let mut site = Site::new(2, LiveConfig { pace_after: Duration::from_millis(100), ..LiveConfig::default() }).await;
    let mut client = site.connect().await;
    client.subscribe(watch(1, None)).await;
    let pace = loop {
        for _ in 0..20 {
            site.publish(1, 20.0);
            tokio::task::yield_now().await;
        }
        if let Ok(pace) = tokio::time::timeout(Duration::from_millis(20), client.hear_of("pace")).await {
            break pace;
        }
    };
    assert_eq!(pace, json!({"type":"pace","rate":0.0,"reason":"unseen"}));
    client.seen().await;
    assert_eq!(client.hear_of("pace").await["reason"], "full");
}
