//! Numbers with a decimal comma.

/// `1.234,5` as `1234.5`, and `1.234` as `1234`, since a point parts thousands there; `None` for what is no such number.
pub(super) fn with_decimal_point(text: &str) -> Option<String> {
    let is_number = |character: char| character.is_ascii_digit() || "+-,. eE".contains(character);
    let Some((whole, fraction)) = text.trim().split_once(',') else {
        let mut groups = text.trim().trim_start_matches(['+', '-']).split('.');
        let digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
        let is_first = groups.next().is_some_and(|first| first.len() <= 3 && digits(first));
        let thousands: Vec<&str> = groups.collect();
        let is_grouped = !thousands.is_empty() && thousands.iter().all(|group| group.len() == 3 && digits(group));
        return (is_first && is_grouped).then(|| text.trim().replace('.', ""));
    };
    let is_one = !whole.is_empty() && text.trim().chars().all(is_number) && !fraction.contains([',', '.']);
    is_one.then(|| format!("{}.{fraction}", whole.replace(['.', ' '], "")))
}
