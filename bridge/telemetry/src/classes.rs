//! Words for what a switch of a class says, by the device classes of Home Assistant's binary sensors
//! (<https://www.home-assistant.io/integrations/binary_sensor/>).

/// Class, word for `false`, word for `true`.
const WORDS: [(&str, [&str; 2]); 28] = [
    ("battery", ["normal", "low"]),
    ("battery_charging", ["not charging", "charging"]),
    ("carbon_monoxide", ["clear", "detected"]),
    ("cold", ["normal", "cold"]),
    ("connectivity", ["disconnected", "connected"]),
    ("door", ["closed", "open"]),
    ("garage_door", ["closed", "open"]),
    ("gas", ["clear", "detected"]),
    ("heat", ["normal", "hot"]),
    ("light", ["no light", "light"]),
    ("lock", ["locked", "unlocked"]),
    ("moisture", ["dry", "wet"]),
    ("motion", ["clear", "detected"]),
    ("moving", ["not moving", "moving"]),
    ("occupancy", ["clear", "detected"]),
    ("opening", ["closed", "open"]),
    ("plug", ["unplugged", "plugged in"]),
    ("power", ["off", "on"]),
    ("presence", ["away", "home"]),
    ("problem", ["OK", "problem"]),
    ("running", ["not running", "running"]),
    ("safety", ["safe", "unsafe"]),
    ("smoke", ["clear", "detected"]),
    ("sound", ["clear", "detected"]),
    ("tamper", ["clear", "tampering detected"]),
    ("update", ["up to date", "update available"]),
    ("vibration", ["clear", "detected"]),
    ("window", ["closed", "open"]),
];

/// Words for `false` and `true` of a class; `None` for one that has none of its own.
#[must_use]
pub fn words_of(class: &str) -> Option<[&'static str; 2]> {
    let place = WORDS.binary_search_by_key(&class, |(known, _)| known).ok()?;
    Some(WORDS[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_found_and_no_other() {
        for (class, words) in WORDS {
            assert_eq!(words_of(class), Some(words), "{class}");
        }
        assert_eq!(words_of("doo"), None);
        assert_eq!(words_of("door"), Some(["closed", "open"]));
        assert_eq!(words_of("temperature"), None, "what measures has no words");
    }
}
