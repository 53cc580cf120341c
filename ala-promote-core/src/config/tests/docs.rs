//! `docs/configuration.md` must be true: its examples load, and it names each key.

use super::*;

fn reference() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md")).unwrap()
}

/// What stands between "```toml" and "```".
fn examples(text: &str) -> Vec<&str> {
    text.split("\n```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn each_example_loads() {
    let text = reference();
    let examples = examples(&text);
    assert!(examples.len() >= 8, "{}", examples.len());
    for example in examples {
        let folder = Folder::usual();
        for file in ["docker-compose.qa.yml", "live.yml", "../customer-b/compose.yaml", "compose.test.yaml"] {
            folder.write(file, "");
        }
        let folder = folder.config(example);
        assert!(folder.load().is_ok(), "{}\n{example}", folder.refusal());
    }
}

#[test]
fn each_key_is_named() {
    let text = reference();
    let tables = [
        "",
        "engine",
        "environments.qa",
        "services.api",
        "health",
        "backup",
        "retention",
        "[hooks]",
        "[backup.databases]",
    ];
    for table in tables {
        let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
        let error = Folder::usual().config(&format!("{header}entirely_unknown = 1")).load().unwrap_err();
        let known = error.hint().unwrap();
        for key in known.strip_prefix("known keys here: ").unwrap().split(", ") {
            let named = [
                format!("| `{key}`"),
                format!(", `{key}`"),
                format!("`[{key}]`"),
                format!("`[{key}.<name>]`"),
                format!("`[[{key}]]`"),
            ];
            assert!(
                named.iter().any(|n| text.contains(n)),
                "`{key}` of [{table}] is not in docs/configuration.md"
            );
        }
    }
}

#[test]
fn the_defaults_it_gives_are_the_defaults() {
    let text = reference();
    let health = HealthSettings::default();
    let shown = |d: std::time::Duration| super::super::value::HumanDuration(d).to_string();
    for (key, default) in [
        ("timeout", shown(health.timeout)),
        ("window", shown(health.window)),
        ("interval", shown(health.interval)),
        ("patience", shown(health.patience)),
        ("releases", Retention::default().releases.to_string()),
    ] {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{key}`"))).unwrap();
        assert!(row.contains(&format!("`{default}`")) || row.contains(&format!("`\"{default}\"`")), "{row}");
    }
}
