//! The story is what it says, and leaves no process.

use std::process::Command;

#[test]
fn deploy_promote_put_back_and_roll_back() {
    let told = Command::new(env!("CARGO_BIN_EXE_ala-promote-custom-backend")).output().unwrap();
    let (text, errors) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{text}{errors}");
    println!("{text}");
    let (said, after): (Vec<&str>, Vec<&str>) = text.lines().skip(1).partition(|line| !line.starts_with(' '));
    let outcomes: Vec<&str> =
        said.iter().map(|line| line.split_inclusive(": ").take(2).last().unwrap()).collect();
    assert_eq!(said.len(), 7, "{text}");
    assert!(said[3].starts_with("promote production: put back: "), "{text}");
    assert!(said.iter().enumerate().all(|(n, line)| n == 3 || line.ends_with(": committed")), "{outcomes:?}");

    let answers = |stage: &str| -> Vec<String> {
        let lines = after.iter().filter(|line| line.trim_start().starts_with(stage));
        lines.map(|line| line.split('`').nth(1).unwrap().to_owned()).collect()
    };
    let (first, third) = ("the first release", "the third release");
    assert_eq!(answers("production"), [first, first, first, first, third, first]);
    // What production runs after a promotion is the very folder that staging ran.
    let release = |stage: &str, n: usize| {
        after.iter().filter(|line| line.trim_start().starts_with(stage)).nth(n).unwrap().rsplit(' ').next()
    };
    assert_eq!(release("production", 0), release("staging", 1));
    assert_eq!(release("production", 4), release("staging", 5));
}
