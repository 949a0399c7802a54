//! What stays of views that are closed. Alone in its process, whose memory is looked at.

#![allow(clippy::unwrap_used, missing_docs)]

mod site;

use site::{Site, all, list, page};

#[test]
fn views_that_are_closed_leave_no_memory() {
    let mut site = Site::with(10_000);
    let specs = [all(), page("", 10_000), list(5_000..12_000)];
    let mut open_and_close = |times: u32| {
        for spec in &specs {
            for subscriber in 0..times {
                let subscription = site.open_as(spec, None, subscriber);
                site.views.close(subscription);
            }
        }
    };
    open_and_close(3);
    let before = site::resident_bytes();
    open_and_close(200);
    let kept = site::resident_bytes().saturating_sub(before);
    assert!(kept < 10 << 20, "{kept} bytes stay");
}
