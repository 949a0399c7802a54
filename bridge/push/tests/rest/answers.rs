//! What is answered when all is well.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tidegate_telemetry::{Change, DeviceIndex, Position};

use crate::client::Answer;
use crate::description;
use crate::fleet::{COLD, NOW_MS, OVER, WARM, names};
use crate::site::Site;

const HOUR: &str = "from=1704720245000&to=1704723845000";

#[tokio::test]
async fn every_path_answers_as_the_description_says() {
    let site = Site::new().await;
    let mut described = BTreeSet::new();
    let readings = format!("/v1/readings?device=site/a/dev7&metric=temperature&{HOUR}");
    let series = format!("/v1/series?device=site/a/dev7&metric=temperature&{HOUR}&width=100");
    let acknowledge = format!("/v1/alerts/{COLD}/acknowledge");
    let unacknowledge = format!("/v1/alerts/{COLD}/unacknowledge");
    let periods = format!("/v1/periods?device=site/a/dev7&metric=temperature&{HOUR}");
    for (method, target) in [
        ("GET", "/v1/devices"),
        ("GET", "/v1/devices/site/a/dev7"),
        ("GET", &readings),
        ("GET", &series),
        ("GET", "/v1/aggregate?metric=temperature&every=5m&function=mean&function=p95&function=time_mean&by=group"),
        ("GET", "/v1/groups"),
        ("GET", "/v1/alerts?state=all"),
        ("GET", "/v1/rules"),
        ("POST", &acknowledge),
        ("POST", &unacknowledge),
        ("GET", &periods),
        ("GET", "/v1/export"),
        ("POST", "/v1/import"),
        ("POST", "/v1/devices/site/a/dev7/commands"),
        ("GET", "/v1/devices/site/a/dev7/commands"),
        ("GET", "/v1/commands/c-12"),
        ("PATCH", "/v1/devices/site/a/dev7"),
        ("DELETE", "/v1/devices/site/a/dev7?by=Ann"),
        ("GET", "/v1/problems"),
        ("POST", "/v1/decode"),
        ("GET", "/v1/stats"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/v1/clients"),
        ("GET", "/v1/refusals"),
        ("GET", "/v1/clients/gateway-7"),
        ("DELETE", "/v1/clients/gateway-7"),
        ("GET", "/v1/clients/gateway-7/trace"),
        ("GET", "/v1/backup"),
        ("POST", "/v1/backup"),
    ] {
        let body = match method {
            "POST" if target == "/v1/backup" => r#"{"held":[]}"#,
            "POST" if target == "/v1/decode" => r#"{"topic":"site/a/dev9","payload":{"text":"21.5"}}"#,
            "POST" => "{}",
            "PATCH" => r#"{"name":"Cellar"}"#,
            _ => "",
        };
        let answer = site.ask(method, target, &[], body).await;
        assert!(matches!(answer.status, 200 | 202 | 204), "{method} {target}: {}", answer.text());
        described.extend(description::judge(method, target, &answer));
    }
    assert_eq!(described, description::operations().into_iter().collect());
}

#[tokio::test]
async fn a_device_is_found_by_its_identifier_however_it_is_written() {
    let site = Site::new().await;
    for name in ["site/a/dev7", "site%2Fa%2Fdev7"] {
        let device = site.get(&format!("/v1/devices/{name}")).await.json();
        assert_eq!(device["id"], "site/a/dev7");
        let temperature =
            json!({ "value": 23.5, "time": NOW_MS, "unit": "°C", "unit_guessed": false, "decimals": 1, "about": null });
        assert_eq!(device["metrics"]["temperature"], temperature);
        assert_eq!((&device["state"], &device["since"]), (&json!("fresh"), &json!(NOW_MS)));
    }
    assert_eq!(site.get("/v1/devices/quiet").await.json()["id"], "site/b/quiet");
    for name in ["/odd%20n%C3%A4me", "%2Fodd%20n%C3%A4me"] {
        assert_eq!(site.get(&format!("/v1/devices/{name}")).await.json()["id"], "/odd näme");
    }
    assert_eq!(site.get("/v1/devices/site/b/dev7").await.json()["alert"], "critical");
    let quiet = site.get("/v1/devices/quiet").await.json();
    assert_eq!(quiet["metrics"]["temperature"]["value"], Value::Null);
}

#[tokio::test]
async fn a_name_that_two_devices_share_is_answered_with_both() {
    let site = Site::new().await;
    for target in ["/v1/devices/dev7", "/v1/readings?device=dev7&metric=temperature"] {
        let answer = site.get(target).await;
        assert_eq!((answer.status, answer.header("content-type")), (409, "application/problem+json"));
        assert_eq!(answer.json()["candidates"], json!(["site/a/dev7", "site/b/dev7"]));
    }
}

#[tokio::test]
async fn pages_of_devices_put_together_are_all_devices() {
    let site = Site::new().await;
    let all = names(&site.get("/v1/devices").await.json()["devices"], "id");
    assert_eq!(all, ["/odd näme", "site/a/dev7", "site/b/dev7", "site/b/quiet"]);
    assert_eq!(pages(&site, "/v1/devices?limit=1", "devices").await, all);
    let of = async |query: &str| names(&site.get(&format!("/v1/devices?{query}")).await.json()["devices"], "id");
    assert_eq!(of("group=site/b").await, ["site/b/dev7", "site/b/quiet"]);
    assert_eq!(of("q=DEV&group=site").await, ["site/a/dev7", "site/b/dev7"]);
    assert_eq!(of("group=site/bb").await, [""; 0]);
}

#[tokio::test]
async fn a_page_of_many_devices_is_whole_and_names_the_next_only_where_there_is_one() {
    let site = Site::new().await;
    let changes: Vec<Change> = (0..2_000)
        .map(|n| Change::Device {
            device: DeviceIndex(10 + n),
            id: format!("many/{n:04}").into(),
            group: "many".into(),
        })
        .collect();
    site.hub.apply(Position(10), NOW_MS, &changes);
    let page = async |query: &str| {
        let page = site.get(&format!("/v1/devices?{query}")).await.json();
        (names(&page["devices"], "id"), page["next"].clone())
    };
    let all: Vec<String> = (0..2_000).map(|n| format!("many/{n:04}")).collect();
    assert_eq!(page("group=many&limit=2000").await, (all.clone(), Value::Null));
    assert_eq!(page("group=many&limit=1999").await, (all[..1_999].to_vec(), json!("many/1998")));
    assert_eq!(page("q=Y/1999").await, (vec!["many/1999".to_owned()], Value::Null));
    assert_eq!(pages(&site, "/v1/devices?group=many&limit=300", "devices").await, all);
}

#[tokio::test]
async fn pages_of_readings_put_together_are_all_readings_also_those_of_one_time() {
    let site = Site::new().await;
    for (metric, limit, count) in [("temperature", 100, 360), ("door.state", 7, 720), ("door.state", 1, 720)] {
        let query = format!("/v1/readings?device=site/a/dev7&metric={metric}&{HOUR}&limit={limit}");
        let (mut points, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = site.get(&format!("{query}{cursor}")).await.json();
            points.extend(page["points"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(points.len(), count);
        assert_eq!(points[count / 360][0], NOW_MS - 3_590_000);
        assert!(points.is_sorted_by_key(|point| point[0].as_i64()));
        assert_eq!(points.chunk_by(|a, b| a[0] == b[0]).count(), 360);
    }
    let window = "from=2024-01-08T14:23:50Z&to=2024-01-08T15:24:05%2B01:00";
    let written = site.get(&format!("/v1/readings?device=quiet&metric=temperature&{window}")).await;
    assert_eq!(written.json()["points"], json!([[NOW_MS - 10_000, 55.9]]));
}

#[tokio::test]
async fn csv_holds_every_reading_across_pages() {
    let config = tidegate_push::PushConfig { page_max: 50, ..tidegate_push::PushConfig::default() };
    let site = Site::with(config, crate::fleet::FakeHistory::default()).await;
    let csv = async |rest: &str| {
        let target = format!("/v1/readings?device=site/a/dev7&{HOUR}&{rest}");
        site.ask("GET", &target, &[("accept", "text/csv")], "").await
    };
    let all = csv("metric=temperature").await;
    assert_eq!(all.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = all.text().split_terminator("\r\n").collect();
    assert_eq!((lines.len(), lines[0], lines[2]), (361, "time,value", "1704720255000,20.1"));
    assert_eq!(csv("metric=temperature&limit=120").await.text().lines().count(), 121);
    let readable = format!("/v1/readings?device=site/a/dev7&{HOUR}&metric=temperature&limit=1&format=csv");
    let readable = site.get(&format!("{readable}&timezone=Europe/Berlin")).await;
    assert_eq!(readable.text(), "time,value\r\n2024-01-08T14:24:05.000+01:00,20\r\n", "as a link of a page asks");
    let quoted = csv("metric=door.state&limit=1").await;
    assert_eq!(quoted.text(), "time,value\r\n1704720245000,\"open, \"\"wide\"\"\"\r\n");
}

#[tokio::test]
async fn a_chart_has_a_bucket_a_pixel_at_most_and_every_extreme() {
    let site = Site::new().await;
    for (width, rung_ms) in [(1, 3_600_000), (60, 60_000), (360, 10_000), (3_600, 1_000)] {
        let query = format!("/v1/series?device=site/a/dev7&metric=temperature&{HOUR}&width={width}");
        let chart = site.get(&query).await.json();
        assert_eq!(chart["rung_ms"], rung_ms);
        assert!(chart["through"].as_str().is_some_and(|position| position.ends_with('9')), "{chart}");
        let points = chart["points"].as_array().unwrap();
        assert!(points.len() <= width + 1, "{} buckets on {width} pixels", points.len());
        let lowest = points.iter().map(|point| point[3].as_f64().unwrap()).fold(f64::MAX, f64::min);
        let highest = points.iter().map(|point| point[4].as_f64().unwrap()).fold(f64::MIN, f64::max);
        assert_eq!((lowest, highest), (20.0, 55.9));
        let count: u64 = points.iter().map(|point| point[1].as_u64().unwrap()).sum();
        assert_eq!(count, 360, "buckets at the edges are whole");
    }
}

#[tokio::test]
async fn groups_have_their_figures_and_the_fleet_comes_first() {
    let site = Site::new().await;
    let groups = site.get("/v1/groups").await.json()["groups"].clone();
    assert_eq!(names(&groups, "path"), ["", "site/a", "site/b"]);
    let figures = json!({ "count": 3, "devices": 3, "mean": 23.5, "min": 23.0, "max": 24.0, "oldest": NOW_MS,
        "min_device": "site/a/dev7", "max_device": null });
    assert_eq!(groups[0]["metrics"]["temperature"], figures);
    assert_eq!(groups[1]["metrics"]["temperature"]["mean"], Value::Null);
    assert_eq!(groups[2]["in_alert"], json!({ "critical": 1, "warning": 0, "info": 0 }));
}

#[tokio::test]
async fn alerts_are_listed_by_whether_they_hold() {
    let site = Site::new().await;
    let of = async |query: &str| names(&site.get(&format!("/v1/alerts{query}")).await.json()["alerts"], "id");
    assert_eq!(of("").await, [WARM, COLD]);
    assert_eq!(of("?state=recent").await, [OVER, WARM, COLD]);
    assert_eq!(of("?group=site/a").await, [""; 0]);
    let all = of("?state=all").await;
    assert_eq!((all.len(), &*all[2], &*all[41]), (42, "a-140-0", "a-101-0"));
    for limit in [1, 3, 7, 41] {
        let target = format!("/v1/alerts?state=all&limit={limit}");
        assert_eq!(pages(&site, &target, "alerts").await, all, "pages of {limit}");
    }
    assert_eq!(pages(&site, "/v1/alerts?state=recent&limit=1", "alerts").await, [OVER, WARM, COLD]);
    assert_eq!(pages(&site, "/v1/alerts?state=cleared&limit=9", "alerts").await, all[2..], "history alone");
    assert_eq!(of("?rule=silent").await, [""; 0]);
    assert_eq!(of("?rule=too-warm&device=site/b/dev7").await, [WARM, COLD]);
    assert_eq!(of("?burst=b-7-0").await, [""; 0], "no line stands for two");
    assert_eq!(of("?burst=none").await, [WARM, COLD], "they stand for themselves");
}

#[tokio::test]
async fn rules_are_listed_all_or_those_about_a_device() {
    let site = Site::new().await;
    let of = async |query: &str| names(&site.get(&format!("/v1/rules{query}")).await.json()["rules"], "name");
    assert_eq!(of("").await, ["too-warm", "only-b", "silent"]);
    assert_eq!(of("?device=site/a/dev7").await, ["too-warm", "silent"]);
    let rules = site.get("/v1/rules").await.json()["rules"].clone();
    assert_eq!(
        rules[0],
        json!({ "id": "configured/too-warm", "name": "too-warm", "severity": "critical", "metric": "temperature",
            "device": null, "group": "site/*", "condition": "above", "threshold": 8.0, "hysteresis": 0.5, "for_ms": 30_000,
            "active": 2,
            "looks_at": { "devices": 4, "series": 4, "texts": 0 }, "blind": null })
    );
    let blind = "no device was heard in a group that matches \"site/b*\" yet";
    assert_eq!(rules[1]["blind"], blind);
    assert_eq!((&rules[2]["condition"], rules[2].get("threshold")), (&json!("no_reading"), None));
    assert_eq!(site.get("/v1/rules?device=nobody").await.status, 404);
}

#[tokio::test]
async fn the_first_acknowledgement_wins_and_the_second_hears_who_it_was() {
    let site = Site::new().await;
    let path = format!("/v1/alerts/{COLD}/acknowledge");
    let key = [("idempotency-key", "6f1c"), ("content-type", "application/json")];
    let first = site.ask("POST", &path, &key, r#"{"by":"Ann"}"#).await;
    assert_eq!((first.status, &first.json()["state"]), (200, &json!("acknowledged")));
    for body in [r#"{"by":"Bob"}"#, r#"{"by":"Ann"}"#, ""] {
        let again = site.ask("POST", &path, &key, body).await;
        assert_eq!((again.status, &again.json()["acknowledged"]["by"]), (200, &json!("Ann")));
    }
    assert_eq!(site.log.submitted.load(Ordering::Relaxed), 1, "the log holds it once");
    let other = site.post(&format!("/v1/alerts/{WARM}/acknowledge"), "").await;
    assert_eq!(other.json()["acknowledged"]["by"], "anonymous");
}

#[tokio::test]
async fn an_acknowledgement_says_why_and_is_taken_back() {
    let site = Site::new().await;
    let (on, back) = (format!("/v1/alerts/{WARM}/acknowledge"), format!("/v1/alerts/{WARM}/unacknowledge"));
    let taken = site.post(&on, r#"{"by":"Ann","comment":" the door\nwas open "}"#).await.json();
    let acknowledged = json!({ "time": NOW_MS, "by": "Ann", "comment": "the door\nwas open" });
    assert_eq!((&taken["acknowledged"], &taken["unacknowledged"]), (&acknowledged, &Value::Null));
    for _ in 0..2 {
        let given_back = site.post(&back, r#"{"by":"Bob"}"#).await.json();
        assert_eq!((&given_back["state"], &given_back["acknowledged"]), (&json!("raised"), &Value::Null));
        assert_eq!(given_back["unacknowledged"], json!({ "time": NOW_MS, "by": "Bob" }));
    }
    assert_eq!(site.log.submitted.load(Ordering::Relaxed), 2, "what is so already is not asked of the log");
    assert_eq!(site.post("/v1/alerts/a-99-0/unacknowledge", "").await.status, 404);
    assert_eq!(site.post(&format!("/v1/alerts/{OVER}/unacknowledge"), "").await.status, 409);
    let long = json!({ "comment": "x".repeat(501) }).to_string();
    for wrong in [&*long, r#"{"comment":"a\u0000b"}"#, r#"{"comment":7}"#] {
        assert_eq!(site.post(&on, wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_times_that_a_switch_was_on_are_listed_with_their_sum() {
    let site = Site::new().await;
    let query = format!("/v1/periods?device=site/a/dev7&metric=temperature&{HOUR}");
    let found = site.get(&query).await.json();
    let (start, to) = (NOW_MS - 3_600_000, NOW_MS);
    assert_eq!((&found["count"], &found["total_ms"], &found["to"]), (&json!(1), &json!(3_600_000), &json!(to)));
    assert_eq!(found["periods"], json!([{ "start": start, "end": null, "duration_ms": 3_600_000 }]));
    let csv = site.get(&format!("{query}&format=csv&timezone=UTC")).await;
    assert_eq!(csv.text(), "start,end,duration_s\r\n2024-01-08T13:24:05.000+00:00,,3600.000\r\n");
    let later = site.get("/v1/periods?device=site/a/dev7&metric=temperature&from=1704723800000&to=1804723845000").await;
    let whole = json!([{ "start": null, "end": null, "duration_ms": 45_000 }]);
    assert_eq!(later.json()["periods"], whole, "it was on before, and what is to come does not count");
    let words = site.get(&format!("/v1/periods?device=site/a/dev7&metric=door.state&{HOUR}")).await;
    assert_eq!((words.status, &words.json()["title"]), (404, &json!("Unknown metric")));
    for (wrong, status) in [("format=xml", 400), ("format=csv&timezone=Mars/Base", 404), ("timezone=Mars/Base", 200)] {
        assert_eq!(site.get(&format!("{query}&{wrong}")).await.status, status, "{wrong}");
    }
}

#[tokio::test]
async fn problems_and_stats_show_what_the_program_knows() {
    let site = Site::new().await;
    let problems = site.get("/v1/problems?limit=5").await.json();
    assert_eq!(problems["dropped"], 17);
    assert_eq!(
        (&problems["problems"][0]["sample"], &problems["problems"][0]["sample_hex"]),
        (&json!("ab\u{fffd}"), &json!("6162ff"))
    );
    let stats = site.get("/v1/stats").await.json();
    assert_eq!(stats["time"], json!(NOW_MS), "by the clock that stamps the entries, not by the system's");
    assert_eq!((&stats["devices"]["fresh"], &stats["store"]["points"]), (&json!(4), &json!(360)));
    assert_eq!((&stats["refused"]["not_utf8"], &stats["viewers"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn every_example_of_the_documentation_is_answered() {
    let site = Site::new().await;
    let commands = include_str!("../../../../docs/rest.md").lines().filter_map(|line| line.strip_prefix("$ curl "));
    let mut described = BTreeSet::new();
    for command in commands {
        let (options, url) = command.split_once("http://localhost:8080").unwrap();
        let target = url.split(['\'', ' ']).next().unwrap();
        let method = options.split_once("-X ").map_or("GET", |(_, rest)| rest.split(' ').next().unwrap());
        let body = options.split_once("-d '").map_or("", |(_, rest)| rest.split('\'').next().unwrap());
        let accept = if options.contains("text/csv") { "text/csv" } else { "*/*" };
        let answer = site.ask(method, target, &[("accept", accept)], body).await;
        assert!(matches!(answer.status, 200 | 202 | 204), "{command}: {}", answer.text());
        described.extend(description::judge(method, target, &answer));
    }
    assert_eq!(described, description::operations().into_iter().collect());
}

/// The `id` of every entry of every page.
async fn pages(site: &Site, target: &str, field: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Answer = site.get(&format!("{target}{cursor}")).await;
        let page = page.json();
        ids.extend(names(&page[field], "id"));
        assert!(ids.len() < 10_000, "the pages of {target} end");
        let Some(next) = page["next"].as_str() else { return ids };
        cursor = format!("&cursor={}", next.replace('/', "%2F").replace(' ', "%20"));
    }
}

#[tokio::test]
async fn a_list_of_commands_says_what_the_next_one_is_when_nothing_else_is_said() {
    let site = Site::new().await;
    let defaults = site.get("/v1/devices/site/a/dev7/commands").await.json()["defaults"].clone();
    assert_eq!((&defaults["topic"], &defaults["expires_in_s"]), (&json!("site/a/dev7/command"), &json!(86_400)));
    let sent = site.ask("POST", "/v1/devices/site/a/dev7/commands", &[], "{}").await.json();
    for field in ["topic", "response_topic", "qos"] {
        assert_eq!(sent[field], defaults[field], "{field}");
    }
}
