//! What templates of Home Assistant may use besides Jinja's own
//! (<https://www.home-assistant.io/docs/configuration/templating/>). There is no clock here and no state of others: `now`,
//! `states` and their kin stay unknown, and are told by name.

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::time;

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("is_defined", |value: Value| match value.is_undefined() {
        true => Err(Error::from(ErrorKind::UndefinedError)),
        false => Ok(value),
    });
    env.add_filter("float", float);
    env.add_function("float", float);
    env.add_filter("int", int);
    env.add_function("int", int);
    env.add_filter("bool", bool);
    env.add_function("bool", bool);
    env.add_filter("round", round);
    env.add_filter("multiply", |value: Value, by: f64| arithmetic(&value, |number| number * by));
    env.add_filter("add", |value: Value, by: f64| arithmetic(&value, |number| number + by));
    env.add_filter("sqrt", |value: Value| arithmetic(&value, f64::sqrt));
    env.add_filter("log", |value: Value, base: Option<f64>| {
        arithmetic(&value, |number| base.map_or_else(|| number.ln(), |base| number.log(base)))
    });
    env.add_filter("bitwise_and", |left: i64, right: i64| left & right);
    env.add_filter("bitwise_or", |left: i64, right: i64| left | right);
    env.add_filter("is_number", |value: Value| as_number(&value).is_some());
    env.add_function("is_number", |value: Value| as_number(&value).is_some());
    env.add_test("is_number", |value: Value| as_number(&value).is_some());
    env.add_filter("from_json", from_json);
    env.add_filter("to_json", |value: Value| serde_json::to_string(&value).map_err(|_| wrong("cannot be JSON")));
    env.add_filter("iif", iif);
    env.add_function("iif", iif);
    env.add_filter("as_timestamp", as_timestamp);
    env.add_function("as_timestamp", as_timestamp);
    env.add_filter("timestamp_utc", timestamp_utc);
    env.add_filter("ordinal", |number: i64| format!("{number}{}", suffix(number)));
    env.set_unknown_method_callback(method);
}

fn wrong(detail: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// The number that Python's `float` makes of a value.
fn as_number(value: &Value) -> Option<f64> {
    let number = match value.kind() {
        ValueKind::Bool => f64::from(u8::from(value.is_true())),
        ValueKind::Number => f64::try_from(value.clone()).ok()?,
        ValueKind::String => value.as_str()?.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// What stands for a value that is no number: the default, else it is a mistake.
fn instead(value: &Value, default: Option<Value>) -> Result<Value, Error> {
    match default {
        Some(default) => Ok(default),
        None if value.is_undefined() => Err(Error::from(ErrorKind::UndefinedError)),
        None => Err(Error::new(ErrorKind::InvalidOperation, format!("{value:.40} is no number"))),
    }
}

fn float(value: Value, default: Option<Value>) -> Result<Value, Error> {
    as_number(&value).map_or_else(|| instead(&value, default), |number| Ok(Value::from(number)))
}

fn int(value: Value, default: Option<Value>, base: Option<u32>) -> Result<Value, Error> {
    let in_base = value.as_str().zip(base.filter(|base| (2..=36).contains(base)));
    let integer = match in_base {
        Some((text, base)) => i64::from_str_radix(text.trim().trim_start_matches("0x"), base).ok(),
        None => as_number(&value).map(|number| number as i64),
    };
    integer.map_or_else(|| instead(&value, default), |integer| Ok(Value::from(integer)))
}

fn bool(value: Value, default: Option<Value>) -> Result<Value, Error> {
    let text = value.to_string().to_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" | "enable" | "1" => Ok(Value::from(true)),
        "false" | "no" | "off" | "disable" | "0" => Ok(Value::from(false)),
        _ => instead(&value, default),
    }
}

/// As Python rounds: to the even digit where two are as near.
fn round(value: Value, precision: Option<i32>, method: Option<String>, default: Option<Value>) -> Result<Value, Error> {
    let Some(number) = as_number(&value) else { return instead(&value, default) };
    let precision = precision.unwrap_or(0).clamp(-15, 15);
    let scale = 10_f64.powi(precision);
    let rounded = match method.as_deref() {
        Some("floor") => (number * scale).floor() / scale,
        Some("ceil") => (number * scale).ceil() / scale,
        Some("half") => (number * 2.0).round_ties_even() / 2.0,
        _ => rounded(number, precision),
    };
    if precision <= 0 && method.as_deref() != Some("half") {
        Ok(Value::from(rounded as i64))
    } else {
        Ok(rounded.into())
    }
}

/// A number with so many decimals.
pub(super) fn rounded(number: f64, decimals: i32) -> f64 {
    if decimals > 0 {
        return format!("{number:.*}", decimals as usize).parse().unwrap_or(number);
    }
    let scale = 10_f64.powi(decimals);
    (number * scale).round_ties_even() / scale
}

fn arithmetic(value: &Value, of: impl FnOnce(f64) -> f64) -> Result<Value, Error> {
    match as_number(value).map(of).filter(|number| number.is_finite()) {
        Some(number) => Ok(Value::from(number)),
        None => instead(value, None),
    }
}

fn from_json(text: String) -> Result<Value, Error> {
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong("the text is not JSON"))?;
    Ok(Value::from(Serde(json)))
}

fn iif(condition: Value, if_true: Option<Value>, if_false: Option<Value>, if_none: Option<Value>) -> Value {
    match if_none {
        Some(if_none) if condition.is_none() => if_none,
        _ if condition.is_true() => if_true.unwrap_or(Value::from(true)),
        _ => if_false.unwrap_or(Value::from(false)),
    }
}

/// Unix seconds of a text with an offset, or of a number, which is that already.
fn as_timestamp(value: Value, default: Option<Value>) -> Result<Value, Error> {
    let seconds = match as_number(&value) {
        Some(number) => Some(number),
        None => value.as_str().and_then(|text| time::from_text(text, None).ok()).map(|ms| ms as f64 / 1e3),
    };
    seconds.map_or_else(|| instead(&value, default), |seconds| Ok(Value::from(seconds)))
}

fn timestamp_utc(value: Value, default: Option<Value>) -> Result<Value, Error> {
    let second = as_number(&value).and_then(|number| jiff::Timestamp::from_second(number as i64).ok());
    match second {
        Some(second) => Ok(Value::from(second.to_string().replace('Z', "+00:00"))),
        None => instead(&value, default),
    }
}

fn suffix(number: i64) -> &'static str {
    match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// Methods of Python's texts and dictionaries.
fn method(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let filtered = |state: &mut State<'_, '_>, filter: &str| {
        let all: Vec<Value> = std::iter::once(value.clone()).chain(args.iter().cloned()).collect();
        state.apply_filter(filter, &all)
    };
    let unknown = || Error::new(ErrorKind::UnknownMethod, format!("there is no method {method} here"));
    match (value.kind(), method, args) {
        (ValueKind::Map, "get", [key, default @ ..]) => {
            let found = value.get_item(key)?;
            let default = default.first().cloned().unwrap_or(Value::from(()));
            Ok(if found.is_undefined() { default } else { found })
        }
        (ValueKind::Map, "items", _) => filtered(state, "items"),
        (ValueKind::Map, "keys", _) => Ok(value.try_iter()?.collect()),
        (ValueKind::Map, "values", _) => value.try_iter()?.map(|key| value.get_item(&key)).collect(),
        (ValueKind::String, "lower" | "upper" | "title" | "capitalize" | "replace" | "split", _) => {
            filtered(state, method)
        }
        (ValueKind::String, "strip", _) => filtered(state, "trim"),
        (ValueKind::String, "startswith" | "endswith", [with]) => {
            let (text, with) = (value.as_str().unwrap_or_default(), with.as_str().unwrap_or_default());
            Ok(Value::from(if method == "startswith" { text.starts_with(with) } else { text.ends_with(with) }))
        }
        _ => Err(unknown()),
    }
}
