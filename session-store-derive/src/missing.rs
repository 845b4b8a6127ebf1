//! Reports missing columns, and points at fields that may be meant for them.

use syn::Ident;

use crate::ast::{Field, NonColumn, type_name};
use crate::attr::{Role, Source};
use crate::column::Column;
use crate::error::Errors;

/// A column that every model needs.
struct Required {
    role: Role,
    /// The lines to add, with the most common type.
    lines: &'static str,
    /// Common names of such a field, the most likely first.
    aliases: &'static [&'static str],
}

const REQUIRED: [Required; 3] = [
    Required {
        role: Role::Sid,
        lines: "    #[sea_orm(primary_key, auto_increment = false)]\n    pub sid: String,\n",
        aliases: &["session_id", "session_key", "id", "key"],
    },
    Required {
        role: Role::Sess,
        lines: "    pub sess: Json,\n",
        aliases: &["data", "session", "session_data", "payload"],
    },
    Required {
        role: Role::Expire,
        lines: "    pub expire: TimeDateTimeWithTimeZone,\n",
        aliases: &[
            "expires",
            "expires_at",
            "expire_at",
            "expiry",
            "expiry_date",
            "expired_at",
            "expires_on",
        ],
    },
];

/// Reports all missing columns in one error.
pub(crate) fn check(
    model: &Ident,
    fields: &[Field<'_>],
    columns: &[Column<'_>],
    errors: &mut Errors,
) {
    let is_present = |role| columns.iter().any(|column| column.role() == Some(role));
    let missing: Vec<&Required> = REQUIRED
        .iter()
        .filter(|required| !is_present(required.role))
        .filter(|required| !is_prevented(required.role, fields, columns, errors))
        .collect();
    if missing.is_empty() {
        return;
    }
    let mut hints = Errors::default();
    let to_add: Vec<&Required> = missing
        .iter()
        .copied()
        .filter(|required| !hint(required, columns, &mut hints))
        .collect();
    errors.push_spanned(model, message(&missing, &to_add));
    errors.extend(hints);
}

fn message(missing: &[&Required], to_add: &[&Required]) -> String {
    let names = list(missing, |name| format!("`{name}`"));
    let columns = match missing {
        [_] => "column",
        _ => "columns",
    };
    if to_add.is_empty() {
        let attributes = attributes(missing);
        return format!("missing {columns} {names}: add {attributes}");
    }
    let lines: String = to_add.iter().map(|required| required.lines).collect();
    let attributes = attributes(to_add);
    format!("missing {columns} {names}: add\n\n{lines}\nor add {attributes}")
}

fn attributes(required: &[&Required]) -> String {
    let attributes = list(required, |name| format!("`#[session({name})]`"));
    match required {
        [_] => format!("{attributes} to the field that holds it"),
        _ => format!("{attributes} to the fields that hold them"),
    }
}

fn list(required: &[&Required], format: impl Fn(&str) -> String) -> String {
    let names: Vec<String> = required
        .iter()
        .map(|required| format(required.role.name()))
        .collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// Returns whether a field is meant as the column, but has an attribute that prevents it. Then that
/// attribute is the one error.
fn is_prevented(
    role: Role,
    fields: &[Field<'_>],
    columns: &[Column<'_>],
    errors: &mut Errors,
) -> bool {
    is_ignored(role, fields, errors) || has_source(role, columns, errors)
}

fn is_ignored(role: Role, fields: &[Field<'_>], errors: &mut Errors) -> bool {
    let has_role = |field: &Field<'_>| {
        let mut sources = field.attrs.sources.iter();
        sources.any(|attr| matches!(attr.source, Source::Role(found) if found == role))
    };
    let ignored = fields.iter().find(|field| match field.non_column() {
        Some(NonColumn::Ignored) => has_role(field) || field.name() == role.name(),
        Some(NonColumn::Relation) => has_role(field),
        None => false,
    });
    // With an attribute, the error is already at that attribute.
    if let Some(field) = ignored
        && field.attrs.sources.is_empty()
    {
        let message = "expected a column, found an ignored field: remove `#[sea_orm(ignore)]`";
        errors.push_spanned(field.ident, message);
    }
    ignored.is_some()
}

fn has_source(role: Role, columns: &[Column<'_>], errors: &mut Errors) -> bool {
    let name = role.name();
    let named = columns.iter().find(|column| column.field.name() == name);
    let Some(attr) = named.and_then(|column| column.source) else {
        return false;
    };
    if matches!(attr.source, Source::Role(_)) {
        return false;
    }
    let message = format!(
        "cannot use `{attr}` with `{name}`: the store sets this column. Remove `{attr}`, or add \
         `#[session({name})]` to another field",
        attr = attr.ident
    );
    errors.push_spanned(&attr.ident, message);
    true
}

/// Points at a field whose name says that it may be meant.
fn hint(required: &Required, columns: &[Column<'_>], hints: &mut Errors) -> bool {
    let candidate = required.aliases.iter().find_map(|alias| {
        columns
            .iter()
            .find(|column| column.source.is_none() && column.field.name() == *alias)
    });
    let Some(Column { field, .. }) = candidate else {
        return false;
    };
    let name = required.role.name();
    let change = match required.role {
        Role::Sid if type_name(field.ty) != "String" => " and change its type to `String`",
        _ => "",
    };
    let field_name = field.name();
    let message =
        format!("if `{field_name}` is the `{name}` column, add `#[session({name})]`{change}");
    hints.push_spanned(field.ident, message);
    true
}
