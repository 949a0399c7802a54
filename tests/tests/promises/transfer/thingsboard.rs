//! What ThingsBoard's widgets export.

use super::World;
use tidegate_tests::now_ms;

/// As `2024-01-08 14:24:05`, of UTC.
fn local(unix_ms: i64) -> String {
    let (day, of_day) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000) / 1_000);
    // Howard Hinnant's days of a civil calendar.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (date, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_a_widget_becomes_a_metric_for_each_column() {
    let world = World::new().await;
    let from_ms = (now_ms() - 10 * 86_400_000) / 1_000 * 1_000;
    let mut text = "Timestamp;temperature;door;note\n".to_owned();
    for n in 0..1_000 {
        let time = local(from_ms + n * 60_000);
        text += &match n % 4 {
            0 => format!("{time};2{n}.5;true;\n"),
            1 => format!("{time};;false;\"say \"\"a, b\"\"\nand; c\"\n"),
            2 => format!("{time};-{n};;=1+1\n"),
            _ => format!("yesterday;{n};;\n"),
        };
    }
    let said = world.run("import", &[]).await;
    assert!(!said.is_success, "nothing is named: {}", said.out);
    let file = world.path("widget.csv");
    std::fs::write(&file, &text).unwrap();
    let said = world.run("import", &[file.to_str().unwrap()]).await;
    assert!(!said.is_success && said.err.contains("--device"), "{}", said.err);
    let said = world.import(&text, &["--device", "boiler 1"]).await;
    assert!(said.out.starts_with("1500 points of") && said.out.contains("250 flaws"), "{}", said.out);
    // Each fourth line, and each second of four has a line break.
    let told: Vec<u64> = said.err.lines().map(|line| line[5..].split(':').next().unwrap().parse().unwrap()).collect();
    assert_eq!(told, (0..250).map(|n| 2 + n * 5 + 4).collect::<Vec<u64>>());
    let out = world.export(&[]).await;
    let has = |line: String| assert!(out.contains(&line), "{line} is not in {}", &out[..500]);
    has(format!("boiler 1,,temperature,{from_ms},number,20.5\r\n"));
    has(format!("boiler 1,,door,{},boolean,false\r\n", from_ms + 60_000));
    has(format!("boiler 1,,note,{},text,\"say \"\"a, b\"\"\nand; c\"\r\n", from_ms + 60_000));
    has(format!("boiler 1,,note,{},text,'=1+1\r\n", from_ms + 120_000));
    assert_eq!(
        out.matches(",number,").count() + out.matches(",boolean,").count() + out.matches(",text,").count(),
        1_500
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_that_are_not_closed_cost_their_own_line() {
    let world = World::new().await;
    let at_ms = (now_ms() - 86_400_000) / 1_000 * 1_000;
    let time = |n: i64| local(at_ms + n * 1_000);
    let mut text = format!("Timestamp;note;t\n{};\"torn;1\n", time(0));
    text.extend((1..10).map(|n| format!("{};fine;{n}\n", time(n))));
    text += &format!("{};\"quoted\";10\n", time(10));
    let said = world.import(&text, &["--device", "d"]).await;
    assert!(said.out.starts_with("20 points of") && said.out.contains("1 flaws"), "{} {}", said.out, said.err);
    assert!(said.err.starts_with("line 2: "), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_several_devices_in_a_zone_is_of_those_that_it_names() {
    let world = World::new().await;
    let at_ms = (now_ms() - 86_400_000) / 1_000 * 1_000;
    let tokyo = local(at_ms + 9 * 3_600_000);
    let text = format!("\u{feff}\"Timestamp\",\"Entity name\",\"t, C\"\r\n{tokyo},\"a, 1\",5\r\n{tokyo},b,6\r\n");
    let said = world.import(&text, &["--time-zone", "Asia/Tokyo"]).await;
    assert!(said.err.is_empty() && said.out.starts_with("2 points"), "{} {}", said.out, said.err);
    let expected = format!("\"a, 1\",,\"t, C\",{at_ms},number,5\r\nb,,\"t, C\",{at_ms},number,6\r\n");
    assert!(world.export(&[]).await.ends_with(&expected));
}
