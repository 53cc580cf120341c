//! The first day at a real terminal: what can't be told is asked once, and the answer is remembered.

use std::fs;

use super::stack::{Stack, on_two_engines};

#[test]
fn asked_at_a_terminal() {
    on_two_engines(1, |stack| {
        let overlay = "version: \"3.8\"\nservices:\n  frontend:\n    environment: {STAGE: production}\n";
        fs::write(stack.dir().join("docker-compose.prod.yml"), overlay).unwrap();
        let before = config(stack);
        let (code, text) = stack.run("ala-promote init");
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("could each be of production") && config(stack) == before, "{text}");
        let (code, text) = answered(stack, "\n");
        assert_eq!((code, config(stack)), (2, before.clone()), "without an answer nothing is chosen: {text}");
        let (code, text) = answered(stack, "1\n");
        assert_eq!(code, 0, "{text}");
        let line = "files = [\"docker-compose.yml\", \"docker-compose.prod.yml\"]";
        assert!(text.contains(&format!("+{line}")), "{text}");
        assert_eq!(config(stack), format!("{before}\n[environments.production]\n{line}\n"));
        let (code, text) = stack.run("ala-promote plan deploy production");
        assert_eq!(code, 0, "{text}");
    });
}

fn config(stack: &Stack<'_>) -> String {
    fs::read_to_string(stack.dir().join("ala-promote.toml")).unwrap()
}

fn answered(stack: &Stack<'_>, answer: &str) -> (i32, String) {
    let mut at = stack.at_a_terminal("ala-promote init");
    at.until("Which is meant: 1 to 2?");
    at.types(answer);
    at.end()
}
