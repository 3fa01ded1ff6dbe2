//! Request bodies: JSON, bounded in size and time.

use super::problem::{Problem, ProblemKind};
use super::state::EndpointState;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tracing_tap::escape::escaped;

pub(super) const MAX_BODY_BYTES: usize = 16 << 10;

/// Length to which an error about a body is shortened.
const MAX_SHOWN_BYTES: usize = 512;

/// Reads the body of a request.
pub(super) async fn body_of<T: DeserializeOwned>(endpoint: &EndpointState, request: Request) -> Result<T, Problem> {
    check_type(request.headers())?;
    let reading = to_bytes(request.into_body(), MAX_BODY_BYTES);
    let bytes = timeout(endpoint.settings.request_timeout, reading).await.map_err(|_| too_slow())?;
    let bytes = bytes.map_err(|error| if is_too_large(&error) { too_large() } else { cut_short() })?;
    serde_json::from_slice(&bytes).map_err(|error| not_understood(&error))
}

/// A form on another site can send a body, but not one of the type JSON.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::UnsupportedMediaType,
        "the body is not JSON with the header `Content-Type: application/json`",
    ))
}

fn is_too_large(error: &axum::Error) -> bool {
    let first: &dyn std::error::Error = error;
    let mut causes = std::iter::successors(Some(first), |error| error.source());
    causes.any(|cause| cause.to_string().contains("length limit exceeded"))
}

fn too_large() -> Problem {
    let detail = format!("the body has more than {MAX_BODY_BYTES} bytes");
    Problem::new(ProblemKind::BodyTooLarge, detail).with("limit", MAX_BODY_BYTES)
}

fn too_slow() -> Problem {
    Problem::new(ProblemKind::BodyTimeout, "the body did not arrive in time")
}

fn cut_short() -> Problem {
    Problem::new(ProblemKind::InvalidBody, "the body is incomplete")
}

fn not_understood(error: &serde_json::Error) -> Problem {
    let detail = escaped(&error.to_string(), MAX_SHOWN_BYTES);
    Problem::new(ProblemKind::InvalidBody, detail).with("line", error.line()).with("column", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::HeaderValue;

    #[test]
    fn a_body_is_json_by_its_media_type() {
        let is_json = |value: &'static str| {
            check_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))])).is_ok()
        };
        for value in ["application/json", "Application/JSON", " application/json ; charset=utf-8"] {
            assert!(is_json(value), "{value}");
        }
        for value in ["", "text/plain", "text/plain; application/json", "application/json+x", "application/jsonl"] {
            assert!(!is_json(value), "{value}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
    }

    #[tokio::test]
    async fn a_body_is_too_large_from_the_first_byte_too_many() {
        let read = |bytes: usize| to_bytes(Body::from(vec![b' '; bytes]), MAX_BODY_BYTES);
        assert!(read(MAX_BODY_BYTES).await.is_ok());
        assert!(is_too_large(&read(MAX_BODY_BYTES + 1).await.expect_err("it is too large")));
        assert!(!is_too_large(&axum::Error::new(std::io::Error::other("the connection is gone"))));
    }
}
