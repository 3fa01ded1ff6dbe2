//! Tables, and lines of JSON.

use crate::shown;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Columns without lines between them, as wide as they need to be. Cells are escaped.
pub(crate) fn table(headers: &[&str], numbers: &[usize], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|header| header.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| shown::line(cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect();
    lines.concat()
}

/// One line of JSON for each value, with hidden characters as JSON escapes.
pub(crate) fn json_lines(values: &[serde_json::Value]) -> String {
    values.iter().map(shown::json).collect()
}
