//! Generates code for a struct with errors, so that no other errors follow from them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::DeriveInput;

use crate::expand;
use crate::valid::Invalid;

pub(crate) fn derive(input: &DeriveInput, invalid: &Invalid<'_>) -> TokenStream {
    let errors = invalid.errors.to_compile_errors();
    let code = if invalid.is_entity {
        impl_and_alias(input, invalid)
    } else {
        // The impl needs an entity. The default store has the same methods.
        expand::store_alias(input, &quote!(::session_store::DefaultStore))
    };
    quote!(#errors #code)
}

/// Generates an impl from the valid parts, so that the compiler still checks their types.
fn impl_and_alias(input: &DeriveInput, invalid: &Invalid<'_>) -> TokenStream {
    let default =
        quote!(<::session_store::express_session::Model as ::session_store::SessionModel>);
    let types = [
        invalid
            .sid
            .map_or_else(|| quote!(#default::Sid), ToTokens::to_token_stream),
        invalid
            .sess
            .map_or_else(|| quote!(#default::Sess), ToTokens::to_token_stream),
    ];
    let optional = &invalid.optional;
    let timestamps = [invalid.expire, optional.created_at, optional.last_seen]
        .into_iter()
        .flatten()
        .map(expand::timestamp);
    let version = optional.version.map(expand::version).into_iter();
    let columns = quote! {
        #(let _: ::session_store::__private::Timestamp<Column> = #timestamps;)*
        #(let _: ::session_store::__private::Version<Column> = #version;)*
        ::core::unreachable!()
    };
    let session_model = expand::impl_session_model(input, &types, &columns, optional);
    // Always, as the error may be about the `created_at` column.
    let created_at = expand::impl_created_at(input);
    let store = expand::store_alias(input, &quote!(::session_store::SeaOrmStore<Model>));
    quote!(#session_model #created_at #store)
}
