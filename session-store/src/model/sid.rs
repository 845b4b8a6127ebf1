//! The value of the sid column for a session id.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};
use sha2::{Digest, Sha256};
use tower_sessions::session::Id;

/// What the sid column holds for an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SidForm {
    /// The SHA-256 of the cookie's value in lower-case hex. It is not a valid id, so nobody can sign in
    /// with what they read in the table, a backup or a log.
    #[default]
    Hashed,
    /// The cookie's value itself, as other stores keep it.
    Plain,
}

impl SidForm {
    pub(crate) fn sid(self, id: &Id) -> String {
        let cookie = id.to_string();
        match self {
            Self::Plain => cookie,
            Self::Hashed => format!("{:x}", Sha256::digest(cookie)),
        }
    }

    /// Matches the row of a sid, and no other.
    ///
    /// Two plain ids can differ only in case, and under a case-insensitive collation (MySQL's default)
    /// a comparison of text matches both. So plain sids are compared as bytes too. The comparison as
    /// text stays, because it uses the index of the primary key.
    pub(crate) fn is(
        self,
        column: impl ColumnTrait,
        sid: impl Into<Value>,
        backend: DbBackend,
    ) -> Condition {
        let sid = sid.into();
        let found = Condition::all().add(column.eq(sid.clone()));
        match self {
            Self::Hashed => found,
            Self::Plain => {
                let bytes = match backend {
                    DbBackend::MySql => "binary",
                    DbBackend::Postgres => "bytea",
                    _ => "blob",
                };
                found.add(
                    Expr::col(column.as_column_ref())
                        .cast_as(bytes)
                        .eq(Expr::val(sid).cast_as(bytes)),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SidForm;
    use tower_sessions::session::Id;

    #[test]
    fn a_hashed_sid_is_the_sha256_of_the_cookie_in_lower_case_hex() {
        // printf %s AQAAAAAAAAAAAAAAAAAAAA | sha256sum
        assert_eq!(Id(1).to_string(), "AQAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(
            SidForm::Hashed.sid(&Id(1)),
            "c20b382edd27f8925fb2f53d12130212163e38651dd7fc2583d1a9db30f41176"
        );
    }

    #[test]
    fn the_stored_form_is_refused_as_a_cookie() {
        assert!(SidForm::Hashed.sid(&Id(1)).parse::<Id>().is_err());
        assert!(SidForm::Plain.sid(&Id(1)).parse::<Id>().is_ok());
    }
}
