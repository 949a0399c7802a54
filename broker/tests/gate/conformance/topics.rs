//! Topic names and filters (section 4.7), and the strings they are (section 1.5).

use super::language::*;
use crate::support::Served;

#[tokio::test]
async fn a_filter_gets_the_topics_it_matches_and_no_other() {
    for version in BOTH {
        for (filter, matching, others) in [
            ("a/b", &["a/b"][..], &["a", "a/b/c", "/a/b", "A/b", "a/b/", "a /b"][..]),
            ("a/#", &["a", "a/b", "a/b/c", "a/"], &["b", "/a", "ab"]),
            ("#", &["a", "/", "a/b"], &["$a", "$a/b"]),
            ("+", &["a"], &["/a", "a/b", "$a"]),
            ("+/+", &["a/b", "/a", "/"], &["a", "$a/b"]),
            ("+/a/#", &["x/a", "x/a/b"], &["$x/a", "a"]),
            ("$a/+", &["$a/b"], &["$b/b", "a/b"]),
            ("\u{feff}a", &["\u{feff}a"], &["a"]),
            ("\u{e9}", &["\u{e9}"], &["e\u{301}", "e"]),
        ] {
            let served = Served::start();
            let mut client = Client::new(&served, version, "c").await;
            client.subscribes(filter, 0).await;
            let mut publisher = Client::new(&served, version, "p").await;
            for topic in others.iter().chain(matching) {
                publisher.says(topic, filter).await;
            }
            for topic in matching {
                client.gets(version.publish(topic, filter)).await;
            }
            client.has_nothing().await;
        }
    }
}

#[tokio::test]
async fn a_string_reaches_subscribers_and_log_byte_by_byte() {
    let odd = "\u{feff}\u{1}\u{fffe}\u{10ffff}e\u{301}/\u{7f} ";
    for version in BOTH {
        let served = Served::start();
        let mut client = Client::new(&served, version, "\u{feff}c").await;
        client.subscribes("#", 0).await;
        client.says(odd, odd).await;
        client.gets(version.publish(odd, odd)).await;
        let publication = served.log.publications().remove(0);
        assert_eq!((publication.topic.as_str(), publication.client.as_str()), (odd, "\u{feff}c"));
    }
}

#[tokio::test]
async fn a_topic_may_be_as_long_as_a_string() {
    let longest = "a".repeat(65_535);
    for version in BOTH {
        let served = Served::with(|config| config.topic_bytes_max = 65_535);
        let mut client = Client::new(&served, version, "c").await;
        client.subscribes(&longest, 0).await;
        client.says(&longest, "x").await;
        client.gets(version.publish(&longest, "x")).await;
    }
}
