//! Out, in, and out again: every byte is as it was.

use tidegate_tests::{eventually, http, now_ms, tool};

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

#[tokio::test(flavor = "multi_thread")]
async fn summaries_go_out_by_resolution_and_say_what_the_readings_do() {
    let world = World::new().await;
    let day_ms = 86_400_000;
    let from_ms = now_ms() / day_ms * day_ms - 40 * day_ms;
    // Two days that lie a month apart; a text and a truth are no numbers.
    let mut text = String::new();
    for (day, n) in [0, 30].into_iter().flat_map(|day| (0..4_320).map(move |n| (day, n))) {
        let time_ms = from_ms + day * day_ms + n * 20_000;
        text += &format!("temperature,device=d1,group=old value={} {time_ms}000000\n", n % 100);
        text += &format!("mode,device=d1,group=old text=\"a\" {time_ms}000000\n");
    }
    world.import(&text, &[]).await;
    let out = world.export(&["--resolution", "1m", "--metric", "temperature"]).await;
    assert!(out.starts_with("device,group,metric,time,count,mean,min,max,last\r\n"), "{}", &out[..200]);
    assert_eq!(out.lines().count() - 1, 2 * 1_440);
    assert!(out.contains(&format!("d1,old,temperature,{},3,4,3,5,5\r\n", from_ms + 60_000)), "{}", &out[..300]);
    for (resolution, count) in
        [("20s", None), ("1s", Some(8_640)), ("10m", Some(288)), ("1h", Some(48)), ("1d", Some(2))]
    {
        let said = world.run("export", &["--resolution", resolution]).await;
        assert_eq!(said.is_success.then(|| said.out.lines().count() - 1), count, "{resolution}");
        let counted: u64 =
            said.out.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(counted, if count.is_some() { 8_640 } else { 0 }, "{resolution}");
    }
    // Pages put together are the whole.
    let path = "/v1/export?resolution=10m&metric=temperature&limit=100";
    let (mut pages, mut next) = (String::new(), Some(String::new()));
    while let Some(cursor) = next {
        let page = http::get(world.server.http, &format!("{path}{cursor}")).await;
        let said =
            page.head.lines().find_map(|line| line.to_lowercase().strip_prefix("tidegate-next: ").map(str::to_owned));
        next = said.map(|cursor| format!("&cursor={cursor}"));
        pages += &page.body;
    }
    assert_eq!(pages, world.export(&["--resolution", "10m"]).await);
    let (from, to) = ((from_ms + 90_000).to_string(), (from_ms + 150_000).to_string());
    let line = world.export(&["--resolution", "1m", "--format", "line-protocol", "--from", &from, "--to", &to]).await;
    let tags = "temperature,device=d1,group=old,group1=old count=3i";
    let expected = |n: i64, last: i64| {
        format!("{tags},mean={},min={},max={last},last={last} {}000000\n", last - 1, last - 2, from_ms + n * 60_000)
    };
    assert_eq!(line, expected(1, 5) + &expected(2, 8));
}
