//! How does a user sign up, sign in and sign out?

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, SqlErr};
use serde::Deserialize;
use time::Duration;
use tower_sessions::{Expiry, Session};

use crate::account_form::{
    FIRST_SIGN_UP, Form, FormErrors, SIGN_IN, SIGN_UP, show, show_errors, validate_name,
    validate_password,
};
use crate::csrf::{self, CsrfForm};
use crate::error::AppError;
use crate::page::flash;
use crate::signed_in::SignedIn;
use crate::{password, session, user};

/// On how many devices a user can be signed in. One more signs out the oldest.
pub const MAX_DEVICES: u64 = 5;

/// How long a user who chooses to stay signed in may be away.
const KEEP_SIGNED_IN: Expiry = Expiry::OnInactivity(Duration::days(30));

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
    /// Sent only if the box is checked.
    keep_signed_in: Option<String>,
}

impl Credentials {
    fn keeps_signed_in(&self) -> bool {
        self.keep_signed_in.is_some()
    }
}

pub async fn sign_up_form(
    State(store): State<session::Store>,
    session: Session,
) -> Result<Response, AppError> {
    show(&store, &session, sign_up_page(&store).await?).await
}

pub async fn sign_in_form(
    State(store): State<session::Store>,
    session: Session,
) -> Result<Response, AppError> {
    show(&store, &session, &SIGN_IN).await
}

/// Returns the form, which says who becomes the administrator while there is no account.
async fn sign_up_page(store: &session::Store) -> Result<&'static Form, AppError> {
    match user::has_users(store.db()).await? {
        true => Ok(&SIGN_UP),
        false => Ok(&FIRST_SIGN_UP),
    }
}

pub async fn sign_up(
    State(store): State<session::Store>,
    session: Session,
    CsrfForm(credentials): CsrfForm<Credentials>,
) -> Result<Response, AppError> {
    let (name, keep) = (credentials.name.trim(), credentials.keeps_signed_in());
    let errors = FormErrors {
        name: validate_name(name),
        password: validate_password(&credentials.password),
        ..FormErrors::default()
    };
    if errors != FormErrors::default() {
        return show_errors(&session, sign_up_page(&store).await?, name, keep, errors).await;
    }
    let password_hash = password::hash(credentials.password).await?;
    match user::add(store.db(), name.to_owned(), password_hash).await {
        Ok(user) => sign_in_user(&store, &session, &user, keep).await,
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            let errors = FormErrors {
                name: Some("This name is taken. Please choose another."),
                ..FormErrors::default()
            };
            show_errors(&session, &SIGN_UP, name, keep, errors).await
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn sign_in(
    State(store): State<session::Store>,
    session: Session,
    CsrfForm(credentials): CsrfForm<Credentials>,
) -> Result<Response, AppError> {
    let (name, keep) = (credentials.name.trim(), credentials.keeps_signed_in());
    let user = match validate_name(name) {
        None => {
            let has_name = user::Column::Name.eq(name);
            let users = user::Entity::find().filter(has_name);
            users.one(store.db()).await?
        }
        Some(_) => None,
    };
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let is_correct = password::verify(credentials.password, hash).await?;
    match user.filter(|_| is_correct) {
        Some(user) => sign_in_user(&store, &session, &user, keep).await,
        None => {
            let errors = FormErrors {
                // Does not say which one is wrong, because that would reveal who has an account.
                form: Some("The name or the password is wrong."),
                ..FormErrors::default()
            };
            show_errors(&session, &SIGN_IN, name, keep, errors).await
        }
    }
}

pub async fn sign_out(
    SignedIn { session, .. }: SignedIn,
    CsrfForm(()): CsrfForm<()>,
) -> Result<Redirect, AppError> {
    sign_out_this_device(&session).await
}

/// Signs the user in with this session.
async fn sign_in_user(
    store: &session::Store,
    session: &Session,
    user: &user::Model,
    keep_signed_in: bool,
) -> Result<Response, AppError> {
    session.insert("user_id", user.id).await?;
    csrf::renew(session).await?;
    flash(session, format!("Welcome, {}.", user.name)).await?;
    // Otherwise the cookie ends with the browser.
    session.set_expiry(keep_signed_in.then_some(KEEP_SIGNED_IN));
    // Prevents session fixation: an id from before signing in is not valid after it.
    store.set_authenticated(session).await?;
    session.save().await?;
    let id = session.id().ok_or(AppError::NotSignedIn)?;
    let users_sessions = session::Column::UserId.eq(user.id);
    store
        .revoke_all_but_newest(users_sessions, MAX_DEVICES, &id)
        .await?;
    Ok(Redirect::to("/").into_response())
}

/// Deletes the session. A new session carries the message to the sign-in page.
pub async fn sign_out_this_device(session: &Session) -> Result<Redirect, AppError> {
    session.flush().await?;
    flash(session, "You are signed out.").await?;
    Ok(Redirect::to("/sign-in"))
}
