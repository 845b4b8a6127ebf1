//! The statements that a pool sends.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::DatabaseConnection;

/// Collects the first words of the statements of a pool.
pub fn count_statements(db: &mut DatabaseConnection) -> Arc<Mutex<Vec<String>>> {
    let statements = Arc::new(Mutex::new(Vec::new()));
    let sent = Arc::clone(&statements);
    db.set_metric_callback(move |info| {
        // Statements to MariaDB begin with a comment.
        let sql = info
            .statement
            .sql
            .trim_start_matches("/*M! SET STATEMENT wsrep_sync_wait = 7 FOR */ ");
        let word = sql.split(' ').next().unwrap_or_default();
        let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push(word.to_owned());
    });
    statements
}
