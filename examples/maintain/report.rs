//! Reports how many sessions expire when, how large they are, and whether pruning has an index.

use std::fmt;

use indicatif::HumanCount;
use sea_orm::sea_query::{
    Alias, CaseStatement, ColumnType, Expr, ExprTrait, Func, Order, Query, SelectStatement,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityName, IdenStatic};
use session_store::{SeaOrmStore, SessionModel};
use time::{Duration, OffsetDateTime};

use crate::AnyError;

/// The groups of rows by expiry, in ascending order. Each has the rows that expire up to this long after
/// now and that are not in an earlier group.
const GROUPS: [(Option<Duration>, &str); 8] = [
    (Some(Duration::days(-7)), "expired earlier"),
    (Some(Duration::days(-1)), "expired within the last week"),
    (Some(Duration::hours(-1)), "expired within the last day"),
    (Some(Duration::ZERO), "expired within the last hour"),
    (Some(Duration::HOUR), "expire within an hour"),
    (Some(Duration::DAY), "expire within a day"),
    (Some(Duration::WEEK), "expire within a week"),
    (None, "expire later"),
];

/// The number of groups with expired sessions.
const EXPIRED_GROUPS: usize = 4;

const BIGGEST_ROWS: u64 = 5;

/// The number of characters shown of a sid: enough to find the row, too few to be used as a cookie, if
/// the table has plain sids.
const SID_PREFIX_LENGTH: i32 = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub rows: u64,
    /// The bytes of their data, or 0 if not measured.
    pub bytes: u64,
}

impl std::iter::Sum for Rows {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, next| Self {
            rows: sum.rows + next.rows,
            bytes: sum.bytes + next.bytes,
        })
    }
}

#[derive(Debug)]
pub struct Report {
    table: String,
    backend: &'static str,
    expire: &'static str,
    now: OffsetDateTime,
    pub groups: [Rows; GROUPS.len()],
    pub has_sizes: bool,
    /// The first characters of each sid, and the bytes of the row's data.
    pub biggest: Vec<(String, u64)>,
    /// The statement that creates the index on `expire`, if it is missing.
    pub missing_index: Option<String>,
}

impl Report {
    pub fn expired(&self) -> Rows {
        self.groups[..EXPIRED_GROUPS].iter().copied().sum()
    }

    pub fn active(&self) -> Rows {
        self.groups[EXPIRED_GROUPS..].iter().copied().sum()
    }
}

/// Measures in up to three statements. With sizes, two of them read the whole table. Without sizes, one
/// reads the whole index on `expire`.
pub async fn measure<M: SessionModel>(
    store: &SeaOrmStore<M>,
    now: OffsetDateTime,
    has_sizes: bool,
) -> Result<Report, AnyError> {
    let entity = M::Entity::default();
    Ok(Report {
        table: entity.table_name().to_owned(),
        backend: match store.db().get_database_backend() {
            DbBackend::Sqlite => "SQLite",
            DbBackend::MySql => "MySQL/MariaDB",
            _ => "PostgreSQL",
        },
        expire: M::columns().expire.column.as_str(),
        now,
        groups: groups(store, now, has_sizes).await?,
        has_sizes,
        biggest: if has_sizes {
            biggest(store).await?
        } else {
            Vec::new()
        },
        missing_index: if store.has_expire_index().await? {
            None
        } else {
            create_expire_index(store)
        },
    })
}

fn create_expire_index<M: SessionModel>(store: &SeaOrmStore<M>) -> Option<String> {
    let expire = M::columns().expire.column.as_str();
    let indexes = store.indexes();
    let index = indexes
        .iter()
        .find(|index| index.get_index_spec().get_column_names() == [expire])?;
    Some(store.db().get_database_backend().build(index).to_string())
}

async fn groups<M: SessionModel>(
    store: &SeaOrmStore<M>,
    now: OffsetDateTime,
    has_sizes: bool,
) -> Result<[Rows; GROUPS.len()], DbErr> {
    let mut group = CaseStatement::new().finally(GROUPS.len() as i32 - 1);
    for (index, (until, _)) in (0..).zip(GROUPS) {
        if let Some(until) = until {
            group = group.case(
                store.expires_by(now.saturating_add(until)),
                Expr::val(index),
            );
        }
    }
    let bytes = if has_sizes {
        size::<M>(store.db().get_database_backend())
    } else {
        Expr::val(0)
    };
    let rows = Query::select()
        .expr_as(group, "group_index")
        .expr_as(bytes, "bytes")
        .from(M::Entity::default().table_ref())
        .take();
    // MariaDB returns a sum as a decimal number.
    let integer = integer_type(store.db().get_database_backend());
    let select = Query::select()
        .column("group_index")
        .expr_as(Expr::col("group_index").count(), "row_count")
        .expr_as(Expr::col("bytes").sum().cast_as(integer), "bytes")
        .from_subquery(rows, "grouped")
        .group_by_col("group_index")
        .take();
    let mut groups = [Rows::default(); GROUPS.len()];
    for row in store.db().query_all(&select).await? {
        let index: i32 = row.try_get("", "group_index")?;
        let index = usize::try_from(index).ok();
        if let Some(group) = index.and_then(|index| groups.get_mut(index)) {
            *group = Rows {
                rows: unsigned(row.try_get("", "row_count")?),
                bytes: unsigned(row.try_get::<Option<i64>>("", "bytes")?.unwrap_or(0)),
            };
        }
    }
    Ok(groups)
}

async fn biggest<M: SessionModel>(store: &SeaOrmStore<M>) -> Result<Vec<(String, u64)>, DbErr> {
    let backend = store.db().get_database_backend();
    let sid = Func::cust("substr").args([
        Expr::col(M::columns().sid.as_column_ref()),
        Expr::val(1),
        Expr::val(SID_PREFIX_LENGTH),
    ]);
    let select: SelectStatement = Query::select()
        .expr_as(sid, "sid_prefix")
        .expr_as(size::<M>(backend), "bytes")
        .from(M::Entity::default().table_ref())
        .order_by_expr(Expr::col(Alias::new("bytes")), Order::Desc)
        .limit(BIGGEST_ROWS)
        .take();
    let rows = store.db().query_all(&select).await?;
    rows.iter()
        .map(|row| {
            let sid: String = row.try_get("", "sid_prefix")?;
            Ok((sid, unsigned(row.try_get("", "bytes")?)))
        })
        .collect()
}

/// The bytes of a row's data. On PostgreSQL `octet_length` needs text or bytes, so JSON is cast to text.
fn size<M: SessionModel>(backend: DbBackend) -> Expr {
    let sess = M::columns().sess;
    let is_binary = matches!(
        sess.def().get_column_type(),
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob
    );
    let column = Expr::col(sess.as_column_ref());
    let bytes = match backend {
        DbBackend::Postgres if !is_binary => Func::cust("octet_length").arg(column.cast_as("text")),
        _ => Func::cust("octet_length").arg(column),
    };
    Expr::expr(bytes).cast_as(integer_type(backend))
}

fn integer_type(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::MySql => "signed",
        _ => "bigint",
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.now.date(), self.now.time());
        writeln!(
            f,
            "Table {} on {}, {date} {:02}:{:02} UTC",
            self.table,
            self.backend,
            time.hour(),
            time.minute()
        )?;
        writeln!(f)?;
        self.write_groups(f)?;
        self.write_biggest(f)?;
        writeln!(f)?;
        self.write_advice(f)
    }
}

impl Report {
    fn write_groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_sizes {
            writeln!(f, "{:32}{:>14}{:>18}{:>14}", "", "rows", "bytes", "average")?;
        } else {
            writeln!(f, "{:32}{:>14}", "", "rows")?;
        }
        let groups = || self.groups.iter().zip(GROUPS.map(|(_, name)| name));
        self.write_rows(f, "Active", self.active())?;
        for (rows, name) in groups().skip(EXPIRED_GROUPS) {
            self.write_rows(f, &format!("  {name}"), *rows)?;
        }
        self.write_rows(f, "Expired, not yet pruned", self.expired())?;
        for (rows, name) in groups().take(EXPIRED_GROUPS).rev() {
            self.write_rows(f, &format!("  {name}"), *rows)?;
        }
        self.write_rows(f, "Total", self.groups.into_iter().sum())
    }

    fn write_rows(&self, f: &mut fmt::Formatter<'_>, name: &str, rows: Rows) -> fmt::Result {
        let count = HumanCount(rows.rows).to_string();
        if !self.has_sizes {
            return writeln!(f, "{name:32}{count:>14}");
        }
        let bytes = HumanCount(rows.bytes).to_string();
        let average = match rows.bytes.checked_div(rows.rows) {
            Some(average) => HumanCount(average).to_string(),
            None => "-".to_owned(),
        };
        writeln!(f, "{name:32}{count:>14}{bytes:>18}{average:>14}")
    }

    fn write_biggest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.biggest.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nBiggest rows")?;
        for (sid, bytes) in &self.biggest {
            let (sid, count) = (format!("sid {sid}…"), HumanCount(*bytes).to_string());
            writeln!(f, "  {sid:30}{count:>32}")?;
        }
        Ok(())
    }

    fn write_advice(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expire = self.expire;
        match &self.missing_index {
            None => writeln!(f, "There is an index on `{expire}`.")?,
            Some(create) => writeln!(
                f,
                "There is NO index on `{expire}`: each batch of a prune reads the whole table.\n\
                 Create it with `store.create_table()`, in a migration, or by hand:\n  {create};"
            )?,
        }
        let overdue: Rows = self.groups[..EXPIRED_GROUPS - 2].iter().copied().sum();
        if overdue.rows > 0 {
            writeln!(
                f,
                "Some rows expired more than a day ago. Does the application prune?\n\
                 `maintain prune` deletes them."
            )?;
        }
        Ok(())
    }
}
