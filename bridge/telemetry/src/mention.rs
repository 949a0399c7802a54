//! Whether text names a device, where nothing says whose text it is.

/// Whether a topic is one of a device: its own, or one level below it, where its metrics are.
#[must_use]
pub fn is_topic_of(topic: &str, device: &str) -> bool {
    let below = topic.strip_prefix(device);
    below.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/').is_some_and(|metric| !metric.contains('/')))
}

/// Whether bytes hold the name of a device as a whole, and not as a part of a longer one.
#[must_use]
pub fn is_named_in(bytes: &[u8], device: &str) -> bool {
    let (name, is_part) = (device.as_bytes(), |byte: &u8| byte.is_ascii_alphanumeric() || b"_-/.".contains(byte));
    if name.is_empty() {
        return false;
    }
    let mut from = 0;
    while let Some(place) = find(&bytes[from..], name).map(|place| from + place) {
        let (before, after) = (place.checked_sub(1).and_then(|at| bytes.get(at)), bytes.get(place + name.len()));
        if !before.is_some_and(is_part) && !after.is_some_and(is_part) {
            return true;
        }
        from = place + 1;
    }
    false
}

fn find(bytes: &[u8], name: &[u8]) -> Option<usize> {
    bytes.windows(name.len()).position(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_whole_and_not_as_a_part_of_another() {
        for (text, is_named) in [
            (r#"{"deviceId":"a/b","t":"#, true),
            ("device \"a/b\" gave", true),
            ("a/b", true),
            (r#"{"deviceId":"a/b/c"}"#, false),
            (r#"{"deviceId":"a/b1"}"#, false),
            (r#"{"deviceId":"x/a/b"} a/b-2"#, false),
            ("xa/b then a/b.", false),
            ("xa/b then a/b,", true),
            ("", false),
        ] {
            assert_eq!(is_named_in(text.as_bytes(), "a/b"), is_named, "{text}");
        }
        for (topic, is_its) in [("a/b", true), ("a/b/t", true), ("a/b/c/t", false), ("a/bc", false), ("x/a/b", false)] {
            assert_eq!(is_topic_of(topic, "a/b"), is_its, "{topic}");
        }
    }
}
