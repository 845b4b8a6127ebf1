pub mod session {
    use sea_orm::entity::prelude::*;
    use session_store::SessionModel;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, SessionModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        /// The claim `sid` of the ID token.
        #[session(index)]
        pub oidc_sid: Option<String>,
        /// The claim `sub` of the ID token.
        #[session(index)]
        pub oidc_sub: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use sea_orm::ColumnTrait;
use serde::Deserialize;

/// What the provider posts.
#[derive(Deserialize)]
pub struct LogoutRequest {
    logout_token: String,
}

/// The claims of a logout token that has been verified.
pub struct LogoutClaims {
    pub sid: Option<String>,
    pub sub: Option<String>,
}

/// Revokes the sessions that a logout token names. `verify` returns `None` for a token that is not valid.
pub async fn back_channel_logout(
    store: &session::Store,
    verify: impl AsyncFnOnce(String) -> Option<LogoutClaims>,
    request: Result<Form<LogoutRequest>, FormRejection>,
) -> (StatusCode, [(HeaderName, &'static str); 1]) {
    let claims = match request {
        Ok(Form(request)) => verify(request.logout_token).await,
        Err(_) => None,
    };
    let no_store = [(CACHE_CONTROL, "no-store")];
    let named = match claims {
        Some(LogoutClaims { sid: Some(sid), .. }) => session::Column::OidcSid.eq(sid),
        Some(LogoutClaims { sub: Some(sub), .. }) => session::Column::OidcSub.eq(sub),
        _ => return (StatusCode::BAD_REQUEST, no_store),
    };
    match store.revoke(named).await {
        Ok(_) => (StatusCode::OK, no_store),
        Err(_) => (StatusCode::BAD_REQUEST, no_store),
    }
}
