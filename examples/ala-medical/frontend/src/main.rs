//! The frontend of the example: serves the pages, and tells them at run time which environment they are in.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{self, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

struct Site {
    /// By name; read once, for the image never changes.
    pages: HashMap<String, Vec<u8>>,
    /// What differs between environments, for the pages' scripts. Were it written into the pages when they are built,
    /// an image promoted from staging would show staging's banner, and call staging's API, in production.
    config: Value,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = var("PORT", "8080").parse()?;
    let version = fs::read_to_string(var("VERSION_FILE", "/VERSION"))?.trim().to_owned();
    let site = Site {
        pages: read_pages(Path::new(&var("SITE", "/site")))?,
        config: json!({
            "environment": var("NODE_ENV", "development"),
            "apiUrl": var("API_URL", "/api"),
            "version": version,
        }),
    };
    println!("ala-frontend: version {version} on port {port}");
    let routes = Router::new()
        .route("/", get(|site| page(site, extract::Path("index.html".to_owned()))))
        .route("/{page}", get(page))
        .route("/config.json", get(config))
        .route("/health", get(health))
        .with_state(Arc::new(site));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    // PID 1 of a container dies of a signal only if it handles it.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = async { axum::serve(listener, routes).await } => ended?,
    }
    Ok(())
}

async fn config(State(site): State<Arc<Site>>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(site.config.clone()))
}

async fn health(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(json!({ "status": "ok", "version": site.config["version"] }))
}

async fn page(
    State(site): State<Arc<Site>>,
    extract::Path(name): extract::Path<String>,
) -> Result<impl IntoResponse, StatusCode> {
    let page = site.pages.get(&name).ok_or(StatusCode::NOT_FOUND)?.clone();
    let content_type = match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "application/octet-stream",
    };
    // A promoted release shows at the next reload.
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], page))
}

fn read_pages(folder: &Path) -> Result<HashMap<String, Vec<u8>>, Box<dyn Error>> {
    fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect()
}

/// Compose passes an unset variable on as an empty one.
fn var(name: &str, default: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}
