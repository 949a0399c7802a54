use super::noise::Noise;
use crate::routing::{PlainFilters, TopicTrie, is_plain};
use crate::topics::{TopicLimits, matches};

const LIMITS: TopicLimits = TopicLimits { bytes_max: 64, levels_max: 8 };

/// Filters added, replaced and removed, and topics looked up in between: the table of plain filters and the trie find
/// together what matching one filter after the other finds, the trie also by itself, and once they are empty they hold
/// no more than new ones.
pub fn topic_trie(noise: &[u8]) {
    let mut noise = Noise::new(noise);
    let (mut plain, mut others, mut all) = (Plain::new(), TopicTrie::new(), TopicTrie::new());
    let mut model: Vec<Subscriber> = Vec::new();
    let mut turn = 0;
    while !noise.is_empty() {
        turn += 1;
        let (step, session) = (noise.byte(), u64::from(noise.byte() % 8));
        let text = path(&mut noise);
        let known = model.iter().position(|(filter, of, _)| *filter == text && *of == session);
        let is_it = |subscriber: &Subscriber| subscriber.0 == text && subscriber.1 == session;
        match step % 4 {
            0 | 1 if LIMITS.check_filter(&text).is_ok() => {
                assert_eq!(all.insert(&text, session, turn), known.is_none(), "{text:?}");
                if is_plain(&text) {
                    assert_eq!(plain.remove(&text, is_it), known.is_some(), "{text:?}");
                    plain.insert(&text, (text.clone(), session, turn));
                } else {
                    assert_eq!(others.insert(&text, session, turn), known.is_none(), "{text:?}");
                }
                known.map(|at| model.swap_remove(at));
                model.push((text, session, turn));
            }
            2 if LIMITS.check_filter(&text).is_ok() => {
                let removed = if is_plain(&text) { plain.remove(&text, is_it) } else { others.remove(&text, session) };
                assert_eq!((removed, all.remove(&text, session)), (known.is_some(), known.is_some()), "{text:?}");
                known.map(|at| model.swap_remove(at));
            }
            3 if LIMITS.check_name(&text).is_ok() => {
                let expected = expected(&model, &text);
                assert_eq!(found(&Plain::new(), &all, &text), expected, "{text:?} among {model:?}");
                assert_eq!(found(&plain, &others, &text), expected, "{text:?} among {model:?}");
            }
            _ => {}
        }
        assert_eq!((plain.len() + others.len(), all.len()), (model.len(), model.len()));
    }
    for subscriber in &model {
        let (filter, session, _) = subscriber;
        let is_it = |found: &Subscriber| found == subscriber;
        assert!(if is_plain(filter) { plain.remove(filter, is_it) } else { others.remove(filter, *session) });
        assert!(all.remove(filter, *session), "{filter:?}");
    }
    assert!(plain.is_bare() && others.is_bare() && all.is_bare(), "something is left of {model:?}");
}

/// A filter, the session that subscribed to it, and when.
type Subscriber = (String, u64, u32);

type Plain = PlainFilters<Subscriber>;

fn found(plain: &Plain, trie: &TopicTrie<u32>, topic: &str) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    plain.for_each_match(topic, |filter, (of, session, turn)| {
        if filter == of {
            found.push((*session, *turn));
        }
    });
    trie.for_each_match(topic, |session, turn| found.push((session, *turn)));
    found.sort_unstable();
    found
}

fn expected(model: &[Subscriber], topic: &str) -> Vec<(u64, u32)> {
    let hits = model.iter().filter(|(filter, ..)| matches(filter, topic));
    let mut expected: Vec<_> = hits.map(|(_, session, turn)| (*session, *turn)).collect();
    expected.sort_unstable();
    expected
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
    fn table_and_trie_agree_with_a_filter_by_filter_match_over_any_steps() {
        try_seeds(3000, 600, topic_trie);
    }
}
