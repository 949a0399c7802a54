//! The description of REST is right, also to who knows nothing else.

use std::time::Duration;

use tidegate_tests::{Server, eventually, tool};

/// Thousands of requests made from `/v1/openapi.json` alone, right ones and wrong ones; schemathesis looks at each answer.
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_the_description_allows_is_answered_and_nothing_that_it_does_not() {
    let server = Server::start().await;
    for device in ["site/a/dev1", "site/b/dev1", "site/b/dev2"] {
        let reading = r#"{"temperature":21.5,"door":"open","on":true}"#;
        tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", device, "-m", reading]).await;
    }
    eventually("it is applied", Duration::from_secs(10), || async { server.value("dev2", "temperature").await }).await;
    let config = tool::file("tests/schemathesis.toml");
    let description = format!("http://{}/v1/openapi.json", server.http);
    let run = ["-m", "schemathesis.cli", "--config-file", config.to_str().unwrap(), "run", &description];
    let run = [&run[..], &["--no-color", "--warnings", "off"]].concat();
    let said = tool::python_with(&run).await;
    assert!(said.contains("No issues found"), "{said}");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}
