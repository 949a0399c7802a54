//! A tidegate on one of the engines, with the broker it needs.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate_tests::{Mosquitto, Server, eventually, http, now_ms};

use super::device::{Device, Message, Version};

/// What serves MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Gate,
    Rumqttd,
    External,
}

impl Engine {
    pub const ALL: [Engine; 3] = [Engine::Gate, Engine::Rumqttd, Engine::External];

    pub fn name(self) -> &'static str {
        match self {
            Engine::Gate => "gate",
            Engine::Rumqttd => "rumqttd",
            Engine::External => "external",
        }
    }

    /// Tables of a configuration.
    pub fn config(self, broker: Option<&Mosquitto>) -> String {
        let name = self.name();
        let more = match broker {
            None => "[rumqttd]\nlisten_v5 = \"127.0.0.1:0\"\n".to_owned(),
            Some(broker) => format!(
                "[external]\naddress = \"{}\"\nbackoff = \"100 ms\"\nbackoff_max = \"500 ms\"\n",
                broker.address
            ),
        };
        format!("[broker]\nengine = {name:?}\n\n{more}\n")
    }
}

pub struct Site {
    pub engine: Engine,
    pub server: Server,
    pub broker: Option<Mosquitto>,
}

impl Site {
    pub async fn start(engine: Engine) -> Site {
        Site::with(engine, "").await
    }

    /// With further tables of the configuration.
    pub async fn with(engine: Engine, more: &str) -> Site {
        let broker = if engine == Engine::External { Some(Mosquitto::start().await) } else { None };
        let server = Server::with_config(&(engine.config(broker.as_ref()) + more)).await;
        let site = Site { engine, server, broker };
        site.is_ready().await;
        site
    }

    /// Waits until what is published is read: for an external broker that tidegate has subscribed there.
    pub async fn is_ready(&self) {
        let mut count = 0;
        eventually("readings arrive", Duration::from_secs(30), || {
            count += 1;
            async move {
                let mut device = Device::connect(self.at(Version::V3), Version::V3, &format!("ready-{count}")).await?;
                let message = Message {
                    topic: "site/ready/probe/is_up",
                    payload: "1",
                    qos: 1,
                    packet_id: 1,
                    ..Message::default()
                };
                device.publish(message).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.server.value("site/ready/probe", "is_up").await
            }
        })
        .await;
    }

    /// Where devices of a version connect.
    pub fn at(&self, version: Version) -> SocketAddr {
        match (self.engine, version) {
            (Engine::Rumqttd, Version::V5) => self.server.address("tcp"),
            _ => self.server.mqtt,
        }
    }

    pub async fn device(&self, version: Version, client: &str) -> Device {
        Device::connect(self.at(version), version, client).await.expect("it is let in")
    }

    /// Kills what acknowledges publications, and starts it again.
    pub async fn kill_broker(&mut self) {
        match &mut self.broker {
            None => self.server.kill_and_restart().await,
            Some(broker) => {
                broker.kill().await;
                broker.restart().await;
            }
        }
    }

    /// Publishes the temperature of a device with QoS 1 and says whether it is seen. What was published before it
    /// has been dealt with then.
    pub async fn sees(&self, device: &str) -> bool {
        let client = format!("{device}-publisher");
        let topic = format!("site/a/f1/{device}/temperature");
        let mut publisher = self.device(Version::V3, &client).await;
        let message = Message { topic: &topic, payload: "21.5", qos: 1, packet_id: 1, ..Message::default() };
        publisher.publish(message).await.is_some() && self.shows(device).await
    }

    /// Whether a device's temperature is seen, within a time in which it would be.
    pub async fn shows(&self, device: &str) -> bool {
        let until = tokio::time::Instant::now() + Duration::from_secs(20);
        while tokio::time::Instant::now() < until {
            if self.server.value(device, "temperature").await.is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// How many temperatures of a device are in history.
    pub async fn count(&self, device: &str) -> usize {
        let path = format!("/v1/readings?device={device}&metric=temperature&from=0&to={}", now_ms() + 1);
        http::get(self.server.http, &path).await.json()["points"].as_array().map_or(0, Vec::len)
    }

    /// Whether a text comes to stand in the log's files, which follow what is seen by `log.commit_interval`.
    pub async fn log_holds(&self, text: &str) -> bool {
        let until = tokio::time::Instant::now() + Duration::from_secs(3);
        while !self.log_has(text) && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.log_has(text)
    }

    fn log_has(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.server.data().join("log")).unwrap();
        files.flatten().any(|file| {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            // A segment is allocated at once: what is not written yet reads as zeros.
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes[..end].windows(text.len()).any(|window| window == text.as_bytes())
        })
    }
}
