//! The OpenAPI document as a judge of answers.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::client::Answer;

/// The operation of `openapi.json` that an answer belongs to; panics when the answer is not as described.
pub fn judge(method: &str, target: &str, answer: &Answer) -> Option<String> {
    let path = target.split('?').next().unwrap();
    let operation = operation(path)?.get(method.to_ascii_lowercase())?;
    let status = answer.status.to_string();
    let responses = &operation["responses"];
    let response = resolve(responses.get(&status).unwrap_or(&responses["default"]));
    let media_type = answer.header("content-type").split(';').next().unwrap();
    if status == "204" {
        assert!(!response.is_null() && answer.body.is_empty(), "{method} {target}: nothing is all it may say");
        return Some(operation["operationId"].as_str().unwrap().to_owned());
    }
    let schema = &response["content"][media_type]["schema"];
    assert!(!schema.is_null(), "{method} {target}: {status} {media_type:?} is not described: {}", answer.text());
    let instance = match media_type.ends_with("/json") || media_type.ends_with("+json") {
        true => answer.json(),
        false => Value::String(answer.text().to_owned()),
    };
    // The schema, with the components its references lead to.
    let whole = json!({ "allOf": [schema], "components": document()["components"] });
    let validator = jsonschema::validator_for(&whole).unwrap();
    let flaws: Vec<_> = validator.iter_errors(&instance).map(|flaw| flaw.to_string()).collect();
    assert!(flaws.is_empty(), "{method} {target}: {flaws:?} in {instance}");
    Some(operation["operationId"].as_str().unwrap().to_owned())
}

/// Panics when a value is not as the schema of that name says.
pub fn fits(name: &str, value: &Value) {
    let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": document()["components"] });
    let flaws: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(value).map(|flaw| flaw.to_string()).collect();
    assert!(flaws.is_empty(), "{name}: {flaws:?} in {value}");
}

/// Every operation there is.
pub fn operations() -> Vec<String> {
    let paths = document()["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

/// The method and path template of every operation.
pub fn paths() -> Vec<(String, String)> {
    let paths = document()["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let methods: Vec<_> = item.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
        methods.into_iter().map(move |method| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(include_str!("../../src/rest/openapi.json")).unwrap())
}

fn resolve(value: &Value) -> &Value {
    match value.get("$ref") {
        Some(reference) => document().pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The path item whose template fits; the one parameter of a template may hold slashes.
fn operation(path: &str) -> Option<&'static Value> {
    let paths = document()["paths"].as_object().unwrap();
    paths.get(path).or_else(|| {
        let fits = |template: &str| {
            let (start, rest) = template.split_once('{')?;
            let (_, end) = rest.split_once('}')?;
            path.strip_prefix(start)?.strip_suffix(end).filter(|name| !name.is_empty())
        };
        // Of `/{id}` and `/{id}/trace` the longer one.
        let fitting = paths.iter().filter(|(template, _)| fits(template).is_some());
        fitting.max_by_key(|(template, _)| template.len()).map(|(_, item)| item)
    })
}
