//! What is answered when something is not as it should be: a problem document that says what to do.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use tidegate_push::PushConfig;

use crate::client::{self, Answer};
use crate::description;
use crate::fleet::{COLD, FakeHistory, OVER};
use crate::site::{Site, recorder};

fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text());
    let document = answer.json();
    assert_eq!(document["status"], answer.status);
    (answer.status, document["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_mistake_in_a_question_is_named() {
    let site = Site::new().await;
    let series = "/v1/series?device=quiet&metric=temperature";
    for (target, status, names) in [
        ("/v1/nothing", 404, "openapi.json"),
        ("/prometheus/api/v1/nothing", 404, "openapi.json"),
        ("/healthz/x", 404, "openapi.json"),
        ("/v1/devices?form=1", 400, "group, q, label, hidden, limit, cursor"),
        ("/v1/groups?x", 400, "takes none"),
        ("/v1/devices?limit=0", 400, "1 to 10000"),
        ("/v1/devices?cursor=", 400, "next"),
        ("/v1/devices?limit=5&limit=6", 400, "twice"),
        ("/v1/devices/site/a/dev7?x=1", 400, "x"),
        ("/v1/devices/dev99", 404, "/v1/devices"),
        ("/v1/devices/%FF", 400, "UTF-8"),
        ("/v1/devices/", 404, "openapi.json"),
        ("/v1/readings?metric=temperature", 400, "device is missing"),
        ("/v1/readings?device=quiet", 400, "metric is missing"),
        ("/v1/readings?device=quiet&metric=temprature", 404, "candidates"),
        ("/v1/readings?device=dev99&metric=temperature", 404, "dev99"),
        ("/v1/readings?device=quiet&metric=temperature&cursor=x", 400, "next"),
        (&format!("{series}&from=yesterday"), 400, "RFC 3339"),
        (&format!("{series}&width=99999"), 400, "1 to 10000"),
        ("/v1/alerts?state=old", 400, "active, recent, cleared, all"),
        ("/v1/rules?device=%ff%fe", 400, "UTF-8"),
        ("/v1/clients?topic=a%00b", 400, "no topic name"),
        ("/v1/clients?topic=a/%2B/b", 400, "wildcard"),
        ("/v1/alerts?cursor=x", 400, "next"),
        ("/v1/alerts?burst=b-7-0&state=all", 400, "state=active"),
    ] {
        let (answered, detail) = problem(&site.get(target).await);
        assert!(answered == status && detail.contains(names), "{target}: {answered} {detail}");
    }
}

#[tokio::test]
async fn an_alert_that_is_unknown_or_over_is_not_acknowledged() {
    let site = Site::new().await;
    let acknowledge = async |id: &str, body: &str| site.post(&format!("/v1/alerts/{id}/acknowledge"), body).await;
    for unknown in ["a-999-0", "a-101-9", "a-18446744073709551615-0", "x", "a-"] {
        assert_eq!(problem(&acknowledge(unknown, "").await).0, 404, "{unknown}");
    }
    let over = acknowledge(OVER, "").await;
    assert_eq!((problem(&over).0, &over.json()["alert"]["state"]), (409, &"cleared".into()));
    assert_eq!(problem(&acknowledge("a-101-0", "").await).0, 409, "one that only history knows");
    for body in ["{", "[]", r#"{"by":""}"#, r#"{"by":"a\nb"}"#, r#"{"who":"Ann"}"#, r#"{"by":7}"#] {
        let (status, detail) = problem(&acknowledge(COLD, body).await);
        assert!(status == 400 && detail.contains("your name"), "{body}: {status} {detail}");
    }
    let path = format!("/v1/alerts/{COLD}/acknowledge");
    assert_eq!(problem(&site.ask("POST", &path, &[("idempotency-key", "")], "").await).0, 400);
    assert_eq!(site.log.submitted.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_log_that_hangs_is_answered_in_time() {
    let config = PushConfig { intent_timeout: Duration::from_millis(50), ..PushConfig::default() };
    let site = Site::with(config, FakeHistory::default()).await;
    site.log.is_stuck.store(true, Ordering::Relaxed);
    let answer = site.post(&format!("/v1/alerts/{COLD}/acknowledge"), "").await;
    assert!(problem(&answer).0 == 503 && answer.header("retry-after") == "2");
}

#[tokio::test]
async fn a_program_that_is_not_ready_says_why() {
    let site = Site::new().await;
    site.operations.is_replaying.store(true, Ordering::Relaxed);
    let (status, detail) = problem(&site.get("/readyz").await);
    assert!(status == 503 && detail.contains("replaying"));
    assert_eq!(site.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_damaged_history_is_an_answer_and_not_an_end() {
    let site = Site::with(PushConfig::default(), FakeHistory { is_damaged: true, ..FakeHistory::default() }).await;
    for target in ["/v1/readings?device=quiet&metric=temperature", "/v1/alerts?state=all"] {
        let (status, detail) = problem(&site.get(target).await);
        assert!(status == 500 && detail.contains("2024-01-08.db"), "{status} {detail}");
    }
    assert_eq!(site.get("/v1/devices").await.status, 200);
}

#[tokio::test]
async fn questions_beyond_what_the_history_may_be_asked_at_once_are_told_to_come_back() {
    recorder();
    let (open, gate) = mpsc::channel();
    let history = FakeHistory { gate: Some(gate).into(), ..FakeHistory::default() };
    let config =
        PushConfig { history_concurrency: 1, history_wait: Duration::from_millis(50), ..PushConfig::default() };
    let site = Site::with(config, history).await;
    let slow = site.get("/v1/readings?device=quiet&metric=door.state");
    let refused = async {
        // The slow question has its turn once another one cannot have it.
        loop {
            let answer = site.get("/v1/readings?device=quiet&metric=temperature").await;
            if answer.status == 503 {
                open.send(()).unwrap();
                return answer;
            }
        }
    };
    let (slow, refused) = tokio::join!(slow, refused);
    assert_eq!(slow.status, 200);
    assert!(problem(&refused).0 == 503 && refused.header("retry-after") == "2");
    assert!(recorder().render().contains(r#"tidegate_http_refused_total{reason="history_busy"}"#));
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_answered_with_those_it_takes() {
    let site = Site::new().await;
    for (method, target, allowed) in [
        ("POST", "/v1/devices", "GET,HEAD"),
        ("PUT", "/v1/devices/site/a/dev7", "GET,HEAD,PATCH,DELETE"),
        ("POST", "/v1/devices/site/a/dev7", "GET,HEAD,PATCH,DELETE"),
        ("PUT", "/v1/devices/site/a/dev7/commands", "GET,HEAD,POST"),
        ("DELETE", "/v1/devices/site/a/dev7/commands", "GET,HEAD,POST"),
        ("PATCH", "/v1/devices/site/a/dev7/commands", "GET,HEAD,POST"),
        ("GET", "/v1/alerts/a-7-0/acknowledge", "POST"),
        ("PUT", "/", "GET,HEAD"),
    ] {
        let answer = site.ask(method, target, &[], "").await;
        assert_eq!((problem(&answer).0, answer.header("allow")), (405, allowed), "{method} {target}");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_what_they_may_not_do() {
    let site = Site::new().await;
    for target in ["/", "/v1/devices", "/v1/nothing", "/missing.js", "/healthz"] {
        let answer = site.get(target).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{target}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{target}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    assert_eq!(site.get("/v1/devices").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn other_names_and_other_origins_are_refused_and_counted() {
    recorder();
    let site = Site::new().await;
    let length = ("content-length", "0");
    let send = async |method, target, headers: &[(&str, &str)]| {
        problem(&client::send(site.address, method, target, headers, "").await).0
    };
    for target in ["/", "/v1/devices", "/healthz", "/v1/nothing"] {
        assert_eq!(send("GET", target, &[("host", "evil.example")]).await, 421, "{target}");
    }
    assert_eq!(send("GET", "http://evil.example/v1/stats", &[("host", "localhost")]).await, 421);
    assert_eq!(send("GET", "/v1/stats", &[]).await, 400);
    let path = format!("/v1/alerts/{COLD}/acknowledge");
    let evil = [("host", "localhost"), ("origin", "http://evil.example"), length];
    assert_eq!(send("POST", &path, &evil).await, 403);
    assert_eq!(send("GET", "/v1/live", &evil).await, 403);
    assert_eq!(site.log.submitted.load(Ordering::Relaxed), 0);
    let own = format!("http://{}", site.address);
    assert_eq!(site.ask("POST", &path, &[("origin", &own)], "").await.status, 200);

    let metrics = recorder().render();
    for line in [
        r#"tidegate_http_refused_total{reason="host"}"#,
        r#"tidegate_http_refused_total{reason="origin"}"#,
        r#"tidegate_http_requests_total{route="/v1/alerts/{id}/acknowledge",status="200"}"#,
        r#"tidegate_http_requests_total{route="other",status="421"}"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

/// Where routes are named.
const ROUTES: &str = include_str!("../../src/rest/mod.rs");
const PROMETHEUS_ROUTES: &str = include_str!("../../src/rest/prometheus/mod.rs");

/// Every operation of the description, and what the description leaves to docs/protocol.md and docs/grafana.md; with a path
/// of each.
fn everything() -> Vec<(String, String)> {
    let mut everything = description::paths();
    everything.push(("GET".to_owned(), "/v1/live".to_owned()));
    for route in PROMETHEUS_ROUTES.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, methods) = route.split_once('"').unwrap();
        let methods = [("GET", "get("), ("POST", ".post(")].into_iter().filter(|(_, call)| methods.contains(call));
        everything.extend(methods.map(|(method, _)| (method.to_owned(), path.replace("{name}", "device"))));
    }
    for (_, path) in &mut everything {
        *path = path.replace("{id}", "x");
    }
    everything
}

#[tokio::test]
async fn nothing_is_answered_to_a_page_of_another_site_on_any_path() {
    let site = Site::new().await;
    let host = site.address.to_string();
    let own = format!("http://{host}");
    for (method, path) in everything() {
        let status = async |name: &str, value: &str| {
            let headers = [("host", host.as_str()), ("content-length", "0"), (name, value)];
            client::send(site.address, &method, &path, &headers, "").await.status
        };
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(status(name, value).await, 403, "{method} {path} with {name}: {value}");
        }
        for (name, value) in
            [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("x-other", "1")]
        {
            assert_ne!(status(name, value).await, 403, "{method} {path} with {name}: {value}");
        }
    }
    let link = [("host", host.as_str()), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let page = client::send(site.address, "GET", "/devices/site/a/dev7", &link, "").await;
    assert_ne!(page.status, 403, "a link leads to a page of the dashboard");
}

#[tokio::test]
async fn the_walk_over_all_paths_knows_every_route() {
    let routes: usize = [ROUTES, PROMETHEUS_ROUTES].map(|text| text.matches("        .route(").count()).iter().sum();
    let mut paths: Vec<String> = everything().into_iter().map(|(_, path)| path).collect();
    paths.sort();
    paths.dedup();
    // One route takes a device and its commands, since identifiers hold slashes.
    assert_eq!(paths.len(), routes + 1, "{paths:?}");
}
