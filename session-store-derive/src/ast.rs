//! The struct as the macro sees it, over the user's own tokens.

use heck::ToUpperCamelCase;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, GenericArgument, Ident, LitStr, Meta, PathArguments, Type};

use crate::attr::{self, Attrs};
use crate::error::Faults;

/// A field of the struct.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: Attrs,
    pub(crate) sea_orm: SeaOrm,
}

/// What matters here of a field's `#[sea_orm(…)]` attributes.
#[derive(Default)]
pub(crate) struct SeaOrm {
    /// Whether there are any.
    pub(crate) given: bool,
    pub(crate) primary_key: Option<Ident>,
    pub(crate) auto_increment: Option<bool>,
    ignore: bool,
    enum_name: Option<Ident>,
}

impl<'a> Field<'a> {
    /// `None` for the field of a tuple struct.
    pub(crate) fn new(field: &'a syn::Field, faults: &mut Faults) -> Option<Self> {
        Some(Self {
            ident: field.ident.as_ref()?,
            ty: &field.ty,
            attrs: attr::of_field(&field.attrs, faults),
            sea_orm: SeaOrm::new(&field.attrs),
        })
    }

    /// The field's name without `r#`, which is also the session key it mirrors.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The variant that `DeriveEntityModel` makes of the field in the `Column` enum.
    pub(crate) fn variant(&self) -> Ident {
        let name = self.name().to_upper_camel_case();
        let name = if name == "Self" { "Self_" } else { &name };
        let mut variant = self.sea_orm.enum_name.clone().unwrap_or_else(|| {
            // What is no identifier (`_1`) is refused by `DeriveEntityModel`.
            syn::parse_str(name).unwrap_or_else(|_| self.ident.clone())
        });
        variant.set_span(Span::mixed_site().located_at(self.ident.span()));
        variant
    }

    /// Why the field is no column of the table, if it is none.
    pub(crate) fn no_column(&self) -> Option<&'static str> {
        let relation = last_segment(self.ty).is_some_and(|last| {
            ["HasOne", "HasMany", "BelongsTo"]
                .iter()
                .any(|r| last.ident == r)
        });
        match (self.sea_orm.ignore, relation) {
            (true, _) => Some("it has `#[sea_orm(ignore)]`: remove that or"),
            (false, true) => Some("it is a relation: remove"),
            (false, false) => None,
        }
    }

    /// `T` where the field's type is `Option<T>`.
    pub(crate) fn optional(&self) -> Option<&'a Type> {
        let last = last_segment(self.ty).filter(|last| last.ident == "Option")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(inner) => Some(inner),
            _ => None,
        })
    }

    /// The type without an `Option` around it.
    pub(crate) fn required(&self) -> &'a Type {
        self.optional().unwrap_or(self.ty)
    }

    /// Whether SeaORM takes the column, if it is the primary key, for one that counts up. Of a
    /// number the type alone is the fault.
    pub(crate) fn counts_up(&self) -> bool {
        self.sea_orm.auto_increment.unwrap_or_else(|| {
            let name = last_segment(self.ty).map(|last| last.ident.to_string());
            name.is_some_and(|name| {
                name.starts_with(char::is_uppercase)
                    && !["String", "Uuid"].iter().any(|text| name.ends_with(text))
            })
        })
    }

    /// The span for generated code that stands or falls with the field's type: errors show there,
    /// names of ours cannot meet the user's.
    pub(crate) fn at_type(&self) -> Span {
        Span::mixed_site().located_at(self.ty.span())
    }
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        // A `$ty:ty` of a declarative macro arrives in an invisible group.
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

impl SeaOrm {
    /// Whether something is wrong with these attributes is for SeaORM's own derive to say: what is
    /// not known here is passed over.
    fn new(attrs: &[Attribute]) -> Self {
        let mut read = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("sea_orm")) {
            read.given = true;
            let Meta::List(list) = &attr.meta else {
                continue;
            };
            let tokens: Vec<TokenTree> = list.tokens.clone().into_iter().collect();
            let is_comma =
                |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
            for word in tokens.split(is_comma) {
                let Some(TokenTree::Ident(name)) = word.first() else {
                    continue;
                };
                let value = word.get(2).map(ToString::to_string);
                match (name.to_string().as_str(), value) {
                    ("primary_key", _) => read.primary_key = Some(name.clone()),
                    ("ignore", _) => read.ignore = true,
                    ("auto_increment", Some(value)) => read.auto_increment = value.parse().ok(),
                    ("enum_name", Some(value)) => {
                        read.enum_name = syn::parse_str::<LitStr>(&value)
                            .and_then(|literal| literal.parse())
                            .ok();
                    }
                    _ => {}
                }
            }
        }
        read
    }
}

/// Tokens as a person writes them: `Option<i32>`, not `Option < i32 >`.
pub(crate) fn in_words(tokens: &impl ToTokens) -> String {
    let mut words = String::new();
    write_words(tokens.to_token_stream(), &mut words);
    words
}

fn write_words(tokens: TokenStream, words: &mut String) {
    let joins_words = |c: char| c.is_alphanumeric() || c == '_';
    for token in tokens {
        let (text, inside, close) = match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                (open.to_owned(), Some(group.stream()), close)
            }
            other => (other.to_string(), None, ""),
        };
        if words.ends_with([',', ';', '+'])
            || text == "+"
            || words.ends_with(joins_words) && text.starts_with(joins_words)
        {
            words.push(' ');
        }
        words.push_str(&text);
        if let Some(inside) = inside {
            write_words(inside, words);
        }
        words.push_str(close);
    }
}
