//! Which of the three columns a struct lacks, and which field may be meant for one.

use syn::Ident;

use crate::ast::Field;
use crate::attr::{Purpose, Role};
use crate::column::Column;
use crate::error::Faults;

/// The lines to add for a role, with its most common type.
fn lines(role: Role) -> &'static str {
    match role {
        Role::Sid => "    #[sea_orm(primary_key, auto_increment = false)]\n    pub sid: String,\n",
        Role::Sess => "    pub sess: Json,\n",
        _ => "    pub expire: TimeDateTimeWithTimeZone,\n",
    }
}

/// What people call such a field, the likeliest first.
fn likely_names(role: Role) -> &'static [&'static str] {
    match role {
        Role::Sid => &["session_id", "session_key", "id", "key"],
        Role::Sess => &["data", "session", "session_data", "payload"],
        _ => &[
            "expires",
            "expires_at",
            "expire_at",
            "expiry",
            "expiry_date",
            "expired_at",
            "expires_on",
        ],
    }
}

/// Names all that are missing in one fault, and points at fields that may be meant.
pub(crate) fn check(
    model: &Ident,
    found: [(Role, Option<&Field<'_>>); 3],
    columns: &[Column<'_>],
    faults: &mut Faults,
) {
    let absent: Vec<Role> = found
        .into_iter()
        .filter(|(role, field)| field.is_none() && !named_but_filled(*role, columns, faults))
        .map(|(role, _)| role)
        .collect();
    if absent.is_empty() {
        return;
    }
    let mut hints = Faults::default();
    let to_add: Vec<Role> = absent
        .iter()
        .copied()
        .filter(|role| !hint(*role, columns, &mut hints))
        .collect();
    let names = list(&absent, |role| format!("`{}`", role.word()));
    let attributes = |roles: &[Role]| list(roles, |role| format!("`#[session({})]`", role.word()));
    let message = if to_add.is_empty() {
        let attributes = attributes(&absent);
        format!("this session model lacks {names}: write {attributes} on what holds it")
    } else {
        let lines: String = to_add.iter().copied().map(lines).collect();
        let attributes = attributes(&to_add);
        format!(
            "this session model lacks {names}; add\n\n{lines}\n\
             or write {attributes} on what holds it under another name"
        )
    };
    faults.at(model, message);
    faults.append(hints);
}

fn list(roles: &[Role], text: impl Fn(&Role) -> String) -> String {
    let texts: Vec<String> = roles.iter().map(text).collect();
    match texts.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => texts.concat(),
    }
}

/// The field named after the role has a source, so it is an ordinary column.
fn named_but_filled(role: Role, columns: &[Column<'_>], faults: &mut Faults) -> bool {
    let name = role.word();
    let named = columns.iter().find(|column| column.field.name() == name);
    let Some(claim) = named.and_then(|column| column.claim) else {
        return false;
    };
    if matches!(claim.purpose, Purpose::Role(_)) {
        return false;
    }
    let message = format!(
        "the store itself fills `{name}`: remove `{}`, or write `#[session({name})]` on the field \
         that holds it",
        claim.word
    );
    faults.at(&claim.word, message);
    true
}

fn hint(role: Role, columns: &[Column<'_>], hints: &mut Faults) -> bool {
    let likely = likely_names(role).iter().find_map(|name| {
        let is_free = |column: &&Column<'_>| column.claim.is_none() && column.field.name() == *name;
        columns.iter().find(is_free)
    });
    let Some(Column { field, .. }) = likely else {
        return false;
    };
    let ty = match role {
        Role::Sid if crate::ast::in_words(field.ty) != "String" => ", as a `String`",
        _ => "",
    };
    let message = format!("add `#[session({})]` to use this field{ty}", role.word());
    hints.at(field.ident, message);
    true
}
