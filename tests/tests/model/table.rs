//! Snapshots of the table, and the changes between two of them.

use std::collections::BTreeMap;
use std::fmt;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement, TryGetable};
use serde_json::{Map, Value as Json};
use time::OffsetDateTime;

pub type Data = Map<String, Json>;

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub data: Data,
    pub expire: OffsetDateTime,
    pub version: Option<i64>,
}

/// The rows by sid.
pub type Table = BTreeMap<String, Row>;

pub async fn read(db: &DatabaseConnection) -> Table {
    let select = Statement::from_string(DbBackend::Sqlite, "SELECT * FROM session");
    let rows = db.query_all_raw(select).await.unwrap();
    rows.iter().map(row).collect()
}

fn row(row: &QueryResult) -> (String, Row) {
    let has_version = row.column_names().iter().any(|name| name == "version");
    let Json::Object(data) = get(row, "sess") else {
        panic!("expected a JSON object in `sess`")
    };
    let values = Row {
        data,
        expire: get(row, "expire"),
        version: has_version.then(|| get(row, "version")),
    };
    (get(row, "sid"), values)
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> T {
    row.try_get("", column).unwrap()
}

#[derive(Debug, Default)]
pub struct Changes {
    pub inserted: Vec<(String, Row)>,
    /// Each row before and after.
    pub updated: Vec<(Row, Row)>,
    pub deleted: Vec<(String, Row)>,
}

impl Changes {
    pub fn between(before: &Table, after: &Table) -> Self {
        let missing_in = |other: &Table, table: &Table| {
            let rows = table.iter().filter(|(sid, _)| !other.contains_key(*sid));
            rows.map(|(sid, row)| (sid.clone(), row.clone())).collect()
        };
        let updated = before.iter().filter_map(|(sid, old)| {
            let new = after.get(sid).filter(|new| *new != old)?;
            Some((old.clone(), new.clone()))
        });
        Self {
            inserted: missing_in(before, after),
            updated: updated.collect(),
            deleted: missing_in(after, before),
        }
    }

    /// Takes a row that got another sid for an updated one. Returns its sids before and after.
    pub fn take_renewal(&mut self) -> Option<(String, String)> {
        let (from, old) = self.deleted.pop()?;
        let (to, new) = self.inserted.pop()?;
        self.updated.push((old, new));
        Some((from, to))
    }

    /// Returns the numbers of inserted, updated and deleted rows.
    pub fn counts(&self) -> [usize; 3] {
        [self.inserted.len(), self.updated.len(), self.deleted.len()]
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = ["inserted", "updated", "deleted"];
        for (word, count) in words.into_iter().zip(self.counts()) {
            if count > 0 {
                write!(f, " {count} {word}")?;
            }
        }
        Ok(())
    }
}
