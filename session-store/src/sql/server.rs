//! What the text of a statement depends on beside the statement: the plans that the server no longer takes, and
//! whether it can be a node of a Galera cluster.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sea_orm::{DbBackend, Statement};

/// Waits until this node has applied what any node had committed before: otherwise a session that was just ended
/// through one node is served by another. Covers reads (1), UPDATE and DELETE (2), and INSERT (4).
///
/// Only MariaDB reads such a comment, and only a node of a cluster waits.
/// <https://mariadb.com/kb/en/galera-cluster-system-variables/#wsrep_sync_wait>
const CAUSAL: &str = "/*M! SET STATEMENT wsrep_sync_wait = 7 FOR */ ";

/// Returns whether an error, in any language, is about the variable.
pub(super) fn names_causality(message: &str) -> bool {
    message.contains("wsrep_sync_wait")
}

/// What a store has learned of its server. All clones of the store share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerTraits(Arc<Traits>);

#[derive(Debug, Default)]
struct Traits {
    /// How often the plans of the statements became stale.
    plan: AtomicU32,
    /// A MariaDB that was built without Galera does not know the variable.
    is_not_causal: AtomicBool,
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
        let is_mysql = backend == DbBackend::MySql;
        Text {
            plan: self.0.plan.load(Ordering::Relaxed),
            is_causal: is_mysql && !self.0.is_not_causal.load(Ordering::Relaxed),
        }
    }

    /// Keeps what has worked after another text had not.
    pub(super) fn learn(&self, text: Text) {
        let Traits {
            plan,
            is_not_causal,
        } = &*self.0;
        plan.fetch_max(text.plan, Ordering::Relaxed);
        is_not_causal.fetch_or(!text.is_causal, Ordering::Relaxed);
    }
}

impl Text {
    pub(super) fn of(self, mut statement: Statement) -> Statement {
        // A statement that creates something would take the comment with it into the binary log.
        if self.is_causal && !statement.sql.starts_with("CREATE ") {
            statement.sql.insert_str(0, CAUSAL);
        }
        if self.plan > 0 {
            let _ = write!(statement.sql, " /* {} */", self.plan);
        }
        statement
    }
}
