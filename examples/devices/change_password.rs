//! How does a user change the password? The form asks for the current one only if it was not given
//! recently.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use sea_orm::ColumnTrait;
use serde::Deserialize;
use time::Duration;
use tower_sessions::Session;

use crate::account_form::{PASSWORD_HINT, validate_password};
use crate::csrf::{self, CsrfForm};
use crate::error::AppError;
use crate::field::Field;
use crate::page::{flash, page};
use crate::signed_in::SignedIn;
use crate::{password, session, user};

/// How long after the user has given the password no form asks for it again.
const RECENT: Duration = Duration::minutes(10);

#[derive(Deserialize)]
pub struct Passwords {
    current_password: Option<String>,
    new_password: String,
}

#[derive(Default)]
struct Errors {
    current_password: Option<&'static str>,
    new_password: Option<&'static str>,
}

pub async fn form(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
) -> Result<Markup, AppError> {
    form_page(&store, &session, &user, Errors::default()).await
}

pub async fn change(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
    CsrfForm(passwords): CsrfForm<Passwords>,
) -> Result<Response, AppError> {
    let id = session.id().ok_or(AppError::NotSignedIn)?;
    let mut errors = Errors::default();
    if !store.authenticated_within(&session, RECENT).await? {
        errors.current_password = check_password(passwords.current_password, &user).await?;
        if errors.current_password.is_none() {
            store.set_authenticated(&session).await?;
        }
    }
    errors.new_password = validate_password(&passwords.new_password);
    if errors.current_password.or(errors.new_password).is_some() {
        let page = form_page(&store, &session, &user, errors).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let password_hash = password::hash(passwords.new_password).await?;
    user::set_password_hash(store.db(), user.id, password_hash).await?;
    let users_sessions = session::Column::UserId.eq(user.id);
    store.revoke_others(users_sessions, &id).await?;
    // Somebody else may know the old id.
    session.cycle_id().await?;
    flash(
        &session,
        "Your password is changed. Your other devices are signed out.",
    )
    .await?;
    Ok(Redirect::to("/").into_response())
}

/// Returns what is wrong with the user's current password, if anything.
async fn check_password(
    password: Option<String>,
    user: &user::Model,
) -> Result<Option<&'static str>, AppError> {
    let Some(password) = password else {
        // The form was opened when it did not have to ask.
        return Ok(Some("Please enter your current password."));
    };
    let is_correct = password::verify(password, Some(user.password_hash.clone())).await?;
    Ok((!is_correct).then_some("This password is wrong."))
}

async fn form_page(
    store: &session::Store,
    session: &Session,
    user: &user::Model,
    errors: Errors,
) -> Result<Markup, AppError> {
    let asks_for_password = !store.authenticated_within(session, RECENT).await?;
    let token = csrf::token(session).await?;
    let main = html! {
        section.narrow {
            h1 { "Change your password" }
            p { "This signs out your other devices." }
            form.card method="post" action="/password" {
                (token)
                @if asks_for_password {
                    (Field {
                        id: "current_password",
                        label: "Current password",
                        kind: "password",
                        autocomplete: "current-password",
                        value: "",
                        hint: None,
                        error: errors.current_password,
                    }.html())
                }
                (Field {
                    id: "new_password",
                    label: "New password",
                    kind: "password",
                    autocomplete: "new-password",
                    value: "",
                    hint: PASSWORD_HINT,
                    error: errors.new_password,
                }.html())
                button { "Change password" }
            }
        }
    };
    page(session, Some(user), "Change your password", &main).await
}
