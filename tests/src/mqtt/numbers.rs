//! Readings that can be told apart.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use super::Client;

const LIMIT: Duration = Duration::from_secs(90);

/// Publishes numbers as readings `t` of seven devices, each of a time of its own from `base_ms` (Unix ms) on, and has each
/// acknowledged.
///
/// # Panics
/// When the server does not take them.
pub async fn publish_numbers(server: SocketAddr, base_ms: i64, numbers: Range<u32>) {
    let mut client = Client::v5("device");
    client.connect(server).await.expect("a server that serves");
    for number in numbers.clone() {
        let (device, time_ms) = (number % 7, base_ms + i64::from(number));
        let reading = format!(r#"{{"deviceId":"dev{device}","t":{number},"timestamp":{time_ms}}}"#);
        client.publish("site/readings", &reading, 1, false).await;
        if number % 16 == 15 {
            client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
        }
    }
    client.listen_until(LIMIT, |session| session.in_flight() == 0).await;
    assert_eq!(client.session.acknowledged.len(), numbers.len(), "nobody is held back");
    client.leave().await;
}
