//! Times that people and devices write as numbers: seconds, milli-, micro- or nanoseconds since 1970.

/// 2001-01-01 in Unix seconds. Nothing was measured before, and a clock without a battery begins in 2000.
const FIRST_S: i64 = 978_307_200;
/// 2200-01-01 in Unix seconds.
const END_S: i64 = 7_258_118_400;

/// Unix ms of a number in seconds, milliseconds, microseconds or nanoseconds since 1970: in the unit that puts it between
/// 2001 and 2200, of which there is one at most (seconds end at 7.3e9, milliseconds begin at 9.8e11, and so on by
/// thousands). `None` where none does.
#[must_use]
pub fn unix_ms(number: i64) -> Option<i64> {
    [number.checked_mul(1_000), Some(number), Some(number / 1_000), Some(number / 1_000_000)]
        .into_iter()
        .flatten()
        .find(|ms| (FIRST_S * 1_000..END_S * 1_000).contains(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_one_that_makes_it_a_time_of_our_days() {
        for number in [1_795_877_921, 1_795_877_921_000, 1_795_877_921_000_000, 1_795_877_921_000_000_000] {
            assert_eq!(unix_ms(number), Some(1_795_877_921_000), "{number}");
        }
        for none in [0, 5, -1, 3_600_000, FIRST_S - 1, END_S, 86_400_000_000, i64::MAX, i64::MIN] {
            assert_eq!(unix_ms(none), None, "{none}");
        }
    }
}
