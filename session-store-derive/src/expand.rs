//! Generates the impl of `SessionModel` and the alias `Store`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident};

use crate::ast::{Field, type_name};
use crate::attr::DefaultAttr;
use crate::krate::Krate;
use crate::valid::{Extra, ExtraSource, Model, OptionalColumns, RequestColumn, RequestSource};

/// The struct, and the crate that the generated code refers to.
pub(crate) struct Expand<'a> {
    input: &'a DeriveInput,
    krate: &'a Krate,
}

pub(crate) fn derive(input: &DeriveInput, model: &Model<'_>) -> TokenStream {
    let expand = Expand::new(input, &model.krate);
    let optional = &model.optional;
    let types = [model.sid, model.sess].map(|field| field.ty.to_token_stream());
    let columns = expand.columns(model);
    let session_model = expand.impl_session_model(&types, &columns, optional);
    let created_at = optional.created_at.map(|_| expand.impl_marker("CreatedAt"));
    let versioned = optional.version.map(|_| expand.impl_marker("Versioned"));
    let store = expand.store_alias();
    quote!(#session_model #created_at #versioned #store)
}

impl<'a> Expand<'a> {
    pub(crate) fn new(input: &'a DeriveInput, krate: &'a Krate) -> Self {
        Self { input, krate }
    }

    pub(crate) fn krate(&self) -> TokenStream {
        self.krate.at(Span::call_site())
    }

    fn columns(&self, model: &Model<'_>) -> TokenStream {
        let optional = &model.optional;
        let [sid, sess, expire] = [model.sid, model.sess, model.expire].map(column);
        let expire_type = model.expire.ty;
        let span = model.expire.type_span();
        let krate = self.krate.at(span);
        let required = quote_spanned! {span=>
            #krate::__private::Columns::new::<#expire_type>(#sid, #sess, #expire)
        };
        let check = model
            .has_primary_key_enum
            .then(|| self.primary_key_is(model.sid));
        let set: Vec<_> = [
            (
                "created_at",
                optional.created_at.map(|at| self.timestamp(at)),
            ),
            ("last_seen", optional.last_seen.map(|at| self.timestamp(at))),
            ("version", optional.version.map(|field| self.version(field))),
        ]
        .into_iter()
        .filter_map(|(name, column)| Some((format_ident!("{name}"), column?)))
        .map(|(name, column)| quote!(#name: ::core::option::Option::Some(#column),))
        .collect();
        if set.is_empty() {
            return quote!(#check #required);
        }
        let krate = self.krate();
        quote! {
            #check
            #krate::__private::Columns {
                #(#set)*
                ..#required
            }
        }
    }

    /// Generates code that only compiles if the entity's primary key is this column.
    ///
    /// It names `Column`, so that the compiler reports nothing more where that is unknown.
    fn primary_key_is(&self, sid: &Field<'_>) -> TokenStream {
        let span = Span::mixed_site().located_at(sid.ident.span());
        let krate = self.krate.at(span);
        let (column, variant) = (quote!(Column), sid.variant());
        quote_spanned! {span=>
            #krate::__private::require_sid_key(
                <#krate::__private::PrimaryKey<#column>>::#variant,
            );
        }
    }

    /// Generates the impl, with the body of its function `columns`.
    ///
    /// Without `DeriveEntityModel`, the compiler should report few errors:
    /// - `require_entity`, whose message says what to add.
    /// - `Column` as an unknown type, once: each `<Column>` has the same span, so the errors are equal.
    /// - Nothing else: the bound on an unknown type makes the compiler skip the other checks of the
    ///   impl.
    pub(crate) fn impl_session_model(
        &self,
        [sid, sess]: &[TokenStream; 2],
        columns: &TokenStream,
        optional: &OptionalColumns<'_>,
    ) -> TokenStream {
        let model = &self.input.ident;
        let krate = self.krate();
        let fill = self.fn_fill(&optional.extras);
        let of_request = (!optional.of_request.is_empty())
            .then(|| self.fn_fill_from_request(&optional.of_request));
        let indexed = (!optional.indexed.is_empty()).then(|| fn_indexed(&optional.indexed));
        quote! {
            const _: () = #krate::__private::require_entity::<#model>();

            #[automatically_derived]
            impl #krate::SessionModel for #model
            where
                Column: ::core::marker::Copy,
            {
                type Sid = #sid;
                type Sess = #sess;

                fn columns() -> #krate::__private::Columns<Column> {
                    #columns
                }

                #fill

                #of_request

                #indexed
            }
        }
    }

    /// Generates the impl of a trait for models with a certain column.
    pub(crate) fn impl_marker(&self, name: &str) -> TokenStream {
        let marker = Ident::new(name, Span::call_site());
        let model = &self.input.ident;
        let krate = self.krate();
        quote! {
            #[automatically_derived]
            impl #krate::#marker for #model
            where
                Column: ::core::marker::Copy,
            {
            }
        }
    }

    /// Generates the alias `Store` for the entity's store.
    pub(crate) fn store_alias(&self) -> TokenStream {
        let krate = self.krate();
        self.alias(&quote!(#krate::SeaOrmStore<Model>))
    }

    /// Generates the alias `Store` for a struct that is not a SeaORM entity. The default store has
    /// the same methods.
    pub(crate) fn default_store_alias(&self) -> TokenStream {
        let krate = self.krate();
        self.alias(&quote!(#krate::DefaultStore))
    }

    fn alias(&self, ty: &TokenStream) -> TokenStream {
        let vis = &self.input.vis;
        quote! {
            /// The session store over this entity's table.
            #vis type Store = #ty;
        }
    }

    pub(crate) fn timestamp(&self, field: &Field<'_>) -> TokenStream {
        let (column, ty) = (column(field), field.required_type());
        let span = field.type_span();
        let krate = self.krate.at(span);
        quote_spanned!(span=> #krate::__private::Timestamp::of::<#ty>(#column))
    }

    pub(crate) fn version(&self, field: &Field<'_>) -> TokenStream {
        let (column, ty) = (column(field), field.required_type());
        let span = field.type_span();
        let krate = self.krate.at(span);
        quote_spanned!(span=> #krate::__private::Version::of::<#ty>(#column))
    }

    fn fn_fill(&self, extras: &[Extra<'_>]) -> TokenStream {
        let session = Ident::new("session", Span::mixed_site());
        let row = Ident::new("row", Span::mixed_site());
        let krate = self.krate();
        let lines = extras
            .iter()
            .map(|extra| self.set_extra(extra, &session, &row));
        let [session_pattern, row_pattern] = if extras.is_empty() {
            [quote!(_), quote!(_)]
        } else {
            [quote!(#session), quote!(#row)]
        };
        quote! {
            fn fill(
                #session_pattern: &#krate::SessionRef<'_>,
                #row_pattern: &mut #krate::ActiveModel<Self>,
            ) -> ::core::result::Result<(), #krate::Error> {
                #(#lines)*
                ::core::result::Result::Ok(())
            }
        }
    }

    fn fn_fill_from_request(&self, columns: &[RequestColumn<'_>]) -> TokenStream {
        let request = Ident::new("request", Span::mixed_site());
        let row = Ident::new("row", Span::mixed_site());
        let krate = self.krate();
        let lines = columns.iter().map(|request_column| {
            let Field { ident, ty, .. } = request_column.field;
            let span = request_column.field.type_span();
            let krate = self.krate.at(span);
            let value = match &request_column.source {
                RequestSource::Header(name) => {
                    let column = column(request_column.field);
                    quote_spanned!(span=> #krate::__private::header(#request, #name, #column))
                }
                RequestSource::Function(path) => {
                    let call_span = Span::mixed_site().located_at(path.span());
                    quote_spanned!(call_span=> #path(#request))
                }
            };
            quote_spanned! {span=>
                let value: #ty = #value;
                #row.#ident = #krate::__private::Set(value);
            }
        });
        quote! {
            const HAS_REQUEST_COLUMNS: bool = true;

            fn fill_from_request(
                #request: &#krate::__private::Parts,
                #row: &mut #krate::ActiveModel<Self>,
            ) {
                #(#lines)*
            }
        }
    }

    fn set_extra(&self, extra: &Extra<'_>, session: &Ident, row: &Ident) -> TokenStream {
        let Field { ident, ty, .. } = extra.field;
        let span = extra.field.type_span();
        let krate = self.krate.at(span);
        let source = match &extra.source {
            ExtraSource::Mirror(mirror) => {
                let function = format_ident!("{}", mirror.name());
                let inner = extra.field.required_type();
                return quote_spanned! {span=>
                    #row.#ident = #krate::__private::Set(
                        #krate::__private::#function::<#inner>(#session),
                    );
                };
            }
            ExtraSource::Key(key) => quote!(Key(#key)),
            ExtraSource::Pointer(pointer) => quote!(Pointer(#pointer)),
            ExtraSource::With(path) => {
                let call_span = Span::mixed_site().located_at(path.span());
                let call = quote_spanned!(call_span=> #path(#session.data));
                return quote_spanned! {span=>
                    let value: #ty = #call;
                    #row.#ident = #krate::__private::Set(value);
                };
            }
        };
        let default = option(extra.default.map(default));
        let column = column(extra.field);
        let type_name = type_name(ty);
        quote_spanned! {span=>
            #row.#ident = #krate::__private::Extra {
                column: #column,
                ty: #type_name,
                source: #krate::__private::Source::#source,
            }
            .read::<#ty>(#session, #default)?;
        }
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

fn column(field: &Field<'_>) -> TokenStream {
    let variant = field.variant();
    quote!(<Column>::#variant)
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
