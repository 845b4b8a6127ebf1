//! Statement templates: the text of a statement is built once, and each use binds its own values.
//!
//! Building the text was more than a quarter of what a small save costs in the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::sea_query::{DeleteStatement, Query, SelectStatement};
use sea_orm::{DbBackend, Statement, StatementBuilder, Value};

use super::timestamp::without_zone_on_mysql;

/// Anything that can be sent as a statement.
pub(crate) trait ToStatement {
    fn to_statement(&self, backend: DbBackend) -> Statement;
}

impl<S: StatementBuilder> ToStatement for S {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        backend.build(self)
    }
}

/// A DELETE that returns the deleted rows. sea-query has `RETURNING` for other databases than MariaDB only.
pub(crate) struct DeleteReturning {
    delete: DeleteStatement,
    /// A SELECT of the columns alone.
    columns: SelectStatement,
}

impl DeleteReturning {
    /// The rows have the columns of a SELECT of the same table.
    pub(crate) fn new(delete: DeleteStatement, mut select: SelectStatement) -> Self {
        let mut columns = Query::select();
        select.exprs_mut_for_each(|column| {
            columns.expr(column.clone());
        });
        Self { delete, columns }
    }
}

impl ToStatement for DeleteReturning {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        let mut statement = backend.build(&self.delete);
        let columns = backend.build(&self.columns).sql;
        statement.sql += &columns.replacen("SELECT", " RETURNING", 1);
        statement
    }
}

/// A statement whose text is kept from one use to the next.
///
/// The text depends on the columns that the statement writes, and an extras closure may set others
/// each time. Then the text is built again.
#[derive(Default)]
pub(crate) struct Template(Mutex<Option<Arc<Text>>>);

struct Text {
    columns: Vec<&'static str>,
    sql: String,
    values: Vec<Placeholder>,
}

/// What a placeholder of the text stands for.
enum Placeholder {
    /// A value that is always the same, such as the 1 of `version + 1`.
    Constant(Value),
    Parameter(Parameter),
}

/// The values that one use of a template binds.
pub(crate) struct Parameters {
    backend: DbBackend,
    columns: Vec<&'static str>,
    values: Vec<Value>,
}

/// Stands for a bound value while the text is built.
#[derive(Clone, Copy)]
pub(crate) struct Parameter(usize);

/// A template with its values.
pub(crate) struct BoundStatement {
    text: Arc<Text>,
    values: Vec<Value>,
}

impl Parameters {
    pub(crate) fn new(backend: DbBackend) -> Self {
        Self {
            backend,
            columns: Vec::new(),
            values: Vec::new(),
        }
    }

    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> Parameter {
        self.values
            .push(without_zone_on_mysql(value.into(), self.backend));
        Parameter(self.values.len() - 1)
    }

    /// Binds a value of a column that not every use of the template writes.
    pub(crate) fn bind_column(
        &mut self,
        column: &'static str,
        value: impl Into<Value>,
    ) -> Parameter {
        self.columns.push(column);
        self.bind(value)
    }
}

impl Template {
    /// Returns the statement with these values. Calls `build` if the text is not there yet, or is for
    /// other columns.
    pub(crate) fn bind<S: StatementBuilder>(
        &self,
        parameters: Parameters,
        build: impl FnOnce() -> S,
    ) -> BoundStatement {
        let Parameters {
            backend,
            columns,
            values,
        } = parameters;
        let kept = self.lock().clone();
        let text = kept
            .filter(|text| text.columns == columns)
            .unwrap_or_else(|| {
                let statement = backend.build(&build());
                let text = Arc::new(Text::new(statement, columns, values.len()));
                *self.lock() = Some(Arc::clone(&text));
                text
            });
        BoundStatement { text, values }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Text>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Text {
    fn new(statement: Statement, columns: Vec<&'static str>, parameters: usize) -> Self {
        let values = statement.values.map_or_else(Vec::new, |values| values.0);
        let placeholder = |value| {
            let mut parameters = (0..parameters).map(Parameter);
            match parameters.find(|parameter| Value::from(*parameter) == value) {
                Some(parameter) => Placeholder::Parameter(parameter),
                None => Placeholder::Constant(value),
            }
        };
        Self {
            columns,
            sql: statement.sql,
            values: values.into_iter().map(placeholder).collect(),
        }
    }
}

impl From<Parameter> for Value {
    /// Text that no other value of a statement is equal to, whatever a column's `save_as` adds.
    fn from(Parameter(index): Parameter) -> Self {
        format!("\0session-store parameter {index}").into()
    }
}

impl ToStatement for BoundStatement {
    fn to_statement(&self, backend: DbBackend) -> Statement {
        let values = self
            .text
            .values
            .iter()
            .map(|placeholder| match placeholder {
                Placeholder::Constant(value) => value.clone(),
                Placeholder::Parameter(Parameter(index)) => self.values[*index].clone(),
            });
        Statement::from_sql_and_values(backend, self.text.sql.as_str(), values)
    }
}
