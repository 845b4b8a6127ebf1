//! What a field's `#[session(…)]` attributes say, each word with its span.

use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, ExprPath, Ident, LitStr, Meta, Result, Token};

use crate::error::Faults;
use crate::{spelling, value};

/// The words, in the order in which messages list them.
const WORDS: [&str; 12] = [
    "sid",
    "sess",
    "expire",
    "key",
    "pointer",
    "with",
    "default",
    "index",
    "created_at",
    "last_seen",
    "version",
    "skip",
];

/// What the `#[session(…)]` attributes of one field say.
#[derive(Default)]
pub(crate) struct Attrs {
    pub(crate) claims: Vec<Claim>,
    pub(crate) default: Option<DefaultWord>,
    /// The word `index`.
    pub(crate) index: Option<Ident>,
    /// A word was wrong in a way that leaves open what the field is.
    pub(crate) unclear: bool,
}

/// A word that says what a field is for: at most one of them can be true.
pub(crate) struct Claim {
    pub(crate) word: Ident,
    pub(crate) purpose: Purpose,
}

/// What a column is for.
#[derive(Clone)]
pub(crate) enum Purpose {
    Role(Role),
    Key(LitStr),
    Pointer(LitStr),
    With(ExprPath),
    Skip,
}

/// A part that a column plays in the session itself.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    Sid,
    Sess,
    Expire,
    CreatedAt,
    LastSeen,
    Version,
}

/// `default`, or `default = value`.
pub(crate) struct DefaultWord {
    pub(crate) word: Ident,
    pub(crate) value: Option<Expr>,
}

enum Word {
    Claim(Claim),
    Default(DefaultWord),
    Index(Ident),
}

impl Word {
    fn name(&self) -> &Ident {
        match self {
            Self::Claim(claim) => &claim.word,
            Self::Default(default) => &default.word,
            Self::Index(word) => word,
        }
    }
}

/// Reads the `#[session(…)]` attributes of a field.
pub(crate) fn of_field(attrs: &[Attribute], faults: &mut Faults) -> Attrs {
    let mut read = Attrs::default();
    let mut seen: Vec<String> = Vec::new();
    for word in words(attrs, faults, &mut read.unclear) {
        let name = word.name().unraw().to_string();
        if seen.contains(&name) {
            faults.at(
                word.name(),
                format!("`{name}` is already there: write it once"),
            );
            continue;
        }
        seen.push(name);
        match word {
            Word::Claim(claim) => read.claims.push(claim),
            Word::Default(default) => read.default = Some(default),
            Word::Index(word) => read.index = Some(word),
        }
    }
    read
}

/// Refuses `#[session(…)]` on the struct, where it has nothing to say.
pub(crate) fn of_struct(attrs: &[Attribute], faults: &mut Faults) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("session")) {
        let words = words(
            std::slice::from_ref(attr),
            &mut Faults::default(),
            &mut false,
        );
        for word in &words {
            let message = "belongs on a field: the struct takes no `#[session(…)]` attribute";
            faults.at(word.name(), format!("`{}` {message}", word.name()));
        }
        if words.is_empty() {
            let message = "the struct takes no `#[session(…)]` attribute: remove it";
            faults.at(attr.path(), message);
        }
    }
}

fn words(attrs: &[Attribute], faults: &mut Faults, unclear: &mut bool) -> Vec<Word> {
    let mut words = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("session")) {
        let tokens = match &attr.meta {
            Meta::List(list) if !list.tokens.is_empty() => list.tokens.clone(),
            _ => {
                let message = "this says nothing: write words in parentheses, as in \
                               `#[session(skip)]` or `#[session(key = \"user_id\")]`";
                faults.at(&attr.meta, message);
                *unclear = true;
                continue;
            }
        };
        let read = |input: ParseStream<'_>| {
            while !input.is_empty() {
                match word(input, faults).and_then(|word| end_of_word(input).map(|()| word)) {
                    Ok(word) => words.push(word),
                    Err(fault) => {
                        faults.push(fault);
                        *unclear = true;
                        skip_word(input);
                    }
                }
            }
            Ok(())
        };
        if let Err(fault) = read.parse2(tokens) {
            faults.push(fault);
        }
    }
    words
}

fn word(input: ParseStream<'_>, faults: &mut Faults) -> Result<Word> {
    let Ok(word) = input.call(Ident::parse_any) else {
        let message = format!("this is no attribute: the attributes are {}", list());
        return Err(input.error(message));
    };
    let name = known(&word, faults)?;
    let purpose = match name {
        "key" => Purpose::Key(value::text(input, &word, name)?),
        "pointer" => Purpose::Pointer(value::pointer(value::text(input, &word, name)?, faults)),
        "with" => Purpose::With(value::path(input, &word)?),
        "default" => {
            let value = value::value(input, &word, "default = 0")?;
            return Ok(Word::Default(DefaultWord { word, value }));
        }
        "index" => {
            value::no_value(input, name, faults);
            return Ok(Word::Index(word));
        }
        flag => {
            value::no_value(input, flag, faults);
            Role::named(flag).map_or(Purpose::Skip, Purpose::Role)
        }
    };
    Ok(Word::Claim(Claim { word, purpose }))
}

/// The word that is meant: a misspelt one is reported and then taken for the nearest, so that the
/// other rules don't report what follows from it.
fn known(word: &Ident, faults: &mut Faults) -> Result<&'static str> {
    let name = word.unraw().to_string();
    if let Some(known) = WORDS.into_iter().find(|known| *known == name) {
        return Ok(known);
    }
    let nearest = spelling::nearest(&name, WORDS);
    let hint = nearest.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    let stop = if hint.is_empty() { ":" } else { "" };
    let message = format!(
        "unknown attribute `{name}`{hint}{stop} the attributes are {}",
        list()
    );
    let fault = Error::new_spanned(word, message);
    match nearest {
        Some(near) => {
            faults.push(fault);
            Ok(near)
        }
        None => Err(fault),
    }
}

fn list() -> String {
    let words = WORDS.map(|word| format!("`{word}`"));
    let (last, others) = words
        .split_last()
        .map_or(("", &[][..]), |(l, o)| (l.as_str(), o));
    format!("{} and {last}", others.join(", "))
}

impl Role {
    const ALL: [Self; 6] = [
        Self::Sid,
        Self::Sess,
        Self::Expire,
        Self::CreatedAt,
        Self::LastSeen,
        Self::Version,
    ];

    /// The attribute that gives a field the role.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sid => "sid",
            Self::Sess => "sess",
            Self::Expire => "expire",
            Self::CreatedAt => "created_at",
            Self::LastSeen => "last_seen",
            Self::Version => "version",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// The role a field has by its name alone.
    pub(crate) fn by_name(field: &str) -> Option<Self> {
        Self::named(field).filter(|role| matches!(role, Self::Sid | Self::Sess | Self::Expire))
    }
}

fn end_of_word(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() && input.parse::<Token![,]>().is_err() {
        return Err(input.error("expected `,` before this"));
    }
    Ok(())
}

fn skip_word(input: ParseStream<'_>) {
    value::skip(input);
    // Nothing follows the last word.
    let _ = input.parse::<Token![,]>();
}
