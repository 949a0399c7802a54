//! Keys of a configuration, whole or abbreviated (<https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>). Those
//! that nothing here looks at, such as the ones of commands, stay as they are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Abbreviations, in their order.
const SHORT: &[(&str, &str)] = &[
    ("act_t", "action_topic"),
    ("act_tpl", "action_template"),
    ("activity_stat_t", "activity_state_topic"),
    ("avty", "availability"),
    ("avty_mode", "availability_mode"),
    ("avty_t", "availability_topic"),
    ("avty_tpl", "availability_template"),
    ("bri_stat_t", "brightness_state_topic"),
    ("bri_val_tpl", "brightness_value_template"),
    ("clr_temp_stat_t", "color_temp_state_topic"),
    ("clr_temp_val_tpl", "color_temp_value_template"),
    ("cmd_t", "command_topic"),
    ("cmps", "components"),
    ("cns", "connections"),
    ("curr_hum_t", "current_humidity_topic"),
    ("curr_hum_tpl", "current_humidity_template"),
    ("curr_temp_t", "current_temperature_topic"),
    ("curr_temp_tpl", "current_temperature_template"),
    ("dev", "device"),
    ("dev_cla", "device_class"),
    ("en", "enabled_by_default"),
    ("exp_aft", "expire_after"),
    ("fan_mode_stat_t", "fan_mode_state_topic"),
    ("fan_mode_stat_tpl", "fan_mode_state_template"),
    ("fx_stat_t", "effect_state_topic"),
    ("fx_val_tpl", "effect_value_template"),
    ("hum_stat_t", "target_humidity_state_topic"),
    ("hum_state_tpl", "target_humidity_state_template"),
    ("ids", "identifiers"),
    ("json_attr_t", "json_attributes_topic"),
    ("json_attr_tpl", "json_attributes_template"),
    ("l_ver_t", "latest_version_topic"),
    ("l_ver_tpl", "latest_version_template"),
    ("mdl", "model"),
    ("mf", "manufacturer"),
    ("mode_stat_t", "mode_state_topic"),
    ("mode_stat_tpl", "mode_state_template"),
    ("o", "origin"),
    ("obj_id", "object_id"),
    ("osc_stat_t", "oscillation_state_topic"),
    ("osc_val_tpl", "oscillation_value_template"),
    ("p", "platform"),
    ("pct_stat_t", "percentage_state_topic"),
    ("pct_val_tpl", "percentage_value_template"),
    ("pl_avail", "payload_available"),
    ("pl_home", "payload_home"),
    ("pl_not_avail", "payload_not_available"),
    ("pl_not_home", "payload_not_home"),
    ("pl_off", "payload_off"),
    ("pl_on", "payload_on"),
    ("pos_t", "position_topic"),
    ("pos_tpl", "position_template"),
    ("pr_mode_stat_t", "preset_mode_state_topic"),
    ("pr_mode_val_tpl", "preset_mode_value_template"),
    ("sa", "suggested_area"),
    ("stat_cla", "state_class"),
    ("stat_off", "state_off"),
    ("stat_on", "state_on"),
    ("stat_t", "state_topic"),
    ("stat_tpl", "state_template"),
    ("stat_val_tpl", "state_value_template"),
    ("sug_dsp_prc", "suggested_display_precision"),
    ("sw", "sw_version"),
    ("swing_mode_stat_t", "swing_mode_state_topic"),
    ("swing_mode_stat_tpl", "swing_mode_state_template"),
    ("t", "topic"),
    ("temp_hi_stat_t", "temperature_high_state_topic"),
    ("temp_hi_stat_tpl", "temperature_high_state_template"),
    ("temp_lo_stat_t", "temperature_low_state_topic"),
    ("temp_lo_stat_tpl", "temperature_low_state_template"),
    ("temp_stat_t", "temperature_state_topic"),
    ("temp_stat_tpl", "temperature_state_template"),
    ("temp_unit", "temperature_unit"),
    ("tilt_status_t", "tilt_status_topic"),
    ("tilt_status_tpl", "tilt_status_template"),
    ("uniq_id", "unique_id"),
    ("unit_of_meas", "unit_of_measurement"),
    ("val_tpl", "value_template"),
];

/// An object with its keys as they are called in full, on top of those it is in.
#[derive(Debug, Clone)]
pub(super) struct Keys<'j> {
    by_name: BTreeMap<&'j str, &'j Json>,
    /// What `~` stands for.
    base: &'j str,
}

impl<'j> Keys<'j> {
    pub(super) fn of(object: &'j Map<String, Json>) -> Keys<'j> {
        let whole = |key: &'j str| match SHORT.binary_search_by(|(short, _)| (*short).cmp(key)) {
            Ok(place) => SHORT[place].1,
            Err(_) => key,
        };
        let by_name: BTreeMap<_, _> = object.iter().map(|(key, value)| (whole(key), value)).collect();
        let base = by_name.get("~").and_then(|base| base.as_str()).unwrap_or_default();
        Keys { by_name, base }
    }

    /// An object in this one; what it does not say of these keys, this one says.
    pub(super) fn within(&self, object: &'j Map<String, Json>, shared: &[&str]) -> Keys<'j> {
        let mut within = Keys::of(object);
        if within.base.is_empty() {
            within.base = self.base;
        }
        for (key, value) in self.by_name.iter().filter(|(key, _)| shared.contains(*key)) {
            within.by_name.entry(key).or_insert(value);
        }
        within
    }

    pub(super) fn get(&self, key: &str) -> Option<&'j Json> {
        self.by_name.get(key).copied().filter(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'j str> {
        self.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// A payload to compare with: a text, or what Python makes one of.
    pub(super) fn payload(&self, key: &str) -> Option<Cow<'j, str>> {
        match self.get(key)? {
            Json::String(text) => Some(text.into()),
            Json::Bool(on) => Some(if *on { "True".into() } else { "False".into() }),
            Json::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    pub(super) fn object(&self, key: &str) -> Option<&'j Map<String, Json>> {
        self.get(key)?.as_object()
    }

    /// A topic, whole.
    pub(super) fn topic(&self, key: &str) -> Option<Cow<'j, str>> {
        Some(self.whole(self.text(key)?))
    }

    /// The topic of each key that ends so.
    pub(super) fn topics_ending(&self, end: &str) -> impl Iterator<Item = Cow<'j, str>> {
        self.by_name
            .iter()
            .filter(move |(key, _)| key.ends_with(end) || (end == "command_topic" && key.ends_with("cmd_t")))
            .filter_map(|(_, topic)| topic.as_str().filter(|topic| !topic.is_empty()).map(|topic| self.whole(topic)))
    }

    /// A topic with `~` replaced, which may stand at its start or its end.
    fn whole(&self, topic: &'j str) -> Cow<'j, str> {
        match (topic.strip_prefix('~'), topic.strip_suffix('~')) {
            _ if self.base.is_empty() => topic.into(),
            (Some(rest), _) => format!("{}{rest}", self.base).into(),
            (None, Some(rest)) => format!("{rest}{}", self.base).into(),
            (None, None) => topic.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_in_order_so_that_they_are_found() {
        assert!(SHORT.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
