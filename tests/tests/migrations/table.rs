//! The definition of a table, read from the database.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// Returns the columns and indexes of a table, each as one line.
pub(crate) async fn table(db: &DatabaseConnection, name: &str) -> Vec<String> {
    let columns = match db.get_database_backend() {
        DbBackend::Sqlite => format!(
            "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || pk AS line \
             FROM pragma_table_info('{name}')"
        ),
        DbBackend::MySql => format!(
            "SELECT concat_ws(' ', column_name, column_type, is_nullable, column_key) AS line \
             FROM information_schema.columns \
             WHERE table_schema = database() AND table_name = '{name}'"
        ),
        _ => format!(
            "SELECT concat_ws(' ', column_name, data_type, character_maximum_length, \
             datetime_precision, is_nullable) AS line \
             FROM information_schema.columns WHERE table_name = '{name}'"
        ),
    };
    let indexes = match db.get_database_backend() {
        DbBackend::Sqlite => {
            format!(
                "SELECT coalesce(sql, name) AS line FROM sqlite_master \
                     WHERE type = 'index' AND tbl_name = '{name}'"
            )
        }
        DbBackend::MySql => format!(
            "SELECT concat_ws(' ', index_name, column_name, non_unique) AS line \
             FROM information_schema.statistics \
             WHERE table_schema = database() AND table_name = '{name}'"
        ),
        _ => format!("SELECT indexdef AS line FROM pg_indexes WHERE tablename = '{name}'"),
    };
    let mut definition = lines(db, columns).await;
    definition.extend(lines(db, indexes).await);
    definition.sort_unstable();
    definition
}

/// Returns the column `line` of a query's rows.
pub(crate) async fn lines(db: &DatabaseConnection, sql: impl Into<String>) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get("", "line").unwrap())
        .collect()
}
