//! What an operator relies on.

use std::process::Stdio;
use std::time::Duration;

use tidegate_tests::{Server, eventually, http, now_ms, tool};

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_within_ten_seconds_of_sigterm_and_keeps_everything() {
    let mut server = Server::start().await;
    tool::mosquitto_pub(server.mqtt, &["-q", "0", "-t", "site/a/dev1/temperature", "-m", "21.5"]).await;
    eventually("it is applied", Duration::from_secs(5), || async { server.value("dev1", "temperature").await }).await;
    server.stop().await;
    server.restart().await;
    assert_eq!(server.value("dev1", "temperature").await, Some(21.5.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_no_more_memory_than_running_did() {
    let mut server = Server::start().await;
    for devices in (0..8_000).step_by(400) {
        let reading = |device| {
            let metrics = (0..5).map(|metric| format!(r#""metric {metric}":{}.5"#, device % 50 + metric));
            format!(r#"{{"deviceId":"d{device}",{}}}"#, metrics.collect::<Vec<_>>().join(","))
        };
        let readings = (devices..devices + 400).map(reading).collect::<Vec<_>>().join(",");
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "up", "-m", &format!("[{readings}]")]).await;
    }
    let values =
        || async { Some(server.metric("tidegate_process_values_total").await).filter(|&values| values == 40_000.0) };
    eventually("all is applied", Duration::from_secs(20), values).await;
    let running = server.memory_peak_bytes();
    for _ in 0..2 {
        server.stop().await;
        server.restart().await;
        let restarted = server.memory_peak_bytes();
        assert!(restarted < running + running / 5, "{restarted} bytes after a restart, {running} before");
    }
    assert_eq!(server.value("d7999", "metric 4").await, Some(53.5.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_answer() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz", "/metrics", "/v1/stats", "/v1/openapi.json"] {
        assert_eq!(http::get(server.http, path).await.status, 200, "{path}");
    }
    let text = http::get(server.http, "/metrics").await.body;
    assert!(text.contains("# TYPE tidegate_"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_neither_open_a_stream_nor_change_anything() {
    let server = Server::start().await;
    let evil = [("Origin", "https://evil.example")];
    assert_eq!(http::request(server.http, "POST", "/v1/alerts/a-1-0/acknowledge", &evil, "").await.status, 403);
    let upgrade = [
        ("Origin", "https://evil.example"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(http::request(server.http, "GET", "/v1/live", &upgrade, "").await.status, 403);
    let rebound = http::request(server.http, "GET", "/v1/devices", &[("Host", "evil.example")], "").await;
    assert!((400..500).contains(&rebound.status), "a foreign Host got {}", rebound.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_address_without_identity_is_refused_with_what_to_add() {
    let folder = tempfile::tempdir().unwrap();
    let output = tokio::process::Command::new(tool::binary("tidegate"))
        .current_dir(folder.path())
        .args(["--mqtt", "0.0.0.0:0", "--http", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .output();
    let output = tokio::time::timeout(Duration::from_secs(10), output).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--insecure-allow-anonymous"), "{said}");
    assert!(said.contains("write mqtt.listen = \"127.0.0.1:0\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_refuses_what_a_start_refuses_in_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let rule = "[[alert]]\nname = \"hot\"\nabove = 1.0\n";
    for (text, parts) in [
        (
            "[http]\nlisten = \"0.0.0.0:8080\"\n".to_owned(),
            vec!["line 2: http.listen", "write http.listen = \"127.0.0.1:8080\""],
        ),
        (format!("{rule}{rule}"), vec!["line 2: alert[0].name", "line 5: alert[1].name", "hot"]),
        ("[log]\nread_entries_max = 0\n".to_owned(), vec!["line 2: log.read_entries_max: is 0"]),
        ("[http]\nlisten = \"127.0.0.1:1883\"\n".to_owned(), vec!["line 2: http.listen", "mqtt.listen too"]),
        (
            "[[source]]\ntopic = \"a/#/b\"\n".to_owned(),
            vec!["line 2: source[0].topic: uses a wildcard where none may stand"],
        ),
        (
            "[broker]\nengine = \"external\"\n[external]\nfilters = [\"a\", \"b#\"]\n".to_owned(),
            vec!["line 4: external.filters: uses a wildcard where none may stand"],
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = async |arguments: &[&str]| {
            let run = tokio::process::Command::new(tool::binary("tidegate"))
                .current_dir(folder.path())
                .args(arguments)
                .args(["--config", file.to_str().unwrap()])
                .stdin(Stdio::null())
                .output();
            let output = tokio::time::timeout(Duration::from_secs(10), run).await.unwrap().unwrap();
            assert!(!output.status.success(), "{arguments:?}");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let (checked, started) = (said(&["check"]).await, said(&[]).await);
        assert_eq!(checked, started);
        for part in parts {
            assert!(checked.contains(part), "{part} is missing in:\n{checked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_configuration_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[mqtt]\nlisten = \"here\"\npackets = 3\n\n[log]\ncommit_interval = \"soon\"\n").unwrap();
    let check = ["check", "--config", file.to_str().unwrap()];
    let output = tokio::process::Command::new(tool::binary("tidegate")).args(check).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for part in ["line 2: mqtt.listen", "line 3: mqtt.packets", "line 6: log.commit_interval"] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_with_a_hundred_thousand_names_hurts_nobody() {
    let server = Server::with_config("[process]\ndevices_per_client_max = 500\n").await;
    let array: Vec<String> = (0..2_000).map(|n| format!("{{\"deviceId\":\"flood-{n}\",\"t\":1}}")).collect();
    for part in array.chunks(100) {
        let payload = format!("[{}]", part.join(","));
        tool::mosquitto_pub(server.mqtt, &["-i", "flooder", "-q", "1", "-t", "flood", "-m", &payload]).await;
    }
    tool::mosquitto_pub(server.mqtt, &["-i", "good", "-q", "1", "-t", "site/a/dev1/temperature", "-m", "21.5"]).await;
    eventually("the other's device is there", Duration::from_secs(5), || async {
        server.value("dev1", "temperature").await
    })
    .await;
    let flooded = server.get("/v1/devices?q=flood-&limit=1000").await["devices"].as_array().unwrap().len();
    assert_eq!(flooded, 500);
    let problems = server.get("/v1/problems").await;
    let refused = problems["problems"].as_array().unwrap().iter().find(|one| one["reason"] == "device_limit").unwrap();
    assert!(refused["count"].as_u64().unwrap() >= 15, "each publication with names too many is counted: {refused}");
    assert!(refused["detail"].as_str().unwrap().contains("devices_per_client_max"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_viewers_ask_for_is_no_work_of_those_who_serve_devices() {
    let server = Server::start().await;
    let array: Vec<String> = (0..2_000).map(|n| format!("{{\"deviceId\":\"dev{n}\",\"t\":1,\"u\":2}}")).collect();
    for part in array.chunks(100) {
        let payload = format!("[{}]", part.join(","));
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site", "-m", &payload]).await;
    }
    eventually("all are there", Duration::from_secs(30), || async { server.value("dev1999", "t").await }).await;
    let (devices, viewers) = (server.cpu_ticks("devices"), server.cpu_ticks("viewers"));
    for _ in 0..3_000 {
        if server.cpu_ticks("viewers") >= viewers + 100 {
            break;
        }
        for query in ["limit=10000", "q=no-such-name", "group=site&limit=1000"] {
            assert_eq!(http::get(server.http, &format!("/v1/devices?{query}")).await.status, 200);
        }
    }
    let (devices, viewers) = (server.cpu_ticks("devices") - devices, server.cpu_ticks("viewers") - viewers);
    assert!(devices * 10 < viewers, "{devices} ticks of the workers for devices beside {viewers} for viewers");
}

/// As far as it can be checked without a container engine.
#[tokio::test(flavor = "multi_thread")]
async fn the_compose_file_fits_the_schema_of_compose() {
    let compose = tool::file("compose.yaml");
    let check = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", compose.to_str().unwrap()];
    tool::python_with(&check).await;
    let dockerfile = std::fs::read_to_string(tool::file("Dockerfile")).unwrap();
    for copied in ["dashboard/package-lock.json", "Cargo.lock"] {
        assert!(tool::file(copied).exists(), "the container's build needs {copied}");
    }
    assert!(dockerfile.contains("--insecure-allow-anonymous"), "an open address needs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_reachable_whatever_it_is_called() {
    let server = Server::start().await;
    let names = ["commands", "x/commands", "y", "y/commands", "v1", "trace", "..", "a/../b", "/odd", "a//b", "x.js"];
    for name in names {
        let payload = format!(r#"{{"deviceId":"{name}","temperature":1}}"#);
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", &payload]).await;
    }
    eventually("the last is known", Duration::from_secs(5), || server.value("x.js", "temperature")).await;
    for name in names {
        let page = server.get(&format!("/v1/devices?id={name}")).await;
        assert_eq!(page["devices"][0]["id"], name, "{page}");
    }
    for name in names.into_iter().filter(|name| *name != "y/commands") {
        assert_eq!(server.get(&format!("/v1/devices/{name}")).await["id"], name);
    }
    assert!(server.get("/v1/devices/y/commands").await["commands"].is_array(), "of a device that is known");
    assert_eq!(server.get("/v1/devices/y%2Fcommands").await["id"], "y/commands");
    for name in ["commands", "x/commands", "y/commands"] {
        let path = format!("/v1/devices/{name}/commands");
        let sent = http::request(server.http, "POST", &path, &[("Content-Type", "application/json")], "{}").await;
        assert_eq!((sent.status, &sent.json()["device"]), (202, &name.into()), "{sent:?}");
        assert_eq!(server.get(&path).await["commands"].as_array().map(Vec::len), Some(1), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_in_seconds_is_the_same_as_one_in_milliseconds() {
    let server = Server::start().await;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "dev1/temperature", "-m", "21.5"]).await;
    eventually("it is applied", Duration::from_secs(5), || server.value("dev1", "temperature")).await;
    let (from_s, to_s) = (now_ms() / 1_000 - 60, now_ms() / 1_000 + 60);
    for zeros in ["", "000", "000000", "000000000"] {
        let window = format!("device=dev1&metric=temperature&from={from_s}{zeros}&to={to_s}{zeros}");
        let readings = server.get(&format!("/v1/readings?{window}")).await;
        assert_eq!(readings["points"].as_array().map(Vec::len), Some(1), "{window}");
        let series = server.get(&format!("/v1/series?{window}&width=100")).await;
        assert_eq!(
            (&series["rung_ms"], series["points"].as_array().map(Vec::len)),
            (&10_000.into(), Some(1)),
            "{series}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_where_and_how_mqtt_clients_come_in() {
    let server = Server::with_config("[[listener]]\nkind = \"websocket\"\naddress = \"127.0.0.1:0\"\n").await;
    let mqtt = server.get("/v1/stats").await["mqtt"].clone();
    let (plain, further) = (server.mqtt.to_string(), server.address("ws").to_string());
    let expected = serde_json::json!([
        { "transport": "tcp", "address": plain, "certificate": false },
        { "transport": "websocket", "address": further, "certificate": false },
    ]);
    assert_eq!(
        (&mqtt["listeners"], &mqtt["anonymous"], &mqtt["proofs"]),
        (&expected, &"everywhere".into(), &serde_json::json!([]))
    );
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "").unwrap();
    let server = Server::with_config(&format!("[identity]\npassword_file = {users:?}\n")).await;
    let mqtt = server.get("/v1/stats").await["mqtt"].clone();
    assert_eq!((&mqtt["anonymous"], &mqtt["proofs"]), (&"never".into(), &serde_json::json!(["password"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_metrics_says_what_it_is() {
    let server = Server::start().await;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "dev1/temperature", "-m", "21.5"]).await;
    eventually("it is applied", Duration::from_secs(5), || server.value("dev1", "temperature")).await;
    let text = http::get(server.http, "/metrics").await.body;
    let told = |what: &str| -> std::collections::BTreeSet<String> {
        let of = |line: &str| line.strip_prefix(what)?.split(' ').next().map(str::to_owned);
        text.lines().filter_map(of).collect()
    };
    let (helps, types) = (told("# HELP "), told("# TYPE "));
    assert!(types.len() > 70, "{types:?}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_count", "_sum", "_bucket"]
            .iter()
            .find_map(|part| name.strip_suffix(part))
            .filter(|it| types.contains(*it));
        let name = base.unwrap_or(name);
        assert!(helps.contains(name) && types.contains(name), "{name} has no HELP or TYPE line");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_compressed_for_those_who_ask_and_streams_are_not() {
    let server = Server::start().await;
    for part in 0..4 {
        let devices: Vec<String> =
            (0..50).map(|n| format!("{{\"deviceId\":\"dev{part}-{n}\",\"temperature\":1}}")).collect();
        let payload = format!("[{}]", devices.join(","));
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "lab/data", "-m", &payload]).await;
    }
    eventually("all are known", Duration::from_secs(5), || server.value("dev3-49", "temperature")).await;
    let asked = async |path: &str, headers: &[(&str, &str)]| http::request(server.http, "GET", path, headers, "").await;
    let gzip = [("Accept-Encoding", "gzip")];
    let (plain, small) = (asked("/v1/devices", &[]).await, asked("/v1/devices/dev1-1", &gzip).await);
    for answer in [&plain, &small] {
        assert!(!answer.head.to_lowercase().contains("content-encoding"), "{}", answer.head);
    }
    let packed = asked("/v1/devices", &gzip).await;
    let head = packed.head.to_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    assert!(packed.length * 3 < plain.length, "{} of {} bytes", packed.length, plain.length);
    let trace = ["-sN", "--max-time", "2", "-D", "-", "-H", "Accept-Encoding: gzip"];
    let address = format!("http://{}/v1/clients/nobody/trace", server.http);
    let output = tokio::process::Command::new("curl").args(trace).arg(&address).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(said.contains("\"begin\"") && !said.contains("content-encoding"), "{said}");
    let page = asked("/", &[]).await;
    let script = page
        .body
        .split("/assets/")
        .find_map(|part| part.split('"').next()?.strip_suffix(".js"))
        .unwrap_or_default()
        .to_owned();
    let file = format!("/assets/{script}.js");
    let [plain, gzip, brotli] = [&[][..], &[("Accept-Encoding", "gzip, deflate")], &[("Accept-Encoding", "gzip, br")]]
        .map(|headers| (headers, file.clone()));
    let mut sizes = Vec::new();
    let mut tags = Vec::new();
    for ((headers, file), encoding) in
        [plain, gzip, brotli].into_iter().zip(["", "content-encoding: gzip", "content-encoding: br"])
    {
        let answer = asked(&file, headers).await;
        let head = answer.head.to_lowercase();
        assert!(
            answer.status == 200 && head.contains(encoding) && head.contains("vary: accept-encoding"),
            "{file}: {head}"
        );
        sizes.push(head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<u64>().ok()).unwrap());
        tags.push(head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned());
    }
    assert!(sizes[0] > 2 * sizes[1] && sizes[1] > sizes[2], "{sizes:?}");
    assert!(tags[0] != tags[1] && tags[1] != tags[2], "{tags:?}");
}
