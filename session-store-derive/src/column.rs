//! A field that is a column, and what its attributes make of it.

use crate::ast::Field;
use crate::attr::{Claim, Purpose, Role};

/// A field that is a column, with the one word that says what for.
pub(crate) struct Column<'a> {
    pub(crate) field: &'a Field<'a>,
    pub(crate) claim: Option<&'a Claim>,
}

impl Column<'_> {
    pub(crate) fn role(&self) -> Option<Role> {
        match self.claim.map(|claim| &claim.purpose) {
            Some(Purpose::Role(role)) => Some(*role),
            Some(_) => None,
            None => Role::by_name(&self.field.name()),
        }
    }

    pub(crate) fn is_primary_key(&self) -> bool {
        self.field.sea_orm.primary_key.is_some()
    }
}
