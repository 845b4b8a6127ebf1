//! Checks that the input can be the `Model` of a SeaORM entity.

use syn::{Data, DeriveInput, Fields};

use crate::error::Errors;

/// Checks for a struct with named fields and no generics, named `Model`.
pub(crate) fn check(input: &DeriveInput, errors: &mut Errors) -> bool {
    let before = errors.len();
    check_data(&input.data, &input.ident, errors);
    if !input.generics.params.is_empty() {
        let message = "expected a struct without generics: write the type of each column";
        errors.push_spanned(&input.generics, message);
    }
    if input.ident != "Model" {
        let name = &input.ident;
        let message = format!(
            "expected a struct named `Model`, found `{name}`: SeaORM names entities by their \
             module, such as `session::Model`"
        );
        errors.push_spanned(name, message);
    }
    errors.len() == before
}

pub(crate) fn has_named_fields(data: &Data) -> bool {
    matches!(data, Data::Struct(data) if matches!(data.fields, Fields::Named(_)))
}

fn check_data(data: &Data, name: &syn::Ident, errors: &mut Errors) {
    let mut expected = |tokens: &dyn quote::ToTokens, found: &str| {
        let message = format!("expected a struct with named fields, found {found}");
        errors.push_spanned(tokens, message);
    };
    match data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => {}
            Fields::Unnamed(tuple) => expected(tuple, "a tuple struct"),
            Fields::Unit => expected(name, "a unit struct"),
        },
        Data::Enum(data) => expected(&data.enum_token, "an enum"),
        Data::Union(data) => expected(&data.union_token, "a union"),
    }
}
