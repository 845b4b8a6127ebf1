//! The values of the columns that are filled from the request.

use http::request::Parts;
use sea_orm::sea_query::StringLen;
use sea_orm::{ColumnTrait, ColumnType};

/// The number of characters that are kept of a header, unless the column says how many it holds. Columns
/// of text without a length are a `VARCHAR(255)` on MySQL.
const MAX_CHARS: usize = 255;

/// Returns the value of a column that holds a header of the request. Of several lines, the first counts.
#[must_use]
pub fn header(request: &Parts, name: &str, column: impl ColumnTrait) -> Option<String> {
    let value = request.headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    let max = max_chars(column).unwrap_or(MAX_CHARS);
    Some(text.chars().take(max).collect())
}

/// Returns the number of characters that a column of text holds, if it says so.
pub(crate) fn max_chars(column: impl ColumnTrait) -> Option<usize> {
    match column.def().get_column_type() {
        ColumnType::String(StringLen::N(max)) | ColumnType::Char(Some(max)) => Some(*max as usize),
        ColumnType::Char(None) => Some(1),
        _ => None,
    }
}
