//! What the derive generates: one impl and one alias.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident};

use crate::ast::{Field, in_words};
use crate::attr::DefaultWord;
use crate::valid::{Extra, Model, Others, Source};

pub(crate) fn session_model(input: &DeriveInput, model: &Model<'_>) -> TokenStream {
    let others = &model.others;
    let [sid, sess] = [model.sid, model.sess].map(column);
    let expire = timestamp(model.expire);
    let [created_at, last_seen] =
        [others.created_at, others.last_seen].map(|field| option(field.map(timestamp)));
    let version = option(others.version.map(version));
    let types = [model.sid, model.sess].map(|field| field.ty.to_token_stream());
    let columns = quote! {
        ::session_store::__private::Columns {
            sid: #sid,
            sess: #sess,
            expire: #expire,
            created_at: #created_at,
            last_seen: #last_seen,
            version: #version,
        }
    };
    let implementation = implementation(input, &types, &columns, others);
    let has_created_at = others.created_at.map(|_| has_created_at(input));
    let store = store(input, &quote!(::session_store::SeaOrmStore<Model>));
    quote!(#implementation #has_created_at #store)
}

/// The impl, with the body of `columns`.
pub(crate) fn implementation(
    input: &DeriveInput,
    [sid, sess]: &[TokenStream; 2],
    columns: &TokenStream,
    others: &Others<'_>,
) -> TokenStream {
    let model = &input.ident;
    let fill = fill(&others.extras);
    let indexed = (!others.indexed.is_empty()).then(|| indexed(&others.indexed));
    quote! {
        #[automatically_derived]
        impl ::session_store::SessionModel for #model {
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

/// The impl that says that there is a `created_at` column.
pub(crate) fn has_created_at(input: &DeriveInput) -> TokenStream {
    let model = &input.ident;
    quote! {
        #[automatically_derived]
        impl ::session_store::CreatedAt for #model {}
    }
}

/// The alias, as visible as the struct.
pub(crate) fn store(input: &DeriveInput, ty: &TokenStream) -> TokenStream {
    let vis = &input.vis;
    quote! {
        /// The session store over this entity's table.
        #vis type Store = #ty;
    }
}

fn indexed(fields: &[&Field<'_>]) -> TokenStream {
    let columns = fields.iter().map(|field| column(field));
    quote! {
        fn indexed() -> ::std::vec::Vec<Column> {
            ::std::vec![#(#columns),*]
        }
    }
}

fn option(column: Option<TokenStream>) -> TokenStream {
    column.map_or_else(
        || quote!(::core::option::Option::None),
        |column| quote!(::core::option::Option::Some(#column)),
    )
}

pub(crate) fn timestamp(field: &Field<'_>) -> TokenStream {
    let (column, ty) = (column(field), field.required());
    quote_spanned! {field.at_type()=>
        ::session_store::__private::Timestamp::of::<#ty>(#column)
    }
}

pub(crate) fn version(field: &Field<'_>) -> TokenStream {
    let (column, ty) = (column(field), field.required());
    quote_spanned! {field.at_type()=>
        ::session_store::__private::Version::of::<#ty>(#column)
    }
}

fn column(field: &Field<'_>) -> TokenStream {
    let variant = field.variant();
    quote_spanned!(variant.span()=> Column::#variant)
}

fn fill(extras: &[Extra<'_>]) -> TokenStream {
    let session = Ident::new("session", Span::mixed_site());
    let row = Ident::new("row", Span::mixed_site());
    let lines = extras.iter().map(|extra| fill_one(extra, &session, &row));
    let [session_pattern, row_pattern] = if extras.is_empty() {
        [quote!(_), quote!(_)]
    } else {
        [quote!(#session), quote!(#row)]
    };
    quote! {
        fn fill(
            #session_pattern: &::session_store::SessionRef<'_>,
            #row_pattern: &mut ActiveModel,
        ) -> ::core::result::Result<(), ::session_store::Error> {
            #(#lines)*
            ::core::result::Result::Ok(())
        }
    }
}

fn fill_one(extra: &Extra<'_>, session: &Ident, row: &Ident) -> TokenStream {
    let Field { ident, ty, .. } = extra.field;
    let at = extra.field.at_type();
    let source = match &extra.source {
        Source::Key(key) => quote!(Key(#key)),
        Source::Pointer(pointer) => quote!(Pointer(#pointer)),
        Source::With(path) => {
            let call = Span::mixed_site().located_at(path.span());
            let call = quote_spanned!(call=> #path(#session.data));
            return quote_spanned! {at=>
                let value: #ty = #call;
                #row.#ident = ::session_store::__private::Set(value);
            };
        }
    };
    let default = option(extra.default.map(default));
    let column = column(extra.field);
    let type_name = in_words(ty);
    quote_spanned! {at=>
        #row.#ident = ::session_store::__private::Extra {
            column: #column,
            ty: #type_name,
            source: ::session_store::__private::Source::#source,
        }
        .read::<#ty>(#session, #default)?;
    }
}

fn default(default: &DefaultWord) -> TokenStream {
    let at = |span| Span::mixed_site().located_at(span);
    match &default.value {
        None => quote_spanned!(at(default.word.span())=> ::core::default::Default::default),
        Some(value) => quote_spanned!(at(value.span())=> || #value),
    }
}
