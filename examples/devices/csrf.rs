//! Was this form sent from one of our own pages? Each session has a secret that every form of its
//! pages carries and no other site can know (OWASP's synchronizer token).

use axum::extract::{Form, FromRequest, Request};
use maud::{Markup, Render, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use tower_sessions::Session;

use crate::error::AppError;

const KEY: &str = "csrf";

/// Rendered, the hidden field that belongs into every form.
pub struct Token(String);

impl Render for Token {
    fn render(&self) -> Markup {
        html! { input type="hidden" name=(KEY) value=(self.0); }
    }
}

/// The session's token, made if it has none.
pub async fn token(session: &Session) -> Result<Token, AppError> {
    match session.get(KEY).await? {
        Some(token) => Ok(Token(token)),
        None => renew(session).await,
    }
}

/// A new token: forms that were handed out before are worth nothing.
pub async fn renew(session: &Session) -> Result<Token, AppError> {
    let token = format!("{:032x}", rand::random::<u128>());
    session.insert(KEY, &token).await?;
    Ok(Token(token))
}

/// The fields of a form that carries its session's token; any other is refused.
pub struct Posted<T>(pub T);

#[derive(Deserialize)]
struct WithToken<T> {
    csrf: String,
    #[serde(flatten)]
    fields: Option<T>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Posted<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let session = request.extensions().get::<Session>().cloned();
        let token: Option<String> = match session {
            Some(session) => session.get(KEY).await?,
            None => None,
        };
        let Form(sent) = Form::<WithToken<T>>::from_request(request, state)
            .await
            .map_err(|_| AppError::Forged)?;
        // In a time that does not tell how much of a guess was right.
        let is_ours =
            token.is_some_and(|token| token.as_bytes().ct_eq(sent.csrf.as_bytes()).into());
        if !is_ours {
            return Err(AppError::Forged);
        }
        sent.fields.map(Self).ok_or(AppError::Incomplete)
    }
}
