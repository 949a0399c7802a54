//! Templates: what a payload says by one.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};
use serde_json::Value as Json;
use tidegate_telemetry::{Reason, Rejection};

use super::filters;

/// Templates that are kept compiled; devices of one kind have the same ones.
const KEPT_MAX: usize = 4_096;
/// Longest template.
const BYTES_MAX: usize = 8 * 1024;
/// What all evaluations of one publication may cost, in steps of the engine.
const FUEL: u64 = 20_000;
/// The same of a configuration, whose templates are tried.
const FUEL_OF_TRIALS: u64 = 16 * FUEL;
/// What one that fails is counted as: how far it came nobody knows.
const FUEL_OF_A_FAILURE: u64 = 500;

/// Compiled templates, by their text. Only a cache.
#[derive(Debug)]
pub(super) struct Templates {
    env: Environment<'static>,
    compiled: HashMap<Arc<str>, Compiled>,
    /// What is left of the fuel.
    fuel: u64,
}

#[derive(Debug)]
enum Compiled {
    /// `{{ value }}`.
    Value,
    /// `{{ value_json.a.b | round(1) }}`, by far the most. The engine has it too where it does something with the value,
    /// for values that are no numbers.
    Path(Vec<Step>, Vec<Deed>),
    /// The engine has it, by its text.
    Other,
    /// It is none, for this reason.
    Broken(Rejection),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

/// What is done with a number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Float,
    Int,
    Round(i32),
}

impl Deed {
    /// `float`, `float(0)`, `int`, `round`, `round(2)`.
    fn of(filter: &str) -> Option<Deed> {
        let (name, argument) = match filter.trim().strip_suffix(')') {
            Some(call) => call.split_once('(')?,
            None => (filter.trim(), ""),
        };
        let argument = argument.trim();
        let digits = argument.len() <= 2 && argument.bytes().all(|byte| byte.is_ascii_digit());
        match name.trim() {
            "float" if digits => Some(Deed::Float),
            "int" if digits => Some(Deed::Int),
            "round" if digits => Some(Deed::Round(argument.parse().unwrap_or(0))),
            _ => None,
        }
    }

    fn to(self, number: f64) -> f64 {
        match self {
            Deed::Float => number,
            Deed::Int => number.trunc(),
            Deed::Round(decimals) => filters::rounded(number, decimals),
        }
    }
}

/// What a payload says by a template.
#[derive(Debug, PartialEq)]
pub(super) enum Rendered<'p> {
    Text(std::borrow::Cow<'p, str>),
    Number(f64),
    Null,
    /// The payload says nothing about it.
    Absent,
}

/// A payload, parsed once, for all templates that look at it.
#[derive(Debug)]
pub(super) struct Payload<'p> {
    text: &'p str,
    json: Option<Result<Json, String>>,
    value: Option<minijinja::Value>,
}

impl<'p> Payload<'p> {
    pub(super) fn new(text: &'p str) -> Self {
        Payload { text, json: None, value: None }
    }

    fn json(&mut self) -> &Result<Json, String> {
        let text = self.text;
        self.json.get_or_insert_with(|| serde_json::from_str(text).map_err(|error| error.to_string()))
    }

    /// What stands at a key of it, where it is an object.
    pub(super) fn at(&mut self, key: &str) -> Option<&Json> {
        if !self.text.starts_with('{') {
            return None;
        }
        self.json().as_ref().ok()?.get(key)
    }

    /// For the engine; undefined where it is not JSON.
    fn value(&mut self) -> minijinja::Value {
        if self.value.is_none() {
            let value = self.json().as_ref().map(|json| Serde(json).into()).unwrap_or_default();
            self.value = Some(value);
        }
        self.value.clone().unwrap_or_default()
    }
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut env = Environment::new();
        // It would show how the program is made.
        env.remove_global("debug");
        env.set_recursion_limit(64);
        env.set_undefined_behavior(UndefinedBehavior::Lenient);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_formatter(|out, _, value| {
            // As Python writes them.
            let written = match value.kind() {
                minijinja::value::ValueKind::Bool if value.is_true() => out.write_str("True"),
                minijinja::value::ValueKind::Bool => out.write_str("False"),
                minijinja::value::ValueKind::None => out.write_str("None"),
                _ => write!(out, "{value}"),
            };
            written.map_err(|_| Error::from(ErrorKind::WriteFailure))
        });
        filters::add_to(&mut env);
        Templates { env, compiled: HashMap::new(), fuel: FUEL }
    }

    /// The next publication begins.
    pub(super) fn begin(&mut self, is_configuration: bool) {
        self.fuel = if is_configuration { FUEL_OF_TRIALS } else { FUEL };
    }

    /// Says what is wrong with a template: its syntax, or a name that is not known here.
    pub(super) fn check(&mut self, source: &Arc<str>) -> Result<(), Rejection> {
        match self.compiled(source) {
            Compiled::Broken(rejection) => return Err(rejection.clone()),
            Compiled::Value | Compiled::Path(..) => return Ok(()),
            Compiled::Other => {}
        }
        // Values are missing now, which is no mistake of the template.
        match self.evaluate(source, &mut Payload::new("{}")) {
            Err(error) if is_about_the_template(&error) => Err(broken(source, &error)),
            _ => Ok(()),
        }
    }

    /// The path below `value_json` that a template names and nothing else, with dots.
    pub(super) fn path(&mut self, source: &Arc<str>) -> Option<String> {
        let Compiled::Path(steps, _) = self.compiled(source) else { return None };
        let steps: Vec<String> = steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.to_string(),
                Step::Index(index) => index.to_string(),
            })
            .collect();
        (!steps.is_empty()).then(|| steps.join("."))
    }

    /// What a payload says by a template, which is `None` for the payload itself.
    pub(super) fn render<'p>(
        &mut self,
        source: Option<&Arc<str>>,
        payload: &mut Payload<'p>,
    ) -> Result<Rendered<'p>, Rejection> {
        let Some(source) = source else { return Ok(Rendered::Text(payload.text.into())) };
        match self.compiled(source) {
            Compiled::Value => Ok(Rendered::Text(payload.text.into())),
            Compiled::Path(steps, deeds) => match payload.json() {
                Ok(json) => match leaf(steps, json) {
                    Rendered::Number(number) => {
                        Ok(Rendered::Number(deeds.iter().fold(number, |number, deed| deed.to(number))))
                    }
                    leaf if deeds.is_empty() => Ok(leaf),
                    _ => self.by_engine(source, payload),
                },
                Err(error) => Err(not_json(source, error)),
            },
            Compiled::Broken(rejection) => Err(rejection.clone()),
            Compiled::Other => self.by_engine(source, payload),
        }
    }

    fn by_engine<'p>(&mut self, source: &Arc<str>, payload: &mut Payload<'p>) -> Result<Rendered<'p>, Rejection> {
        match self.evaluate(source, payload) {
            Ok(text) => Ok(Rendered::Text(text.trim().to_owned().into())),
            Err(error) if error.kind() == ErrorKind::UndefinedError => match payload.json() {
                Err(not) if source.contains("value_json") => Err(not_json(source, not)),
                _ => Ok(Rendered::Absent),
            },
            Err(error) => Err(broken(source, &error)),
        }
    }

    fn evaluate(&mut self, source: &Arc<str>, payload: &mut Payload<'_>) -> Result<String, Error> {
        self.env.set_fuel(Some(self.fuel.min(FUEL)));
        let template = self.env.get_template(source)?;
        let rendered = template.render_captured(context! { value => payload.text, value_json => payload.value() });
        let used = match &rendered {
            Ok(captured) => captured.state().fuel_levels().map_or(FUEL, |(used, _)| used),
            Err(error) if error.kind() == ErrorKind::OutOfFuel => FUEL,
            Err(_) => FUEL_OF_A_FAILURE,
        };
        self.fuel = self.fuel.saturating_sub(used);
        rendered.map(|captured| captured.into_output())
    }

    fn compiled(&mut self, source: &Arc<str>) -> &Compiled {
        if !self.compiled.contains_key(source) {
            if self.compiled.len() >= KEPT_MAX {
                self.compiled.clear();
                self.env.clear_templates();
            }
            let compiled = self.compile(source);
            self.compiled.insert(Arc::clone(source), compiled);
        }
        &self.compiled[source]
    }

    fn compile(&mut self, source: &Arc<str>) -> Compiled {
        if source.len() > BYTES_MAX {
            let detail = format!("a template of {} bytes is longer than {BYTES_MAX}: shorten it", source.len());
            return Compiled::Broken(Rejection::new(Reason::NotUnderstood, detail));
        }
        let simple = simple(source);
        match simple {
            Some(Compiled::Path(_, ref deeds)) if !deeds.is_empty() => {}
            Some(alone) => return alone,
            None => {}
        }
        match self.env.add_template_owned(source.to_string(), source.to_string()) {
            Ok(()) => simple.unwrap_or(Compiled::Other),
            Err(error) => Compiled::Broken(broken(source, &error)),
        }
    }
}

/// Whether an error is the template's, whatever the payload.
fn is_about_the_template(error: &Error) -> bool {
    use ErrorKind::{SyntaxError, UnknownFilter, UnknownFunction, UnknownMethod, UnknownTest};
    matches!(error.kind(), SyntaxError | UnknownFilter | UnknownFunction | UnknownMethod | UnknownTest)
}

fn broken(source: &str, error: &Error) -> Rejection {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let detail = format!("the template {:?} cannot be evaluated: {what}", shortened(source));
    Rejection::new(Reason::NotUnderstood, detail)
}

fn not_json(source: &str, error: &str) -> Rejection {
    let detail = format!("the template {:?} looks for JSON, and there is none ({error})", shortened(source));
    Rejection::new(Reason::InvalidJson, detail)
}

fn shortened(source: &str) -> String {
    source.chars().take(80).collect()
}

fn leaf<'p>(steps: &[Step], json: &Json) -> Rendered<'p> {
    let found = steps.iter().try_fold(json, |json, step| match step {
        Step::Key(key) => json.get(&**key),
        Step::Index(index) => json.get(index),
    });
    match found {
        None => Rendered::Absent,
        Some(Json::Null) => Rendered::Null,
        Some(Json::Bool(true)) => Rendered::Text("True".into()),
        Some(Json::Bool(false)) => Rendered::Text("False".into()),
        Some(Json::Number(number)) => number.as_f64().map_or(Rendered::Absent, Rendered::Number),
        Some(Json::String(text)) => Rendered::Text(text.clone().into()),
        Some(other) => Rendered::Text(other.to_string().into()),
    }
}

/// A template that is `value` or a path below `value_json` alone.
fn simple(source: &str) -> Option<Compiled> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner).trim();
    let mut parts = inner.split('|');
    let path = parts.next()?.trim();
    let deeds = parts.filter(|filter| filter.trim() != "is_defined").map(Deed::of).collect::<Option<Vec<_>>>()?;
    if path == "value" {
        return deeds.is_empty().then_some(Compiled::Value);
    }
    let mut rest = path.strip_prefix("value_json")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = step(rest)?;
        steps.push(step);
        rest = after;
    }
    Some(Compiled::Path(steps, deeds))
}

/// The first of `.key`, `['key']` and `[0]`, and what follows it.
fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(name) = text.strip_prefix('.') {
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let end = name.find(|character| !is_name(character)).unwrap_or(name.len());
        let (key, rest) = name.split_at(end);
        // Numbers are indexes, and the names of methods are called.
        let starts_well = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        return (starts_well && !rest.starts_with('(')).then(|| (Step::Key(key.into()), rest));
    }
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim();
    let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
    match quoted {
        Some(key) if !key.contains(['\'', '"', '\\']) => Some((Step::Key(key.into()), rest)),
        Some(_) => None,
        None => Some((Step::Index(inside.parse().ok()?), rest)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn render(source: &str, payload: &str) -> Result<String, String> {
        let mut templates = Templates::new();
        let rendered = templates.render(Some(&source.into()), &mut Payload::new(payload));
        match rendered {
            Ok(Rendered::Text(text)) => Ok(text.into_owned()),
            Ok(Rendered::Number(number)) => Ok(number.to_string()),
            Ok(Rendered::Null) => Ok("null".into()),
            Ok(Rendered::Absent) => Ok("absent".into()),
            Err(rejection) => Err(rejection.detail),
        }
    }

    #[test]
    fn paths_are_read_without_the_engine() {
        let payload = r#"{"a":{"b c":[1,{"d":"x"}]},"t":21.5,"on":true,"none":null}"#;
        for (source, expected) in [
            ("{{ value_json.t }}", "21.5"),
            ("{{value_json['t']|is_defined}}", "21.5"),
            ("{{- value_json.a['b c'][1].d -}}", "x"),
            ("{{ value_json.on }}", "True"),
            ("{{ value_json.none }}", "null"),
            ("{{ value_json.gone }}", "absent"),
            ("{{ value_json.gone.b | is_defined }}", "absent"),
            ("{{ value }}", payload),
        ] {
            assert!(simple(source).is_some(), "{source}");
            assert_eq!(render(source, payload).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn what_people_write_means_what_it_means_there() {
        let payload = r#"{"t":21.456,"s":"12","b":true,"l":[1,2],"d":{"x":null},"time":1704723845,"m":"ab,cd"}"#;
        for (source, expected) in [
            ("{{ value_json.t | round(1) }}", "21.5"),
            ("{{ value_json.t | round }}", "21"),
            ("{{ value_json.s | float(0) | round(1) }}", "12.0"),
            ("{{ value_json.t | int }}", "21"),
            ("{{ (value_json.t | float * 9 / 5 + 32) | round(2) }}", "70.62"),
            ("{{ value_json.s | int + 1 }}", "13"),
            ("{{ value_json.gone | float(0) }}", "0"),
            ("{{ value_json.gone | default('none') }}", "none"),
            ("{{ value_json.get('gone', 3) }}", "3"),
            ("{{ 'ON' if value_json.b else 'OFF' }}", "ON"),
            ("{% if value_json.l | length > 1 %} many {% else %} few {% endif %}", "many"),
            ("{{ value_json.b }}{{ value_json.d.x }}", "TrueNone"),
            ("{{ value_json.gone.b.c }}", "absent"),
            ("{{ value_json.gone | is_defined | float }}", "absent"),
            ("{{ value_json.d | tojson }}", r#"{"x": null}"#),
            ("{{ ('{\"a\":7}' | from_json).a }}", "7"),
            ("{{ value_json.time | timestamp_utc }}", "2024-01-08T14:24:05+00:00"),
            ("{{ as_timestamp('2024-01-08T14:24:05Z') | int }}", "1704723845"),
            ("{{ value_json.m.split(',')[1] | upper }}", "CD"),
            ("{{ value | length }}", "85"),
            ("{{ iif(value_json.b, 'yes', 'no') }}", "yes"),
            ("{% set v = {'a':1} %}{{ v['a'] + value_json.l[0] }}", "2"),
            ("{{ 'x' * 3 }}", "xxx"),
        ] {
            assert_eq!(render(source, payload), Ok(expected.to_owned()), "{source}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_by_name() {
        let mut templates = Templates::new();
        for (source, name) in [
            ("{{ value | frobnicate }}", "frobnicate"),
            ("{{ now() }}", "now"),
            ("{{ states('sensor.x') }}", "states"),
            ("{{ value.encode('x') }}", "encode"),
            ("{% if %}", "end of block"),
            ("{% macro x() %}{% endmacro %}", "macro"),
        ] {
            let detail = templates.check(&source.into()).unwrap_err().detail;
            assert!(detail.contains(name), "{source}: {detail}");
        }
        assert_eq!(templates.check(&"{{ value_json.a.b | float * 2 }}".into()), Ok(()));
    }

    #[test]
    fn a_template_has_an_end() {
        for source in
            ["{% for i in range(1000000) %}{{ i }}{% endfor %}", "{{ 'x' * 100000000 }}", "{{ range(99999) | list }}"]
        {
            assert!(render(source, "1").is_err(), "{source}");
        }
        assert!(render(&format!("{{{{ {} }}}}", "(".repeat(9_000)), "1").is_err());
        assert!(render(&format!("{{{{ {}1{} }}}}", "(".repeat(3_000), ")".repeat(3_000)), "1").is_err());
    }

    #[test]
    fn a_template_for_json_says_that_there_is_none() {
        for source in ["{{ value_json.t }}", "{{ value_json.t | float * 2 }}"] {
            assert!(render(source, "hello").unwrap_err().contains("looks for JSON"), "{source}");
        }
    }
}
