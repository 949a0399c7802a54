//! Units as formats write them.

/// What a format writes, and what people read. The short ones are those of SenML (RFC 8428 section 12.1, RFC 8798) that
/// differ from ours, the others are seen in the wild.
const UNITS: &[(&str, &str)] = &[
    ("%EL", "%"),
    ("%RH", "%"),
    ("%rh", "%"),
    ("/", ""),
    ("1/min", "/min"),
    ("1/s", "/s"),
    ("Cel", "°C"),
    ("Celsius", "°C"),
    ("EL", ""),
    ("EL/s", "/s"),
    ("EURO", "€"),
    ("Fahrenheit", "°F"),
    ("Ohm", "Ω"),
    ("beat/m", "bpm"),
    ("beats", ""),
    ("count", ""),
    ("deg", "°"),
    ("degC", "°C"),
    ("degF", "°F"),
    ("degrees C", "°C"),
    ("degrees F", "°F"),
    ("deg C", "°C"),
    ("deg F", "°F"),
    ("deg_c", "°C"),
    ("deg_f", "°F"),
    ("l", "L"),
    ("l/s", "L/s"),
    ("lat", "°"),
    ("lon", "°"),
    ("m2", "m²"),
    ("m3", "m³"),
    ("m3/h", "m³/h"),
    ("m3/s", "m³/s"),
    ("m/s2", "m/s²"),
    ("ug/m3", "µg/m³"),
    ("kg/m3", "kg/m³"),
    ("W/m2", "W/m²"),
    ("ohm", "Ω"),
];

/// The unit as people read it.
pub(crate) fn for_people(unit: &str) -> &str {
    let unit = unit.trim();
    UNITS.iter().find(|(written, _)| *written == unit).map_or(unit, |(_, read)| read)
}
