use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::database::{Database, Unavailable};
use crate::release::Release;
use crate::settings::Settings;

struct App {
    settings: Settings,
    release: Release,
    database: Database,
}

pub async fn serve(settings: Settings, release: Release, database: Database) -> Result<(), Box<dyn Error>> {
    let cors_origin = settings.cors_origin.as_deref().map(HeaderValue::from_str).transpose()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.port)).await?;
    let routes = Router::new()
        .route("/api/health", get(health))
        .route("/api/version", get(version))
        .route("/api/users/{email}", get(user))
        .route("/api/orders", get(orders).post(order))
        .layer(middleware::map_response(move |mut response: Response| {
            if let Some(origin) = cors_origin.clone() {
                response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            }
            async { response }
        }))
        .with_state(Arc::new(App { settings, release, database }));
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn health(State(app): State<Arc<App>>) -> Result<Response, Unavailable> {
    if app.release.is_broken_in(&app.settings.environment) {
        let answer = Json(json!({ "status": "broken", "version": app.release.version }));
        return Ok((StatusCode::INTERNAL_SERVER_ERROR, answer).into_response());
    }
    app.database.query("SELECT 1", &[]).await?;
    Ok(Json(json!({ "status": "ok", "version": app.release.version })).into_response())
}

async fn version(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({ "version": app.release.version, "environment": app.settings.environment }))
}

/// The test user exists where test data is enabled. In production this must be 404.
async fn user(State(app): State<Arc<App>>, Path(email): Path<String>) -> Result<Json<Value>, StatusCode> {
    if app.settings.test_data && email == "test@example.com" {
        Ok(Json(json!({ "email": email, "role": "tester" })))
    } else {
        Err(StatusCode::NOT_FOUND)
    }
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    quantity: i32,
}

const ORDER: &str =
    r#"id, item, quantity, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"#;

async fn orders(State(app): State<Arc<App>>) -> Result<Json<Value>, Unavailable> {
    let sql = format!("SELECT {ORDER} FROM orders ORDER BY id DESC LIMIT 100");
    let rows = app.database.query(&sql, &[]).await?;
    Ok(Json(rows.iter().map(order_json).collect()))
}

async fn order(State(app): State<Arc<App>>, Json(new): Json<NewOrder>) -> Result<Response, Unavailable> {
    if new.item.is_empty() || new.quantity < 1 {
        let answer = Json(json!({ "error": "an order has an item and a quantity above zero" }));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, answer).into_response());
    }
    let sql = format!("INSERT INTO orders (item, quantity) VALUES ($1, $2) RETURNING {ORDER}");
    let rows = app.database.query(&sql, &[&new.item, &new.quantity]).await?;
    Ok((StatusCode::CREATED, Json(rows.first().map(order_json))).into_response())
}

fn order_json(row: &tokio_postgres::Row) -> Value {
    json!({
        "id": row.get::<_, i64>(0),
        "item": row.get::<_, &str>(1),
        "quantity": row.get::<_, i32>(2),
        "createdAt": row.get::<_, &str>(3),
    })
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        let answer = Json(json!({ "status": "unavailable", "error": self.to_string() }));
        (StatusCode::SERVICE_UNAVAILABLE, answer).into_response()
    }
}
