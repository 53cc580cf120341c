//! Every stack, rendered with each Compose in reach and planned: what is decided is what was expected.

use std::collections::BTreeMap;
use std::sync::Arc;

use ala_promote_core::backend::Backend;
use futures_util::{StreamExt, stream};

use crate::decision::Decider;
use crate::shape::Shape;
use crate::support::{engines, skip};

/// Renders that run side by side: Compose v1 takes half a second of one processor for each.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn decide() {
    let update = std::env::var("ALA_PROMOTE_UPDATE").is_ok_and(|update| update == "1");
    let mut seen: BTreeMap<bool, BTreeMap<String, String>> = BTreeMap::new();
    for engine in engines() {
        let backend = Arc::new(engine.backend().await);
        let v1 = backend.describe().contains("docker-compose 1.");
        // Engines with the same Compose would decide the same.
        if seen.contains_key(&v1) {
            continue;
        }
        let decided = stream::iter(Shape::all()).map(|shape| {
            let backend = Arc::clone(&backend);
            async move {
                let copy = shape.copy(&shape.name, str::to_owned);
                let text = match Decider::new(&copy.dir, backend) {
                    Ok(decider) => decider.decide().await,
                    Err(told) => format!("refused\n{}", crate::decision::indented(&told)),
                };
                (shape.name, copy.without_paths(&text))
            }
        });
        seen.insert(v1, decided.buffer_unordered(AT_ONCE).collect().await);
    }
    if seen.is_empty() {
        return skip("no engine answers");
    }
    let mut wrong = Vec::new();
    for shape in Shape::all() {
        let v2 = seen.get(&false).map(|texts| texts[&shape.name].as_str());
        let v1 = seen.get(&true).map(|texts| texts[&shape.name].as_str());
        if update {
            write(&shape, v2, v1);
        }
        let common = std::fs::read_to_string(shape.expected(false)).unwrap_or_default();
        let of_v1 = std::fs::read_to_string(shape.expected(true)).unwrap_or_else(|_| common.clone());
        for (family, decided, expected) in [("v2", v2, &common), ("v1", v1, &of_v1)] {
            if let Some(decided) = decided.filter(|decided| decided != expected) {
                let name = &shape.name;
                wrong.push(format!(
                    "== {name}, Compose {family}, expected:\n{expected}== decided:\n{decided}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn write(shape: &Shape, v2: Option<&str>, v1: Option<&str>) {
    if let Some(text) = v2 {
        std::fs::write(shape.expected(false), text).unwrap();
    }
    let Some(text) = v1 else { return };
    let common = std::fs::read_to_string(shape.expected(false)).unwrap_or_default();
    if text == common {
        let _ = std::fs::remove_file(shape.expected(true));
    } else {
        std::fs::write(shape.expected(true), text).unwrap();
    }
}
