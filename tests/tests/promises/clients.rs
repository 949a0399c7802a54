//! What an operator sees of MQTT clients, and does about them: REST and `tidegate trace`, with Mosquitto's clients.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tidegate_tests::{Server, eventually, http, tool};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};

const PATIENCE: Duration = Duration::from_secs(20);

fn subscriber(server: &Server, arguments: &[&str]) -> Child {
    let port = server.mqtt.port().to_string();
    tool::start("mosquitto_sub", &[&["-p", &port], arguments].concat())
}

async fn client(server: &Server, id: &str, state: &str) -> Value {
    eventually(&format!("{id} is {state}"), PATIENCE, || async {
        let answer = http::get(server.http, &format!("/v1/clients/{id}")).await.json();
        (answer["state"] == state).then_some(answer)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_listed_while_it_is_there_asleep_and_gone_with_the_reason() {
    let server = Server::start().await;
    let arguments = ["-i", "listener", "-t", "site/+/x", "-q", "1", "-V", "mqttv5", "-c", "-x", "600", "-k", "30"];
    let mut subscribed = subscriber(&server, &arguments);
    eventually("it has subscribed", PATIENCE, || async {
        let answer = http::get(server.http, "/v1/clients/listener").await.json();
        (answer["subscriptions"] == 1).then_some(())
    })
    .await;
    let seen = client(&server, "listener", "connected").await;
    assert_eq!(
        (&seen["version"], &seen["transport"], &seen["keep_alive_s"]),
        (&"5.0".into(), &"tcp".into(), &30.into())
    );
    assert_eq!(seen["filters"][0]["filter"], "site/+/x");
    subscribed.kill().await.unwrap();
    let seen = client(&server, "listener", "sleeping").await;
    assert_eq!((&seen["last_end"]["reason"], &seen["subscriptions"]), (&"lost".into(), &1.into()));
    tool::mosquitto_pub(server.mqtt, &["-i", "sender", "-q", "1", "-t", "site/a/x", "-m", "21.5"]).await;
    eventually("a message waits for it", PATIENCE, || async {
        let answer = http::get(server.http, "/v1/clients/listener").await.json();
        (answer["queued"]["messages"] == 1).then_some(())
    })
    .await;
    assert_eq!(client(&server, "sender", "gone").await["last_end"]["reason"], "disconnected");
    let gone = server.get("/v1/clients?state=gone&q=SEND").await;
    assert_eq!(gone["clients"].as_array().unwrap().len(), 1, "{gone}");

    let session = http::request(server.http, "DELETE", "/v1/clients/listener?session=true", &[], "").await;
    assert_eq!(session.status, 204);
    assert_eq!(client(&server, "listener", "gone").await["subscriptions"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_a_connection_and_another_site_does_not() {
    let server = Server::start().await;
    let _subscribed = subscriber(&server, &["-i", "listener", "-t", "a", "-V", "mqttv5"]);
    let before = client(&server, "listener", "connected").await;
    let evil = [("Origin", "https://evil.example")];
    assert_eq!(http::request(server.http, "DELETE", "/v1/clients/listener", &evil, "").await.status, 403);
    assert_eq!(http::request(server.http, "DELETE", "/v1/clients/listener", &[], "").await.status, 204);
    // mosquitto_sub comes back by itself; the end is remembered all the same.
    let end = eventually("its end is remembered", PATIENCE, || async {
        let answer = http::get(server.http, "/v1/clients/listener").await.json();
        (!answer["last_end"].is_null()).then(|| answer["last_end"].clone())
    })
    .await;
    assert_eq!((&end["reason"], &end["address"]), (&"administrative".into(), &before["address"]));
}

/// What `tidegate trace` says.
struct Trace {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Trace {
    fn start(http: SocketAddr, arguments: &[&str]) -> Trace {
        let http = http.to_string();
        let mut child = tool::start(tool::binary("tidegate"), &[&["trace", "--http", &http], arguments].concat());
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Trace { child, lines }
    }

    /// Waits for a line that holds `text`.
    async fn says(&mut self, text: &str) -> String {
        let wanted = async {
            while let Some(line) = self.lines.next_line().await.expect("its output is text") {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("the trace ended before it said {text:?}");
        };
        tokio::time::timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("it never said {text:?}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_waits_for_a_client_and_shows_its_packets_but_no_password() {
    let server = Server::start().await;
    let mut trace = Trace::start(server.http, &["dev/1", "--payloads", "--for", "60s"]);
    trace.says("nobody with this identifier was here yet").await;
    let publish = ["-i", "dev/1", "-u", "ann", "-P", "hidden-word", "-q", "1", "-t", "site/a/dev1/temperature"];
    tool::mosquitto_pub(server.mqtt, &[&publish[..], &["-m", "21.5", "-r"]].concat()).await;
    let connect = trace.says("CONNECT").await;
    assert!(connect.contains("user \"ann\"") && !connect.contains("hidden-word"), "{connect}");
    trace.says("CONNACK").await;
    let publish = trace.says("PUBLISH").await;
    assert!(publish.contains("qos 1  id 1  retain  site/a/dev1/temperature  4 B: 21.5"), "{publish}");
    trace.says("out  PUBACK").await;
    trace.says("ended: disconnected").await;
    trace.child.kill().await.unwrap();

    let mut short = Trace::start(server.http, &["dev/1", "--for", "200ms"]);
    short.says("gone: waiting for it").await;
    assert!(short.child.wait().await.unwrap().success(), "it ends by itself");
}

/// Connects with a keep-alive of a second, and pings twice in each until it is told to stop.
async fn pinging(server: &Server, number: u32) -> TcpStream {
    let mut stream = TcpStream::connect(server.mqtt).await.unwrap();
    let connect = [&b"\x10\x10\0\x04MQTT\x04\x02\0\x01\0\x04"[..], format!("p{number:03}").as_bytes()].concat();
    stream.write_all(&connect).await.unwrap();
    stream.read_exact(&mut [0; 4]).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_program_is_no_silence_of_its_clients() {
    const CLIENTS: u32 = 60;
    let server = Server::start().await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(pinging(&server, number).await);
    }
    // It stands still for far longer than the one and a half seconds in which a client is to be heard. The clients go on
    // and ping, but for some that are as well as dead: those have from the end of the pause.
    let (live, silent) = clients.split_at_mut(CLIENTS as usize - 2);
    for round in 0..14 {
        match round {
            2 => server.freeze().await,
            10 => server.thaw().await,
            _ => {}
        }
        for client in live.iter_mut() {
            client.write_all(b"\xc0\0").await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for client in live {
        let mut answers = [0; 28];
        client.read_exact(&mut answers).await.expect("it was not ended");
        assert_eq!(answers, *b"\xd0\0".repeat(14));
    }
    for client in silent {
        let end = tokio::time::timeout(PATIENCE, client.read(&mut [0; 1])).await.expect("it is ended in time");
        assert_eq!(end.unwrap(), 0);
    }
    let metrics = http::get(server.http, "/metrics").await.body;
    assert!(metrics.contains("connections_closed_total{reason=\"keep_alive_timeout\"} 2\n"), "{metrics}");
    assert!(server.metric("tidegate_mqtt_paused_seconds").await >= 3.0);
}
