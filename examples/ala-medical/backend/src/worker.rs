use std::error::Error;
use std::time::Duration;

use crate::database::Database;

const BEAT: &str = "
    INSERT INTO heartbeat (service, beats, seen_at) VALUES ('worker', 1, now())
    ON CONFLICT (service) DO UPDATE SET beats = heartbeat.beats + 1, seen_at = now()";

/// Touches the database every second, for ever, and says so when what comes of it changes.
pub async fn run(database: &Database) -> Result<(), Box<dyn Error>> {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    let mut said = String::new();
    loop {
        every_second.tick().await;
        let outcome = match database.query(BEAT, &[]).await {
            Ok(_) => "working".to_owned(),
            Err(error) => error.to_string(),
        };
        if outcome != said {
            println!("worker: {outcome}");
            said = outcome;
        }
    }
}
