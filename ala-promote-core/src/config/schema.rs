//! The JSON Schema of `ala-promote.toml`, for editors. A test holds it against what is read.

/// The JSON Schema (draft 7) of `ala-promote.toml`.
pub const CONFIG_SCHEMA: &str = include_str!("ala-promote.schema.json");
