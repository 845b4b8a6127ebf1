//! Which devices is the user signed in on, and how does the user sign them out?

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder};
use time::OffsetDateTime;

use crate::account::{MAX_DEVICES, sign_out_this_device};
use crate::ago::ago;
use crate::csrf::{self, CsrfForm, Token};
use crate::device::Device;
use crate::error::AppError;
use crate::page::{flash, page};
use crate::session;
use crate::signed_in::SignedIn;

pub async fn list(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
) -> Result<Markup, AppError> {
    let current_sid = session.id().map(|id| store.sid(&id));
    let mut rows = store
        .active()
        .filter(session::Column::UserId.eq(user.id))
        .order_by_desc(session::Column::LastSeen)
        .all(store.db())
        .await?;
    // This device comes first. The sort is stable, so the others keep their order.
    rows.sort_by_key(|row| current_sid.as_ref() != Some(&row.sid));
    let token = csrf::token(&session).await?;
    let now = OffsetDateTime::now_utc();
    let is_full = rows.len() as u64 >= MAX_DEVICES;
    let main = html! {
        div.top {
            div {
                h1 { "Your sessions" }
                p.muted {
                    "Signed in as " b.person { (user.name) }
                    " on " (rows.len()) @if rows.len() == 1 { " device." } @else { " devices." }
                }
            }
            @if rows.len() > 1 {
                form method="post" action="/sessions/revoke-others" {
                    (token)
                    button { "Sign out all others" }
                }
            }
        }
        ul.devices {
            @for row in &rows {
                (card(row, current_sid.as_ref() == Some(&row.sid), &token, now))
            }
        }
        @if is_full {
            p.note { "If you sign in on another device, the one that signed in first is signed out." }
        }
        p.note {
            "Is there a device that is not yours? Sign it out and "
            a href="/password" { "change your password" } "."
        }
    };
    page(&session, Some(&user), "Your sessions", &main).await
}

fn card(row: &session::Model, is_current: bool, token: &Token, now: OffsetDateTime) -> Markup {
    let device = Device::new(row.user_agent.as_deref());
    html! {
        li.card.device.current[is_current] {
            div.name {
                (device.icon())
                div {
                    h2 { (device) }
                    @if is_current { span.badge { "This device" } " " }
                    @if row.idle_timeout.is_some() { span.badge.plain { "Stays signed in" } }
                }
            }
            dl {
                dt { "Signed in" }
                dd { (ago(row.created_at, now)) }
                dt { "Last seen" }
                dd { (ago(row.last_seen, now)) }
                @if let Some(address) = &row.address {
                    dt { "From" }
                    dd { (address) }
                }
            }
            form method="post" action={ "/sessions/" (row.sid) "/revoke" } {
                (token)
                button.secondary { "Sign out" span.visually-hidden { " " (device) } }
            }
        }
    }
}

pub async fn revoke(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
    Path(sid): Path<String>,
    CsrfForm(()): CsrfForm<()>,
) -> Result<Redirect, AppError> {
    if session.id().is_some_and(|id| store.sid(&id) == sid) {
        return sign_out_this_device(&session).await;
    }
    // The sid is not a secret, so check that the session is the user's.
    let users_session = Condition::all()
        .add(session::Column::UserId.eq(user.id))
        .add(session::Column::Sid.eq(sid));
    if store.revoke(users_session).await? == 0 {
        return Err(AppError::NotFound);
    }
    flash(&session, "That device is signed out.").await?;
    Ok(Redirect::to("/"))
}

pub async fn revoke_others(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
    CsrfForm(()): CsrfForm<()>,
) -> Result<Redirect, AppError> {
    let id = session.id().ok_or(AppError::NotSignedIn)?;
    let users_sessions = session::Column::UserId.eq(user.id);
    let message = match store.revoke_others(users_sessions, &id).await? {
        0 => "You have no other devices.".to_owned(),
        1 => "Your other device is signed out.".to_owned(),
        count => format!("Your {count} other devices are signed out."),
    };
    flash(&session, message).await?;
    Ok(Redirect::to("/"))
}
