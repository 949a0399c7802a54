//! What is promised, and how each promise is tried. Each try has a site of its own.

use std::future::Future;

use futures_util::future::BoxFuture;
use tidegate_tests::tool;

use super::device::{Device, Hello, Message, Version};
use super::site::{Engine, Site};

/// A promise.
pub struct Promise {
    /// As it stands in the table.
    pub what: &'static str,
    pub try_with: fn(Engine) -> BoxFuture<'static, bool>,
}

macro_rules! promises {
    ($($what:literal => $try:path,)*) => {
        [$(Promise { what: $what, try_with: |engine| Box::pin($try(engine)) },)*]
    };
}

pub const PROMISES: [Promise; 15] = promises![
    "A reading with QoS 0, 1 and 2 arrives, MQTT 3.1.1" => readings_3_1_1,
    "A reading with QoS 0, 1 and 2 arrives, MQTT 5" => readings_5,
    "Both versions are spoken on one port" => one_port,
    "User properties are in the log" => user_properties,
    "Who published is in the log" => publisher,
    "`[identity]`, `[[right]]` and `[[listener]]` are heeded" => identity,
    "A retained message reaches who subscribes later" => retained,
    "… also after the broker was killed" => retained_after_kill,
    "A will is published, and is a reading" => will,
    "Subscriptions with `+` and `#`" => wildcards,
    "A message for a sleeper arrives when it wakes" => sleeper,
    "… also when the broker was killed meanwhile" => sleeper_after_kill,
    "QoS 2 that is sent again after a cut is one reading" => exactly_once,
    "What was acknowledged is stored, though tidegate is killed at once" => killed_tidegate,
    "… though tidegate and the broker are killed at once" => killed_both,
];

/// The log is on disk only after this; whoever acknowledges earlier has promised too much.
const SLOW_LOG: &str = "[log]\ncommit_interval = \"3 s\"\ncommit_bytes = \"16 MiB\"\n";

const PLAIN: Message<'_> =
    Message { topic: "", payload: "", qos: 1, packet_id: 1, retain: false, dup: false, user_property: None };

async fn readings(engine: Engine, version: Version) -> bool {
    let site = Site::start(engine).await;
    let mut device = site.device(version, "reader").await;
    let mut all = true;
    for qos in 0..=2 {
        let topic = format!("site/a/f1/qos-{qos}/temperature");
        let message = Message { topic: &topic, payload: "21.5", qos, packet_id: 7, ..PLAIN };
        all &= device.publish(message).await.is_some() && site.shows(&format!("qos-{qos}")).await;
    }
    all
}

async fn readings_3_1_1(engine: Engine) -> bool {
    readings(engine, Version::V3).await
}

async fn readings_5(engine: Engine) -> bool {
    readings(engine, Version::V5).await
}

async fn one_port(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let at = site.at(Version::V3);
    Device::connect(at, Version::V3, "three").await.is_some()
        && Device::connect(at, Version::V5, "five").await.is_some()
}

async fn user_properties(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let mut device = site.device(Version::V5, "proper").await;
    let user_property = Some(("line", "the-north-line"));
    let message = Message { topic: "site/a/f1/proper/temperature", payload: "21.5", user_property, ..PLAIN };
    device.publish(message).await.is_some() && site.shows("proper").await && site.log_holds("the-north-line").await
}

async fn publisher(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let mut device = site.device(Version::V3, "a-client-with-a-name").await;
    let message = Message { topic: "site/a/f1/named/temperature", payload: "21.5", ..PLAIN };
    device.publish(message).await.is_some() && site.shows("named").await && site.log_holds("a-client-with-a-name").await
}

/// Settings that are not heeded are refused.
async fn identity(engine: Engine) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.toml");
    let asked = "[identity]\nanonymous = \"loopback\"\n[[right]]\ntopic = \"a/#\"\npublish = true\n\
                 [[listener]]\nkind = \"websocket\"\naddress = \"127.0.0.1:0\"\n";
    std::fs::write(&file, format!("[broker]\nengine = {:?}\n{asked}", engine.name())).unwrap();
    let check = ["check", "--config", file.to_str().unwrap()];
    let checked = tokio::process::Command::new(tool::binary("tidegate")).args(check).output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    let refused =
        ["identity", "right[0]", "listener[0]"].iter().all(|key| said.contains(&format!("{key}: is served by")));
    assert_eq!(checked.status.success(), !refused, "{said}");
    !refused
}

async fn retained(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let mut publisher = site.device(Version::V3, "lamp").await;
    publisher.publish(Message { topic: "lamp/1", payload: "kept", retain: true, ..PLAIN }).await.unwrap();
    reaches_later(&site, &mut publisher).await
}

async fn retained_after_kill(engine: Engine) -> bool {
    let mut site = Site::start(engine).await;
    let mut publisher = site.device(Version::V3, "lamp").await;
    publisher.publish(Message { topic: "lamp/1", payload: "kept", retain: true, ..PLAIN }).await.unwrap();
    site.kill_broker().await;
    let mut publisher = site.device(Version::V3, "lamp").await;
    reaches_later(&site, &mut publisher).await
}

async fn reaches_later(site: &Site, publisher: &mut Device) -> bool {
    let mut subscriber = site.device(Version::V3, "late").await;
    subscriber.subscribe("lamp/#").await.unwrap();
    publisher.publish(Message { topic: "lamp/1", payload: "end", packet_id: 2, ..PLAIN }).await.unwrap();
    subscriber.receives("kept", "end").await
}

async fn will(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let mut subscriber = site.device(Version::V3, "heir").await;
    subscriber.subscribe("site/w/#").await.unwrap();
    let will = Some(("site/w/f1/mortal/temperature", "31.5"));
    let hello = Hello { version: Version::V3, client: "mortal", clean: true, will };
    drop(Device::hello(site.at(Version::V3), &hello).await.unwrap());
    subscriber.receives("31.5", "nothing else comes").await && site.shows("mortal").await
}

async fn wildcards(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let mut publisher = site.device(Version::V3, "publisher").await;
    let mut all = true;
    for (filter, topic) in [("+/b/+", "a/b/c"), ("a/#", "a/b/c/d"), ("+/+/#", "x/y")] {
        let mut subscriber = site.device(Version::V5, &format!("subscriber of {}", topic.len())).await;
        subscriber.subscribe(filter).await.unwrap();
        publisher.publish(Message { topic, payload: "seen", ..PLAIN }).await.unwrap();
        all &= subscriber.receives("seen", "nothing else comes").await;
    }
    all
}

async fn falls_asleep(site: &Site) {
    let mut sleeper = Device::resume(site.at(Version::V3), Version::V3, "sleeper").await.unwrap();
    sleeper.subscribe("commands/sleeper").await.unwrap();
    sleeper.disconnect().await;
    let mut publisher = site.device(Version::V3, "publisher").await;
    publisher.publish(Message { topic: "commands/sleeper", payload: "wake", ..PLAIN }).await.unwrap();
}

async fn wakes(site: &Site) -> bool {
    let mut sleeper = Device::resume(site.at(Version::V3), Version::V3, "sleeper").await.unwrap();
    if !sleeper.session_present {
        return false;
    }
    let mut publisher = site.device(Version::V3, "publisher").await;
    publisher.publish(Message { topic: "commands/sleeper", payload: "end", ..PLAIN }).await.unwrap();
    sleeper.receives("wake", "end").await
}

async fn sleeper(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    falls_asleep(&site).await;
    wakes(&site).await
}

async fn sleeper_after_kill(engine: Engine) -> bool {
    let mut site = Site::start(engine).await;
    falls_asleep(&site).await;
    site.kill_broker().await;
    wakes(&site).await
}

async fn exactly_once(engine: Engine) -> bool {
    let site = Site::start(engine).await;
    let message = Message { topic: "site/a/f1/once/temperature", payload: "21.5", qos: 2, packet_id: 9, ..PLAIN };
    let mut device = Device::resume(site.at(Version::V3), Version::V3, "once").await.unwrap();
    device.send_message(message).await.unwrap();
    device.expect(5).await.expect("a PUBREC");
    drop(device);
    let mut device = Device::resume(site.at(Version::V3), Version::V3, "once").await.unwrap();
    let again = device.publish(Message { dup: true, ..message }).await;
    again.is_some() && site.shows("once").await && site.sees("after").await && site.count("once").await == 1
}

/// Publishes, and kills as soon as it is acknowledged.
async fn is_stored<F>(engine: Engine, kill: impl FnOnce(Site) -> F) -> bool
where
    F: Future<Output = Site>,
{
    let site = Site::with(engine, SLOW_LOG).await;
    let mut device = site.device(Version::V3, "prudent").await;
    let message = Message { topic: "site/a/f1/prudent/temperature", payload: "21.5", ..PLAIN };
    device.publish(message).await.expect("it is acknowledged");
    let site = kill(site).await;
    site.is_ready().await;
    site.sees("after").await && site.count("prudent").await == 1
}

async fn killed_tidegate(engine: Engine) -> bool {
    is_stored(engine, |mut site| async move {
        site.server.kill_and_restart().await;
        site
    })
    .await
}

async fn killed_both(engine: Engine) -> bool {
    is_stored(engine, |mut site| async move {
        site.server.kill().await;
        if let Some(broker) = &mut site.broker {
            broker.kill().await;
            broker.restart().await;
        }
        site.server.restart().await;
        site
    })
    .await
}
