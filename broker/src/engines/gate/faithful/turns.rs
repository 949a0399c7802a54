use super::packets;
use super::stage::Stage;

/// In how many turns a connection is done with all of `asked`, which is one read.
fn turns(asked: &[Vec<u8>], retained: usize, subscribers: usize) -> usize {
    let mut stage = Stage::new();
    (0..retained).for_each(|n| stage.publish(&format!("r/{n}/x"), "1".to_owned(), true));
    for n in 0..subscribers {
        let line = stage.connect(1 << 20);
        line.bring(packets::connect(&format!("s{n}"), false, 0, 0));
        line.bring(packets::subscribe(1, &[("+/t".to_owned(), 1)], false));
    }
    let (line, number) = (stage.connect(1 << 20), subscribers + 1);
    line.bring(packets::connect("greedy", false, 0, 0));
    stage.rest();
    line.bring(asked.concat());
    let mut turns = 0;
    while stage.run(number) {
        turns += 1;
    }
    turns
}

const ASKED: usize = 300;

/// What a turn is at most, in the unit tests.
const STEPS: usize = 10;

#[test]
fn thousands_of_packets_in_one_read_are_served_in_turns() {
    let filters = |filter: &str| packets::subscribe(7, &[(filter.to_owned(), 0)], false);
    let publish = packets::publish(
        &packets::Publish { qos: 1, dup: false, id: 5, topic: "a/t".into(), alias: None, payload: "1".into() },
        false,
    );
    for (what, packet, retained, subscribers) in [
        ("subscriptions that find nothing", filters("none/#"), 200, 0),
        ("publications", publish.clone(), 0, 0),
        ("publications that many subscribed to", publish, 0, 4),
    ] {
        let turns = turns(&vec![packet; ASKED], retained, subscribers);
        println!("{what}: {turns} turns");
        assert!(turns >= ASKED * (1 + subscribers) / STEPS, "{what}: {turns} turns");
    } // So does one that looks at every retained topic.
    let turns_taken = turns(&[filters("r/+/none")], 200, 0);
    assert!(turns_taken >= 200 / STEPS, "{turns_taken} turns");
}
