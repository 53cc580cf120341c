use std::fs;
use std::path::Path;

/// What the image's VERSION file says.
#[derive(Clone)]
pub struct Release {
    pub version: String,
}

impl Release {
    pub fn read(path: &Path) -> Result<Self, String> {
        let version = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { version: version.trim().to_owned() })
    }

    /// Demo switch: such a release passes every test in staging and fails in production.
    pub fn is_broken_in(&self, environment: &str) -> bool {
        self.version.contains("broken") && environment == "production"
    }

    /// Demo switch: such a release exits as soon as it starts.
    pub fn crashes(&self) -> bool {
        self.version.contains("crash")
    }
}
