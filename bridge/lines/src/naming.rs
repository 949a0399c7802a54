//! Which device, group and metric a series of InfluxDB is.

use std::borrow::Cow;

/// Fields that this program writes: the measurement is the metric.
const OWN_FIELDS: [&str; 3] = ["value", "on", "text"];

/// The tag that names the metric, where the measurement does not.
pub const METRIC_TAG: &str = "metric";

/// How series of InfluxDB become those of devices.
#[derive(Debug, Clone)]
pub struct Naming {
    /// The device of series that name none.
    pub device: Option<String>,
    /// Tags whose values, joined by `/`, are the device.
    pub device_tags: Vec<String>,
    /// The tag that is the group of a device which is not known yet.
    pub group_tag: String,
}

impl Naming {
    /// What is not said is as this program writes it: the tags `device` and `group`.
    #[must_use]
    pub fn of(device: Option<&str>, device_tags: Option<&str>, group_tag: Option<&str>) -> Naming {
        Naming {
            device: device.map(str::to_owned),
            device_tags: device_tags.unwrap_or("device").split(',').map(str::to_owned).collect(),
            group_tag: group_tag.unwrap_or("group").to_owned(),
        }
    }

    /// The device of a series with these tags.
    ///
    /// # Errors
    /// Says that no tag names one, and which tags there are.
    pub fn device(&self, tags: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<String, String> {
        let mut device = String::new();
        for name in &self.device_tags {
            let Some((_, part)) = tags.iter().find(|(key, _)| key == name) else { continue };
            if !device.is_empty() {
                device.push('/');
            }
            device += part;
        }
        if !device.is_empty() {
            return Ok(device);
        }
        self.device.clone().ok_or_else(|| {
            let (wanted, tags) = (&self.device_tags, tags.iter().map(|(key, _)| &**key).take(8).collect::<Vec<_>>());
            format!("no tag {wanted:?} says the device: name the tag that does (device_tag) among {tags:?}")
        })
    }

    /// Whether the metric of a field is what the tag [`METRIC_TAG`] says, where there is one.
    #[must_use]
    pub fn is_own(field: &str) -> bool {
        OWN_FIELDS.contains(&field)
    }

    /// The metric of a field; `tag` is what the tag [`METRIC_TAG`] says.
    #[must_use]
    pub fn metric<'a>(measurement: &'a str, field: &str, tag: Option<&'a str>) -> Cow<'a, str> {
        match Naming::is_own(field) {
            true => Cow::Borrowed(tag.unwrap_or(measurement)),
            false => Cow::Owned(format!("{measurement}.{field}")),
        }
    }

    /// Whether a tag is looked at: for the device, for the group, or because it is a level of that.
    #[must_use]
    pub fn uses(&self, tag: &str) -> bool {
        let level = tag.strip_prefix("group").filter(|_| self.group_tag == "group");
        let is_level = level.is_some_and(|level| level.bytes().all(|byte| byte.is_ascii_digit()));
        is_level || tag == self.group_tag || self.device_tags.iter().any(|known| known == tag)
    }
}
