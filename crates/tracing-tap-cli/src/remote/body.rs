//! Answers that are no stream, read within a time and a size.

use crate::error::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Response;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer may take to begin, and one that is no stream to end. Opening a session takes up to a second.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of an answer that is no stream: the catalog of some 200,000 callsites.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Reads an answer to its end, within a time and a size.
pub(super) async fn body_of(response: Response<Incoming>) -> Result<Bytes, Error> {
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect();
    match timeout(ANSWER_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(cause)) => Err(Error::caused_by(cause, "read the answer")),
        Err(_) => Err(Error::new(format!("read the answer: it has not ended after {ANSWER_TIMEOUT:?}"))),
    }
}
