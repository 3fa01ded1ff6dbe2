//! Refusals, in the server's own words if it has any.

use super::body::body_of;
use crate::error::Error;
use crate::shown;
use hyper::body::Incoming;
use hyper::{Response, StatusCode, header};
use serde::Deserialize;

const TYPE_PREFIX: &str = "urn:tracing-tap:problem:";

/// The parts of a problem document (RFC 9457) that are shown.
#[derive(Debug, Deserialize)]
struct RefusalDocument {
    #[serde(rename = "type", default)]
    kind: String,
    detail: String,
    /// The whole error of a predicate, with a line that marks the position.
    text: Option<String>,
}

/// Turns an answer without success into an error.
pub(super) async fn refusal(attempt: &str, response: Response<Incoming>) -> Error {
    let status = response.status();
    if status.is_redirection() {
        return redirected(attempt, &response);
    }
    let body = body_of(response).await.unwrap_or_default();
    let error = match serde_json::from_slice::<RefusalDocument>(&body) {
        Ok(problem) => Error::refused(problem.words(attempt, status)),
        Err(_) => not_an_endpoint(attempt, status),
    };
    let error = if status == StatusCode::UNAUTHORIZED {
        error.advise("give `--token-file`, or set TRACING_TAP_TOKEN and TRACING_TAP_URL")
    } else {
        error
    };
    error.of_status(status.as_u16())
}

/// The other server may not be the one that the token is for.
fn redirected(attempt: &str, response: &Response<Incoming>) -> Error {
    let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = place.map_or_else(String::new, |place| format!(" to `{place}`"));
    Error::new(format!("{attempt}: the server redirects{place}, and redirects are not followed"))
        .advise("give the URL of the endpoint itself")
        .of_status(response.status().as_u16())
}

fn not_an_endpoint(attempt: &str, status: StatusCode) -> Error {
    let words = format!("{attempt}: the answer is {status}, and not from a tracing-tap endpoint");
    let error = if status.is_client_error() { Error::refused(words) } else { Error::new(words) };
    if status == StatusCode::NOT_FOUND {
        return error.advise("give the URL at which the endpoint is mounted, such as `http://localhost:8080/tap`");
    }
    error
}

impl RefusalDocument {
    fn words(self, attempt: &str, status: StatusCode) -> String {
        let kind = self.kind.strip_prefix(TYPE_PREFIX).unwrap_or("problem");
        let text = self.text.map_or_else(String::new, |text| format!("\n{text}"));
        let (detail, kind) = (shown::line(&self.detail), shown::line(kind));
        format!("{attempt}: {detail} ({kind}, {}){text}", status.as_u16())
    }
}
