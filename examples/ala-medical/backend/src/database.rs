use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

/// No answer within this time is an answer: a health check must not hang.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Several processes may start at once, and `CREATE TABLE IF NOT EXISTS` alone does not bear that.
const SCHEMA: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(5000);
    CREATE TABLE IF NOT EXISTS orders (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        item text NOT NULL,
        quantity integer NOT NULL CHECK (quantity > 0),
        created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS heartbeat (
        service text PRIMARY KEY,
        beats bigint NOT NULL,
        seen_at timestamptz NOT NULL
    );
    COMMIT;";

/// One connection, made when first needed and again after it was lost: the database may start later than this process,
/// and be restarted or restored while it runs.
#[derive(Clone)]
pub struct Database {
    config: Arc<Config>,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

impl Database {
    pub fn new(mut config: Config) -> Self {
        config.application_name("ala-backend");
        Self { config: Arc::new(config), client: Arc::default() }
    }

    pub async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Unavailable> {
        let answer = async { self.client().await?.query(sql, values).await };
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(answer) => answer.map_err(Unavailable::Failed),
            Err(_) => {
                // The other end may be gone without a word: the next query tries a new connection. If the slot is in
                // use, somebody is at that already.
                if let Ok(mut slot) = self.client.try_lock() {
                    *slot = None;
                }
                Err(Unavailable::Silent)
            }
        }
    }

    async fn client(&self) -> Result<Arc<Client>, tokio_postgres::Error> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        // Ends with the connection; what broke it is seen by the query that was waiting.
        tokio::spawn(connection);
        client.batch_execute(SCHEMA).await?;
        let client = Arc::new(client);
        *slot = Some(client.clone());
        Ok(client)
    }
}

/// The database did not do what it was asked.
#[derive(Debug)]
pub enum Unavailable {
    Failed(tokio_postgres::Error),
    Silent,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The error's own text says only "db error"; what the server said is its source.
            Self::Failed(error) => match error.source() {
                Some(source) => write!(f, "{error}: {source}"),
                None => write!(f, "{error}"),
            },
            Self::Silent => write!(f, "the database did not answer within {} s", ANSWER_WITHIN.as_secs()),
        }
    }
}

impl Error for Unavailable {}
