//! Statements whose text is built once: each time they are sent, only their values are new.
//!
//! Building a text was more than a quarter of what a small save costs in the process.

use std::sync::{Arc, OnceLock};

use sea_orm::{DbBackend, Statement, StatementBuilder, Value};

use crate::execute::ToStatement;

/// The statements that requests send.
#[derive(Default)]
pub(crate) struct Statements {
    pub(crate) select: Prepared,
    pub(crate) insert: Prepared,
    pub(crate) update: Prepared,
    pub(crate) touch: Prepared,
    pub(crate) delete: Prepared,
    pub(crate) delete_live: Prepared,
}

/// A statement that is built when it is first sent.
#[derive(Default)]
pub(crate) struct Prepared(OnceLock<Arc<Text>>);

struct Text {
    shape: Shape,
    /// With a parameter wherever there is a value.
    statement: Statement,
}

/// What the values are of: statements of one kind and one shape have the same text.
#[derive(Default, PartialEq)]
struct Shape {
    names: Vec<&'static str>,
    columns: Vec<&'static str>,
}

/// The values of a statement, in the order in which they are bound.
pub(crate) struct Values {
    backend: DbBackend,
    shape: Shape,
    bound: Vec<Value>,
}

/// What stands for a value in a statement that is built once.
#[derive(Clone, Copy)]
pub(crate) struct Parameter(u16);

/// A statement with its values.
pub(crate) struct Bound {
    text: Arc<Text>,
    values: Vec<Value>,
}

impl Values {
    pub(crate) fn new(backend: DbBackend) -> Self {
        Self {
            backend,
            shape: Shape::default(),
            bound: Vec::new(),
        }
    }

    /// The name tells what the statement does with the value.
    pub(crate) fn bind(&mut self, name: &'static str, value: impl Into<Value>) -> Parameter {
        self.shape.names.push(name);
        self.push(value.into())
    }

    /// A value that the statement writes to a column.
    pub(crate) fn bind_column(&mut self, column: &'static str, value: Value) -> Parameter {
        self.shape.columns.push(column);
        self.push(value)
    }

    fn push(&mut self, value: Value) -> Parameter {
        // No table has as many columns.
        let place = u16::try_from(self.bound.len()).unwrap_or(u16::MAX);
        self.bound.push(value);
        Parameter(place)
    }
}

impl Prepared {
    /// The statement with these values. Of another shape than the first that was sent, it is built
    /// each time.
    pub(crate) fn with<S: StatementBuilder>(
        &self,
        values: Values,
        build: impl FnOnce() -> S,
    ) -> Bound {
        let Values {
            backend,
            shape,
            bound,
        } = values;
        let text = match self.0.get() {
            Some(text) if text.shape == shape => Arc::clone(text),
            _ => {
                let statement = backend.build(&build());
                let text = Arc::new(Text { shape, statement });
                // The first stays.
                let _ = self.0.set(Arc::clone(&text));
                text
            }
        };
        Bound {
            text,
            values: bound,
        }
    }
}

impl ToStatement for Bound {
    fn to_statement(&self, _: DbBackend) -> Statement {
        let mut statement = self.text.statement.clone();
        for value in statement.values.iter_mut().flat_map(|values| &mut values.0) {
            if let Some(bound) = Parameter::of(value) {
                *value = self.values[bound].clone();
            }
        }
        statement
    }
}

// Nothing else in a statement that is built once is of this type.
impl From<Parameter> for Value {
    fn from(Parameter(place): Parameter) -> Self {
        Self::SmallUnsigned(Some(place))
    }
}

impl Parameter {
    fn of(value: &Value) -> Option<usize> {
        match value {
            Value::SmallUnsigned(Some(place)) => Some((*place).into()),
            _ => None,
        }
    }
}
