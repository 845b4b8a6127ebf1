//! Checks that the input is the struct of a SeaORM entity.

use syn::{Attribute, Data, DeriveInput, Fields};

use crate::ast::Field;
use crate::error::Errors;

/// Checks for a struct with named fields and no generics, named `Model`, with SeaORM's attributes.
pub(crate) fn check(input: &DeriveInput, fields: &[Field<'_>], errors: &mut Errors) -> bool {
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
    if errors.len() == before && !has_sea_orm_attributes(input, fields) {
        let message = "`SessionModel` needs a SeaORM entity: add `DeriveEntityModel` to the \
                       derive list and `#[sea_orm(table_name = \"…\")]`";
        errors.push_spanned(&input.ident, message);
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

/// A derive cannot see the other derives of the list. Without any attribute of SeaORM, the struct
/// cannot be an entity: its primary key has one.
fn has_sea_orm_attributes(input: &DeriveInput, fields: &[Field<'_>]) -> bool {
    let is_sea_orm = |attr: &Attribute| attr.path().is_ident("sea_orm");
    input.attrs.iter().any(is_sea_orm) || fields.iter().any(|field| field.sea_orm.is_present)
}
