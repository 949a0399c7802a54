use tidegate_buckets::Bucket;
use tidegate_telemetry::AggregateChange;
use tidegate_views::message::{AggregateCell, Figures};

use super::words;

/// `[group, metric, …figures]`
pub fn figures(out: &mut Vec<u8>, cell: &AggregateCell<'_>, base_ms: i64) {
    out.push(b'[');
    write_key(out, cell.group(), cell.metric());
    match cell.figures() {
        Figures::Devices(counts, in_alert) => {
            let by_state = [counts.fresh, counts.late, counts.asleep, counts.lost];
            for count in by_state.into_iter().chain([in_alert.critical, in_alert.warning, in_alert.info]) {
                out.push(b',');
                words::integer(out, count);
            }
        }
        Figures::Metric(figures) => write_figures(out, figures, base_ms),
    }
    out.push(b']');
}

/// `[group, metric]`
pub fn key(out: &mut Vec<u8>, group: &str, metric: Option<&str>) {
    out.push(b'[');
    write_key(out, group, metric);
    out.push(b']');
}

/// `[line, start, count, mean, minimum, maximum, last]`
pub fn bucket(out: &mut Vec<u8>, (line, start_ms): (usize, i64), bucket: &Bucket) {
    out.push(b'[');
    words::integer(out, line);
    out.push(b',');
    words::integer(out, start_ms);
    out.push(b',');
    words::integer(out, bucket.count);
    for figure in [bucket.mean(), bucket.min, bucket.max, bucket.last] {
        out.push(b',');
        words::number(out, figure);
    }
    out.push(b']');
}

/// `[line, start]`
pub fn bucket_key(out: &mut Vec<u8>, line: usize, start_ms: i64) {
    out.push(b'[');
    words::integer(out, line);
    out.push(b',');
    words::integer(out, start_ms);
    out.push(b']');
}

fn write_key(out: &mut Vec<u8>, group: &str, metric: Option<&str>) {
    words::text(out, group);
    out.push(b',');
    words::text_or_null(out, metric);
}

fn write_figures(out: &mut Vec<u8>, figures: &AggregateChange, base_ms: i64) {
    out.push(b',');
    words::integer(out, figures.count);
    out.push(b',');
    words::integer(out, figures.devices);
    let Some(mean) = figures.mean() else {
        return out.extend_from_slice(b",null,null,null,null,null,null");
    };
    for figure in [mean, figures.min, figures.max] {
        out.push(b',');
        words::number(out, figure);
    }
    out.push(b',');
    match figures.oldest_ms {
        Some(oldest_ms) => words::integer(out, oldest_ms - base_ms),
        None => words::null(out),
    }
    for device in [&figures.min_device, &figures.max_device] {
        out.push(b',');
        words::text_or_null(out, device.as_deref());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_are_json_also_where_their_sum_does_not_fit() {
        for (sum, min, max, mean) in [(f64::INFINITY, 1e308, 1e308, 1e308), (f64::NAN, -1e308, 1.5e308, 2.5e307)] {
            let (group, metric) = ("".into(), "t".into());
            let (min_device, max_device) = (Some("a".into()), None);
            let (count, devices, oldest_ms) = (2, 3, Some(7));
            let figures =
                AggregateChange { group, metric, count, devices, sum, min, max, oldest_ms, min_device, max_device };
            let mut out = b"[0".to_vec();
            write_figures(&mut out, &figures, 0);
            out.push(b']');
            let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(found, serde_json::json!([0, 2, 3, mean, min, max, 7, "a", null]));
        }
    }
}
