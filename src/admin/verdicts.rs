//! `/verify/history`: the verdicts on what was compared beside a run, kept by the run and shown. They name keys.

use crate::pipeline::Levers;
use crate::pipeline::jobs::history::Since;
use crate::store::records::VerdictRecord;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

/// The route that keeps, and the one that shows.
pub fn routes(levers: Levers) -> Router {
    Router::new()
        .route("/verify/history", post(keep))
        .route("/verify/history/{since_ms}/{limit}", get(show))
        .with_state(levers)
}

async fn keep(State(levers): State<Levers>, Json(verdict): Json<VerdictRecord>) -> Response {
    match levers.keep_verdict(&verdict).await {
        Ok(kept) => Json(kept).into_response(),
        Err(refused) => (StatusCode::CONFLICT, Json(refused)).into_response(),
    }
}

async fn show(State(levers): State<Levers>, Path(since): Path<Since>) -> Response {
    match levers.verdicts(since).await {
        Ok(verdicts) => Json(verdicts).into_response(),
        Err(failed) => (StatusCode::SERVICE_UNAVAILABLE, Json(failed)).into_response(),
    }
}
