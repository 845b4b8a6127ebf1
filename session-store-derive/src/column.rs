//! The rules for the attributes of one column.

use crate::ast::{Field, NonColumn, type_name};
use crate::attr::{Role, Source, SourceAttr};
use crate::error::Errors;

/// A field that is a column.
pub(crate) struct Column<'a> {
    pub(crate) field: &'a Field<'a>,
    /// The first attribute that says where the value comes from.
    pub(crate) source: Option<&'a SourceAttr>,
}

impl<'a> Column<'a> {
    /// Returns `None` for a field that is not a column.
    pub(crate) fn new(field: &'a Field<'a>, errors: &mut Errors) -> Option<Self> {
        if let Some(reason) = field.non_column() {
            reject_attributes(field, reason, errors);
            return None;
        }
        let source = field.attrs.sources.first();
        let column = Self { field, source };
        column.check_sources(errors);
        column.check_name(errors);
        column.check_default(errors);
        column.check_index(errors);
        Some(column)
    }

    pub(crate) fn source(&self) -> Option<&'a Source> {
        self.source.map(|attr| &attr.source)
    }

    pub(crate) fn role(&self) -> Option<Role> {
        match self.source() {
            Some(Source::Role(role)) => Some(*role),
            Some(_) => None,
            None => Role::from_field_name(&self.field.name()),
        }
    }

    pub(crate) fn is_primary_key(&self) -> bool {
        self.field.sea_orm.primary_key.is_some()
    }

    fn check_sources(&self, errors: &mut Errors) {
        let Some((first, rest)) = self.field.attrs.sources.split_first() else {
            return;
        };
        for second in rest {
            errors.push_spanned(&second.ident, conflict(first, second));
        }
    }

    /// A column with the name of an optional role could be meant for the store or for a session key.
    /// Taken for a key that the application never sets, it would stay empty without an error.
    fn check_name(&self, errors: &mut Errors) {
        let attrs = &self.field.attrs;
        if self.source.is_some() || attrs.default.is_some() || attrs.is_incomplete {
            return;
        }
        let name = self.field.name();
        let content = match name.as_str() {
            "created_at" => "the time when the session was created",
            "last_seen" => "the time of the visitor's last activity",
            "authenticated_at" => "the time when the visitor was last authenticated",
            "idle_timeout" => "the session's own idle timeout",
            "version" if is_integer(self.field) => "the number of saves",
            _ => return,
        };
        let message = format!(
            "expected an attribute on `{name}`: add `#[session({name})]` for {content}, or \
             `#[session(key = \"{name}\")]` for the session key"
        );
        errors.push_spanned(self.field.ident, message);
    }

    /// A default is for a value that the session can lack.
    fn check_default(&self, errors: &mut Errors) {
        let Some(default) = &self.field.attrs.default else {
            return;
        };
        let message = match (self.role(), self.source()) {
            (Some(role), _) => format!(
                "cannot use `default` with `{}`: the store always sets this column",
                role.name()
            ),
            (_, Some(Source::Mirror(mirror))) => format!(
                "cannot use `default` with `{}`: the store always sets this column",
                mirror.name()
            ),
            (_, Some(Source::With(_))) => {
                "cannot use `default` with `with`: the function always returns a value".into()
            }
            (_, Some(Source::Header(_))) => {
                "cannot use `default` with `header`: without the header, the column is NULL".into()
            }
            (_, Some(Source::Request(_))) => {
                "cannot use `default` with `request`: the function always returns a value".into()
            }
            (_, Some(Source::Skip)) => "cannot use `default` with `skip`: write the default of \
                                        the database as `#[sea_orm(default_value = …)]`"
                .into(),
            _ => return,
        };
        errors.push_spanned(&default.ident, message);
    }

    /// An index is for a column by which an application finds sessions.
    fn check_index(&self, errors: &mut Errors) {
        let Some(index) = &self.field.attrs.index else {
            return;
        };
        let reason = match self.role() {
            Some(Role::Sid) => "the primary key already has an index",
            Some(Role::Expire) => "this column already has an index",
            Some(Role::Sess) => "an index cannot search the session data",
            _ => return,
        };
        errors.push_spanned(index, format!("unexpected `index`: {reason}"));
    }
}

fn is_integer(field: &Field<'_>) -> bool {
    let ty = type_name(field.required_type());
    ["i32", "i64", "u32", "u64"].contains(&ty.as_str())
}

fn reject_attributes(field: &Field<'_>, reason: NonColumn, errors: &mut Errors) {
    let attrs = &field.attrs;
    let sources = attrs.sources.iter().map(|source| &source.ident);
    let default = attrs.default.iter().map(|default| &default.ident);
    for ident in sources.chain(default).chain(&attrs.index) {
        let message = match reason {
            NonColumn::Ignored => format!(
                "expected a column, found an ignored field: remove `{ident}` or `#[sea_orm(ignore)]`"
            ),
            NonColumn::Relation => {
                format!("expected a column, found a relation: remove `{ident}`")
            }
        };
        errors.push_spanned(ident, message);
    }
}

fn conflict(first: &SourceAttr, second: &SourceAttr) -> String {
    let is_role = |attr: &SourceAttr| matches!(attr.source, Source::Role(_) | Source::Mirror(_));
    let (a, b) = (&first.ident, &second.ident);
    let help = match (is_role(first), is_role(second)) {
        (true, true) => "a column has one role, remove one of the two".into(),
        (false, false) => "a column has one source, remove one of the two".into(),
        (true, false) => format!("the store sets this column, remove `{b}`"),
        (false, true) => format!("the store sets a `{b}` column, remove one of the two"),
    };
    format!("cannot use `{b}` with `{a}`: {help}")
}
