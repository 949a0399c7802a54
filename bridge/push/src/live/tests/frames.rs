//! As few wake-ups and frames as what a viewer wants takes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_telemetry::{
    AppliedCell, AppliedReading, Change, DeliveryClass, DeviceIndex, History, MetricIndex, Position, TimeOrigin,
    Value as Measured,
};
use tidegate_views::ViewsConfig;
use tokio::time::sleep;

use super::link::Link;
use super::{BASE_MS, Past};
use crate::live::LiveConfig;
use crate::live::hub::Hub;

const DEVICE: DeviceIndex = DeviceIndex(0);

struct Site {
    hub: Arc<Hub>,
    link: Link,
    position: u64,
    heard: Vec<Value>,
    bytes: usize,
}

impl Site {
    /// A device and a viewer of it, who asked for a rate or did not.
    async fn new(rate: Option<f64>) -> Site {
        let hub = Arc::new(Hub::new(ViewsConfig::default(), LiveConfig::default(), || BASE_MS));
        let metric = MetricIndex(0);
        let changes = [
            Change::Device { device: DEVICE, id: "dev7".into(), group: "".into() },
            Change::Metric { device: DEVICE, metric, name: "t".into(), unit: None, guessed: false, decimals: None },
        ];
        hub.apply(Position(1), BASE_MS, &changes);
        let history: Arc<dyn History> = Arc::new(Past::default());
        let link = Link::open(&hub, &history);
        link.say(&json!({"type":"hello","protocol":2,"encoding":"json"}));
        link.say(&json!({"type":"subscribe","id":1,"view":{"kind":"device","device":"dev7"},"rate":rate}));
        let mut site = Site { hub, link, position: 1, heard: Vec::new(), bytes: 0 };
        site.pass(500).await;
        site.heard.clear();
        site
    }

    /// A reading each 5 ms for a second, each so old when it is shown.
    async fn measure_for_a_second(&mut self, late_ms: i64) {
        for number in 0..200 {
            self.position += 1;
            let value = Measured::Number(f64::from(number));
            let cell = AppliedCell { metric: MetricIndex(0), value, latest: true, is_new: true };
            let received_ms = BASE_MS - late_ms;
            let time_ms = BASE_MS + i64::from(number);
            let (class, cells) = (DeliveryClass::Envelope, [cell].into_iter().collect());
            let reading =
                AppliedReading { device: DEVICE, time_ms, origin: TimeOrigin::Receipt, received_ms, class, cells };
            self.hub.apply(Position(self.position), received_ms, &[Change::Reading(reading)]);
            self.pass(5).await;
        }
        self.pass(1_500).await;
    }

    async fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            sleep(Duration::from_millis(1)).await;
            while let Some(message) = self.link.heard() {
                self.bytes += message.len();
                self.heard.push(serde_json::from_slice(&message).unwrap());
                self.link.say(&json!({"type":"seen","bytes":self.bytes}));
                tokio::task::yield_now().await;
            }
        }
    }

    fn deltas(&self) -> Vec<&Value> {
        self.heard.iter().filter(|message| message.get("d").is_some()).collect()
    }

    fn shows_the_last(&self) -> bool {
        self.deltas().last().unwrap()["r"][0][2]["v"] == 199
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_costs_no_wake_up_for_what_it_holds_back_and_is_told() {
    let mut site = Site::new(Some(20.0)).await;
    let before = site.hub.wakes();
    site.measure_for_a_second(0).await;
    let (deltas, wakes) = (site.deltas().len(), site.hub.wakes() - before);
    assert!((18..=23).contains(&deltas), "{deltas} deltas in a second at 20/s");
    assert!(wakes <= 3, "{wakes} wake-ups by 200 readings, besides the clock's");
    assert!(site.shows_the_last());
    let told = site.heard.iter().find(|message| message["type"] == "pace").unwrap();
    assert_eq!((&told["rate"], &told["reason"]), (&json!(20.0), &json!("rate_limit")));
}

#[tokio::test(start_paused = true)]
async fn deltas_that_run_late_come_together_and_those_on_time_at_once() {
    let mut site = Site::new(None).await;
    site.measure_for_a_second(2).await;
    assert_eq!(site.deltas().len(), 200, "each goes at once");
    site.heard.clear();
    site.measure_for_a_second(75).await;
    let late = site.deltas().len();
    assert!((40..=100).contains(&late), "{late} deltas where sessions run late");
    assert!(site.shows_the_last());
    site.heard.clear();
    site.measure_for_a_second(2).await;
    let again = site.deltas().len();
    assert!(again >= 180, "{again} deltas once they are on time again");
}
