//! The Docker backend of ala-promote.
mod connect;
mod containers;
mod engine;
mod error;
mod images;
mod labels;
mod placeholder;
