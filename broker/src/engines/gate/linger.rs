//! The last bytes of a connection that the server ended.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::config::BrokerConfig;
use crate::metrics::limit_met;

/// How long, and how much, is read on after the end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linger {
    pub time: Duration,
    pub bytes_max: usize,
}

/// Key of the limit in the configuration.
pub(super) const BYTES_MAX: &str = "mqtt.linger_bytes_max";

impl Linger {
    pub(super) fn of(config: &BrokerConfig) -> Self {
        Linger { time: config.linger, bytes_max: config.linger_bytes_max }
    }

    /// Writes the last bytes, closes this side, and reads on until the client has closed the other: closing a socket with
    /// unread bytes would reset the connection, and a client that is still sending would never see why. What is read is
    /// thrown away, and both are done at once: the client may read only when it has sent all it has.
    pub(super) async fn close(self, mut stream: impl AsyncRead + AsyncWrite + Unpin, last_words: &[u8]) {
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let say = async {
            writer.write_all(last_words).await?;
            writer.shutdown().await
        };
        let hear = async {
            // Few, so that they are no large part of the task.
            let (mut unread, mut left) = ([0; 512], self.bytes_max);
            loop {
                match reader.read(&mut unread).await? {
                    0 => return io::Result::Ok(()),
                    count if count < left => left -= count,
                    _ => break,
                }
            }
            limit_met(BYTES_MAX, 1);
            Ok(())
        };
        // Whether it gets there or not, the connection ends.
        let _ = tokio::time::timeout(self.time, async { tokio::join!(say, hear) }).await;
    }
}
