//! Generates the impl of `SessionModel` and the alias `Store`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident};

use crate::ast::{Field, type_name};
use crate::attr::DefaultAttr;
use crate::valid::{Extra, ExtraSource, Model, OptionalColumns};

pub(crate) fn derive(input: &DeriveInput, model: &Model<'_>) -> TokenStream {
    let optional = &model.optional;
    let types = [model.sid, model.sess].map(|field| field.ty.to_token_stream());
    let columns = columns(model);
    let session_model = impl_session_model(input, &types, &columns, optional);
    let created_at = optional.created_at.map(|_| impl_created_at(input));
    let store = store_alias(input, &quote!(::session_store::SeaOrmStore<Model>));
    quote!(#session_model #created_at #store)
}

fn columns(model: &Model<'_>) -> TokenStream {
    let optional = &model.optional;
    let [sid, sess, expire] = [model.sid, model.sess, model.expire].map(column);
    let expire_type = model.expire.ty;
    let required = quote_spanned! {model.expire.type_span()=>
        ::session_store::__private::Columns::new::<#expire_type>(#sid, #sess, #expire)
    };
    let set: Vec<_> = [
        ("created_at", optional.created_at.map(timestamp)),
        ("last_seen", optional.last_seen.map(timestamp)),
        ("version", optional.version.map(version)),
    ]
    .into_iter()
    .filter_map(|(name, column)| Some((format_ident!("{name}"), column?)))
    .map(|(name, column)| quote!(#name: ::core::option::Option::Some(#column),))
    .collect();
    if set.is_empty() {
        return required;
    }
    quote! {
        ::session_store::__private::Columns {
            #(#set)*
            ..#required
        }
    }
}

/// Generates the impl, with the body of its function `columns`.
///
/// Without `DeriveEntityModel`, the compiler should report few errors:
/// - `require_entity`, whose message says what to add.
/// - `Column` as an unknown type, once: each `<Column>` has the same span, so the errors are equal.
/// - Nothing else: the bound on an unknown type makes the compiler skip the other checks of the impl.
pub(crate) fn impl_session_model(
    input: &DeriveInput,
    [sid, sess]: &[TokenStream; 2],
    columns: &TokenStream,
    optional: &OptionalColumns<'_>,
) -> TokenStream {
    let model = &input.ident;
    let fill = fn_fill(&optional.extras);
    let indexed = (!optional.indexed.is_empty()).then(|| fn_indexed(&optional.indexed));
    quote! {
        const _: () = ::session_store::__private::require_entity::<#model>();

        #[automatically_derived]
        impl ::session_store::SessionModel for #model
        where
            Column: ::core::marker::Copy,
        {
            type Sid = #sid;
            type Sess = #sess;

            fn columns() -> ::session_store::__private::Columns<Column> {
                #columns
            }

            #fill

            #indexed
        }
    }
}

/// Generates the impl for a model with a `created_at` column.
pub(crate) fn impl_created_at(input: &DeriveInput) -> TokenStream {
    let model = &input.ident;
    quote! {
        #[automatically_derived]
        impl ::session_store::CreatedAt for #model
        where
            Column: ::core::marker::Copy,
        {
        }
    }
}

/// Generates the alias, with the visibility of the struct.
pub(crate) fn store_alias(input: &DeriveInput, ty: &TokenStream) -> TokenStream {
    let vis = &input.vis;
    quote! {
        /// The session store over this entity's table.
        #vis type Store = #ty;
    }
}

fn fn_indexed(fields: &[&Field<'_>]) -> TokenStream {
    let columns = fields.iter().map(|field| column(field));
    quote! {
        fn indexed() -> ::std::vec::Vec<Column> {
            ::std::vec![#(#columns),*]
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}

pub(crate) fn timestamp(field: &Field<'_>) -> TokenStream {
    let (column, ty) = (column(field), field.required_type());
    quote_spanned! {field.type_span()=>
        ::session_store::__private::Timestamp::of::<#ty>(#column)
    }
}

pub(crate) fn version(field: &Field<'_>) -> TokenStream {
    let (column, ty) = (column(field), field.required_type());
    quote_spanned! {field.type_span()=>
        ::session_store::__private::Version::of::<#ty>(#column)
    }
}

fn column(field: &Field<'_>) -> TokenStream {
    let variant = field.variant();
    quote!(<Column>::#variant)
}

fn fn_fill(extras: &[Extra<'_>]) -> TokenStream {
    let session = Ident::new("session", Span::mixed_site());
    let row = Ident::new("row", Span::mixed_site());
    let lines = extras.iter().map(|extra| set_extra(extra, &session, &row));
    let [session_pattern, row_pattern] = if extras.is_empty() {
        [quote!(_), quote!(_)]
    } else {
        [quote!(#session), quote!(#row)]
    };
    quote! {
        fn fill(
            #session_pattern: &::session_store::SessionRef<'_>,
            #row_pattern: &mut ::session_store::ActiveModel<Self>,
        ) -> ::core::result::Result<(), ::session_store::Error> {
            #(#lines)*
            ::core::result::Result::Ok(())
        }
    }
}

fn set_extra(extra: &Extra<'_>, session: &Ident, row: &Ident) -> TokenStream {
    let Field { ident, ty, .. } = extra.field;
    let span = extra.field.type_span();
    let source = match &extra.source {
        ExtraSource::Key(key) => quote!(Key(#key)),
        ExtraSource::Pointer(pointer) => quote!(Pointer(#pointer)),
        ExtraSource::With(path) => {
            let call_span = Span::mixed_site().located_at(path.span());
            let call = quote_spanned!(call_span=> #path(#session.data));
            return quote_spanned! {span=>
                let value: #ty = #call;
                #row.#ident = ::session_store::__private::Set(value);
            };
        }
    };
    let default = option(extra.default.map(default));
    let column = column(extra.field);
    let type_name = type_name(ty);
    quote_spanned! {span=>
        #row.#ident = ::session_store::__private::Extra {
            column: #column,
            ty: #type_name,
            source: ::session_store::__private::Source::#source,
        }
        .read::<#ty>(#session, #default)?;
    }
}

fn default(default: &DefaultAttr) -> TokenStream {
    let located_at = |span| Span::mixed_site().located_at(span);
    match &default.value {
        None => {
            let span = located_at(default.ident.span());
            quote_spanned!(span=> ::core::default::Default::default)
        }
        Some(value) => quote_spanned!(located_at(value.span())=> || #value),
    }
}
