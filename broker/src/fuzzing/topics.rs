use super::noise::Noise;
use crate::topics::{TopicLimits, TopicTrie, matches};

const LIMITS: TopicLimits = TopicLimits { bytes_max: 64, levels_max: 8 };

/// Filters added, replaced and removed, and topics looked up in between: the trie finds what matching one filter after
/// the other finds, and once it is empty it holds no more than a new one.
pub fn topic_trie(noise: &[u8]) {
    let mut noise = Noise::new(noise);
    let mut trie = TopicTrie::new();
    let mut model: Vec<(String, u64, u32)> = Vec::new();
    let mut turn = 0;
    while !noise.is_empty() {
        turn += 1;
        let (step, session) = (noise.byte(), u64::from(noise.byte() % 8));
        let text = path(&mut noise);
        let known = model.iter().position(|(filter, of, _)| *filter == text && *of == session);
        match step % 4 {
            0 | 1 if LIMITS.check_filter(&text).is_ok() => {
                assert_eq!(trie.insert(&text, session, turn), known.is_none(), "{text:?}");
                known.map(|at| model.swap_remove(at));
                model.push((text, session, turn));
            }
            2 if LIMITS.check_filter(&text).is_ok() => {
                assert_eq!(trie.remove(&text, session), known.is_some(), "{text:?}");
                known.map(|at| model.swap_remove(at));
            }
            3 if LIMITS.check_name(&text).is_ok() => assert_same(&trie, &model, &text),
            _ => {}
        }
        assert_eq!(trie.len(), model.len());
    }
    for (filter, session, _) in &model {
        assert!(trie.remove(filter, *session), "{filter:?}");
    }
    assert!(trie.is_bare(), "nodes are left of {model:?}");
}

fn assert_same(trie: &TopicTrie<u32>, model: &[(String, u64, u32)], topic: &str) {
    let mut found = Vec::new();
    trie.for_each_match(topic, |session, turn| found.push((session, *turn)));
    let hits = model.iter().filter(|(filter, ..)| matches(filter, topic));
    let mut expected: Vec<_> = hits.map(|(_, session, turn)| (*session, *turn)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{topic:?} among {model:?}");
}

/// A filter or a topic of few different levels, so that they meet.
fn path(noise: &mut Noise<'_>) -> String {
    const PARTS: [&str; 16] = ["a", "b", "+", "#", "/", "/", "/", "$", "$SYS", "", "aa", "é", "/a", "/+", "/#", "c"];
    let count = noise.byte() % 8;
    (0..count).map(|_| PARTS[usize::from(noise.byte() % 16)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::noise::try_seeds;
    use super::*;

    #[test]
    fn the_trie_agrees_with_a_filter_by_filter_match_over_any_steps() {
        try_seeds(3000, 600, topic_trie);
    }
}
