//! The horizon of a session's past as JSON.

use super::json_text::write_text;
use super::sink::MEMORY;
use crate::past::{Horizon, ThreadHorizon};
use std::io::Write;

/// Writes the object of a [line](crate::wire).
pub(super) fn write(out: &mut Vec<u8>, horizon: &Horizon) {
    let Horizon { asked_ms, reaches_ms, overwritten, unresolved, unkept, threads } = horizon;
    write!(
        out,
        r#"{{"type":"horizon","asked_ms":{asked_ms},"reaches_ms":{reaches_ms},"overwritten":{overwritten},"unresolved":{unresolved},"unkept":{unkept},"threads":["#,
    )
    .expect(MEMORY);
    for (place, ThreadHorizon { thread, reaches_ms, overwritten }) in threads.iter().enumerate() {
        out.extend_from_slice(if place == 0 { &br#"{"thread":"#[..] } else { br#",{"thread":"# });
        write_text(out, thread);
        write!(out, r#","reaches_ms":{reaches_ms},"overwritten":{overwritten}}}"#).expect(MEMORY);
    }
    out.extend_from_slice(b"]}");
}
