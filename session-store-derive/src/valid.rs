//! Whether the struct is a session model: every rule, all broken ones reported at once.

use syn::{Attribute, Data, DeriveInput, ExprPath, Fields, LitStr, Type};

use crate::ast::{Field, in_words};
use crate::attr::{self, Attrs, Claim, DefaultWord, Purpose, Role};
use crate::column::Column;
use crate::error::Faults;
use crate::missing;

/// A struct that keeps every rule.
pub(crate) struct Model<'a> {
    pub(crate) sid: &'a Field<'a>,
    pub(crate) sess: &'a Field<'a>,
    pub(crate) expire: &'a Field<'a>,
    pub(crate) others: Others<'a>,
}

/// A struct that breaks some rules, and what is right about it.
pub(crate) struct Broken<'a> {
    pub(crate) faults: Faults,
    /// Whether SeaORM can make an entity of it.
    pub(crate) is_entity: bool,
    pub(crate) sid: Option<&'a Type>,
    pub(crate) sess: Option<&'a Type>,
    pub(crate) expire: Option<&'a Field<'a>>,
    pub(crate) others: Others<'a>,
}

/// The columns beside `sid`, `sess` and `expire`.
pub(crate) struct Others<'a> {
    pub(crate) created_at: Option<&'a Field<'a>>,
    pub(crate) last_seen: Option<&'a Field<'a>>,
    pub(crate) version: Option<&'a Field<'a>>,
    pub(crate) extras: Vec<Extra<'a>>,
    /// Those that get an index.
    pub(crate) indexed: Vec<&'a Field<'a>>,
}

/// A column that is filled from the session's data.
pub(crate) struct Extra<'a> {
    pub(crate) field: &'a Field<'a>,
    pub(crate) source: Source<'a>,
    pub(crate) default: Option<&'a DefaultWord>,
}

/// Where a column's value comes from.
pub(crate) enum Source<'a> {
    Key(LitStr),
    Pointer(&'a LitStr),
    With(&'a ExprPath),
}

/// Looks at every rule.
pub(crate) fn check<'a>(
    input: &DeriveInput,
    fields: &'a [Field<'a>],
    mut faults: Faults,
) -> Result<Model<'a>, Box<Broken<'a>>> {
    attr::of_struct(&input.attrs, &mut faults);
    let is_entity = check_shape(input, &mut faults) && check_entity(input, fields, &mut faults);
    let columns: Vec<_> = fields
        .iter()
        .filter_map(|field| column(field, &mut faults))
        .collect();
    for column in &columns {
        check_default(column, &mut faults);
        check_index(column, &mut faults);
    }
    let mut one = |role| the_one(role, &columns, &mut faults);
    let (sid, sess, expire) = (one(Role::Sid), one(Role::Sess), one(Role::Expire));
    let others = Others {
        created_at: one(Role::CreatedAt),
        last_seen: one(Role::LastSeen),
        version: one(Role::Version),
        extras: columns.iter().filter_map(extra).collect(),
        indexed: columns
            .iter()
            .map(|column| column.field)
            .filter(|field| field.attrs.index.is_some())
            .collect(),
    };
    if has_named_fields(input) {
        let found = [(Role::Sid, sid), (Role::Sess, sess), (Role::Expire, expire)];
        missing::check(&input.ident, found, &columns, &mut faults);
    }
    for field in [sid, sess, expire, others.version].into_iter().flatten() {
        check_required(field, &mut faults);
    }
    if is_entity && let Some(sid) = sid {
        check_primary_key(sid, &columns, &mut faults);
    }
    match (sid, sess, expire) {
        (Some(sid), Some(sess), Some(expire)) if faults.is_empty() => Ok(Model {
            sid,
            sess,
            expire,
            others,
        }),
        _ => Err(Box::new(Broken {
            faults,
            is_entity: is_entity && columns.iter().any(Column::is_primary_key),
            sid: sid.map(Field::required),
            sess: sess.map(Field::required),
            expire,
            others,
        })),
    }
}

/// A struct with named fields and no generics, named `Model`.
fn check_shape(input: &DeriveInput, faults: &mut Faults) -> bool {
    let before = faults.count();
    let fields = "a session model is a struct with named fields, the `Model` of a SeaORM entity";
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => {}
            Fields::Unnamed(tuple) => faults.at(tuple, format!("{fields}: name these fields")),
            Fields::Unit => faults.at(&input.ident, format!("{fields}: this one has none")),
        },
        Data::Enum(data) => faults.at(data.enum_token, format!("{fields}, not an enum")),
        Data::Union(data) => faults.at(data.union_token, format!("{fields}, not a union")),
    }
    if !input.generics.params.is_empty() {
        let message = "a session model has no generics: write the types that its columns have";
        faults.at(&input.generics, message);
    }
    if input.ident != "Model" {
        let message = "`SessionModel` is derived for an entity's `Model`: name this type `Model`, \
                       in a module of its own";
        faults.at(&input.ident, message);
    }
    faults.count() == before
}

/// Which other derives a struct has is not to be seen, but what SeaORM's read of it is.
fn check_entity(input: &DeriveInput, fields: &[Field<'_>], faults: &mut Faults) -> bool {
    let sea_orm = |attr: &Attribute| attr.path().is_ident("sea_orm");
    let is_entity =
        input.attrs.iter().any(sea_orm) || fields.iter().any(|field| field.sea_orm.given);
    if !is_entity {
        let message = "this is no SeaORM entity: write `DeriveEntityModel` into its derive list and \
                       `#[sea_orm(table_name = \"…\")]` below";
        faults.at(&input.ident, message);
    }
    is_entity
}

fn has_named_fields(input: &DeriveInput) -> bool {
    matches!(&input.data, Data::Struct(data) if matches!(data.fields, Fields::Named(_)))
}

/// What a field is for, by the first word that says so; the others are in its way.
fn column<'a>(field: &'a Field<'a>, faults: &mut Faults) -> Option<Column<'a>> {
    let Attrs {
        claims,
        default,
        index,
        ..
    } = &field.attrs;
    if let Some(why) = field.no_column() {
        let words = claims.iter().map(|claim| &claim.word);
        let default = default.iter().map(|default| &default.word);
        for word in words.chain(default).chain(index) {
            faults.at(word, format!("this field is no column, {why} `{word}`"));
        }
        return None;
    }
    let (claim, rest) = claims
        .split_first()
        .map_or((None, claims.as_slice()), |(first, rest)| {
            (Some(first), rest)
        });
    for second in rest {
        if let Some(first) = claim {
            faults.at(&second.word, both(first, second));
        }
    }
    Some(Column { field, claim })
}

fn both(first: &Claim, second: &Claim) -> String {
    let is_role = |claim: &Claim| matches!(claim.purpose, Purpose::Role(_));
    let (a, b) = (&first.word, &second.word);
    match (is_role(first), is_role(second)) {
        (true, true) => format!("a column has one role, this one is `{a}` already: remove `{b}`"),
        (false, false) => {
            format!("a column has one source, this one has `{a}` already: remove one of the two")
        }
        (true, false) => format!("the store itself fills `{a}`: remove `{b}`"),
        (false, true) => format!("the store itself fills `{b}`: remove `{a}` or `{b}`"),
    }
}

/// A default is for what may be missing in the session's data.
fn check_default(column: &Column<'_>, faults: &mut Faults) {
    let Some(default) = &column.field.attrs.default else {
        return;
    };
    let name = column.field.name();
    let why = match (column.role(), column.claim.map(|claim| &claim.purpose)) {
        (Some(_), _) => format!("the store itself fills `{name}`: remove `default`"),
        (_, Some(Purpose::With(_))) => "a function always gives a value: remove `default`".into(),
        (_, Some(Purpose::Skip)) => "a skipped column is left to the database: write its default \
                                     as `#[sea_orm(default_value = …)]`"
            .into(),
        _ => return,
    };
    faults.at(&default.word, why);
}

/// An index is for the columns that sessions are found by.
fn check_index(column: &Column<'_>, faults: &mut Faults) {
    let Some(word) = &column.field.attrs.index else {
        return;
    };
    let why = match column.role() {
        Some(Role::Sid) => "the primary key has an index",
        Some(Role::Expire) => "this column has an index, which pruning needs",
        Some(Role::Sess) => "the data as a whole cannot be searched",
        _ => return,
    };
    faults.at(word, format!("{why}: remove `index`"));
}

/// The field with a role: the first that claims it. Two are one too many.
fn the_one<'a>(role: Role, columns: &[Column<'a>], faults: &mut Faults) -> Option<&'a Field<'a>> {
    let mut fields = columns.iter().filter(|column| column.role() == Some(role));
    let first = fields.next()?;
    for second in fields {
        let (name, taken) = (role.word(), first.field.name());
        match (second.claim, first.claim) {
            (Some(claim), Some(_)) => {
                let message =
                    format!("`{taken}` is the `{name}` column already: remove one `{name}`");
                faults.at(&claim.word, message);
            }
            (Some(claim), None) => {
                let message = format!(
                    "the field `{taken}` is the `{name}` column by its name: to use this one, \
                     write `#[session(key = \"{taken}\")]` or `#[session(skip)]` on that one"
                );
                faults.at(&claim.word, message);
            }
            (None, _) => {
                let message = format!(
                    "`{taken}` is the `{name}` column already: write `#[session(key = \"{name}\")]` \
                     or `#[session(skip)]` on this field, or rename it"
                );
                faults.at(second.field.ident, message);
            }
        }
    }
    Some(first.field)
}

/// What the store fills in every row is no `Option`.
fn check_required(field: &Field<'_>, faults: &mut Faults) {
    if let Some(inner) = field.optional() {
        let (name, inner) = (field.name(), in_words(inner));
        let message = format!("every session has its `{name}`: write `{inner}` here, no `Option`");
        faults.at(field.ty, message);
    }
}

fn check_primary_key(sid: &Field<'_>, columns: &[Column<'_>], faults: &mut Faults) {
    let attribute = "`#[sea_orm(primary_key, auto_increment = false)]`";
    match &sid.sea_orm.primary_key {
        None => {
            let message = format!("the sid is the table's primary key: write {attribute} on it");
            faults.at(sid.ident, message);
        }
        Some(word) if sid.counts_up() => {
            faults.at(word, format!("a sid does not count up: write {attribute}"));
        }
        Some(_) => {}
    }
    for column in columns {
        if let Some(word) = &column.field.sea_orm.primary_key
            && column.field.ident != sid.ident
        {
            let message = format!(
                "the primary key is `{}` alone: remove `primary_key` here",
                sid.name()
            );
            faults.at(word, message);
        }
    }
}

fn extra<'a>(column: &Column<'a>) -> Option<Extra<'a>> {
    let field = column.field;
    if column.role().is_some() || field.attrs.unclear {
        return None;
    }
    let source = match column.claim.map(|claim| &claim.purpose) {
        None => Source::Key(LitStr::new(&field.name(), field.ident.span())),
        Some(Purpose::Key(key)) => Source::Key(key.clone()),
        Some(Purpose::Pointer(pointer)) => Source::Pointer(pointer),
        Some(Purpose::With(path)) => Source::With(path),
        Some(Purpose::Skip | Purpose::Role(_)) => return None,
    };
    Some(Extra {
        field,
        source,
        default: field.attrs.default.as_ref(),
    })
}
