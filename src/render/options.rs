//! The options of a format.

use super::Format;

/// How items are written: a [`Format`] and its options.
///
/// Functions that take these options also accept a plain `Format`.
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
    max_path_chars: usize,
    pub(crate) integers: Integers,
}

/// How a line of JSON represents integers that not every reader keeps exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Integers {
    Numbers,
    /// Those past 2^53, either way.
    LargeAsStrings,
}

impl FormatOptions {
    /// The smallest value of [`max_line_bytes`](Self::max_line_bytes): 2 KiB.
    pub const MIN_LINE_BYTES: usize = 2 << 10;

    /// The default of [`max_path_chars`](Self::max_path_chars).
    pub const DEFAULT_PATH_CHARS: usize = 100;

    /// Creates the default options of a format.
    pub fn new(format: Format) -> Self {
        Self { format, max_line_bytes: None, max_path_chars: Self::DEFAULT_PATH_CHARS, integers: Integers::Numbers }
    }

    /// Limits the length of a JSON line in bytes, line break included; default unlimited.
    ///
    /// Docker, containerd and others split an output line of more than 16 KiB into parts that are not JSON: `16 << 10`
    /// keeps lines whole there. If a line would be longer, the event's longest values are cut evenly, with the
    /// [mark of a cut](crate::wire#values); if that is not enough, see [the wire form](crate::wire#the-length-of-a-line).
    /// Only this line is cut: other readers get the whole event. Values below [`MIN_LINE_BYTES`](Self::MIN_LINE_BYTES) are
    /// raised to it. A line that fits costs nothing extra, a cut one about three times as much.
    ///
    /// Without a limit, a line may have `max_event_fields` (64) values of `max_value_bytes` (8 KiB) each, and all values of
    /// every span; a character may take six bytes, and the innermost span is written twice.
    #[must_use]
    pub fn max_line_bytes(mut self, bytes: usize) -> Self {
        self.max_line_bytes = Some(bytes.max(Self::MIN_LINE_BYTES));
        self
    }

    /// Limits the spans of a [compact](Format::Compact) line to this many characters; default 100.
    ///
    /// A path of spans that is longer is shortened from the root inwards, so that the innermost spans have room first: what
    /// differs between two lines is usually near the event. First outer spans lose their fields, `request{…}`; if that is
    /// not enough, they are left out, and one `…` stands for them. The innermost span always stays whole, so a path may
    /// exceed the limit. `usize::MAX` shows everything. A path that fits costs nothing extra.
    ///
    /// ```
    /// use tracing_tap::render::FormatOptions;
    /// use tracing_tap::{Format, Item, write_item};
    ///
    /// let line = r#"{"type":"event","session":1,"sequence":0,"timestamp":"2026-11-20T08:15:02.123456Z","level":"DEBUG",
    ///     "fields":{"message":"rejected"},"target":"hub","spans":[
    ///     {"path":"/v1/orders/7","request_id":"3f2c","name":"request"},{"user":42,"name":"auth"},{"try":3,"name":"query"}]}"#;
    /// let item: Item = serde_json::from_str(line)?;
    /// let written = |chars| {
    ///     let mut out = Vec::new();
    ///     write_item(&mut out, &item, FormatOptions::new(Format::Compact).max_path_chars(chars));
    ///     String::from_utf8(out).expect("lines are UTF-8")
    /// };
    /// let path = "request{path=/v1/orders/7 request_id=3f2c}:auth{user=42}:query{try=3}";
    /// assert_eq!(written(80), format!("08:15:02.123Z DEBUG hub {path}: rejected\n"));
    /// assert_eq!(written(40), "08:15:02.123Z DEBUG hub request{…}:auth{user=42}:query{try=3}: rejected\n");
    /// assert_eq!(written(16), "08:15:02.123Z DEBUG hub …:query{try=3}: rejected\n");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn max_path_chars(mut self, chars: usize) -> Self {
        self.max_path_chars = chars;
        self
    }

    /// Writes integers of fields beyond ±2^53 as JSON strings of their digits. Integers of 128 bits always are.
    ///
    /// For readers that keep every number as a float: JavaScript, and `jq` up to 1.6, read 9007199254740993 as
    /// 9007199254740992. Read back by this crate, such a value is a [`Value::Str`](crate::Value::Str). It prints like the
    /// integer, and a predicate's `=` finds it.
    #[must_use]
    pub fn large_integers_as_strings(mut self) -> Self {
        self.integers = Integers::LargeAsStrings;
        self
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The limit of a JSON line in bytes; `None` if there is none.
    pub fn line_bytes(&self) -> Option<usize> {
        self.max_line_bytes
    }

    /// The limit of a compact line's path of spans, in characters.
    pub fn path_chars(&self) -> usize {
        self.max_path_chars
    }

    /// Lowers the limit of a JSON line by `bytes`, for a writer that adds that much to each line, such as an instance's name.
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
    /// Whether an integer of this absolute value is written as a string.
    pub(crate) fn quotes(self, magnitude: u64) -> bool {
        self == Self::LargeAsStrings && magnitude > 1 << f64::MANTISSA_DIGITS
    }
}
