//! Generates code for a struct with errors, so that no other errors follow from them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::DeriveInput;

use crate::expand::Expand;
use crate::valid::Invalid;

pub(crate) fn derive(input: &DeriveInput, invalid: &Invalid<'_>) -> TokenStream {
    let errors = invalid.errors.to_compile_errors();
    let expand = Expand::new(input, &invalid.krate);
    let code = if invalid.is_entity {
        impl_and_alias(&expand, invalid)
    } else {
        // The impl needs an entity.
        expand.default_store_alias()
    };
    quote!(#errors #code)
}

/// Generates an impl from the valid parts, so that the compiler still checks their types.
fn impl_and_alias(expand: &Expand<'_>, invalid: &Invalid<'_>) -> TokenStream {
    let krate = expand.krate();
    let default = quote!(<#krate::express_session::Model as #krate::SessionModel>);
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
        .map(|field| expand.timestamp(field));
    let version = optional.version.map(|field| expand.version(field));
    let version = version.into_iter();
    let columns = quote! {
        #(let _: #krate::__private::Timestamp<Column> = #timestamps;)*
        #(let _: #krate::__private::Version<Column> = #version;)*
        ::core::unreachable!()
    };
    let session_model = expand.impl_session_model(&types, &columns, optional);
    // Always, as the error may be about the column.
    let markers = ["CreatedAt", "Versioned"].map(|name| expand.impl_marker(name));
    let store = expand.store_alias();
    quote!(#session_model #(#markers)* #store)
}
