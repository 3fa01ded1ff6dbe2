//! Refusals, in the server's own words where it has any.

use super::client::body_of;
use crate::error::Error;
use crate::shown;
use hyper::body::Incoming;
use hyper::{Response, StatusCode, header};
use serde::Deserialize;

const TYPE_PREFIX: &str = "urn:tracing-tap:problem:";

/// A problem document (RFC 9457), as far as it is shown.
#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    detail: String,
    /// The whole error of a predicate, with the place shown below it.
    text: Option<String>,
}

/// What an answer without success says.
pub(super) async fn refusal(attempt: &str, response: Response<Incoming>) -> Error {
    let status = response.status();
    if status.is_redirection() {
        return redirected(attempt, &response);
    }
    let body = body_of(response).await.unwrap_or_default();
    let error = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Error::refused(problem.words(attempt, status)),
        Err(_) => of_no_door(attempt, status),
    };
    let error = if status == StatusCode::UNAUTHORIZED {
        error.advise("give `--token-file`, or set TRACING_TAP_TOKEN and TRACING_TAP_URL")
    } else {
        error
    };
    error.of_status(status.as_u16())
}

/// Whoever is elsewhere may be somebody else, who shall not have the token.
fn redirected(attempt: &str, response: &Response<Incoming>) -> Error {
    let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = place.map_or_else(String::new, |place| format!(" to `{place}`"));
    Error::new(format!("{attempt}: the server sends us elsewhere{place}, and redirects are not followed"))
        .advise("give the URL where the door is")
        .of_status(response.status().as_u16())
}

fn of_no_door(attempt: &str, status: StatusCode) -> Error {
    let words = format!("{attempt}: the answer is {status}, and not from a door");
    let error = if status.is_client_error() { Error::refused(words) } else { Error::new(words) };
    if status == StatusCode::NOT_FOUND {
        return error.advise("give the URL where the door is mounted, such as `http://localhost:8080/tap`");
    }
    error
}

impl Problem {
    fn words(self, attempt: &str, status: StatusCode) -> String {
        let kind = self.kind.strip_prefix(TYPE_PREFIX).unwrap_or("problem");
        let text = self.text.map_or_else(String::new, |text| format!("\n{text}"));
        let (detail, kind) = (shown::line(&self.detail), shown::line(kind));
        format!("{attempt}: {detail} ({kind}, {}){text}", status.as_u16())
    }
}
