//! The values of the columns that are filled from the request.

use http::request::Parts;
use sea_orm::sea_query::StringLen;
use sea_orm::{ColumnTrait, ColumnType};

/// The number of characters that are kept of a header, unless the column says how many it holds. Columns
/// of text without a length are a `VARCHAR(255)` on MySQL.
const MAX_CHARS: u32 = 255;

/// Returns the value of a column that holds a header of the request. Of several lines, the first counts.
#[must_use]
pub fn header(request: &Parts, name: &str, column: impl ColumnTrait) -> Option<String> {
    let value = request.headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    let max = match column.def().get_column_type() {
        ColumnType::String(StringLen::N(max)) | ColumnType::Char(Some(max)) => *max,
        _ => MAX_CHARS,
    };
    Some(text.chars().take(max as usize).collect())
}
