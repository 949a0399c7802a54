//! From the unit that devices send to the one that is kept.

/// Each kind of quantity: its units, and how a number of each becomes one of the kind's base: shifted, times, by.
const UNITS: &[&[(&str, f64, f64, f64)]] = &[
    &[("V", 0.0, 1.0, 1.0), ("mV", 0.0, 1.0, 1e3), ("µV", 0.0, 1.0, 1e6), ("kV", 0.0, 1e3, 1.0)],
    &[("A", 0.0, 1.0, 1.0), ("mA", 0.0, 1.0, 1e3), ("µA", 0.0, 1.0, 1e6)],
    &[("W", 0.0, 1.0, 1.0), ("mW", 0.0, 1.0, 1e3), ("kW", 0.0, 1e3, 1.0), ("MW", 0.0, 1e6, 1.0)],
    &[
        ("Wh", 0.0, 1.0, 1.0),
        ("kWh", 0.0, 1e3, 1.0),
        ("MWh", 0.0, 1e6, 1.0),
        ("J", 0.0, 1.0, 3_600.0),
        ("kJ", 0.0, 1.0, 3.6),
    ],
    &[("Hz", 0.0, 1.0, 1.0), ("kHz", 0.0, 1e3, 1.0), ("MHz", 0.0, 1e6, 1.0)],
    &[
        ("Pa", 0.0, 1.0, 1.0),
        ("hPa", 0.0, 100.0, 1.0),
        ("mbar", 0.0, 100.0, 1.0),
        ("kPa", 0.0, 1e3, 1.0),
        ("bar", 0.0, 1e5, 1.0),
        ("psi", 0.0, 6_894.757_293_168, 1.0),
        ("mmHg", 0.0, 133.322_387_415, 1.0),
        ("inHg", 0.0, 3_386.389, 1.0),
    ],
    &[("°C", 0.0, 1.0, 1.0), ("°F", -32.0, 5.0, 9.0), ("K", -273.15, 1.0, 1.0)],
    &[
        ("m", 0.0, 1.0, 1.0),
        ("mm", 0.0, 1.0, 1e3),
        ("cm", 0.0, 1.0, 100.0),
        ("km", 0.0, 1e3, 1.0),
        ("in", 0.0, 0.0254, 1.0),
        ("ft", 0.0, 0.3048, 1.0),
    ],
    &[("m/s", 0.0, 1.0, 1.0), ("km/h", 0.0, 1.0, 3.6), ("mph", 0.0, 0.447_04, 1.0), ("kn", 0.0, 1_852.0, 3_600.0)],
    &[("kg", 0.0, 1.0, 1.0), ("g", 0.0, 1.0, 1e3), ("t", 0.0, 1e3, 1.0), ("lb", 0.0, 0.453_592_37, 1.0)],
    &[("l", 0.0, 1.0, 1.0), ("ml", 0.0, 1.0, 1e3), ("m³", 0.0, 1e3, 1.0), ("gal", 0.0, 3.785_411_784, 1.0)],
    &[
        ("s", 0.0, 1.0, 1.0),
        ("ms", 0.0, 1.0, 1e3),
        ("min", 0.0, 60.0, 1.0),
        ("h", 0.0, 3_600.0, 1.0),
        ("d", 0.0, 86_400.0, 1.0),
    ],
    &[("%", 0.0, 1.0, 1.0), ("1", 0.0, 100.0, 1.0), ("‰", 0.0, 1.0, 10.0)],
    &[("ppm", 0.0, 1.0, 1.0), ("ppb", 0.0, 1.0, 1e3)],
    &[("µg/m³", 0.0, 1.0, 1.0), ("mg/m³", 0.0, 1e3, 1.0)],
];

/// Turns a number in one unit into one in another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    shift: f64,
    times: f64,
    by: f64,
    back: f64,
}

impl Conversion {
    /// From the unit that is sent to the one that is kept; `None` where the two are not known as units of one quantity.
    #[must_use]
    pub fn between(sent: &str, kept: &str) -> Option<Conversion> {
        let quantity = UNITS.iter().find(|units| units.iter().any(|(name, ..)| *name == sent))?;
        let find = |wanted: &str| quantity.iter().find(|(name, ..)| *name == wanted);
        let (&(_, shift, times, by), &(_, back, back_by, back_times)) = (find(sent)?, find(kept)?);
        Some(Conversion { shift, times: times * back_times, by: by * back_by, back })
    }

    /// What is sent times a number; not 0.
    #[must_use]
    pub fn scaled(scale: f64) -> Conversion {
        // A thousandth is no binary fraction, and divided by a thousand 2965 is the number nearest to 2.965.
        let whole = (1.0 / scale).round();
        let is_part = scale.abs() < 1.0 && (scale * whole - 1.0).abs() < 1e-12;
        let (times, by) = if is_part { (1.0, whole) } else { (scale, 1.0) };
        Conversion { shift: 0.0, times, by, back: 0.0 }
    }

    /// The number in the unit that is kept; as it is where that is beyond binary64.
    #[must_use]
    pub fn of(&self, number: f64) -> f64 {
        let kept = (number + self.shift) * self.times / self.by - self.back;
        if kept.is_finite() { kept } else { number }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_is_the_nearest_one_in_the_other_unit() {
        for (sent, kept, number, converted) in [
            ("mV", "V", 2_965.0, 2.965),
            ("V", "mV", 2.5, 2_500.0),
            ("Pa", "hPa", 101_325.0, 1_013.25),
            ("°F", "°C", 212.0, 100.0),
            ("°C", "°F", -40.0, -40.0),
            ("K", "°C", 273.15, 0.0),
            ("km/h", "m/s", 36.0, 10.0),
            ("1", "%", 0.5, 50.0),
        ] {
            assert_eq!(Conversion::between(sent, kept).unwrap().of(number), converted, "{sent} to {kept}");
        }
        assert_eq!((Conversion::between("mV", "A"), Conversion::between("furlong", "m")), (None, None));
        assert_eq!((Conversion::scaled(0.001).of(2_965.0), Conversion::scaled(2.5).of(4.0)), (2.965, 10.0));
        assert_eq!(Conversion::scaled(1e10).of(1e300), 1e300, "what cannot be converted is kept");
    }
}
