//! The same promises with each engine, and what of them each keeps: the table of docs/engines.md.

mod bridge;
mod device;
mod external;
mod promises;
mod site;

use futures_util::future::join_all;
use tidegate_tests::tool;

use self::promises::PROMISES;
use self::site::Engine;

/// Around the table in docs/engines.md.
const TABLE: [&str; 2] = ["<!-- what each engine keeps: made by the tests -->\n", "<!-- end -->"];

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_each_engine_keeps() {
    let all = join_all(Engine::ALL.map(|engine| async move {
        let mut kept = Vec::new();
        for promise in &PROMISES {
            let is_kept = (promise.try_with)(engine).await;
            println!("{}: {} {is_kept}", engine.name(), promise.what);
            kept.push(is_kept);
        }
        kept
    }))
    .await;
    let mut table = String::from("\n| | gate | rumqttd | external |\n|---|---|---|---|\n");
    for (index, promise) in PROMISES.iter().enumerate() {
        let [gate, rumqttd, external] = [0, 1, 2].map(|engine: usize| if all[engine][index] { "yes" } else { "no" });
        table += &format!("| {} | {gate} | {rumqttd} | {external} |\n", promise.what);
    }
    let document = std::fs::read_to_string(tool::file("docs/engines.md")).unwrap();
    let written = document.split_once(TABLE[0]).and_then(|(_, rest)| rest.split_once(TABLE[1]));
    assert_eq!(written.map(|(written, _)| written.trim()), Some(table.trim()), "the table as it is now:\n{table}");
    assert!(all[0].iter().all(|kept| *kept), "the gate keeps every promise:\n{table}");
}
