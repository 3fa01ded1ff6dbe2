//! What is set beside a format.

use super::Format;

/// How items are written: a [`Format`], and what is set beside it.
///
/// Whatever takes these takes a `Format` alone as well.
///
/// ```
/// use tracing_tap::{Format, Predicate, TapRouter};
/// use tracing_tap::render::FormatOptions;
///
/// let router = TapRouter::new();
/// let options = FormatOptions::new(Format::Json).max_line_bytes(16 << 10).large_integers_as_strings();
/// let forwarding = router.watch(Predicate::eq("user", 42)).forward_to(std::io::stdout(), options)?;
/// router.shutdown();
/// forwarding.join()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormatOptions {
    format: Format,
    max_line_bytes: Option<usize>,
    pub(crate) integers: Integers,
}

/// How a line of JSON has the integers that not every reader keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Integers {
    Numbers,
    /// Those past 2^53, either way.
    LargeAsStrings,
}

impl FormatOptions {
    /// The least that [`max_line_bytes`](Self::max_line_bytes) may be.
    pub const MIN_LINE_BYTES: usize = 2 << 10;

    /// A format with nothing set beside it.
    pub fn new(format: Format) -> Self {
        Self { format, max_line_bytes: None, integers: Integers::Numbers }
    }

    /// Has no line of JSON be longer than this, its line break included; default: as long as the event makes it.
    ///
    /// Docker, containerd and others split a longer line of a container's output than 16 KiB into parts that are no JSON:
    /// `16 << 10` keeps lines whole there. Of an event whose line would be longer, the longest values are cut, evenly, to
    /// what there is room for, and say so as [values that were cut](crate::wire#values) do; where even that is too much,
    /// see [the wire form](crate::wire#the-length-of-a-line). It is the line that is cut, not the event: other readers
    /// get all of it. Less than [`MIN_LINE_BYTES`](Self::MIN_LINE_BYTES) is taken for that. A line that fits costs nothing
    /// more, one that is cut about three times as much.
    ///
    /// Without it a line is as long as `max_value_bytes` (8 KiB) for each of `max_event_fields` (64) values and for each
    /// value of every span make it, where a character may take six bytes, and the innermost span is there twice.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = Some(bytes.max(Self::MIN_LINE_BYTES));
        self
    }

    /// Has lines of JSON say the integers of fields past 2^53, or below -2^53, as strings of their digits, as those of 128
    /// bits always are.
    ///
    /// JavaScript, and with it `jq` up to 1.6, reads 9007199254740993 as 9007199254740992: it keeps every number as a float.
    /// Read back by this crate, such a value is a [`Value::Str`](crate::Value::Str) that prints, and is found by a
    /// predicate's `=`, like the integer.
    #[must_use]
    pub fn large_integers_as_strings(mut self) -> Self {
        self.integers = Integers::LargeAsStrings;
        self
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How long a line of JSON may be, if that is bounded.
    pub fn line_bytes(&self) -> Option<usize> {
        self.max_line_bytes
    }

    /// The same for lines that get `bytes` more from their writer, as an instance's name: they are bounded to that much
    /// less.
    #[must_use]
    pub fn with_room_for(mut self, bytes: usize) -> Self {
        self.max_line_bytes = self.max_line_bytes.map(|max| max.saturating_sub(bytes));
        self
    }
}

impl From<Format> for FormatOptions {
    fn from(format: Format) -> Self {
        Self::new(format)
    }
}

impl Integers {
    /// Whether an integer is written as a string; `magnitude` is what is left of it without its sign.
    pub(crate) fn quotes(self, magnitude: u64) -> bool {
        self == Self::LargeAsStrings && magnitude > 1 << f64::MANTISSA_DIGITS
    }
}
