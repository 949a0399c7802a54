//! Every way in, with the clients people have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::Value;
use tempfile::TempDir;
use tidegate_tests::{Server, eventually, tool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// A CONNECT of 3.1.1 with a clean session, and a PUBLISH with QoS 1 of 31.5 to `site/a/f1/raw-device/temperature`.
const PUBLISHES: &[u8] =
    b"\x10\x0f\0\x04MQTT\x04\x02\0\0\0\x03raw\x32\x28\0\x20site/a/f1/raw-device/temperature\0\x0131.5";

/// An authority, and what it issues, in a folder.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority of the test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn issue(&self, name: &str, into: &Path) {
        self.issue_with(name, into, |_| ());
    }

    /// A certificate that ended on that day.
    fn issue_until(&self, name: &str, (year, month, day): (i32, u8, u8)) {
        self.issue_with(name, self.folder.path(), |params| params.not_after = rcgen::date_time_ymd(year, month, day));
    }

    fn issue_with(&self, name: &str, into: &Path, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(into.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(into.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Tables of a configuration.
    fn listener(&self, kind: &str, more: &str) -> String {
        format!(
            "[[listener]]\nkind = {kind:?}\naddress = \"127.0.0.1:0\"\ncertificate = {:?}\nkey = {:?}\n\
             check_interval = \"100 ms\"\n{more}\n",
            self.file("server.pem"),
            self.file("server.key"),
        )
    }
}

async fn sees(server: &Server, device: &str, metric: &str, wanted: impl Into<Value>) {
    let wanted = wanted.into();
    eventually(&format!("{device} {metric} is {wanted}"), Duration::from_secs(5), || async {
        (server.value(device, metric).await.as_ref() == Some(&wanted)).then_some(())
    })
    .await;
}

/// Whether mosquitto_pub gets its publication acknowledged.
async fn publishes(address: SocketAddr, device: &str, arguments: &[&str]) -> bool {
    let topic = format!("site/a/f1/{device}/temperature");
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let ended = tokio::process::Command::new("mosquitto_pub")
        .args(["-h", &host, "-p", &port, "-q", "1", "-t", &topic, "-m", "21.5"])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends");
    ended.expect("mosquitto_pub is installed: run tests/setup").status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_paho_and_mqtt_js_publish_over_tls_and_websocket_and_both() {
    let authority = Authority::new();
    authority.issue("server", authority.folder.path());
    let config = [
        authority.listener("tls", ""),
        authority.listener("wss", ""),
        "[[listener]]\nkind = \"websocket\"\naddress = \"127.0.0.1:0\"\n".to_owned(),
    ];
    let server = Server::with_config(&config.concat()).await;
    let (tls, ws, wss) = (server.address("tls"), server.address("ws"), server.address("wss"));
    let ca = authority.file("ca.pem");

    for version in ["tlsv1.2", "tlsv1.3"] {
        assert!(publishes(tls, version, &["--cafile", &ca, "--tls-version", version]).await, "{version}");
        sees(&server, version, "temperature", 21.5).await;
    }
    assert!(publishes(tls, "named", &["--cafile", &ca, "--tls-alpn", "mqtt"]).await, "the protocol by its name");
    assert!(!publishes(tls, "plain", &[]).await, "without TLS");

    let host = tls.ip().to_string();
    for (address, transport, ca) in [(ws, "websockets", None), (wss, "websockets", Some(&ca)), (tls, "tcp", Some(&ca))]
    {
        let (port, prefix) = (address.port().to_string(), format!("paho-{}", address.port()));
        let mut arguments = vec![host.as_str(), &port, &prefix, transport];
        arguments.extend(ca.map(String::as_str));
        tool::python("publish.py", &arguments).await;
        sees(&server, &format!("{prefix}-31-2"), "temperature", 22.5).await;
        sees(&server, &format!("{prefix}-311-2"), "temperature", 22.5).await;
        sees(&server, &format!("{prefix}-5-2"), "temperature", 22.5).await;
    }
    for (address, scheme) in [(ws, "ws"), (wss, "wss"), (tls, "mqtts")] {
        let (url, prefix) = (format!("{scheme}://{address}/mqtt"), format!("js-{scheme}"));
        tool::node("publish.mjs", &[&url, &prefix, &ca]).await;
        sees(&server, &format!("{prefix}-4-2"), "temperature", 23.5).await;
        sees(&server, &format!("{prefix}-5-2"), "temperature", 23.5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_publishes_over_websocket() {
    let server = Server::with_config("[[listener]]\nkind = \"websocket\"\naddress = \"127.0.0.1:0\"\n").await;
    let url = format!("ws://{}/mqtt", server.address("ws"));
    let said = tool::node("mqtt-page.mjs", &[&url, "site/a/f1/page/temperature", "24.5"]).await;
    assert_eq!(said.trim(), "published");
    sees(&server, "page", "temperature", 24.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_lets_in_and_its_absence_does_not() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("server", authority.folder.path());
    authority.issue("device", authority.folder.path());
    stranger.issue("device", stranger.folder.path());
    let more = format!("client_ca = {:?}\nrequire_certificate = true\n", authority.file("ca.pem"));
    let server = Server::with_config(&authority.listener("tls", &more)).await;
    let (tls, ca) = (server.address("tls"), authority.file("ca.pem"));

    let shown = |of: &Authority| (of.file("device.pem"), of.file("device.key"));
    let (certificate, key) = shown(&authority);
    assert!(publishes(tls, "known", &["--cafile", &ca, "--cert", &certificate, "--key", &key]).await);
    sees(&server, "known", "temperature", 21.5).await;
    assert!(!publishes(tls, "nobody", &["--cafile", &ca]).await, "without a certificate");
    let (certificate, key) = shown(&stranger);
    assert!(!publishes(tls, "stranger", &["--cafile", &ca, "--cert", &certificate, "--key", &key]).await);
    // Its client may have read that it is refused before the server has counted it.
    eventually("both are counted", Duration::from_secs(5), || async {
        (server.metric("tidegate_mqtt_connections_unopened_total").await >= 2.0).then_some(())
    })
    .await;
}

/// What the server says of a connection that it refused for that reason.
async fn is_told(server: &Server, reason: &str, text: &str) {
    // Its client may have read that it is refused before the server has noted it.
    let line = eventually(&format!("{reason} is told: {text}"), Duration::from_secs(10), || async {
        let page = server.get("/v1/refusals").await;
        let line = page["refusals"].as_array()?.iter().find(|line| line["reason"] == reason)?.clone();
        line["detail"].as_str()?.contains(text).then_some(line)
    })
    .await;
    assert!(line["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_to_the_wrong_port_or_with_the_wrong_certificate_is_seen_with_its_address() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("server", authority.folder.path());
    authority.issue_until("late", (2020, 1, 1));
    stranger.issue("device", stranger.folder.path());
    let more = format!("client_ca = {:?}\nrequire_certificate = true\n", authority.file("ca.pem"));
    let server = Server::with_config(&authority.listener("tls", &more)).await;
    let (tls, ca, foreign) = (server.address("tls"), authority.file("ca.pem"), stranger.file("ca.pem"));

    assert!(!publishes(server.mqtt, "d", &["--cafile", &ca]).await, "TLS to the plain port");
    is_told(&server, "other_protocol", &format!("this port speaks plain MQTT, and TLS came: TLS is at {tls}")).await;
    assert!(!publishes(tls, "d", &[]).await, "plain MQTT to the port of TLS");
    is_told(&server, "other_protocol", "this port speaks MQTT over TLS, and plain MQTT came").await;
    let mut browser = TcpStream::connect(server.mqtt).await.unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    is_told(&server, "other_protocol", "HTTP came: pages and REST are at http.listen").await;

    assert!(!publishes(tls, "d", &["--cafile", &ca]).await, "without a certificate");
    is_told(&server, "client_certificate", "showed no certificate").await;
    let (certificate, key) = (authority.file("late.pem"), authority.file("late.key"));
    assert!(!publishes(tls, "d", &["--cafile", &ca, "--cert", &certificate, "--key", &key]).await);
    is_told(&server, "client_certificate", "has expired").await;
    let (certificate, key) = (stranger.file("device.pem"), stranger.file("device.key"));
    assert!(!publishes(tls, "d", &["--cafile", &ca, "--cert", &certificate, "--key", &key]).await);
    is_told(&server, "client_certificate", "of no authority in this listener's client_ca").await;
    assert!(!publishes(tls, "d", &["--cafile", &foreign, "--cert", &certificate, "--key", &key]).await);
    is_told(&server, "server_certificate", "does not take this server's certificate").await;

    let mut silent = TcpStream::connect(tls).await.unwrap();
    silent.write_all(&hello_of_tls()).await.unwrap();
    silent.read_u8().await.expect("the server answers the hello");
    drop(silent);
    is_told(&server, "tls", "the client went away in its TLS handshake").await;

    let refusals = server.get("/v1/refusals").await["refusals"].clone();
    let counts: Vec<_> = refusals.as_array().unwrap().iter().map(|line| line["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1, 3, 3], "a line for each reason, newest first: {refusals}");
}

/// A TLS 1.2 client's hello (RFC 5246 section 7.4.1.2), which takes elliptic curves and any usual signature.
fn hello_of_tls() -> Vec<u8> {
    const EXTENSIONS: [u8; 26] = [0, 24, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 6, 0, 4, 4, 3, 4, 1];
    let (record, hello, random) = ([22, 3, 1, 0, 73], [1, 0, 0, 69, 3, 3], [7; 32]);
    let (session, suites, compressions) = ([0], [0, 4, 0xc0, 0x2b, 0xc0, 0x2f], [1, 0]);
    [&record[..], &hello, &random, &session, &suites, &compressions, &EXTENSIONS].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_at_the_port_of_tls_reads_where_to_go_and_is_seen() {
    let authority = Authority::new();
    authority.issue("server", authority.folder.path());
    let server = Server::with_config(&authority.listener("tls", "")).await;
    let (tls, ca) = (server.address("tls"), authority.file("ca.pem"));
    let (url, resolve) = (format!("https://localhost:{}/", tls.port()), format!("localhost:{}:127.0.0.1", tls.port()));
    let plain = ["--silent", "--no-alpn", "--cacert", &ca, "--resolve", &resolve, &url];
    let page = tool::run("curl", &plain).await;
    assert!(page.contains("Pages and REST are at http.listen"), "{page}");
    // One that says beforehand that it wants pages is told in the handshake.
    let named = format!("! curl --silent --cacert {ca} --resolve {resolve} {url}");
    tool::run("bash", &["-c", &named]).await;
    is_told(&server, "tls", "pages and REST are at http.listen").await;
    is_told(&server, "other_protocol", "this port speaks MQTT over TLS, and HTTP over TLS came: pages and REST").await;
    assert!(publishes(tls, "dev1", &["--cafile", &ca]).await, "and MQTT goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_without_a_restart() {
    let (before, after) = (Authority::new(), Authority::new());
    before.issue("server", before.folder.path());
    let server = Server::with_config(&before.listener("tls", "")).await;
    let tls = server.address("tls");
    assert!(publishes(tls, "before", &["--cafile", &before.file("ca.pem")]).await);

    std::fs::write(before.path("server.pem"), "nonsense").unwrap();
    eventually("the bad file is counted", Duration::from_secs(5), || async {
        (server.metric("tidegate_mqtt_certificate_reloads_total").await >= 1.0).then_some(())
    })
    .await;
    assert!(server.log().contains("server.pem"), "and named in the log: {}", server.log());
    assert!(publishes(tls, "still", &["--cafile", &before.file("ca.pem")]).await, "the old one stays");

    after.issue("server", before.folder.path());
    eventually("the new one is used", Duration::from_secs(5), || async {
        publishes(tls, "after", &["--cafile", &after.file("ca.pem")]).await.then_some(())
    })
    .await;
    sees(&server, "after", "temperature", 21.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unix_sockets_and_proxies_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mqtt.sock");
    let config = format!(
        "[[listener]]\nkind = \"unix\"\npath = {path:?}\n\n\
         [[listener]]\nkind = \"tcp\"\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n"
    );
    let mut server = Server::with_config(&config).await;
    let mut answer = [0; 8];
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(PUBLISHES).await.unwrap();
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x20\x02\0\0\x40\x02\0\x01");

    server.kill_and_restart().await;
    assert!(UnixStream::connect(&path).await.is_ok(), "the file a killed server left is replaced");

    let mut proxied = TcpStream::connect(server.address("tcp")).await.unwrap();
    proxied.write_all(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x30\x39\x07\x5b").await.unwrap();
    proxied.write_all(PUBLISHES).await.unwrap();
    proxied.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x20\x02\0\0\x40\x02\0\x01");
    assert!(!publishes(server.address("tcp"), "unproxied", &[]).await, "without the header");
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_for_anybody_beyond_loopback_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.toml");
    std::fs::write(&file, "[[listener]]\nkind = \"websocket\"\naddress = \"0.0.0.0:0\"\n").unwrap();
    let ended = tokio::process::Command::new(tool::binary("tidegate"))
        .args(["--config", file.to_str().unwrap(), "--data", folder.path().join("data").to_str().unwrap()])
        .args(["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it does not start").unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("listener"), "{said}");
}
