//! Where am I signed in, and how do I end that?

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder};
use time::OffsetDateTime;

use crate::account::leave;
use crate::ago::ago;
use crate::csrf::{self, Posted, Token};
use crate::device::Device;
use crate::error::AppError;
use crate::page::{page, say};
use crate::session;
use crate::signed_in::SignedIn;

pub async fn list(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
) -> Result<Markup, AppError> {
    let this_one = session.id().map(|id| store.sid(&id));
    let mut rows = store
        .active()
        .filter(session::Column::UserId.eq(user.id))
        .order_by_desc(session::Column::LastSeen)
        .all(store.db())
        .await?;
    // The device in one's hand comes first; the sort keeps the order of the others.
    rows.sort_by_key(|row| this_one.as_ref() != Some(&row.sid));
    let token = csrf::token(&session).await?;
    let now = OffsetDateTime::now_utc();
    let main = html! {
        div.top {
            div {
                h1 { "Your sessions" }
                p.soft {
                    "Signed in as " b.person { (user.name) }
                    " on " (rows.len()) @if rows.len() == 1 { " device." } @else { " devices." }
                }
            }
            @if rows.len() > 1 {
                form method="post" action="/sessions/end-others" {
                    (token)
                    button { "Sign out all others" }
                }
            }
        }
        ul.devices {
            @for row in &rows {
                (card(row, this_one.as_ref() == Some(&row.sid), &token, now))
            }
        }
    };
    page(&session, Some(&user), "Your sessions", &main).await
}

fn card(row: &session::Model, is_this_one: bool, token: &Token, now: OffsetDateTime) -> Markup {
    let device = Device::new(row.user_agent.as_deref());
    html! {
        li.card.device.this[is_this_one] {
            div.name {
                (device.icon())
                div {
                    h2 { (device) }
                    @if is_this_one { span.badge { "This device" } }
                }
            }
            dl {
                dt { "First seen" }
                dd { (ago(row.created_at, now)) }
                dt { "Last seen" }
                dd { (ago(row.last_seen, now)) }
            }
            form method="post" action={ "/sessions/" (row.sid) "/end" } {
                (token)
                button.second { "Sign out" span.hidden { " " (device) } }
            }
        }
    }
}

pub async fn end(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
    Path(sid): Path<String>,
    Posted(()): Posted<()>,
) -> Result<Redirect, AppError> {
    if session.id().is_some_and(|id| store.sid(&id) == sid) {
        return leave(&session).await;
    }
    // The user's own alone: a sid is no secret, so it proves nothing.
    let mine = Condition::all()
        .add(session::Column::UserId.eq(user.id))
        .add(session::Column::Sid.eq(sid));
    if store.revoke(mine).await? == 0 {
        return Err(AppError::NotFound);
    }
    say(&session, "That device is signed out.").await?;
    Ok(Redirect::to("/"))
}

pub async fn end_others(
    State(store): State<session::Store>,
    SignedIn { session, user }: SignedIn,
    Posted(()): Posted<()>,
) -> Result<Redirect, AppError> {
    let id = session.id().ok_or(AppError::SignedOut)?;
    let mine = session::Column::UserId.eq(user.id);
    let message = match store.revoke_others(mine, &id).await? {
        0 => "You are signed in nowhere else.".to_owned(),
        1 => "Your other device is signed out.".to_owned(),
        ended => format!("Your {ended} other devices are signed out."),
    };
    say(&session, message).await?;
    Ok(Redirect::to("/"))
}
