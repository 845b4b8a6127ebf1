//! The fields of the struct, with the user's own tokens.

use heck::ToUpperCamelCase;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, GenericArgument, Ident, LitStr, Meta, PathArguments, Type};

use crate::attr::{self, Attrs, Place};
use crate::error::Errors;

/// A field of the struct.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: Attrs,
    pub(crate) sea_orm: SeaOrmAttrs,
}

/// What the derive needs to know of the `#[sea_orm(…)]` attributes of a field or of the struct.
#[derive(Default)]
pub(crate) struct SeaOrmAttrs {
    /// Of the struct. Only `DeriveEntityModel` reads it.
    pub(crate) has_table_name: bool,
    pub(crate) primary_key: Option<Ident>,
    auto_increment: Option<bool>,
    ignore: bool,
    enum_name: Option<Ident>,
}

/// Why a field is not a column.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum NonColumn {
    Ignored,
    Relation,
}

impl<'a> Field<'a> {
    /// Returns `None` for a field of a tuple struct.
    pub(crate) fn new(field: &'a syn::Field, errors: &mut Errors) -> Option<Self> {
        Some(Self {
            ident: field.ident.as_ref()?,
            ty: &field.ty,
            attrs: attr::parse(&field.attrs, Place::Field, errors),
            sea_orm: SeaOrmAttrs::parse(&field.attrs),
        })
    }

    /// Returns the field's name without `r#`, which is also its session key.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Returns the variant of `Column` that `DeriveEntityModel` generates for the field.
    pub(crate) fn variant(&self) -> Ident {
        let name = self.name().to_upper_camel_case();
        let name = if name == "Self" { "Self_" } else { &name };
        let mut variant = self.sea_orm.enum_name.clone().unwrap_or_else(|| {
            // `DeriveEntityModel` reports a name that gives no identifier, such as `_1`.
            syn::parse_str(name).unwrap_or_else(|_| self.ident.clone())
        });
        variant.set_span(Span::mixed_site().located_at(self.ident.span()));
        variant
    }

    pub(crate) fn non_column(&self) -> Option<NonColumn> {
        let relations = ["HasOne", "HasMany", "BelongsTo"];
        let is_relation = last_segment(self.ty)
            .is_some_and(|last| relations.iter().any(|relation| last.ident == relation));
        match (self.sea_orm.ignore, is_relation) {
            (true, _) => Some(NonColumn::Ignored),
            (false, true) => Some(NonColumn::Relation),
            (false, false) => None,
        }
    }

    /// Returns `T` if the field's type is `Option<T>`.
    pub(crate) fn option_inner(&self) -> Option<&'a Type> {
        let last = last_segment(self.ty).filter(|last| last.ident == "Option")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(inner) => Some(inner),
            _ => None,
        })
    }

    /// Returns the field's type without an `Option` around it.
    pub(crate) fn required_type(&self) -> &'a Type {
        self.option_inner().unwrap_or(self.ty)
    }

    /// Returns whether SeaORM makes the column auto-increment if it is the primary key. Not for a
    /// lowercase type, such as `i32`: there, the only error is the type.
    pub(crate) fn is_auto_increment(&self) -> bool {
        self.sea_orm.auto_increment.unwrap_or_else(|| {
            let name = last_segment(self.ty).map(|last| last.ident.to_string());
            name.is_some_and(|name| {
                name.starts_with(char::is_uppercase)
                    && !["String", "Uuid"].iter().any(|text| name.ends_with(text))
            })
        })
    }

    /// Returns the span for code that only compiles if the field has a suitable type. It shows
    /// errors at the type, and keeps local variables apart from the user's names.
    pub(crate) fn type_span(&self) -> Span {
        Span::mixed_site().located_at(self.ty.span())
    }
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        // A `$ty:ty` of a declarative macro is in an invisible group.
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

impl SeaOrmAttrs {
    /// Skips what it does not know: SeaORM's own derive reports errors in these attributes.
    pub(crate) fn parse(attrs: &[Attribute]) -> Self {
        let mut parsed = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("sea_orm")) {
            if let Meta::List(list) = &attr.meta {
                let tokens = ungrouped(list.tokens.clone());
                let is_comma =
                    |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
                tokens.split(is_comma).for_each(|attr| parsed.set(attr));
            }
        }
        parsed
    }

    fn set(&mut self, attr: &[TokenTree]) {
        let Some(TokenTree::Ident(name)) = attr.first() else {
            return;
        };
        let value = attr.get(2).map(ToString::to_string);
        match (name.to_string().as_str(), value) {
            ("table_name", _) => self.has_table_name = true,
            ("primary_key", _) => self.primary_key = Some(name.clone()),
            ("ignore", _) => self.ignore = true,
            ("auto_increment", Some(value)) => self.auto_increment = value.parse().ok(),
            ("enum_name", Some(value)) => {
                self.enum_name = syn::parse_str::<LitStr>(&value)
                    .and_then(|literal| literal.parse())
                    .ok();
            }
            _ => {}
        }
    }
}

/// Returns the tokens without the invisible groups that a declarative macro puts around a `$value:expr`.
fn ungrouped(tokens: TokenStream) -> Vec<TokenTree> {
    let inner = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            ungrouped(group.stream())
        }
        token => vec![token],
    };
    tokens.into_iter().flat_map(inner).collect()
}

/// Formats a type as people write it: `Option<i32>`, not `Option < i32 >`.
pub(crate) fn type_name(ty: &Type) -> String {
    let mut name = String::new();
    write_tokens(ty.to_token_stream(), &mut name);
    name
}

fn write_tokens(tokens: TokenStream, out: &mut String) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for token in tokens {
        let (text, inner, close) = match &token {
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
        if out.ends_with([',', ';', '+'])
            || text == "+"
            || out.ends_with(is_word) && text.starts_with(is_word)
        {
            out.push(' ');
        }
        out.push_str(&text);
        if let Some(inner) = inner {
            write_tokens(inner, out);
        }
        out.push_str(close);
    }
}
