//! What stands in for the generated code after an error, so that no second one follows.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::DeriveInput;

use crate::expand;
use crate::valid::Broken;

pub(crate) fn expand(input: &DeriveInput, broken: &Broken<'_>) -> TokenStream {
    let errors = broken.faults.to_compile_errors();
    let code = if broken.is_entity {
        model(input, broken)
    } else {
        // Without an entity no impl can stand. The default store at least has the same methods.
        expand::store(input, &quote!(::session_store::DefaultStore))
    };
    quote!(#errors #code)
}

/// An impl out of what is right about the struct, so that the compiler still checks the types.
fn model(input: &DeriveInput, broken: &Broken<'_>) -> TokenStream {
    let default =
        quote!(<::session_store::express_session::Model as ::session_store::SessionModel>);
    let types = [
        broken
            .sid
            .map_or_else(|| quote!(#default::Sid), ToTokens::to_token_stream),
        broken
            .sess
            .map_or_else(|| quote!(#default::Sess), ToTokens::to_token_stream),
    ];
    let others = &broken.others;
    let timestamps = [broken.expire, others.created_at, others.last_seen]
        .into_iter()
        .flatten()
        .map(expand::timestamp);
    let version = others.version.map(expand::version).into_iter();
    let columns = quote! {
        #(let _: ::session_store::__private::Timestamp<Column> = #timestamps;)*
        #(let _: ::session_store::__private::Version<Column> = #version;)*
        ::core::unreachable!()
    };
    let implementation = expand::implementation(input, &types, &columns, others);
    // Also without the column, which may be what the fault is about.
    let has_created_at = expand::has_created_at(input);
    let store = expand::store(input, &quote!(::session_store::SeaOrmStore<Model>));
    quote!(#implementation #has_created_at #store)
}
