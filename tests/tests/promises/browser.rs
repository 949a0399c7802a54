//! The dashboard in a real browser, against the real server. The scenes are in `tests/browser/`.

use tidegate_tests::{Server, tool};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::sync::Mutex;

const HOT: &str =
    "[[alert]]\nname = \"hot\"\nseverity = \"critical\"\nmetric = \"temperature\"\nabove = 30.0\nhysteresis = 1.0\n";

const WARM: &str = "[[alert]]\nname = \"warm\"\nseverity = \"warning\"\nmetric = \"temperature\"\nabove = 25.0\n";

/// One browser at a time: some scenes measure.
static SCREEN: Mutex<()> = Mutex::const_new(());

/// Plays a scene to its end.
async fn play(scene: &str, server: &Server) {
    let _alone = SCREEN.lock().await;
    let said = tool::node("dashboard.mjs", &[scene, &server.http.to_string(), &server.mqtt.to_string()]).await;
    print!("{said}");
}

/// A scene that the test takes part in.
struct Scene {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Scene {
    fn start(scene: &str, server: &Server) -> Scene {
        let script = tool::file("tests/browser/dashboard.mjs");
        let script = script.to_str().expect("a path of plain text");
        let mut child = tool::start("node", &[script, scene, &server.http.to_string(), &server.mqtt.to_string()]);
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Scene { child, lines }
    }

    /// Waits until the scene has come so far.
    async fn said(&mut self, word: &str) {
        let line = self.lines.next_line().await.expect("its output is text");
        assert_eq!(line.as_deref(), Some(word), "the scene ended early; its reason is above");
    }

    /// Waits until it is over.
    async fn ended(mut self) {
        let status = self.child.wait().await.expect("it can be waited for");
        assert!(status.success(), "the scene failed; its reason is above");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_published_with_mosquitto_pub_paho_mqtt_and_mqttjs_is_on_the_page() {
    let server = Server::start().await;
    let _alone = SCREEN.lock().await;
    let mut scene = Scene::start("arrival", &server);
    scene.said("open").await;
    let (host, port) = (server.mqtt.ip().to_string(), server.mqtt.port().to_string());
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/a/f1/mosquitto/temperature", "-m", "24.5"]).await;
    tool::python("publish.py", &[&host, &port, "paho"]).await;
    tool::node("publish.mjs", &[&format!("mqtt://{}", server.mqtt), "mqttjs"]).await;
    scene.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_named_placed_and_labelled_by_keyboard_and_that_is_undone() {
    play("named", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_named_and_hidden_on_a_phone() {
    play("namedByThumb", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_asks_in_its_own_name_the_page_says_what_is_wrong() {
    play("proxied", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_on_the_page_within_a_second_and_a_click_acknowledges_it() {
    play("alert", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_finds_goes_moves_and_acknowledges() {
    play("keyboard", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_that_the_server_is_gone_and_goes_on_when_it_is_back() {
    let mut server = Server::start().await;
    let _alone = SCREEN.lock().await;
    let mut scene = Scene::start("outage", &server);
    scene.said("live").await;
    server.kill().await;
    scene.said("offline").await;
    server.restart().await;
    tool::mosquitto_pub(server.mqtt, &["-q", "1", "-t", "site/a/f1/dev1/temperature", "-m", "25.5"]).await;
    scene.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_page_pauses_and_catches_up_when_it_is_seen() {
    play("hidden", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_joins_history_and_live_and_its_address_holds_the_window() {
    play("chart", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_their_week_before_are_in_one_chart_by_its_address() {
    play("compare", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_goes_to_yesterday_to_any_day_and_by_one_window_back_and_forth() {
    play("days", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finger_moves_a_chart_and_two_stretch_it() {
    play("fingers", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_devices_are_in_alert_is_in_sight_and_a_click_shows_only_those() {
    play("inAlert", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_a_table_in_any_order_by_its_address() {
    play("table", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_which_nothing_comes_into_history_is_not_simply_fresh() {
    let mut server = Server::start().await;
    // Before a clock is confirmed nothing is too old.
    server.stop().await;
    server.restart_with(&["--trust-clock"]).await;
    play("unkept", &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_by_name_goes_to_its_matches() {
    play("filter", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_alerts_are_in_sections_that_open_close_and_count() {
    play("sections", &Server::with_config(&format!("{HOT}{WARM}[views]\nalert_burst_min = 0\n")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_failed_says_so_and_can_be_tried_again() {
    play("failing", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_serious_on_any_page_in_light_or_dark() {
    play("accessible", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_panel_take_the_focus_and_give_it_back_and_the_cells_are_one_stop() {
    play("focus", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_reader_hears_what_happened_and_not_each_second() {
    play("quiet", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_words_has_a_list_of_them_and_a_switch_is_on_or_off() {
    play("words", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_understood_is_shown_with_reason_topic_and_first_bytes() {
    play("problems", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_found_traced_and_disconnected_on_its_page() {
    play("clients", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_sent_from_the_devices_page_and_its_answer_comes_up_there() {
    play("command", &Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_phone_and_a_thumb() {
    play("phone", &Server::with_config(HOT).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_say_what_they_are_of_in_which_unit_and_of_when() {
    let server = Server::with_config(HOT).await;
    let _alone = SCREEN.lock().await;
    print!("{}", tool::node("figures.mjs", &[&server.http.to_string(), &server.mqtt.to_string()]).await);
}
