//! How does one sign up, in and out?

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{IntoResponse, Redirect, Response};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, SqlErr};
use serde::Deserialize;
use tower_sessions::Session;

use crate::account_form::{
    Problems, SIGN_IN, SIGN_UP, again, form, problem_of_name, problem_of_password,
};
use crate::csrf::{self, Posted};
use crate::error::AppError;
use crate::page::say;
use crate::signed_in::SignedIn;
use crate::{password, session, user};

/// More than any browser's; the column is for people to read.
const LONGEST_USER_AGENT: usize = 512;

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
}

pub async fn sign_up_form(
    State(store): State<session::Store>,
    session: Session,
) -> Result<Response, AppError> {
    form(&store, &session, &SIGN_UP).await
}

pub async fn sign_in_form(
    State(store): State<session::Store>,
    session: Session,
) -> Result<Response, AppError> {
    form(&store, &session, &SIGN_IN).await
}

pub async fn sign_up(
    State(store): State<session::Store>,
    session: Session,
    headers: HeaderMap,
    Posted(Credentials { name, password }): Posted<Credentials>,
) -> Result<Response, AppError> {
    let name = name.trim();
    let problems = Problems {
        name: problem_of_name(name),
        password: problem_of_password(&password),
        ..Problems::default()
    };
    if problems != Problems::default() {
        return again(&session, &SIGN_UP, name, problems).await;
    }
    let password_hash = password::hash(password).await?;
    match user::add(store.db(), name.to_owned(), password_hash).await {
        Ok(user) => enter(&session, &user, &headers).await,
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            let problems = Problems {
                name: Some("This name is taken. Please choose another."),
                ..Problems::default()
            };
            again(&session, &SIGN_UP, name, problems).await
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn sign_in(
    State(store): State<session::Store>,
    session: Session,
    headers: HeaderMap,
    Posted(Credentials { name, password }): Posted<Credentials>,
) -> Result<Response, AppError> {
    let name = name.trim();
    let user = match problem_of_name(name) {
        None => {
            let of_name = user::Column::Name.eq(name);
            user::Entity::find().filter(of_name).one(store.db()).await?
        }
        Some(_) => None,
    };
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let is_right = password::matches(password, hash).await?;
    match user.filter(|_| is_right) {
        Some(user) => enter(&session, &user, &headers).await,
        None => {
            let problems = Problems {
                // Not which of the two: that would tell who has an account.
                form: Some("The name or the password is wrong."),
                ..Problems::default()
            };
            again(&session, &SIGN_IN, name, problems).await
        }
    }
}

pub async fn sign_out(
    SignedIn { session, .. }: SignedIn,
    Posted(()): Posted<()>,
) -> Result<Redirect, AppError> {
    leave(&session).await
}

/// Makes the session a user's.
async fn enter(
    session: &Session,
    user: &user::Model,
    headers: &HeaderMap,
) -> Result<Response, AppError> {
    let user_agent = headers.get(USER_AGENT).and_then(|name| name.to_str().ok());
    let user_agent = user_agent.and_then(|name| name.get(..name.len().min(LONGEST_USER_AGENT)));
    session.insert("user_id", user.id).await?;
    session.insert("user_agent", user_agent).await?;
    csrf::renew(session).await?;
    say(session, format!("Welcome, {}.", user.name)).await?;
    // A new id for a session with new rights: one that was planted before is worth nothing.
    session.cycle_id().await?;
    Ok(Redirect::to("/").into_response())
}

/// Ends the session; what is said goes with a new one.
pub async fn leave(session: &Session) -> Result<Redirect, AppError> {
    session.flush().await?;
    say(session, "You are signed out.").await?;
    Ok(Redirect::to("/sign-in"))
}
