//! Numbers that came with single precision.

/// Decimals up to which the number that was meant is looked for.
const DECIMALS_MAX: i32 = 9;

/// The binary64 number that people mean by a binary32 one: the one of the fewest decimals that is the same in binary32. A
/// device's 23.1 comes as 23.1, and not as 23.100000381469727.
pub(crate) fn widened(single: f32) -> f64 {
    let whole = f64::from(single);
    if single == single.trunc() {
        return whole;
    }
    let shortest = (1..=DECIMALS_MAX).find_map(|decimals| {
        let scale = 10_f64.powi(decimals);
        let rounded = (whole * scale).round() / scale;
        (rounded as f32 == single).then_some(rounded)
    });
    shortest.or_else(|| single.to_string().parse().ok()).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    #[test]
    fn a_number_comes_as_it_was_meant() {
        for text in ["23.1", "-0.3", "0", "1e-20", "16777217", "0.1234567", "-12345.678"] {
            let single: f32 = text.parse().unwrap();
            assert_eq!(widened(single), single.to_string().parse::<f64>().unwrap(), "{text}");
        }
        assert!(widened(f32::NAN).is_nan());
        assert_eq!(widened(f32::INFINITY), f64::INFINITY);
    }
}
