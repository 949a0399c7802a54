//! Out, in, and out again: every byte is as it was.

use tidegate_tests::{eventually, now_ms, tool};

use super::{LIMIT, World, lines};

/// A program that heard devices with names and words as rude as MQTT and JSON let them be.
async fn rude() -> World {
    let world = World::new().await;
    for (topic, payload) in [
        ("site/a b,c=d/dev \"1\"", r#"{"temp=x, y":21.5,"mode":"=1+1","on":true}"#.to_owned()),
        (
            "site/=SUM(1)/'quoted",
            r#"{"-x":-0.000125,"words":"a \"b\" \\ ,c\r\nd","five":"5","truth":"true"}"#.to_owned(),
        ),
        (
            "plant/up",
            format!(r#"{{"deviceId":"m1","timestamp":{},"#, now_ms() - 86_400_000) + r#""t":1e300,"mode":"'=1"}"#,
        ),
        ("plant/up", r#"{"deviceId":"Ω,1","deep":{"er":{"est":-5}},"empty":"","long":"é€🌊"}"#.to_owned()),
    ] {
        tool::mosquitto_pub(world.server.mqtt, &["-q", "1", "-t", topic, "-m", &payload]).await;
    }
    eventually("all are known", LIMIT, || async {
        let devices = world.server.get("/v1/devices").await;
        (devices["devices"].as_array()?.len() == 4).then_some(())
    })
    .await;
    let said = world.import(&lines(25_000, now_ms() - 4 * 86_400_000), &[]).await;
    assert!(said.out.starts_with("25000 points"), "{}", said.out);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_comes_in_as_it_was_and_to_bring_it_again_changes_nothing() {
    let first = rude().await;
    for format in ["csv", "line-protocol"] {
        let end = (now_ms() + 1).to_string();
        let arguments = ["--format", format, "--to", end.as_str()];
        let out = first.export(&arguments).await;
        let count = out.lines().count();
        assert!((25_011..25_016).contains(&count), "{count} lines: {}", &out[..2_000.min(out.len())]);
        let second = World::new().await;
        let said = second.import(&out, &[]).await;
        assert_eq!(said.err, "", "nothing of it is a flaw");
        assert_eq!(second.export(&arguments).await, out, "{format}");
        for world in [&first, &second] {
            world.import(&out, &[]).await;
            assert_eq!(world.export(&arguments).await, out, "{format}: once more");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_goes_out_and_nothing_else() {
    let world = World::new().await;
    let from_ms = now_ms() - 86_400_000;
    let more = format!("humidity,device=new/dev1,group=new/hall value=50 {from_ms}000000\n");
    world.import(&(lines(1_000, from_ms) + &more), &[]).await;
    let count = async |arguments: &[&str]| world.export(arguments).await.lines().count() - 1;
    assert_eq!(count(&[]).await, 1_001);
    assert_eq!(count(&["--device", "old/dev3"]).await, 100);
    assert_eq!(count(&["--group", "new"]).await, 1);
    assert_eq!(count(&["--metric", "temperature"]).await, 1_000);
    let (from, to) = ((from_ms + 10_000).to_string(), (from_ms + 20_000).to_string());
    assert_eq!(count(&["--from", &from, "--to", &to]).await, 100);
    assert_eq!(count(&["--device", "nobody"]).await, 0);
    let line = world.export(&["--format", "line-protocol", "--group", "new"]).await;
    let expected = format!("humidity,device=new/dev1,group=new/hall,group1=new,group2=hall value=50 {from_ms}000000\n");
    assert_eq!(line, expected);
}
