//! The page at `/`: what a run does, and its levers, for a person with a browser.
//!
//! Promises: the page comes whole from the server and reads well without its script; every text from outside is escaped; it asks
//! for nothing but what this server has, holds no cookie, and no script but its own runs in it ([`POLICY`]).
//! Refuses to know: how a status comes about. The script (`page.js`) takes the page again once a second and renews what
//! changed, so there is one place that draws it.

mod attention;
mod charts;
mod events;
mod levers;
mod limits;
mod moments;
mod report;
mod targets;
mod view;

pub(crate) use report::report;

use super::history::History;
use crate::status::{StatusSource, ThrottleShown};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use std::path::PathBuf;
use std::sync::Arc;

/// What a browser lets an answer of this server do: nothing from elsewhere, and nothing written into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the page is made of.
#[derive(Clone)]
pub struct Page {
    pub status: StatusSource,
    /// The limits of the copy as they are now.
    pub limits: Arc<dyn Fn() -> ThrottleShown + Send + Sync>,
    pub history: History,
    /// The event log.
    pub log: PathBuf,
}

/// The page and its parts.
pub fn routes(page: Page) -> Router {
    Router::new()
        .route("/", get(show))
        .with_state(page)
        .route("/page.css", get(async || part("text/css; charset=utf-8", include_str!("style.css"))))
        .route("/page.js", get(async || part("text/javascript; charset=utf-8", include_str!("page.js"))))
        .route("/page.svg", get(async || part("image/svg+xml", include_str!("icon.svg"))))
}

async fn show(State(page): State<Page>) -> Html<String> {
    let events = events::newest(&page.log);
    let page = view::page(&(page.status)(), &(page.limits)(), &page.history.samples(), &events);
    Html(page.into_string())
}

fn part(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// Puts the policy and its kin on every answer.
pub async fn guard(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let rules: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, rule) in rules {
        answer.headers_mut().insert(name, HeaderValue::from_static(rule));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Lever, Wanted};
    use crate::status::{Phase, Status, TargetStatus};

    const EVIL: &str = "<script>alert('x')</script>\"'&";

    /// A run in which all that comes from outside wants to become a part of the page.
    fn evil() -> Status {
        let target = TargetStatus {
            mapping: EVIL.into(),
            table: EVIL.into(),
            family: EVIL.into(),
            life_cycle: format!("parked ({EVIL})"),
            ..TargetStatus::default()
        };
        let mut status = Status { phase: Phase::Tailing, targets: vec![target], ..Status::default() };
        status.control.tail =
            Lever { wanted: Wanted::Paused, by: EVIL.into(), at_ms: 7, reason: EVIL.into() };
        status
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let event = format!(r#"{{"at":"<b>","event":"<i>","words":{EVIL:?},"reason":{EVIL:?}}}"#);
        let page = view::page(&evil(), &ThrottleShown::default(), &[], &events::read(&event)).into_string();
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("<script>alert") && !page.contains("<i>") && !page.contains("<b>"), "{page}");
        assert_eq!(page.matches("<script").count(), 1, "its own");
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere_and_has_no_inline_script_or_style() {
        let page = view::page(&evil(), &ThrottleShown::default(), &[], &[]).into_string();
        for refused in ["http:", "https:", "//", " style=", " onclick", "javascript:"] {
            assert!(!page.contains(refused), "{refused} in {page}");
        }
        for source in [include_str!("page.js"), include_str!("style.css")] {
            assert!(!source.contains("http") && !source.contains("innerHTML"));
        }
    }
}
