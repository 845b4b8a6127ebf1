//! Parses the `#[session(…)]` attributes of a field and of the struct.

use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, ExprPath, Ident, LitStr, Meta, Path, Result, Token};

use crate::error::Errors;
use crate::{suggest, value};

/// Every attribute, in the order in which messages list them.
const ATTRIBUTES: [(&str, Kind); 17] = [
    Role::Sid.attribute(),
    Role::Sess.attribute(),
    Role::Expire.attribute(),
    ("key", Kind::Key),
    ("pointer", Kind::Pointer),
    ("with", Kind::With),
    ("header", Kind::Header),
    ("request", Kind::Request),
    ("default", Kind::Default),
    ("index", Kind::Index),
    Role::CreatedAt.attribute(),
    Role::LastSeen.attribute(),
    Role::Version.attribute(),
    Mirror::AuthenticatedAt.attribute(),
    Mirror::IdleTimeout.attribute(),
    ("skip", Kind::Skip),
    ("crate", Kind::Crate),
];

#[derive(Clone, Copy)]
enum Kind {
    Role(Role),
    Mirror(Mirror),
    Key,
    Pointer,
    With,
    Header,
    Request,
    Default,
    Index,
    Skip,
    Crate,
}

/// Where an attribute is written.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Field,
    Struct,
}

/// A column that the store itself reads and writes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    Sid,
    Sess,
    Expire,
    CreatedAt,
    LastSeen,
    Version,
}

/// What the store keeps among the session's data, and mirrors into a column.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mirror {
    AuthenticatedAt,
    IdleTimeout,
}

/// The attributes of one field, or of the struct.
#[derive(Default)]
pub(crate) struct Attrs {
    /// The attributes that say where the column's value comes from. More than one is an error.
    pub(crate) sources: Vec<SourceAttr>,
    pub(crate) default: Option<DefaultAttr>,
    pub(crate) index: Option<Ident>,
    /// Of the struct: where the generated code finds `session-store`.
    pub(crate) krate: Option<Path>,
    /// Whether an attribute could not be parsed, so that the column's source is unknown.
    pub(crate) is_incomplete: bool,
}

/// An attribute that says where the column's value comes from.
pub(crate) struct SourceAttr {
    pub(crate) ident: Ident,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    /// The store itself.
    Role(Role),
    Mirror(Mirror),
    Key(LitStr),
    Pointer(LitStr),
    With(ExprPath),
    Header(LitStr),
    Request(ExprPath),
    /// The database, or the application.
    Skip,
}

/// `default` or `default = value`.
pub(crate) struct DefaultAttr {
    pub(crate) ident: Ident,
    pub(crate) value: Option<Expr>,
}

enum Attr {
    Source(SourceAttr),
    Default(DefaultAttr),
    Index(Ident),
    Crate(Ident, Path),
}

impl Kind {
    const fn place(self) -> Place {
        match self {
            Self::Crate => Place::Struct,
            _ => Place::Field,
        }
    }
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Field => "a field",
            Self::Struct => "the struct",
        }
    }

    const fn examples(self) -> &'static str {
        match self {
            Self::Field => "`#[session(skip)]` or `#[session(key = \"user_id\")]`",
            Self::Struct => "`#[session(crate = my_crate::session_store)]`",
        }
    }

    /// Returns the names of the attributes that belong here.
    fn attributes(self) -> Vec<&'static str> {
        ATTRIBUTES
            .into_iter()
            .filter(|(_, kind)| kind.place() == self)
            .map(|(name, _)| name)
            .collect()
    }

    /// Lists the attributes that belong here.
    fn list(self) -> String {
        let names = self.attributes().into_iter();
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        match &names[..] {
            [names @ .., last] if !names.is_empty() => {
                format!("one of {}, or {last}", names.join(", "))
            }
            _ => names.concat(),
        }
    }
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sid => "sid",
            Self::Sess => "sess",
            Self::Expire => "expire",
            Self::CreatedAt => "created_at",
            Self::LastSeen => "last_seen",
            Self::Version => "version",
        }
    }

    const fn attribute(self) -> (&'static str, Kind) {
        (self.name(), Kind::Role(self))
    }

    /// Returns the role that a field without attributes has because of its name.
    pub(crate) fn from_field_name(field: &str) -> Option<Self> {
        [Self::Sid, Self::Sess, Self::Expire]
            .into_iter()
            .find(|role| role.name() == field)
    }
}

impl Mirror {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AuthenticatedAt => "authenticated_at",
            Self::IdleTimeout => "idle_timeout",
        }
    }

    const fn attribute(self) -> (&'static str, Kind) {
        (self.name(), Kind::Mirror(self))
    }
}

impl Attr {
    fn ident(&self) -> &Ident {
        match self {
            Self::Source(source) => &source.ident,
            Self::Default(default) => &default.ident,
            Self::Index(ident) | Self::Crate(ident, _) => ident,
        }
    }
}

/// Parses the attributes of a field or of the struct.
pub(crate) fn parse(attrs: &[Attribute], place: Place, errors: &mut Errors) -> Attrs {
    let mut parsed = Attrs::default();
    let mut seen: Vec<String> = Vec::new();
    for attr in parse_all(attrs, place, errors, &mut parsed.is_incomplete) {
        let name = attr.ident().unraw().to_string();
        if seen.contains(&name) {
            errors.push_spanned(attr.ident(), format!("duplicate attribute `{name}`"));
            continue;
        }
        seen.push(name);
        match attr {
            Attr::Source(source) => parsed.sources.push(source),
            Attr::Default(default) => parsed.default = Some(default),
            Attr::Index(ident) => parsed.index = Some(ident),
            Attr::Crate(_, path) => parsed.krate = Some(path),
        }
    }
    parsed
}

fn parse_all(
    attrs: &[Attribute],
    place: Place,
    errors: &mut Errors,
    is_incomplete: &mut bool,
) -> Vec<Attr> {
    let mut parsed = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("session")) {
        let tokens = match &attr.meta {
            Meta::List(list) if !list.tokens.is_empty() => list.tokens.clone(),
            meta => {
                errors.push_spanned(meta, expected_list(meta, place));
                *is_incomplete = true;
                continue;
            }
        };
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                let attr = parse_one(input, place, errors);
                match attr.and_then(|attr| parse_end(input).map(|()| attr)) {
                    Ok(attr) => parsed.extend(attr),
                    Err(error) => {
                        errors.push(error);
                        *is_incomplete = true;
                        skip_one(input);
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
    }
    parsed
}

fn expected_list(meta: &Meta, place: Place) -> String {
    if let Meta::NameValue(pair) = meta
        && place == Place::Field
        && let Some(key) = value::as_string(&pair.value)
    {
        let key = key.token();
        return format!("expected an attribute in parentheses: write `#[session(key = {key})]`");
    }
    let examples = place.examples();
    format!("expected an attribute in parentheses, as in {examples}")
}

/// Parses one attribute. Reports one that belongs elsewhere, and returns `None` for it.
fn parse_one(input: ParseStream<'_>, place: Place, errors: &mut Errors) -> Result<Option<Attr>> {
    let ident = parse_name(input, place)?;
    let (name, kind) = resolve(&ident, place, errors)?;
    if kind.place() != place {
        let (expected, found) = (kind.place().name(), place.name());
        let message = format!("expected `{name}` on {expected}, found it on {found}");
        errors.push_spanned(&ident, message);
        value::skip(input);
        return Ok(None);
    }
    let source = match kind {
        Kind::Role(role) => {
            value::reject(input, name, errors);
            Source::Role(role)
        }
        Kind::Mirror(mirror) => {
            value::reject(input, name, errors);
            Source::Mirror(mirror)
        }
        Kind::Skip => {
            value::reject(input, name, errors);
            Source::Skip
        }
        Kind::Key => Source::Key(value::string(input, &ident, "key = \"user_id\"")?),
        Kind::Pointer => Source::Pointer(value::pointer(input, &ident, errors)?),
        Kind::With => Source::With(value::function(input, &ident)?),
        Kind::Header => Source::Header(value::header(input, &ident, errors)?),
        Kind::Request => Source::Request(value::request_function(input, &ident)?),
        Kind::Index => {
            value::reject(input, name, errors);
            return Ok(Some(Attr::Index(ident)));
        }
        Kind::Default => {
            let value = value::optional(input, &ident, "default = 0")?;
            return Ok(Some(Attr::Default(DefaultAttr { ident, value })));
        }
        Kind::Crate => {
            let path = value::krate(input, &ident)?;
            return Ok(Some(Attr::Crate(ident, path)));
        }
    };
    Ok(Some(Attr::Source(SourceAttr { ident, source })))
}

fn parse_name(input: ParseStream<'_>, place: Place) -> Result<Ident> {
    input.call(Ident::parse_any).map_err(|_| {
        let message = input.fork().parse::<LitStr>().map_or_else(
            |_| format!("expected {}", place.list()),
            |string| match place {
                Place::Field => {
                    let key = string.token();
                    format!("expected an attribute, found a string: write `key = {key}`")
                }
                Place::Struct => format!("expected {}, found a string", place.list()),
            },
        );
        input.error(message)
    })
}

/// Finds an attribute by its name. A misspelled one is reported, then taken for the closest match,
/// so that no other rule reports a consequence of it.
fn resolve(ident: &Ident, place: Place, errors: &mut Errors) -> Result<(&'static str, Kind)> {
    let name = ident.unraw().to_string();
    let find = |name: &str| ATTRIBUTES.into_iter().find(|(known, _)| *known == name);
    if let Some(attribute) = find(&name) {
        return Ok(attribute);
    }
    let closest = suggest::closest(&name, &place.attributes());
    let suggestion = closest.map_or_else(
        || ",".to_owned(),
        |closest| format!(", did you mean `{closest}`?"),
    );
    let expected = place.list();
    let message = format!("unknown attribute `{name}`{suggestion} expected {expected}");
    let error = Error::new_spanned(ident, message);
    let Some(attribute) = closest.and_then(find) else {
        return Err(error);
    };
    errors.push(error);
    Ok(attribute)
}

fn parse_end(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() && input.parse::<Token![,]>().is_err() {
        return Err(input.error("expected `,`"));
    }
    Ok(())
}

fn skip_one(input: ParseStream<'_>) {
    value::skip(input);
    // The last attribute has no comma.
    let _ = input.parse::<Token![,]>();
}
