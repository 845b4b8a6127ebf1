//! Checks a struct against every rule, and reports all errors at once.

use syn::{DeriveInput, ExprPath, LitStr, Type};

use crate::ast::{Field, SeaOrmAttrs, type_name};
use crate::attr::{self, DefaultAttr, Mirror, Place, Role, Source};
use crate::column::Column;
use crate::error::Errors;
use crate::krate::Krate;
use crate::{missing, shape};

/// A struct without errors.
pub(crate) struct Model<'a> {
    pub(crate) krate: Krate,
    /// Whether the entity's primary key is not in these attributes, but in its enum `PrimaryKey`.
    pub(crate) has_primary_key_enum: bool,
    pub(crate) sid: &'a Field<'a>,
    pub(crate) sess: &'a Field<'a>,
    pub(crate) expire: &'a Field<'a>,
    pub(crate) optional: OptionalColumns<'a>,
}

/// A struct with errors, and its valid parts.
pub(crate) struct Invalid<'a> {
    pub(crate) errors: Errors,
    pub(crate) krate: Krate,
    /// Whether SeaORM can make an entity of it.
    pub(crate) is_entity: bool,
    pub(crate) sid: Option<&'a Type>,
    pub(crate) sess: Option<&'a Type>,
    pub(crate) expire: Option<&'a Field<'a>>,
    pub(crate) optional: OptionalColumns<'a>,
}

/// The columns besides `sid`, `sess` and `expire`.
pub(crate) struct OptionalColumns<'a> {
    pub(crate) created_at: Option<&'a Field<'a>>,
    pub(crate) last_seen: Option<&'a Field<'a>>,
    pub(crate) version: Option<&'a Field<'a>>,
    pub(crate) extras: Vec<Extra<'a>>,
    pub(crate) of_request: Vec<RequestColumn<'a>>,
    pub(crate) indexed: Vec<&'a Field<'a>>,
}

/// A column that is filled from the session's data.
pub(crate) struct Extra<'a> {
    pub(crate) field: &'a Field<'a>,
    pub(crate) source: ExtraSource<'a>,
    pub(crate) default: Option<&'a DefaultAttr>,
}

/// Where in the session's data the value of an extra column comes from.
pub(crate) enum ExtraSource<'a> {
    Key(LitStr),
    Pointer(&'a LitStr),
    With(&'a ExprPath),
    Mirror(Mirror),
}

/// A column that is filled from the request.
pub(crate) struct RequestColumn<'a> {
    pub(crate) field: &'a Field<'a>,
    pub(crate) source: RequestSource<'a>,
}

/// Where in the request the value of a column comes from.
pub(crate) enum RequestSource<'a> {
    Header(&'a LitStr),
    Function(&'a ExprPath),
}

/// Checks every rule.
pub(crate) fn check<'a>(
    input: &DeriveInput,
    fields: &'a [Field<'a>],
    mut errors: Errors,
) -> Result<Model<'a>, Box<Invalid<'a>>> {
    let krate = Krate(attr::parse(&input.attrs, Place::Struct, &mut errors).krate);
    let is_model = shape::check(input, &mut errors);
    let columns: Vec<_> = fields
        .iter()
        .filter_map(|field| Column::new(field, &mut errors))
        .collect();
    let mut find = |role| find_role(role, &columns, &mut errors);
    let (sid, sess, expire) = (find(Role::Sid), find(Role::Sess), find(Role::Expire));
    let optional = OptionalColumns {
        created_at: find(Role::CreatedAt),
        last_seen: find(Role::LastSeen),
        version: find(Role::Version),
        extras: columns.iter().filter_map(extra).collect(),
        of_request: columns.iter().filter_map(request_column).collect(),
        indexed: indexed(&columns),
    };
    if shape::has_named_fields(&input.data) {
        missing::check(&input.ident, fields, &columns, &mut errors);
    }
    for field in [sid, sess, expire, optional.version].into_iter().flatten() {
        check_not_option(field, &mut errors);
    }
    for column in &columns {
        check_option(column, &mut errors);
    }
    let has_table_name = SeaOrmAttrs::parse(&input.attrs).has_table_name;
    let has_primary_key = columns.iter().any(Column::is_primary_key);
    // Without either attribute, the struct belongs to an entity in SeaORM's expanded format, or to
    // none. The generated code finds out, as a derive cannot see the other items of the module.
    if is_model
        && (has_table_name || has_primary_key)
        && let Some(sid) = sid
    {
        check_primary_key(sid, &columns, &mut errors);
    }
    match (sid, sess, expire) {
        (Some(sid), Some(sess), Some(expire)) if errors.is_empty() => Ok(Model {
            krate,
            has_primary_key_enum: !has_table_name,
            sid,
            sess,
            expire,
            optional,
        }),
        _ => Err(Box::new(Invalid {
            errors,
            krate,
            is_entity: is_model && (has_primary_key || !has_table_name),
            sid: sid.map(Field::required_type),
            sess: sess.map(Field::required_type),
            expire,
            optional,
        })),
    }
}

/// Returns the first field with a role, and reports any other.
fn find_role<'a>(role: Role, columns: &[Column<'a>], errors: &mut Errors) -> Option<&'a Field<'a>> {
    let mut found = columns.iter().filter(|column| column.role() == Some(role));
    let first = found.next()?;
    for second in found {
        let ident = second.source.map_or(second.field.ident, |attr| &attr.ident);
        let reason = duplicate_reason(role.name(), first, second);
        let message = format!("duplicate `{}` column: {reason}", role.name());
        errors.push_spanned(ident, message);
    }
    Some(first.field)
}

fn duplicate_reason(role: &str, first: &Column<'_>, second: &Column<'_>) -> String {
    let other = first.field.name();
    match (second.source, first.source) {
        (Some(_), Some(_)) => format!("`{other}` already has this attribute"),
        (Some(_), None) => format!(
            "the field `{other}` already is one because of its name. Add \
             `#[session(key = \"{other}\")]` or `#[session(skip)]` to that field, or rename it"
        ),
        (None, _) => format!(
            "`{other}` already has `#[session({role})]`. Add `#[session(key = \"{role}\")]` or \
             `#[session(skip)]` to this field, or rename it"
        ),
    }
}

/// The store sets these columns in every row.
fn check_not_option(field: &Field<'_>, errors: &mut Errors) {
    if let Some(inner) = field.option_inner() {
        let (expected, found) = (type_name(inner), type_name(field.ty));
        let name = field.name();
        let message =
            format!("expected `{expected}`, found `{found}`: `{name}` always has a value");
        errors.push_spanned(field.ty, message);
    }
}

/// Not every session has a value for these columns.
fn check_option(column: &Column<'_>, errors: &mut Errors) {
    let reason = match column.source() {
        Some(Source::Mirror(Mirror::AuthenticatedAt)) => "not every visitor was authenticated",
        Some(Source::Mirror(Mirror::IdleTimeout)) => "most sessions have the store's",
        Some(Source::Header(_)) => "not every request has the header",
        _ => return,
    };
    if column.field.option_inner().is_some() {
        return;
    }
    let found = type_name(column.field.ty);
    let inner = match column.source() {
        Some(Source::Header(_)) => "String",
        _ => &found,
    };
    let message = format!("expected `Option<{inner}>`, found `{found}`: {reason}");
    errors.push_spanned(column.field.ty, message);
}

fn check_primary_key(sid: &Field<'_>, columns: &[Column<'_>], errors: &mut Errors) {
    let name = sid.name();
    let attribute = "`#[sea_orm(primary_key, auto_increment = false)]`";
    match &sid.sea_orm.primary_key {
        None => {
            let message = format!("`{name}` must be the primary key: add {attribute}");
            errors.push_spanned(sid.ident, message);
        }
        Some(primary_key) if sid.is_auto_increment() => {
            let message = format!("`{name}` must not auto-increment: write {attribute}");
            errors.push_spanned(primary_key, message);
        }
        Some(_) => {}
    }
    for column in columns {
        if let Some(primary_key) = &column.field.sea_orm.primary_key
            && column.field.ident != sid.ident
        {
            let message = format!("`{name}` must be the only primary key: remove `primary_key`");
            errors.push_spanned(primary_key, message);
        }
    }
}

fn indexed<'a>(columns: &[Column<'a>]) -> Vec<&'a Field<'a>> {
    columns
        .iter()
        .map(|column| column.field)
        .filter(|field| field.attrs.index.is_some())
        .collect()
}

fn extra<'a>(column: &Column<'a>) -> Option<Extra<'a>> {
    let field = column.field;
    if column.role().is_some() || field.attrs.is_incomplete {
        return None;
    }
    let source = match column.source() {
        None => ExtraSource::Key(LitStr::new(&field.name(), field.ident.span())),
        Some(Source::Key(key)) => ExtraSource::Key(key.clone()),
        Some(Source::Pointer(pointer)) => ExtraSource::Pointer(pointer),
        Some(Source::With(path)) => ExtraSource::With(path),
        Some(Source::Mirror(mirror)) if field.option_inner().is_some() => {
            ExtraSource::Mirror(*mirror)
        }
        Some(
            Source::Skip
            | Source::Role(_)
            | Source::Mirror(_)
            | Source::Header(_)
            | Source::Request(_),
        ) => return None,
    };
    Some(Extra {
        field,
        source,
        default: field.attrs.default.as_ref(),
    })
}

fn request_column<'a>(column: &Column<'a>) -> Option<RequestColumn<'a>> {
    let field = column.field;
    if field.attrs.is_incomplete {
        return None;
    }
    let source = match column.source()? {
        Source::Header(name) if field.option_inner().is_some() => RequestSource::Header(name),
        Source::Request(path) => RequestSource::Function(path),
        _ => return None,
    };
    Some(RequestColumn { field, source })
}
