//! Who may ask, and who may change something.

use crate::failpoints::Failpoints;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// By which a browser says from where it asks.
const SEC_FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

/// The text that a request must bring to change something.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A random token: 64 hex digits.
    pub fn random() -> Token {
        Token(hex::encode(rand::random::<[u8; 32]>()).into())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not depend on where the two differ.
    fn matches(&self, given: &str) -> bool {
        let (mine, given) = (self.0.as_bytes(), given.as_bytes());
        let differences = mine.iter().zip(given).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        mine.len() == given.len() && differences == 0
    }
}

/// Lets a request pass that brings `Authorization: Bearer TOKEN`.
pub async fn require_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    let given = header_text(request.headers(), header::AUTHORIZATION);
    match given.and_then(|text| text.strip_prefix("Bearer ")) {
        Some(given) if token.matches(given.trim()) => next.run(request).await,
        _ if Failpoints::default().admin_token_not_asked() => next.run(request).await,
        _ => (StatusCode::UNAUTHORIZED, "this request needs the token of state_dir/admin.token\n")
            .into_response(),
    }
}

/// Lets a request pass that names a loopback host. A web page can make a browser ask 127.0.0.1
/// under a name of its own (DNS rebinding); its name is in the Host header.
pub async fn require_loopback_host(request: Request, next: Next) -> Response {
    let host = header_text(request.headers(), header::HOST).unwrap_or_default();
    if is_loopback(host) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "tailfill answers only requests to a loopback address\n").into_response()
}

/// Lets a request that may change something pass unless a web page of another origin sends it. Browsers name the origin;
/// programs name none.
pub async fn require_same_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = header_text(headers, header::HOST).unwrap_or_default();
    let ours = match (headers.get(header::ORIGIN), header_text(headers, SEC_FETCH_SITE)) {
        (Some(origin), _) => origin.to_str().is_ok_and(|origin| origin == format!("http://{host}")),
        (None, Some(site)) => matches!(site, "same-origin" | "none"),
        (None, None) => true,
    };
    if ours || request.method().is_safe() {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "tailfill takes no request that changes something from another web page\n")
        .into_response()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let token = Token::random();
        assert_eq!(token.text().len(), 64);
        assert!(token.matches(token.text()));
        let other = Token::random();
        for wrong in ["", &token.text()[..63], &format!("{}0", token.text()), other.text()] {
            assert!(!token.matches(wrong));
        }
    }

    #[test]
    fn loopback_hosts_are_told_from_others() {
        for host in ["127.0.0.1:7878", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:7878"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example:7878", "10.0.0.1", "[::2]", "127.0.0.1.evil.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
