//! Questions about many series, over a history that is known.

use serde_json::json;
use tidegate_push::{PushConfig, QuestionsConfig};

use crate::fleet::{FakeHistory, NOW_MS};
use crate::site::{self, Site};

const HOUR: &str = "from=1704720245000&to=1704723845000";

async fn refused(site: &Site, target: &str) -> (u16, String) {
    let answer = site.get(target).await;
    (answer.status, answer.json()["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn several_series_are_a_list_and_one_is_itself() {
    let site = Site::new().await;
    let one = site.get(&format!("/v1/series?device=site/a/dev7&metric=temperature&{HOUR}&width=100")).await.json();
    assert_eq!((one["device"].as_str(), one["points"].as_array().map(Vec::len)), (Some("site/a/dev7"), Some(60)));
    let several =
        format!("/v1/series?device=site/a/dev7&device=quiet&metric=temperature&metric=nobody&{HOUR}&width=100");
    let list = site.get(&several).await.json();
    let names: Vec<_> = list["series"].as_array().unwrap().iter().map(|it| it["device"].clone()).collect();
    assert_eq!((&names[..], &list["rung_ms"]), (&[json!("site/a/dev7"), json!("site/b/quiet")][..], &json!(60_000)));
    assert_eq!(list["series"][0]["points"], one["points"]);
    assert_eq!(list["series"][0]["through"], one["through"]);

    // Also those that only history knows, and one alone where a group is named.
    let list = site.get(&format!("/v1/series?group=gone&metric=temperature&{HOUR}")).await.json();
    assert_eq!(list["series"][0]["device"], "gone/dev9");
    let list = site.get(&format!("/v1/series?group=site/b&device=quiet&metric=temperature&{HOUR}")).await.json();
    assert_eq!(list["series"].as_array().map(Vec::len), Some(1));

    let csv = site.get(&format!("{several}&format=csv&timezone=Europe/Berlin")).await;
    let lines: Vec<_> = csv.text().lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + 2 * 60, "device,metric,start,count,mean,min,max,last"));
    assert_eq!(lines[1], "site/a/dev7,temperature,2024-01-08T14:24:00.000+01:00,6,20.25,20,20.5,20.5");
}

#[tokio::test]
async fn questions_that_cannot_be_answered_say_why() {
    let recorder = site::recorder();
    let questions =
        QuestionsConfig { series_max: 1, points_max: 400, values_max: 4_000, ..PushConfig::default().questions };
    let site = Site::with(PushConfig { questions, ..PushConfig::default() }, FakeHistory::default()).await;
    let aggregate = format!("/v1/aggregate?metric=temperature&{HOUR}");
    for (target, status, words) in [
        (format!("/v1/series?metric=temperature&{HOUR}"), 400, "device is missing"),
        (format!("/v1/series?device=quiet&{HOUR}"), 400, "metric is missing"),
        (format!("/v1/series?device=quiet&device=quiet&metric=temperature&{HOUR}"), 400, "device is there twice"),
        (format!("/v1/series?device=quiet&device=nobody&metric=temperature&{HOUR}"), 404, "no device \"nobody\""),
        (format!("/v1/series?group=&metric=temperature&{HOUR}"), 422, "`questions.series_max`"),
        (format!("{aggregate}&group=nowhere"), 404, "no device of the group \"nowhere\" has the metric temperature"),
        (format!("{aggregate}&group=gone&every=5"), 400, "no duration above zero"),
        (format!("{aggregate}&group=gone&every=0s"), 400, "no duration above zero"),
        (format!("{aggregate}&group=gone&every=7h&timezone=Europe/Berlin"), 400, "a part of a day that divides it"),
        (format!("{aggregate}&group=gone&every=1h&timezone=Europe/Atlantis"), 404, "is no zone"),
        (format!("{aggregate}&group=gone&function=median"), 400, "none of mean, min"),
        (format!("{aggregate}&group=gone&function=p100.1"), 400, "none of mean, min"),
        (format!("{aggregate}&group=gone&function=mean&function=mean"), 400, "function is there twice"),
        (format!("{aggregate}&group=gone&by=0"), 400, "levels from 1 to 99"),
        (format!("{aggregate}&group=gone&every=500ms"), 422, "`questions.values_max`"),
        (format!("{aggregate}&group=gone&every=1ms"), 422, "`questions.values_max`"),
        (format!("{aggregate}&group=gone&every=1m&function=p50"), 422, "a line with percentiles"),
        (
            "/v1/aggregate?metric=temperature&group=gone&from=0&to=4000000000000&every=1s".to_owned(),
            422,
            "`questions.values_max`",
        ),
    ] {
        let (told, detail) = refused(&site, &target).await;
        assert!(told == status && detail.contains(words), "{target}: {told} {detail}");
    }
    let counted = recorder.render();
    assert!(counted.contains("tidegate_history_refused_total{limit=\"questions.values_max\"}"), "{counted}");

    let questions = QuestionsConfig { points_max: 300, ..PushConfig::default().questions };
    let site = Site::with(PushConfig { questions, ..PushConfig::default() }, FakeHistory::default()).await;
    assert_eq!(site.get(&format!("{aggregate}&group=gone&every=1h")).await.status, 200, "two summaries are no 300");
    let (status, detail) = refused(&site, &format!("{aggregate}&group=gone&every=5m")).await;
    assert!(status == 422 && detail.contains("`questions.points_max`"), "{detail}");

    let questions = QuestionsConfig { time_max: std::time::Duration::ZERO, ..PushConfig::default().questions };
    let site = Site::with(PushConfig { questions, ..PushConfig::default() }, FakeHistory::default()).await;
    let answer = site.get(&format!("{aggregate}&group=gone&every=5m")).await;
    assert_eq!((answer.status, &answer.json()["limit"]), (422, &json!("questions.time_max")));
}

#[tokio::test]
async fn windows_of_a_group_say_what_its_readings_do() {
    let site = Site::new().await;
    // A point each 10 s, 20.0 + n / 10; the fake history gives every device the same.
    let from = NOW_MS - 3_600_000;
    let question = format!("/v1/aggregate?metric=temperature&group=site/b&from={from}&to={}&every=1m", from + 120_000);
    let functions = ["count", "mean", "min", "max", "last", "p50", "increase", "time_mean"];
    let functions = functions.map(|name| format!("&function={name}")).concat();
    let answer = site.get(&format!("{question}{functions}")).await.json();
    assert_eq!((&answer["rung_ms"], &answer["every_ms"]), (&json!(null), &json!(60_000)));
    let points = answer["lines"][0]["points"].as_array().unwrap();
    // 14:24:05 to 14:26:05: 55 s of the first minute, 60, and 5.
    let counts: Vec<_> =
        points.iter().map(|point| (point[0].as_i64().unwrap() - from, point[1].as_u64().unwrap())).collect();
    assert_eq!(counts, [(-5_000, 6), (55_000, 6), (115_000, 0)], "the last value holds on");
    let near = |at: usize, value: f64| (points[0][at].as_f64().unwrap() - value).abs() < 1e-9;
    assert!(near(2, 20.25) && near(7, 0.5), "{points:?}");
    assert_eq!(points[0].as_array().unwrap()[3..7], [20.0, 20.5, 20.5, 20.2].map(|value| json!(value)));
    assert_eq!(points[2].as_array().unwrap()[2..8], vec![json!(null); 6]);
    let weighted = (10.0 * (20.0 + 20.1 + 20.2 + 20.3 + 20.4) + 5.0 * 20.5) / 55.0;
    assert!(near(8, weighted), "{points:?}");

    let csv = site.get(&format!("{question}&by=device&format=csv&timezone=UTC")).await;
    let lines: Vec<_> = csv.text().lines().collect();
    assert_eq!(lines[..2], ["group,device,start,mean", "site/b,site/b/dev7,2024-01-08T13:24:00.000+00:00,20.25"]);
}
