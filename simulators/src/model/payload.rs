//! A reading as bytes: the reference reading (first row of the payload table) or plain values.

use super::room::{Sample, Samples};
use std::io::Write;

/// What a device measured at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// By the device's own clock, Unix ms. `None`: the payload carries no time.
    pub time_ms: Option<i64>,
    /// The samples, as the device has them.
    pub samples: Samples,
}

/// Appends a value with the sensor's decimals; never `-0.0`.
pub fn write_value(out: &mut Vec<u8>, sample: &Sample) {
    let start = out.len();
    write!(out, "{:.*}", usize::from(sample.decimals), sample.value).expect("a Vec takes every byte");
    if out[start] == b'-' && out[start + 1..].iter().all(|byte| matches!(byte, b'0' | b'.')) {
        out.remove(start);
    }
}

/// Appends `{"deviceId":…,"temperature":23.5,…,"timestamp":…,"location":…}`.
///
/// Samples whose names share a prefix up to a dot, one after the other, become a nested object.
pub fn write_reference(out: &mut Vec<u8>, device: &str, location: &str, reading: &Reading) {
    write!(out, "{{\"deviceId\":\"{device}\"").expect("a Vec takes every byte");
    let mut open: Option<&str> = None;
    for sample in &reading.samples {
        let (parent, name) = match sample.metric.split_once('.') {
            Some((parent, name)) => (Some(parent), name),
            None => (None, sample.metric),
        };
        let mut separator = ",";
        if open != parent {
            if open.is_some() {
                out.push(b'}');
            }
            if let Some(parent) = parent {
                write!(out, ",\"{parent}\":{{").expect("a Vec takes every byte");
                separator = "";
            }
            open = parent;
        }
        write!(out, "{separator}\"{name}\":").expect("a Vec takes every byte");
        write_value(out, sample);
    }
    if open.is_some() {
        out.push(b'}');
    }
    if let Some(time_ms) = reading.time_ms {
        write!(out, ",\"timestamp\":{time_ms}").expect("a Vec takes every byte");
    }
    write!(out, ",\"location\":\"{location}\"}}").expect("a Vec takes every byte");
}

/// Appends several readings as one array, as a device does that was offline for a while.
pub fn write_batch(out: &mut Vec<u8>, device: &str, location: &str, readings: &[Reading]) {
    out.push(b'[');
    for (index, reading) in readings.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_reference(out, device, location, reading);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reading(samples: &[(&'static str, f64, u8)]) -> Reading {
        let samples = samples.iter().map(|&(metric, value, decimals)| Sample { metric, value, decimals }).collect();
        Reading { time_ms: Some(1_704_723_845_000), samples }
    }

    #[test]
    fn the_reference_reading_is_written_as_the_documents_show_it() {
        let mut out = Vec::new();
        let reading = reading(&[("temperature", 23.5, 1), ("humidity", 45.2, 1), ("pressure", 1013.25, 2)]);
        write_reference(&mut out, "sensor_001", "Building A, Floor 3", &reading);
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            "{\"deviceId\":\"sensor_001\",\"temperature\":23.5,\"humidity\":45.2,\"pressure\":1013.25,\
             \"timestamp\":1704723845000,\"location\":\"Building A, Floor 3\"}"
        );
    }

    #[test]
    fn a_dot_in_a_metric_becomes_a_nested_object() {
        let mut out = Vec::new();
        let reading = reading(&[("battery.percent", 87.4, 0), ("battery.voltage", 3.61, 3), ("humidity", 45.0, 1)]);
        write_reference(&mut out, "d", "L", &reading);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["battery"], serde_json::json!({"percent": 87, "voltage": 3.61}));
        assert_eq!(value["humidity"], 45.0);
    }

    #[test]
    fn a_small_negative_value_is_not_written_as_minus_zero() {
        let mut out = Vec::new();
        write_value(&mut out, &Sample { metric: "temperature", value: -0.04, decimals: 1 });
        assert_eq!(out, b"0.0");
    }

    #[test]
    fn a_batch_is_an_array_of_readings() {
        let mut out = Vec::new();
        let one = reading(&[("temperature", 20.0, 1)]);
        write_batch(&mut out, "d", "L", &[one.clone(), one]);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value.as_array().unwrap().len(), 2);
    }
}
