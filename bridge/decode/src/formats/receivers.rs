//! What radio receivers call things: rtl_433, and OpenMQTTGateway with Theengs, whose names are the same in part.

use tidegate_telemetry::MetricFacts;

use crate::quantities::{Quantity, counted, measured, shown, switched};

/// Facts by the name of a field (<https://triq.org/rtl_433/DATA_FORMAT.html>, <https://decoder.theengs.io/use/language.html>).
pub(super) fn facts(field: &str) -> Option<MetricFacts> {
    let is_switch = match field {
        "battery_ok" | "batt_low" => Some("battery"),
        "open" | "contact" | "reed_open" => Some("opening"),
        "motion" | "pir" => Some("motion"),
        "pres" | "presence" => Some("presence"),
        "leak" | "detect_wet" | "water" => Some("moisture"),
        "tamper" => Some("tamper"),
        _ => None,
    };
    if let Some(class) = is_switch {
        return Some(switched(class));
    }
    quantity(field).map(|quantity| quantity.facts())
}

fn quantity(field: &str) -> Option<Quantity> {
    Some(match field {
        "tempc" | "tempc2" | "tempc3" | "tempc4" | "tempc5" | "tempc6" => shown("temperature", "°C", 1),
        "hum" | "humidity" => shown("humidity", "%", 1),
        "batt" | "battery" => measured("battery", "%"),
        "volt" => measured("voltage", "V"),
        "battery_mV" => measured("voltage", "mV"),
        "lux" | "light_lux" => measured("illuminance", "lx"),
        "moi" | "moisture" => measured("moisture", "%"),
        "fer" => measured("conductivity", "µS/cm"),
        "pressure_hPa" => measured("atmospheric_pressure", "hPa"),
        "pressure_kPa" => measured("pressure", "kPa"),
        "pressure_PSI" => measured("pressure", "psi"),
        "wind_avg_m_s" | "wind_max_m_s" | "wind_speed_m_s" => measured("wind_speed", "m/s"),
        "wind_avg_km_h" | "wind_max_km_h" | "wind_speed_km_h" => measured("wind_speed", "km/h"),
        "wind_avg_mi_h" | "wind_max_mi_h" => measured("wind_speed", "mph"),
        "wind_dir_deg" => measured("wind_direction", "°"),
        "rain_mm" => counted("precipitation", "mm"),
        "rain_in" => counted("precipitation", "in"),
        "rain_rate_mm_h" => measured("precipitation_intensity", "mm/h"),
        "uv" | "uvi" => measured("", ""),
        "power_W" | "power" => measured("power", "W"),
        "energy_kWh" => counted("energy", "kWh"),
        "current_A" => measured("current", "A"),
        "voltage_V" => measured("voltage", "V"),
        "co2_ppm" | "co2" => measured("carbon_dioxide", "ppm"),
        "pm2_5_ug_m3" | "pm25" => measured("pm25", "µg/m³"),
        "pm10_ug_m3" | "pm10" => measured("pm10", "µg/m³"),
        "depth_cm" | "distance_cm" => measured("distance", "cm"),
        "distance" => measured("distance", "m"),
        "weight" => measured("weight", "kg"),
        "consumption" => measured("", ""),
        "storm_dist" => measured("distance", "km"),
        _ => match field.rsplit_once('_') {
            Some((_, "C")) => shown("temperature", "°C", 1),
            Some((_, "F")) => shown("temperature", "°F", 1),
            _ if is_signal(field) => measured("signal_strength", if field.starts_with("rssi") { "dBm" } else { "dB" }),
            _ => return None,
        },
    })
}

/// What a receiver says of how it heard, and not of the device.
pub(super) fn is_signal(field: &str) -> bool {
    matches!(signal(field), "rssi" | "snr" | "noise" | "RSSI" | "pferror")
}

/// What is said of it: `rssi` of `rssi.attic`.
pub(super) fn signal(field: &str) -> &str {
    field.split('.').next().unwrap_or(field)
}
