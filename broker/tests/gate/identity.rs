//! Who is let in, and what they may do, over real sockets with clients that people use.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use crate::support::Served;
use tempfile::TempDir;
use tidegate_identity::{Authority, GuardConfig, IdentityConfig, Right, set_password};
use tidegate_telemetry::Reason;
use tokio::process::Command;

fn identity(folder: &TempDir) -> IdentityConfig {
    let file = folder.path().join("users");
    for (user, password) in [("truck", "secret"), ("car", "other")] {
        set_password(&file, user, password.as_bytes()).unwrap();
    }
    let guard = GuardConfig { failures_free: 100, ..GuardConfig::default() };
    IdentityConfig { password_file: Some(file), guard, ..IdentityConfig::default() }
}

fn served(identity: IdentityConfig) -> Served {
    let authority = Arc::new(Authority::open(identity).unwrap());
    Served::with(|config| config.authority = authority)
}

fn right(topic: &str, publish: bool, subscribe: bool) -> Right {
    Right { user: Some("*".into()), topic: topic.into(), publish, subscribe, ..Right::default() }
}

async fn mosquitto_pub(served: &Served, arguments: &[&str]) -> Output {
    let port = served.address.port().to_string();
    let command = Command::new("mosquitto_pub").args(["-p", &port]).args(arguments).kill_on_drop(true).output();
    tokio::time::timeout(Duration::from_secs(10), command).await.expect("it ends").expect("mosquitto-clients is there")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A CONNECT with user and password of either version.
fn connect(level: u8, client: &str, user: &str, password: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, 0xc2, 0, 0];
    if level == 5 {
        body.push(0);
    }
    for part in [client.as_bytes(), user.as_bytes(), password] {
        body.extend_from_slice(&(part.len() as u16).to_be_bytes());
        body.extend_from_slice(part);
    }
    let mut packet = vec![0x10];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        packet.push((length % 128) as u8 | more);
        length /= 128;
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(&body);
    packet
}

async fn answer(served: &Served, level: u8, client: &str, user: &str, password: &[u8]) -> u8 {
    let mut raw = served.raw().await;
    raw.send(&connect(level, client, user, password)).await;
    raw.read(4).await[3]
}

#[tokio::test]
async fn mosquitto_pub_comes_in_with_its_password_and_not_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(identity(&folder));
    for version in ["mqttv311", "mqttv5"] {
        let with = ["-V", version, "-t", "a", "-q", "1", "-m", version, "-u", "truck", "-P"];
        let good = mosquitto_pub(&served, &[&with[..], &["secret"]].concat()).await;
        assert!(good.status.success(), "{}", said(&good));
        let wrong = mosquitto_pub(&served, &[&with[..], &["secreT"]].concat()).await;
        assert!(
            !wrong.status.success() && said(&wrong).to_lowercase().contains("bad user name or password"),
            "{}",
            said(&wrong)
        );
        let nothing = mosquitto_pub(&served, &["-V", version, "-t", "a", "-m", "x"]).await;
        assert!(
            !nothing.status.success() && said(&nothing).to_lowercase().contains("not authori"),
            "{}",
            said(&nothing)
        );
    }
    assert_eq!(served.log.payloads(), ["mqttv311", "mqttv5"]);
    assert!(served.log.publications().iter().all(|publication| publication.principal == "truck"));
    assert_eq!(served.problems.count(Reason::BadCredentials), 2);
    assert_eq!(served.problems.count(Reason::NotAuthorized), 2);
}

#[tokio::test]
async fn each_refusal_has_its_code_in_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(identity(&folder));
    assert_eq!(answer(&served, 4, "c", "truck", b"secret").await, 0);
    assert_eq!(answer(&served, 4, "c", "truck", b"wrong").await, 4);
    assert_eq!(answer(&served, 4, "c", "nobody", b"secret").await, 4);
    assert_eq!(answer(&served, 5, "c", "truck", b"wrong").await, 0x86);
    let mut nothing = served.raw().await;
    nothing.connect(5, 2, "c").await;
    assert_eq!(nothing.read(4).await[3], 0x87);
    let mut nothing = served.raw().await;
    nothing.connect(4, 2, "c").await;
    assert_eq!(nothing.read(4).await, b"\x20\x02\0\x05");
}

#[tokio::test]
async fn what_a_client_has_no_right_to_is_refused_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rights = vec![
        right("own/%u/%c", true, false),
        Right { retain: true, ..right("kept/%u", true, false) },
        right("news/+", false, true),
    ];
    let served = served(IdentityConfig { rights, ..identity(&folder) });
    let mut v5 = served.raw().await;
    v5.send(&connect(5, "c5", "truck", b"secret")).await;
    assert_eq!(v5.read(4).await[3], 0);
    v5.drained().await;
    for (first, topic, code) in [
        (0x32, "own/truck/c5", 0),
        (0x32, "own/truck/c6", 0x87),
        (0x32, "own/car/c5", 0x87),
        (0x33, "own/truck/c5", 0x87),
        (0x33, "kept/truck", 0),
        (0x34, "news/a", 0x87),
    ] {
        v5.publish_v5(first, 7, topic, b"1").await;
        let head = v5.read(2).await;
        let rest = v5.read(head[1].into()).await;
        assert_eq!(rest.get(2).copied().unwrap_or(0), code, "{first:#x} {topic}");
        assert_eq!(head[0], if first == 0x34 { 0x50 } else { 0x40 });
    }
    for (filter, code) in [("news/+", 1), ("news/a", 1), ("news/#", 0x87), ("#", 0x87), ("own/truck/c5", 0x87)] {
        assert_eq!(v5.suback(5, filter).await, code, "{filter}");
    }
    v5.is_served().await;

    let mut v3 = served.raw().await;
    v3.send(&connect(4, "c3", "truck", b"secret")).await;
    assert_eq!(v3.read(4).await, b"\x20\x02\0\0");
    assert_eq!(v3.suback(4, "#").await, 0x80);
    v3.publish(0x30, 0, b"news/a", b"dropped").await;
    v3.publish(0x32, 1, b"own/truck/c3", b"2").await;
    assert_eq!(v3.read(4).await, b"\x40\x02\0\x01");
    v3.publish(0x32, 2, b"news/a", b"never acknowledged").await;
    assert_eq!(v3.rest().await, b"", "a 3.1.1 client cannot be told, so it loses its connection");
    assert_eq!(served.log.payloads(), ["1", "1", "2"]);
}

#[tokio::test]
async fn a_will_without_the_right_to_it_is_refused_at_the_connect() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(IdentityConfig { rights: vec![right("own/#", true, false)], ..identity(&folder) });
    for (topic, code) in [("own/w", 0), ("other/w", 5)] {
        let arguments = ["-t", "own/a", "-m", "x", "-u", "truck", "-P", "secret", "--will-topic", topic];
        let output = mosquitto_pub(&served, &arguments).await;
        assert_eq!(output.status.success(), code == 0, "{}", said(&output));
    }
}

#[tokio::test]
async fn two_users_with_one_client_identifier_have_a_session_each() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(identity(&folder));
    let mut truck = served.raw().await;
    truck.send(&connect(4, "same", "truck", b"secret")).await;
    assert_eq!(truck.read(4).await[3], 0);
    let mut car = served.raw().await;
    car.send(&connect(4, "same", "car", b"other")).await;
    assert_eq!(car.read(4).await[3], 0);
    truck.is_served().await;
    car.is_served().await;
    let mut again = served.raw().await;
    again.send(&connect(4, "same", "truck", b"secret")).await;
    assert_eq!(again.read(4).await[3], 0);
    assert_eq!(truck.rest().await, b"", "the same user takes its own over");
    car.is_served().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let guard = GuardConfig { failures_free: 2, failure_delay: Duration::from_secs(60), ..GuardConfig::default() };
    let served = served(IdentityConfig { guard, ..identity(&folder) });
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(answer(&served, 5, "c", "truck", b"guess").await);
    }
    assert_eq!(codes, [0x86, 0x86, 0x86, 0x9f, 0x9f]);
    assert_eq!(answer(&served, 4, "c", "truck", b"secret").await, 3, "not even the right one is looked at");
    assert_eq!(served.problems.count(Reason::BadCredentials), 6);
}

#[tokio::test]
async fn many_devices_come_back_at_once_on_verified_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(identity(&folder));
    assert_eq!(answer(&served, 4, "first", "truck", b"secret").await, 0);
    let begun = std::time::Instant::now();
    for n in 0..200 {
        assert_eq!(answer(&served, 4, &format!("c{n}"), "truck", b"secret").await, 0);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?} for 200: is each verified again?");
}

fn hs256(sub: &str, ends_in_s: i64) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k"}"#);
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{sub}","exp":{}}}"#, now_s + ends_in_s));
    let message = format!("{header}.{claims}");
    let signed = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed.as_ref()))
}

const SECRET: &[u8] = b"a secret of thirty-two bytes or so";

fn tokens(keys: &Path) -> IdentityConfig {
    IdentityConfig { token_keys: Some(keys.to_owned()), token_leeway: Duration::ZERO, ..IdentityConfig::default() }
}

#[tokio::test]
async fn a_token_lets_in_until_it_ends_and_then_the_connection_ends_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("k.secret"), SECRET).unwrap();
    let served = served(tokens(folder.path()));
    assert_eq!(answer(&served, 5, "c", "", hs256("truck", -5).as_bytes()).await, 0x87);
    let mut raw = served.raw().await;
    raw.send(&connect(5, "c", "", hs256("truck", 2).as_bytes())).await;
    assert_eq!(raw.read(4).await[3], 0);
    raw.drained().await;
    raw.is_served().await;
    let farewell = raw.rest().await;
    assert_eq!((farewell[0], farewell[2]), (0xe0, 0x87), "{farewell:x?}");
}

#[tokio::test]
async fn rumqttc_is_told_that_a_password_is_wrong() {
    use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
    use rumqttc::v5::{AsyncClient, ConnectionError, MqttOptions};
    let folder = tempfile::tempdir().unwrap();
    let served = served(identity(&folder));
    let mut options = MqttOptions::new("r5", "127.0.0.1", served.address.port());
    options.set_credentials("truck", "wrong");
    let (_client, mut events) = AsyncClient::new(options, 10);
    let error = tokio::time::timeout(Duration::from_secs(10), events.poll()).await.expect("an answer").unwrap_err();
    assert!(matches!(error, ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword)), "{error:?}");
}

#[tokio::test]
async fn an_address_past_its_connections_is_closed_and_counted() {
    let served = Served::with(|config| config.connections_per_address_max = 2);
    let (mut first, _second) = (served.v3("a").await, served.v3("b").await);
    let mut third = served.raw().await;
    assert_eq!(third.rest().await, b"");
    first.is_served().await;
    served.until("it is counted", |served| served.problems.count(Reason::ClientLimit) == 1).await;
    drop(first);
    served.until("there is room again", |served| served.stats().connections == 1).await;
    served.v3("c").await.is_served().await;
}

#[tokio::test]
async fn a_client_past_its_rate_is_read_slower_and_loses_nothing() {
    let served = Served::with(|config| config.publish_rate_max = 50);
    let (mut fast, mut other) = (served.v3("fast").await, served.v3("other").await);
    let begun = std::time::Instant::now();
    for n in 0..100 {
        fast.publish(0x30, 0, b"t", format!("{n}").as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    other.is_served().await;
    served.until("all of them", |served| served.log.payloads().len() == 100).await;
    // Whatever one read brought in was taken; nothing more is read before its time has come.
    fast.is_served().await;
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(800), "a second's worth at once and the rest at 50/s, not in {took:?}");
}
