//! Whatever comes on their topics: no format panics, and none goes beyond its limits.

use crate::{House, SAMPLES};

/// Pieces that mean something to one or the other.
const WORDS: &[&str] = &[
    "null",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "true",
    "1e999",
    "-1",
    "NaN",
    "{{",
    "}}",
    "{%",
    "|",
    "/",
    "+",
    "#",
    "~",
    "\\u0000",
    "\u{0}",
    "online",
    "offline",
    "ON",
    "9999999999999999999",
    "value_json",
    "°",
    "[[[[[[[[",
    "\"a\":",
];

/// Numbers in a row that a seed leads to (SplitMix64, Steele et al. 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// The bytes with some of them changed, cut, doubled or replaced by words.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let (from, to) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            match self.below(6) {
                0 if from < bytes.len() => bytes[from] = self.next() as u8,
                1 => drop(bytes.drain(from..to)),
                2 => bytes.truncate(to),
                3 => {
                    let part = bytes[from..to].to_vec();
                    bytes.splice(from..from, part);
                }
                _ => {
                    let word = WORDS[self.below(WORDS.len())];
                    bytes.splice(from..to.min(from + word.len()), word.bytes());
                }
            }
        }
        bytes
    }
}

#[test]
fn noise_on_every_topic_breaks_nothing() {
    let cases: u64 = std::env::var("TIDEGATE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1);
    let first: u64 = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let samples: Vec<_> = SAMPLES.iter().flat_map(|samples| samples.iter()).collect();
    for seed in first..first + 20 * cases {
        let seed_is_told = Told(seed);
        let (mut chance, mut house) = (Chance(seed), House::new());
        for turn in 0..500 {
            let (topic, payload) = samples[chance.below(samples.len())];
            let topic = match chance.below(8) {
                0 => String::from_utf8_lossy(&chance.mutate(topic.as_bytes())).into_owned(),
                _ => (*topic).to_owned(),
            };
            let payload = match chance.below(4) {
                0 => payload.as_bytes().to_vec(),
                _ => chance.mutate(payload.as_bytes()),
            };
            let said = house.say(&topic, &payload);
            for reading in &said.0.readings {
                assert!(!reading.device.is_empty() && reading.metrics.len() <= 256, "{reading:?}");
            }
            if turn == 250 {
                house.restart();
            }
        }
        std::mem::forget(seed_is_told);
    }
}

/// Says its seed when a panic comes by.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        println!("TIDEGATE_SEED={}", self.0);
    }
}
