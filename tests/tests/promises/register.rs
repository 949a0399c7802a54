//! People say what devices are called, where they are and what belongs to them: by REST, for good, over everything.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::live::Live;
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually, http};

use crate::backup::{CONFIG, publish, refused, text, well};

const LIMIT: Duration = Duration::from_secs(60);
const DEV7: &str = "/v1/devices/hall/dev7";

async fn patch(server: &Server, path: &str, body: &Value) -> http::Answer {
    http::request(server.http, "PATCH", path, &[("content-type", "application/json")], &body.to_string()).await
}

/// What is known of the device, after a change that is taken.
async fn says(server: &Server, body: Value) -> Value {
    let answer = patch(server, DEV7, &body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.json()
}

async fn ids(server: &Server, query: &str) -> Vec<String> {
    let answer = http::get(server.http, &format!("/v1/devices?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let devices = answer.json()["devices"].as_array().cloned().unwrap_or_default();
    devices.iter().map(|device| device["id"].as_str().unwrap().to_owned()).collect()
}

async fn fleet(devices: &[&str]) -> (Server, Client) {
    let server = Server::with_config(CONFIG).await;
    let mut client = Client::v5("gateway");
    client.connect(server.mqtt).await.unwrap();
    for device in devices {
        publish(&mut client, device, r#"{"temperature":21.5,"door":true}"#, false).await;
        let path = format!("/v1/devices/{}", device.replace('/', "%2F"));
        eventually("it is there", LIMIT, || async {
            (http::get(server.http, &path).await.status == 200).then_some(())
        })
        .await;
    }
    (server, client)
}

#[tokio::test]
async fn what_people_say_outweighs_the_device_stays_over_a_kill_and_can_be_taken_back() {
    let (mut server, mut client) = fleet(&["hall/dev7", "hall/dev8"]).await;
    let mut live = Live::connect(server.http, json!({})).await;
    let mut rows = live.subscribe(1, json!({"kind": "devices", "group": "House"}), json!({})).await;
    let said = says(
        &server,
        json!({"name": " Kellerfenster Süd ", "group": "House/Cellar", "labels": {"floor": "-1", "kind": "window"},
               "notes": "Key at Ünal's.\nSecond shelf.", "interval_ms": 600_000, "by": "Ann"}),
    )
    .await;
    let about = &said["about"];
    assert_eq!((&about["name"], &said["group"]), (&json!("Kellerfenster Süd"), &json!("House/Cellar")));
    assert_eq!(about["labels"], json!({"floor": "-1", "kind": "window"}));
    assert_eq!((&about["said"]["by"], &about["interval_ms"]), (&json!("Ann"), &json!(600_000)));
    let of_page = |rows: &tidegate_tests::live::Rows| {
        rows.rows.values().find(|row| row["id"] == "hall/dev7").map(|row| row["about"]["name"].clone())
    };
    live.until(&mut rows, LIMIT, |rows| of_page(rows) == Some(json!("Kellerfenster Süd"))).await;
    publish(&mut client, "hall/dev7", r#"{"temperature":22.5}"#, false).await;
    let undo = about["said"]["undo"].clone();
    assert_eq!(undo["labels"], json!({"floor": null, "kind": null}));

    server.kill_and_restart().await;
    let device = http::get(server.http, DEV7).await.json();
    assert_eq!((&device["about"], &device["group"]), (about, &said["group"]), "after a kill");
    assert_eq!(ids(&server, "label=floor%3D-1&label=kind%3Dwindow").await, ["hall/dev7"]);
    assert_eq!(ids(&server, "label=floor%3D-1&label=kind%3Ddoor").await, [""; 0]);
    for found in ["q=KELLER", "q=s%C3%BCd", "q=window", "group=House"] {
        assert_eq!(ids(&server, found).await, ["hall/dev7"], "{found}");
    }
    let back = says(&server, undo).await;
    assert_eq!(back["group"], "hall");
    assert_eq!((&back["about"]["name"], &back["about"]["labels"]), (&Value::Null, &Value::Null));
    let again = says(&server, back["about"]["said"]["undo"].clone()).await;
    assert_eq!(again["about"]["name"], "Kellerfenster Süd", "undone, and done again");
    let one = says(&server, json!({"labels": {"floor": null}})).await;
    assert_eq!(one["about"]["labels"], json!({"kind": "window"}), "the others stay");
}

#[tokio::test]
async fn what_cannot_be_meant_so_is_refused_with_words_that_say_what_to_do_and_changes_nothing() {
    let (server, _client) = fleet(&["hall/dev7"]).await;
    let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("k{n}"), json!("v"))).collect();
    for (body, detail) in [
        (json!({"name": ""}), "null takes it back"),
        (json!({"name": "x".repeat(201)}), "at most 200"),
        (json!({"name": "a\u{7}b"}), "cannot be shown"),
        (json!({"name": 7}), "expected a string"),
        (json!({"nam": "x"}), "unknown field `nam`"),
        (json!({"group": "a//b"}), "level without a name"),
        (json!({"labels": {"a=b": "c"}}), "\"=\""),
        (json!({"labels": {"": "c"}}), "key of a label is empty"),
        (json!({"labels": many}), "at most 32"),
        (json!({"notes": "x".repeat(4_001)}), "at most 4000"),
        (json!({"interval_ms": 10}), "from 1000"),
        (json!({"hidden": "yes"}), "expected a boolean"),
        (json!({"name": "x", "by": ""}), "by needs"),
        (json!([]), "an object"),
    ] {
        let answer = patch(&server, DEV7, &body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        let said = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(detail), "{body}: {said}");
    }
    assert_eq!(patch(&server, "/v1/devices/nobody", &json!({"name": "x"})).await.status, 404);
    assert_eq!(patch(&server, "/v1/devices/hall/dev7/commands", &json!({"name": "x"})).await.status, 405);
    let elsewhere = [("origin", "http://evil.example"), ("content-type", "application/json")];
    assert_eq!(http::request(server.http, "PATCH", DEV7, &elsewhere, r#"{"name":"x"}"#).await.status, 403);
    assert_eq!(http::get(server.http, DEV7).await.json()["about"], Value::Null);
    for query in ["label=floor", "hidden=perhaps"] {
        assert_eq!(http::get(server.http, &format!("/v1/devices?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_hidden_device_is_in_no_view_and_no_figures_unless_it_is_asked_for_and_named_it_is_always_found() {
    let (server, mut client) = fleet(&["hall/dev7", "hall/dev8"]).await;
    let mut live = Live::connect(server.http, json!({})).await;
    let group = json!({"kind": "devices", "group": "hall"});
    let mut shown = live.subscribe(1, group.clone(), json!({})).await;
    let has = |rows: &tidegate_tests::live::Rows| rows.rows.values().any(|row| row["id"] == "hall/dev7");
    live.until(&mut shown, LIMIT, has).await;
    assert_eq!(says(&server, json!({"hidden": true})).await["about"]["hidden"], true);
    live.until(&mut shown, LIMIT, |rows| !has(rows) && rows.rows.len() == 1).await;
    assert_eq!(ids(&server, "group=hall").await, ["hall/dev8"]);
    assert_eq!(ids(&server, "hidden=true").await, ["hall/dev7", "hall/dev8"]);
    assert_eq!(ids(&server, "hidden=only").await, ["hall/dev7"]);
    assert_eq!(ids(&server, "id=hall/dev7").await, ["hall/dev7"]);
    assert_eq!(http::get(server.http, DEV7).await.status, 200);
    eventually("the group counts one", LIMIT, || async {
        let groups = http::get(server.http, "/v1/groups").await.json();
        let hall = groups["groups"].as_array()?.iter().find(|group| group["path"] == "hall")?.clone();
        (hall["devices"]["fresh"] == 1 && hall["metrics"]["temperature"]["devices"] == 1).then_some(())
    })
    .await;
    let mut other = Live::connect(server.http, json!({})).await;
    let mut all = other.subscribe(1, json!({"kind": "devices", "group": "hall", "hidden": true}), json!({})).await;
    other.until(&mut all, LIMIT, |rows| rows.rows.len() == 2).await;
    publish(&mut client, "hall/dev7", r#"{"temperature":25.25}"#, false).await;
    other.until(&mut all, LIMIT, |rows| rows.value("hall/dev7", "temperature") == Some(&json!(25.25))).await;
    says(&server, json!({"hidden": null})).await;
    live.until(&mut shown, LIMIT, has).await;
}

#[tokio::test]
async fn what_people_said_of_a_device_is_erased_with_it() {
    let (mut server, mut client) = fleet(&["hall/dev7", "hall/dev8"]).await;
    says(&server, json!({"name": "Nina's room", "by": "Ann"})).await;
    publish(&mut client, "hall/dev8", r#"{"temperature":22}"#, false).await;
    let address = server.http.to_string();
    well(&["forget", "hall/dev7", "--http", &address]).await;
    client.leave().await;
    server.stop().await;
    well(&["verify", text(&server.data()), "--absent", "hall/dev7"]).await;
    refused(&["verify", text(&server.data()), "--absent", "hall/dev8"]).await;
    server.restart().await;
    let mut client = Client::v5("gateway");
    client.connect(server.mqtt).await.unwrap();
    publish(&mut client, "hall/dev7", r#"{"temperature":1}"#, false).await;
    let device = eventually("it is a new one", LIMIT, || async {
        let answer = http::get(server.http, DEV7).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!(device["about"], Value::Null);
}

#[tokio::test]
async fn a_list_of_devices_goes_out_and_in_as_csv_and_each_flaw_is_told_with_its_line() {
    let (server, _client) = fleet(&["hall/dev7", "hall/dev8"]).await;
    let address = server.http.to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    std::fs::write(
        &file,
        "id,name,group,labels,notes,hidden,interval\n\
         hall/dev7,\"Cellar, north\",House/Cellar,floor=-1;kind=window,\"two\nlines\",yes,10 min\n\
         hall/nobody,Ghost,,,,,\n\
         hall/dev8,Attic,,floor,,,\n\
         hall/dev8,Attic,,,,perhaps,\n\
         hall/dev8,Attic,,,,,soon\n\
         hall/dev8,Attic\n\
         hall/dev8,Attic,,,,,\n",
    )
    .unwrap();
    let said = refused(&["devices", "import", text(&file), "--http", &address, "--by", "Ann"]).await;
    for flaw in [
        "line 4:",
        "hall/nobody",
        "line 5:",
        "key=value",
        "line 6:",
        "yes or no",
        "line 7:",
        "10 min",
        "line 8:",
        "2 of 7",
    ] {
        assert!(said.contains(flaw), "{flaw}: {said}");
    }
    let dev7 = http::get(server.http, DEV7).await.json();
    assert_eq!((&dev7["about"]["name"], &dev7["about"]["notes"]), (&json!("Cellar, north"), &json!("two\nlines")));
    assert_eq!((&dev7["group"], &dev7["about"]["interval_ms"]), (&json!("House/Cellar"), &json!(600_000)));
    assert_eq!(dev7["about"]["said"]["by"], "Ann");
    assert_eq!(ids(&server, "q=attic").await, ["hall/dev8"]);

    let out = folder.path().join("out.csv");
    well(&["devices", "export", text(&out), "--http", &address]).await;
    let exported = std::fs::read_to_string(&out).unwrap();
    assert!(
        exported
            .contains("hall/dev7,\"Cellar, north\",House/Cellar,\"floor=-1;kind=window\",\"two\nlines\",yes,10 min"),
        "{exported}"
    );
    says(
        &server,
        json!({"name": null, "group": null, "labels": null, "notes": null, "hidden": null, "interval_ms": null}),
    )
    .await;
    well(&["devices", "import", text(&out), "--http", &address]).await;
    let again = http::get(server.http, DEV7).await.json();
    assert_eq!(again["about"]["name"], "Cellar, north", "what went out comes in");
    assert_eq!(again["about"]["labels"], dev7["about"]["labels"]);
}
