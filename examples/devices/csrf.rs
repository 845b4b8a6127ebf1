//! Was this form sent from one of our own pages? Each session has a secret token. Every form of its
//! pages carries the token, and no other site can know it (OWASP's synchronizer token pattern).

use axum::extract::{Form, FromRequest, Request};
use maud::{Markup, Render, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use tower_sessions::Session;

use crate::error::AppError;

const KEY: &str = "csrf";

/// Renders as the hidden field that every form needs.
pub struct Token(String);

impl Render for Token {
    fn render(&self) -> Markup {
        html! { input type="hidden" name=(KEY) value=(self.0); }
    }
}

/// Returns the session's token. Creates one if there is none.
pub async fn token(session: &Session) -> Result<Token, AppError> {
    match session.get(KEY).await? {
        Some(token) => Ok(Token(token)),
        None => renew(session).await,
    }
}

/// Replaces the session's token, so that earlier forms are not accepted any more.
pub async fn renew(session: &Session) -> Result<Token, AppError> {
    let token = format!("{:032x}", rand::random::<u128>());
    session.insert(KEY, &token).await?;
    Ok(Token(token))
}

/// Extracts a form's fields. Rejects a form without the session's token.
pub struct CsrfForm<T>(pub T);

#[derive(Deserialize)]
struct WithToken<T> {
    csrf: String,
    #[serde(flatten)]
    fields: Option<T>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for CsrfForm<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let session = request.extensions().get::<Session>().cloned();
        let expected: Option<String> = match session {
            Some(session) => session.get(KEY).await?,
            None => None,
        };
        let Form(form) = Form::<WithToken<T>>::from_request(request, state)
            .await
            .map_err(|_| AppError::InvalidCsrfToken)?;
        // Compares in constant time, so that the response time reveals nothing about the token.
        let is_valid =
            expected.is_some_and(|expected| expected.as_bytes().ct_eq(form.csrf.as_bytes()).into());
        if !is_valid {
            return Err(AppError::InvalidCsrfToken);
        }
        form.fields.map(Self).ok_or(AppError::MissingField)
    }
}
