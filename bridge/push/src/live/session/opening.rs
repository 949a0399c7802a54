//! Hello and welcome: version, encoding and limits of a session.

use tokio::time::Instant;

use tidegate_settings::millis;

use super::{BINARY, Flowing, Session, understand};
use crate::live::encodings;
use crate::live::flow::ByteLimit;
use crate::live::message::{ClientMessage, Code, Hello, Limits, ServerMessage};
use crate::live::transport::{Gone, Received, Transport};

const FIRST: &str = "the first message must be a `hello`";

impl<T: Transport> Session<T> {
    pub(super) async fn open(&mut self) -> Result<Flowing, Gone> {
        let timeout = self.hub.config.hello_timeout;
        let first = tokio::time::timeout(timeout, self.transport.receive()).await;
        let hello = match first {
            Ok(Received::Gone) => return Ok(Flowing::Ended),
            Ok(Received::Text(text)) if text.len() > self.hub.config.message_bytes_max => {
                return self.refuse_too_large().await;
            }
            Ok(Received::TooLarge) => return self.refuse_too_large().await,
            Ok(Received::Text(text)) => match understand(&text) {
                Ok(ClientMessage::Hello(hello)) => hello,
                Ok(_) => return self.refuse(Code::NoHello, FIRST).await,
                Err(why) => return self.refuse(Code::NoHello, format!("{FIRST}; this is {why}")).await,
            },
            Ok(Received::Binary) => return self.refuse(Code::NoHello, format!("{FIRST}; this is {BINARY}")).await,
            Err(_) => {
                let message = format!("{FIRST}; none came within {} ms", timeout.as_millis());
                return self.refuse(Code::NoHello, message).await;
            }
        };
        let Some(encoding) = encodings::asked(self.offered, hello.protocol, &hello.encoding) else {
            return self.refuse(Code::Unsupported, encodings::in_words(self.offered)).await;
        };
        self.encoding = encoding;
        self.welcome(&hello).await
    }

    async fn welcome(&mut self, hello: &Hello) -> Result<Flowing, Gone> {
        let epoch = self.hub.read(|views| views.epoch().clone());
        self.epoch_of_numbers = hello.epoch.as_deref().unwrap_or_default().into();
        self.max_rate = hello.max_rate.filter(|rate| *rate > 0.0);
        self.byte_limit = hello.max_bytes_per_second.map(|limit| ByteLimit::new(limit, Instant::now()));
        let config = &self.hub.config;
        let limits = Limits {
            subscriptions: config.subscriptions_max,
            rows: config.rows_max,
            message_bytes: config.message_bytes_max,
            bytes_in_flight_start: config.bytes_in_flight_start,
            bytes_in_flight_max: config.bytes_in_flight_max,
        };
        let session = format!("s-{}", self.guard.number);
        let welcome = ServerMessage::Welcome {
            protocol: self.encoding.protocol(),
            session: &session,
            epoch: &epoch.name,
            time_base: epoch.time_base_ms,
            time: self.hub.now_ms(),
            pulse_ms: millis(config.pulse).unsigned_abs(),
            pulse_paused_ms: millis(config.pulse_paused).unsigned_abs(),
            max_rate: self.max_rate,
            max_bytes_per_second: hello.max_bytes_per_second.map(|limit| limit.max(1)),
            limits,
        };
        self.say(&welcome).await?;
        Ok(Flowing::On)
    }
}
