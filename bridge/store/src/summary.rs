//! The summary of one series' hour as a row of about 25 bytes.

use tidegate_buckets::Bucket;

use crate::codec::{self, Damaged, put_varint, take_byte, take_varint, unzigzag, zigzag};
use crate::hour::Hour;
use crate::point::{Run, Sample};

/// Stands where the power of ten stands, when the values are no decimals: eight bytes each follow.
const AS_BITS: u8 = 0xFF;

/// The summary of a settled run; `None` when it has no numbers.
pub(crate) fn of(run: &Run) -> Option<Bucket> {
    let mut numbers = run.points.iter().filter_map(|point| Some((point.time_ms(), point.sample.as_number()?)));
    let (time_ms, number) = numbers.next()?;
    let mut bucket = Bucket::of(time_ms, number);
    numbers.for_each(|(time_ms, number)| bucket.add(time_ms, number));
    Some(bucket)
}

/// Times relative to the hour, the four values as integers of a common scale, the sum bit by bit, a checksum.
pub(crate) fn encode(bucket: &Bucket, hour: Hour) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    put_varint(bucket.count, &mut out);
    put_varint(bucket.first_ms.wrapping_sub(hour.start_ms()) as u64, &mut out);
    put_varint(bucket.last_ms.wrapping_sub(bucket.first_ms) as u64, &mut out);
    out.extend_from_slice(&bucket.sum.to_bits().to_le_bytes());
    let values = [bucket.min, bucket.max, bucket.first, bucket.last];
    match codec::decimals(&values.map(Sample::number)) {
        Some((exponent, integers)) => {
            out.push(exponent);
            let mut before = 0;
            for integer in integers {
                put_varint(zigzag(integer - before), &mut out);
                before = integers[0];
            }
        }
        None => {
            out.push(AS_BITS);
            values.iter().for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
        }
    }
    codec::put_checksum(&mut out);
    out
}

/// Reads back what [`encode`] wrote.
pub(crate) fn decode(data: &[u8], hour: Hour) -> Result<Bucket, Damaged> {
    let mut rest = codec::checked(data)?;
    let count = take_varint(&mut rest)?;
    let first_ms = hour.start_ms().wrapping_add(take_varint(&mut rest)? as i64);
    let last_ms = first_ms.wrapping_add(take_varint(&mut rest)? as i64);
    let sum = take_number(&mut rest)?;
    let exponent = take_byte(&mut rest)?;
    let mut values = [0.0; 4];
    let mut smallest = None;
    for value in &mut values {
        *value = if exponent == AS_BITS {
            take_number(&mut rest)?
        } else {
            let integer = unzigzag(take_varint(&mut rest)?).wrapping_add(smallest.unwrap_or(0));
            smallest.get_or_insert(integer);
            codec::decimal(integer, exponent)?
        };
    }
    let [min, max, first, last] = values;
    Ok(Bucket { count, sum, min, max, first, last, first_ms, last_ms })
}

fn take_number(rest: &mut &[u8]) -> Result<f64, Damaged> {
    let (bytes, after) = rest.split_first_chunk::<8>().ok_or(Damaged("a summary ends too early"))?;
    *rest = after;
    Ok(f64::from_bits(u64::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![(-5_000i64..5_000).prop_map(|n| n as f64 / 100.0), any::<f64>(), Just(-0.0), Just(f64::MAX)]
            .prop_filter("summaries hold finite numbers", |number| number.is_finite())
    }

    proptest! {
        #[test]
        fn a_summary_comes_back_bit_by_bit(
            count in 1u64..100_000, sum in number(), values in prop::array::uniform4(number()),
            first in 0i64..3_600_000, span in 0i64..3_600_000
        ) {
            let hour = Hour(495_000);
            let [min, max, first_value, last] = values;
            let first_ms = hour.start_ms() + first;
            let bucket = Bucket { count, sum, min, max, first: first_value, last, first_ms, last_ms: first_ms + span };
            let back = decode(&encode(&bucket, hour), hour).unwrap();
            prop_assert_eq!(format!("{back:?}"), format!("{bucket:?}"), "-0.0 prints its sign");
            prop_assert_eq!((back.sum.to_bits(), back.min.to_bits()), (sum.to_bits(), min.to_bits()));
        }
    }

    #[test]
    fn a_summary_with_a_wrong_bit_is_refused() {
        let data = encode(&Bucket::of(5, 21.5), Hour(0));
        for bit in 0..data.len() * 8 {
            let mut wrong = data.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&wrong, Hour(0)).is_err(), "bit {bit}");
        }
    }
}
