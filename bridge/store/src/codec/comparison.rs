//! The codec against `pco`: bytes and time a point at the sizes that occur.
//!
//! `cargo test --release -p tidegate-store comparison -- --ignored --nocapture`
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use super::{decode, encode};
use crate::point::{Point, Run, Sample};

/// Temperatures of rooms: a slow wave and noise, some decimals, a step with some ms of jitter.
fn rooms(points_per_series: usize, decimals: u32, step_ms: i64) -> Vec<Vec<Point>> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move |range: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % range as u64) as i64
    };
    let scale = 10f64.powi(decimals as i32);
    let series = 400_000 / points_per_series;
    let mut room = |at: usize| {
        let (phase, start) = (random(628) as f64 / 100.0, 1_700_000_000_000 + random(step_ms));
        let _ = at;
        (0..points_per_series as i64)
            .map(|at| {
                let celsius = 21.5 + 1.5 * (phase + at as f64 / 500.0).sin() + (random(100) - 50) as f64 / 2_000.0;
                let time_ms = start + at * step_ms + random(9);
                Point::of_device(time_ms, Sample::number((celsius * scale).round() / scale))
            })
            .collect()
    };
    (0..series).map(&mut room).collect()
}

struct Figures {
    bytes: f64,
    encode_ns: f64,
    decode_ns: f64,
}

fn ours(rooms: &[Vec<Point>]) -> Figures {
    let points = rooms.iter().map(Vec::len).sum::<usize>() as f64;
    let begun = Instant::now();
    let blocks: Vec<Vec<u8>> = rooms
        .iter()
        .map(|room| {
            let mut block = Vec::new();
            encode(room, &[], 1_700_000_000_000, &mut block);
            block
        })
        .collect();
    let encode_ns = begun.elapsed().as_nanos() as f64 / points;
    let begun = Instant::now();
    for (block, room) in blocks.iter().zip(rooms) {
        let mut run = Run::default();
        decode(block, 1_700_000_000_000, &mut run).unwrap();
        assert_eq!(run.points, *room);
    }
    let decode_ns = begun.elapsed().as_nanos() as f64 / points;
    Figures { bytes: blocks.iter().map(Vec::len).sum::<usize>() as f64 / points, encode_ns, decode_ns }
}

fn pco(rooms: &[Vec<Point>]) -> Figures {
    use pco::standalone::{simple_compress, simple_decompress};
    let config = pco::ChunkConfig::default().with_compression_level(4);
    let points = rooms.iter().map(Vec::len).sum::<usize>() as f64;
    let begun = Instant::now();
    let blocks: Vec<(Vec<u8>, Vec<u8>)> = rooms
        .iter()
        .map(|room| {
            let times: Vec<i64> = room.iter().map(|point| point.time_ms()).collect();
            let values: Vec<f64> = room.iter().map(|point| f64::from_bits(point.sample.0)).collect();
            (simple_compress(&times, &config).unwrap(), simple_compress(&values, &config).unwrap())
        })
        .collect();
    let encode_ns = begun.elapsed().as_nanos() as f64 / points;
    let begun = Instant::now();
    for ((times, values), room) in blocks.iter().zip(rooms) {
        assert_eq!(simple_decompress::<i64>(times).unwrap().len(), room.len());
        assert_eq!(simple_decompress::<f64>(values).unwrap().len(), room.len());
    }
    let decode_ns = begun.elapsed().as_nanos() as f64 / points;
    let bytes = blocks.iter().map(|(times, values)| times.len() + values.len()).sum::<usize>() as f64 / points;
    Figures { bytes, encode_ns, decode_ns }
}

#[test]
#[ignore = "a measurement: run it with --release and --nocapture"]
fn comparison_with_pco() {
    println!("points decimals |  ours: bytes encode decode ns |  pco: bytes encode decode ns");
    for points in [16, 60, 120, 512, 720] {
        for decimals in [0, 1, 2] {
            let rooms = rooms(points, decimals, 5_000);
            let (ours, pco) = (ours(&rooms), pco(&rooms));
            println!(
                "{points:>6} {decimals:>8} | {:>12.2} {:>6.1} {:>6.1}    | {:>11.2} {:>6.1} {:>6.1}",
                ours.bytes, ours.encode_ns, ours.decode_ns, pco.bytes, pco.encode_ns, pco.decode_ns
            );
        }
    }
}
