use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;

/// What differs between environments. All of it is read when the process starts and none when the image is built:
/// that is what lets one image run in staging and in production.
pub struct Settings {
    /// `NODE_ENV`: `staging`, `production`, …
    pub environment: String,
    /// `PORT` that the API listens on.
    pub port: u16,
    /// `CORS_ORIGIN`: the frontend's address, whose pages may call the API.
    pub cors_origin: Option<String>,
    /// `ENABLE_TEST_DATA`: whether the test user exists.
    pub test_data: bool,
    /// `VERSION_FILE`: where the image keeps its version.
    pub version_file: PathBuf,
    /// Unset for `healthcheck`, which needs no database.
    database_url: Option<String>,
}

impl Settings {
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            environment: var("NODE_ENV").unwrap_or_else(|| "development".to_owned()),
            port: match var("PORT") {
                Some(port) => port.parse().map_err(|_| format!("PORT is not a port: {port}"))?,
                None => 5000,
            },
            cors_origin: var("CORS_ORIGIN"),
            test_data: var("ENABLE_TEST_DATA").as_deref() == Some("true"),
            version_file: var("VERSION_FILE").unwrap_or_else(|| "/VERSION".to_owned()).into(),
            database_url: var("DATABASE_URL"),
        })
    }

    /// The error names the variable only: its value holds a password.
    pub fn database_url(&self) -> Result<tokio_postgres::Config, Box<dyn Error>> {
        let url = self.database_url.as_deref().ok_or("DATABASE_URL is not set")?;
        tokio_postgres::Config::from_str(url).map_err(|_| "DATABASE_URL is not a PostgreSQL URL".into())
    }
}

/// Compose passes an unset variable on as an empty one.
fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
