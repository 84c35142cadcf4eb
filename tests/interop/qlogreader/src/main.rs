//! What quiche's qlog crate makes of qlog files: for each a line of JSON with the names of the events that it has
//! a type for, and of those that it takes as they are, and how many there are of each.

use qlog::reader::{Event, QlogSeqReader};
use serde_json::{json, Value};
use std::collections::BTreeMap;

fn summary(path: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let reader = QlogSeqReader::with_file(path)?;
    let title = reader.qlog.trace.title.clone();
    let vantage = serde_json::to_value(&reader.qlog.trace.vantage_point)?;
    let mut typed = BTreeMap::<String, u64>::new();
    let mut untyped = BTreeMap::<String, u64>::new();
    let mut settings = Vec::new();
    for event in reader {
        match event {
            Event::Qlog(event) => {
                let value = serde_json::to_value(&event)?;
                if let Some(list) = value["data"]["frame"]["settings"].as_array() {
                    settings.extend(list.iter().cloned());
                }
                *typed.entry(value["name"].as_str().unwrap_or("?").to_string()).or_default() += 1;
            }
            Event::Json(event) => *untyped.entry(event.name.clone()).or_default() += 1,
        }
    }
    Ok(json!({"title": title, "vantage": vantage, "typed": typed, "untyped": untyped, "settings": settings}))
}

fn main() {
    for path in std::env::args().skip(1) {
        match summary(&path) {
            Ok(value) => println!("{value}"),
            Err(why) => {
                eprintln!("qlogreader: {path}: {why}");
                std::process::exit(1);
            }
        }
    }
}
