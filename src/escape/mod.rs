//! Escaping of untrusted text, so that a terminal neither obeys nor hides any of it.
//!
//! Every form of [`write_item`](crate::render::write_item) escapes its texts. These functions are for the other texts of a
//! program: an endpoint's errors, a reader's messages.
//!
//! ```
//! use tracing_tap::escape::{escaped, is_hidden, is_plain};
//!
//! assert_eq!(escaped("ann\u{1B}[31m", 64), r"ann\x1B[31m");
//! assert_eq!(escaped("a long name", 6), "a long…[cut]");
//! assert!(is_hidden('\u{202E}') && !is_hidden('é'));
//! assert!(is_plain("42 é".as_bytes()) && !is_plain(b"\x07"));
//! ```

mod character;
mod hidden;
mod text;

pub(crate) use character::{write_escape, write_escaped, write_plain};
pub use hidden::{is_hidden, is_plain};
pub use text::escaped;
pub(crate) use text::{CUT_MARK, escaped_expression};
