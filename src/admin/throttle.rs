//! `/throttle`: the limits of the copy, shown and changed.

use crate::clock::{Clock, SteadyClock};
use crate::error::Exit;
use crate::model::LimitsAsk;
use crate::pipeline::{Levers, Throttle};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

/// What is changed, and by which record.
#[derive(Clone)]
struct Limited {
    throttle: Throttle,
    levers: Levers,
}

/// The route that shows, and the one that changes.
pub fn routes(throttle: Throttle, levers: Levers) -> (Router, Router) {
    let limited = Limited { throttle, levers };
    let shown = Router::new().route("/throttle", get(show)).with_state(limited.clone());
    (shown, Router::new().route("/throttle", post(change)).with_state(limited))
}

async fn show(State(Limited { throttle, levers }): State<Limited>) -> Response {
    Json(throttle.shown(&levers.control(), true)).into_response()
}

async fn change(
    State(Limited { throttle, levers }): State<Limited>,
    Json(mut ask): Json<LimitsAsk>,
) -> Response {
    if ask.by.is_empty() {
        ask.by = "POST /throttle".to_owned();
    }
    match levers.change_limits(throttle.file(), &ask, SteadyClock::start().now_ms()).await {
        Ok(_) => Json(throttle.shown(&levers.control(), true)).into_response(),
        Err(refused) if refused.exit == Exit::Usage as u8 => {
            (StatusCode::BAD_REQUEST, Json(refused)).into_response()
        }
        Err(refused) => (StatusCode::CONFLICT, Json(refused)).into_response(),
    }
}
