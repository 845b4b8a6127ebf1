//! Names the crate `session-store` in the generated code.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;

/// The path of `#[session(crate = path)]`, or `None` without that attribute.
pub(crate) struct Krate(pub(crate) Option<Path>);

impl Krate {
    /// Returns the path as the start of a longer one. The user's own path keeps its span: there the
    /// compiler reports, once, that it does not exist.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        match &self.0 {
            None => quote_spanned!(span=> ::session_store),
            Some(path) => quote!(#path),
        }
    }
}
