//! Fills a table of sessions with SQL, which is faster than through a store.

use anyhow::Result;
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::database::Kind;

/// Whether inserted rows expire in one to fourteen days, or expired as long ago.
#[derive(Clone, Copy, Debug)]
pub enum Expiry {
    Future,
    Past,
}

/// A table to fill.
#[derive(Clone, Copy, Debug)]
pub enum Table {
    Ours,
    SqlxStore,
}

impl Table {
    fn name(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Ours, _) => "session",
            (Self::SqlxStore, Kind::Sqlite) => "tower_sessions",
            (Self::SqlxStore, _) => "tower_sessions.session",
        }
    }

    fn columns(self) -> &'static str {
        match self {
            Self::Ours => "sid, sess, expire",
            Self::SqlxStore => "id, data, expiry_date",
        }
    }

    /// Returns a statement that inserts `count` rows, numbered from `first`.
    #[must_use]
    pub fn insert(self, kind: Kind, first: u64, count: u64, expiry: Expiry, json: &str) -> String {
        let last = first + count - 1;
        let sign = match expiry {
            Expiry::Future => "+",
            Expiry::Past => "-",
        };
        let (with, numbers) = match kind {
            Kind::Sqlite => (
                format!(
                    "WITH RECURSIVE n(i) AS
                     (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
                ),
                "n".to_owned(),
            ),
            Kind::Postgres => (
                String::new(),
                format!("generate_series({first}, {last}) AS i"),
            ),
            Kind::MariaDb => (String::new(), format!("seq_{first}_to_{last}")),
        };
        // The ids of tower-sessions-sqlx-store's rows only have the length of real ones: these rows are
        // never loaded.
        let id = match (self, kind) {
            (Self::Ours, Kind::Sqlite) => "lower(hex(randomblob(32)))",
            (Self::Ours, Kind::Postgres) => "encode(sha256(i::text::bytea), 'hex')",
            (Self::Ours, Kind::MariaDb) => "sha2(seq, 256)",
            (Self::SqlxStore, Kind::Sqlite) => "substr(lower(hex(randomblob(32))), 1, 22)",
            (Self::SqlxStore, Kind::Postgres) => {
                "left(encode(sha256(i::text::bytea), 'base64'), 22)"
            }
            (Self::SqlxStore, Kind::MariaDb) => "left(sha2(seq, 256), 22)",
        };
        let expires_at = match (self, kind) {
            (Self::Ours, Kind::Sqlite) => format!(
                "strftime('%Y-%m-%dT%H:%M:%SZ', 'now',
                 '{sign}' || (86400 + abs(random() % 1123200)) || ' seconds')"
            ),
            (Self::SqlxStore, Kind::Sqlite) => {
                format!("unixepoch() {sign} (86400 + abs(random() % 1123200))")
            }
            (_, Kind::Postgres) => {
                format!("now() {sign} interval '1 day' {sign} random() * interval '13 days'")
            }
            (_, Kind::MariaDb) => {
                format!("utc_timestamp(6) {sign} INTERVAL floor(86400 + rand() * 1123200) SECOND")
            }
        };
        let (table, columns) = (self.name(kind), self.columns());
        format!(
            "INSERT INTO {table} ({columns}) {with}
             SELECT {id}, '{json}', {expires_at} FROM {numbers}"
        )
    }

    /// Does what a server would do by itself in the hours that a table takes to grow.
    ///
    /// # Errors
    ///
    /// Returns an error if the database does.
    pub async fn maintain(self, kind: Kind, db: &DatabaseConnection) -> Result<()> {
        let name = self.name(kind);
        let statements: &[String] = &match kind {
            Kind::Sqlite => vec!["ANALYZE".to_owned()],
            Kind::Postgres => vec![format!("VACUUM ANALYZE {name}"), "CHECKPOINT".to_owned()],
            Kind::MariaDb => vec![format!("ANALYZE TABLE {name}")],
        };
        for sql in statements {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
