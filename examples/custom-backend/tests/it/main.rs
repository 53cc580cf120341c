//! The backend of this example, held to its word, and its story.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod story;
