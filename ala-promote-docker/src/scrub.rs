//! Takes a container's own secrets out of a text that it printed.

use bollard::models::ContainerInspectResponse;

/// Shorter values are words such as `yes` or `5432`, which say nothing and would tear the text apart.
const SHORTEST_SECRET_BYTES: usize = 6;

/// Every value of the container's environment gives way to its name, longest first.
pub(crate) fn scrub(text: &str, inspect: &ContainerInspectResponse) -> String {
    let environment = inspect.config.iter().flat_map(|config| config.env.iter().flatten());
    let mut values: Vec<(&str, &str)> = environment
        .filter_map(|entry| entry.split_once('='))
        // Paths and the server's version are no secrets and often what matters.
        .filter(|(key, value)| value.len() >= SHORTEST_SECRET_BYTES && !is_public(key))
        .collect();
    values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    values.iter().fold(text.to_owned(), |text, (key, value)| text.replace(value, &format!("<{key}>")))
}

fn is_public(key: &str) -> bool {
    matches!(key, "PATH" | "HOME" | "HOSTNAME" | "LANG" | "TZ" | "PGDATA" | "PG_MAJOR" | "PG_VERSION")
        || matches!(key, "POSTGRES_USER" | "POSTGRES_DB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_give_way_to_their_names() {
        let env = ["DB=postgres://u:hunter22@db/x", "PASSWORD=hunter22", "PORT=5432", "POSTGRES_DB=patients"];
        let inspect = ContainerInspectResponse {
            config: Some(bollard::models::ContainerConfig {
                env: Some(env.map(str::to_owned).to_vec()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let said = "no patients at postgres://u:hunter22@db/x:5432, tried hunter22";
        assert_eq!(scrub(said, &inspect), "no patients at <DB>:5432, tried <PASSWORD>");
    }
}
