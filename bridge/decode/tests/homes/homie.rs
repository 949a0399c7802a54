//! Homie's topics, on which others publish too.

use crate::{House, number};

#[test]
fn json_of_a_property_that_nobody_described_is_json() {
    let mut house = House::new();
    let said = house.hear("homie/hall/dev1/data", r#"{"deviceId":"d7","t":1}"#);
    assert_eq!((said.of().0, said.values()), ("d7", vec![("t", number(1.0))]));
    assert_eq!(house.hear("homie/hall/dev1/level", "3").values(), [("dev1.level", number(3.0))]);
    house.hear("homie/hall/dev1/data/$datatype", "string").is_nothing();
    assert_eq!(house.hear("homie/hall/dev1/data", r#"{"t":1}"#).of().0, "hall", "it is described as a text");
}
