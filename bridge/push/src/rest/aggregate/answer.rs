//! The text of an answer, line after line.

use std::io::Write;

use serde::Serialize;
use tidegate_lines::csv::text_field;

use super::Line;
use super::fold::{Cell, Fold};
use super::functions::Function;
use crate::rest::csv::Times;

/// What stands before the lines.
#[derive(Debug, Serialize)]
pub struct Head {
    pub metric: String,
    pub from: i64,
    pub to: i64,
    pub every_ms: Option<i64>,
    pub timezone: String,
    pub rung_ms: Option<i64>,
    pub functions: Vec<String>,
}

/// How lines are written: as JSON, or as CSV with such times.
pub struct Writer {
    pub functions: Vec<Function>,
    pub times: Option<Times>,
    pub formulas: bool,
}

impl Writer {
    pub fn begin(&self, head: &Head) -> Vec<u8> {
        if self.times.is_some() {
            return format!("group,device,start,{}\r\n", head.functions.join(",")).into_bytes();
        }
        let mut text = serde_json::to_vec(head).expect("these structures have text keys, and a Vec takes all");
        text.pop();
        text.extend(b",\"lines\":[");
        text
    }

    pub fn end(&self, text: &mut Vec<u8>) {
        if self.times.is_none() {
            text.extend(b"]}");
        }
    }

    pub fn line(&self, line: &Line, fold: &Fold, cells: &[Cell], is_first: bool, text: &mut Vec<u8>) {
        let windows = fold.bounds.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        match &self.times {
            Some(times) => windows.for_each(|(start_ms, cell)| self.csv(line, &times.field(*start_ms), cell, text)),
            None => {
                text.extend(if is_first { &b""[..] } else { b"," });
                let names =
                    serde_json::json!({ "group": line.group, "device": line.device, "series": line.series.len() });
                text.extend(names.to_string().trim_end_matches('}').bytes());
                text.extend(b",\"points\":[");
                for (at, (start_ms, cell)) in windows.enumerate() {
                    text.extend(if at == 0 { &b""[..] } else { b"," });
                    self.json(*start_ms, cell, text);
                }
                text.extend(b"]}");
            }
        }
    }

    fn json(&self, start_ms: i64, cell: &Cell, text: &mut Vec<u8>) {
        let written = "writing to a Vec never fails";
        write!(text, "[{start_ms}").expect(written);
        for function in &self.functions {
            text.push(b',');
            match function.value(cell) {
                Some(count) if *function == Function::Count => write!(text, "{count}").expect(written),
                value => serde_json::to_writer(&mut *text, &value).expect(written),
            }
        }
        text.push(b']');
    }

    fn csv(&self, line: &Line, start: &str, cell: &Cell, text: &mut Vec<u8>) {
        let [group, device] = [&*line.group, line.device.as_deref().unwrap_or_default()];
        let [group, device] = [group, device].map(|name| text_field(name, self.formulas));
        let values = self.functions.iter().map(|of| of.value(cell).map_or_else(String::new, |value| value.to_string()));
        let values: Vec<String> = values.collect();
        write!(text, "{group},{device},{start},{}\r\n", values.join(",")).expect("writing to a Vec never fails");
    }
}
