//! What the text of a statement depends on beside the statement: the plans that the server has become tired of,
//! and whether it can be a node of a Galera cluster.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sea_orm::{DbBackend, Statement};

/// Waits until this node has applied what any node had committed before: otherwise a session that was just ended
/// through one node is served by another. Covers reads (1), UPDATE and DELETE (2), and INSERT (4).
///
/// Only MariaDB reads such a comment. Without a cluster it does nothing.
/// <https://mariadb.com/kb/en/galera-cluster-system-variables/#wsrep_sync_wait>
const CAUSAL: &str = "/*M! SET STATEMENT wsrep_sync_wait = 7 FOR */ ";

/// What a store has learned of its server. All clones of the store share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerTraits(Arc<Traits>);

#[derive(Debug, Default)]
struct Traits {
    /// How often the plans of the statements became stale.
    plan: AtomicU32,
    /// This MariaDB was built without Galera.
    has_no_galera: AtomicBool,
}

/// What is added to the text of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// A driver keeps the plan of a statement under its text, on each connection, and SeaORM has no way to drop
    /// it. So the text has the version of its plan, and every connection prepares the statement again.
    pub(super) plan: u32,
    pub(super) is_causal: bool,
}

impl ServerTraits {
    pub(super) fn text(&self, backend: DbBackend) -> Text {
        Text {
            plan: self.0.plan.load(Ordering::Relaxed),
            is_causal: backend == DbBackend::MySql && !self.0.has_no_galera.load(Ordering::Relaxed),
        }
    }

    /// Keeps what has worked.
    pub(super) fn learn(&self, text: Text) {
        self.0.plan.fetch_max(text.plan, Ordering::Relaxed);
        if !text.is_causal {
            self.0.has_no_galera.store(true, Ordering::Relaxed);
        }
    }
}

impl Text {
    pub(super) fn of(self, mut statement: Statement) -> Statement {
        if self.is_causal {
            statement.sql.insert_str(0, CAUSAL);
        }
        if self.plan > 0 {
            let _ = write!(statement.sql, " /* {} */", self.plan);
        }
        statement
    }
}
