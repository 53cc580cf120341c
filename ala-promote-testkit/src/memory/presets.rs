//! A world to begin with.

use super::{EnvironmentEditor, MemoryBackend, MemoryBuilder};

impl MemoryBackend {
    /// The stack that the workflow's document describes, running in both environments from the first commit:
    /// `backend` and a `worker` that shares its image, `frontend`, and `db`, which is PostgreSQL. `staging` runs as
    /// project `ala-staging`, `production` as `ala`.
    #[must_use]
    pub fn ala_medical() -> MemoryBuilder {
        Self::builder()
            .environment("staging", |e| {
                e.files(&["docker-compose.yml", "docker-compose.staging.yml"], ".env.staging");
                ala_medical(e, "staging", [5010, 8080, 5433]);
            })
            .environment("production", |e| {
                e.files(&["docker-compose.yml"], ".env").project("ala").from("staging").protected();
                ala_medical(e, "production", [5000, 80, 5432]);
            })
    }
}

fn ala_medical(e: &mut EnvironmentEditor, environment: &str, [api, web, database]: [u16; 3]) {
    let (api_image, web_image) = (format!("ala-api:{environment}"), format!("ala-web:{environment}"));
    e.variable("ENABLE_TEST_DATA", if environment == "production" { "false" } else { "true" });
    e.volume("db-data", "", false);
    e.service("backend")
        .image(&api_image)
        .build()
        .port(api, 5000)
        .depends_on("db")
        .needs_variable("ENABLE_TEST_DATA")
        .restart("unless-stopped");
    e.service("worker").image(&api_image).depends_on("db").restart("unless-stopped");
    e.service("frontend").image(&web_image).build().port(web, 80).restart("unless-stopped");
    e.service("db")
        .image("postgres:15")
        .postgres("ala", "ala")
        .port(database, 5432)
        .volume("db-data")
        .restart("unless-stopped");
    e.running();
}
