//! What does the administrator see, and whom can the administrator sign out?

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use maud::{Markup, html};
use sea_orm::{ColumnTrait, EntityTrait, ItemsAndPagesNumber, PaginatorTrait, QueryOrder};
use serde::Deserialize;
use time::OffsetDateTime;
use tower_sessions::Session;

use crate::account::sign_out_this_device;
use crate::ago::ago;
use crate::chart::chart;
use crate::counts::Counts;
use crate::csrf::{self, CsrfForm, Token};
use crate::device::Device;
use crate::error::AppError;
use crate::page::{flash, page};
use crate::signed_in::Admin;
use crate::{sample, session, user};

const SESSIONS_PER_PAGE: u64 = 20;

#[derive(Deserialize)]
pub struct PageQuery {
    page: u64,
}

/// Returns the requested page, counted from 1. Defaults to 1.
fn page_number(query: Result<Query<PageQuery>, QueryRejection>) -> u64 {
    query.map_or(1, |Query(query)| query.page).max(1)
}

pub async fn overview(
    State(store): State<session::Store>,
    Admin { session, user }: Admin,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Markup, AppError> {
    let now = OffsetDateTime::now_utc();
    let counts = Counts::load(&store).await?;
    let samples = sample::last_day(store.db(), counts.sessions, now).await?;
    let sessions = store
        .active()
        .find_also_related(user::Entity)
        // Users before visitors.
        .order_by_asc(session::Column::UserId.is_null())
        .order_by_desc(session::Column::LastSeen)
        .order_by_asc(session::Column::Sid)
        .paginate(store.db(), SESSIONS_PER_PAGE);
    let ItemsAndPagesNumber {
        number_of_pages, ..
    } = sessions.num_items_and_pages().await?;
    // The requested page may not exist any more.
    let page_number = page_number(query).min(number_of_pages.max(1));
    let table = SessionTable {
        rows: sessions.fetch_page(page_number - 1).await?,
        current_sid: session.id().map(|id| store.sid(&id)),
        token: csrf::token(&session).await?,
        now,
        page_number,
        number_of_pages,
    };
    let main = html! {
        h1 { "Overview" }
        (cards(&counts))
        (chart(&samples, now))
        h2 id="sessions" { "Sessions" }
        div.card.table { (table.html()) }
        (table.pager())
    };
    page(&session, Some(&user), "Overview", &main).await
}

fn cards(counts: &Counts) -> Markup {
    html! {
        dl.counts {
            @for (count, label) in [
                (counts.users, "people signed in"),
                (counts.user_sessions, "their sessions"),
                (counts.visitors(), "visitors' sessions"),
                (counts.sessions, "all sessions"),
            ] {
                div.card { dt { (label) } dd { (count) } }
            }
        }
    }
}

/// One page of the table of sessions.
struct SessionTable {
    rows: Vec<(session::Model, Option<user::Model>)>,
    current_sid: Option<String>,
    token: Token,
    now: OffsetDateTime,
    page_number: u64,
    number_of_pages: u64,
}

// The style sheet lays the table out as cards on a phone. Screen readers then ignore the elements of the
// table, so these have roles.
impl SessionTable {
    fn html(&self) -> Markup {
        html! {
            table.sessions role="table" aria-labelledby="sessions" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for title in ["User", "Device", "Started", "Last seen"] {
                            th scope="col" role="columnheader" { (title) }
                        }
                        th scope="col" role="columnheader" { span.visually-hidden { "Sign out" } }
                    }
                }
                tbody role="rowgroup" {
                    @for (row, user) in &self.rows { (self.row(row, user.as_ref())) }
                }
            }
        }
    }

    fn row(&self, row: &session::Model, user: Option<&user::Model>) -> Markup {
        let device = Device::new(row.user_agent.as_deref());
        html! {
            tr role="row" {
                th.person scope="row" role="rowheader" {
                    @match user {
                        Some(user) => (user.name),
                        None => span.muted { "Visitor" },
                    }
                    @if self.current_sid.as_ref() == Some(&row.sid) {
                        " " span.badge { "This device" }
                    }
                }
                td role="cell" data-label="Device" {
                    @if row.user_agent.is_some() { (device) } @else { span.muted { "–" } }
                }
                td role="cell" data-label="Started" { (ago(row.created_at, self.now)) }
                td role="cell" data-label="Last seen" { (ago(row.last_seen, self.now)) }
                td role="cell" {
                    div.actions {
                        @let name = user.map_or("a visitor", |user| &user.name);
                        (self.button(&format!("sessions/{}", row.sid), html! {
                            "Sign out" span.visually-hidden { " " (name) " on " (device) }
                        }))
                        @if let Some(user) = user {
                            (self.button(&format!("users/{}", user.id), html! {
                                span.visually-hidden { "Sign out " (name) " " } "Everywhere"
                            }))
                        }
                    }
                }
            }
        }
    }

    fn button(&self, path: &str, text: Markup) -> Markup {
        html! {
            form method="post" action={ "/admin/" (path) "/revoke?page=" (self.page_number) } {
                (self.token)
                button.secondary { (text) }
            }
        }
    }

    fn pager(&self) -> Markup {
        let link = |number: u64, text: &str| {
            html! { a.button href={ "/admin?page=" (number) "#sessions" } { (text) } }
        };
        html! {
            @if self.number_of_pages > 1 {
                nav.pages aria-label="Pages of sessions" {
                    @if self.page_number > 1 { (link(self.page_number - 1, "Newer")) } @else { span {} }
                    span.muted { "Page " (self.page_number) " of " (self.number_of_pages) }
                    @if self.page_number < self.number_of_pages { (link(self.page_number + 1, "Older")) }
                    @else { span {} }
                }
            }
        }
    }
}

pub async fn revoke(
    State(store): State<session::Store>,
    Admin { session, .. }: Admin,
    Path(sid): Path<String>,
    query: Result<Query<PageQuery>, QueryRejection>,
    CsrfForm(()): CsrfForm<()>,
) -> Result<Redirect, AppError> {
    if session.id().is_some_and(|id| store.sid(&id) == sid) {
        return sign_out_this_device(&session).await;
    }
    if store.revoke(session::Column::Sid.eq(sid)).await? == 0 {
        return Err(AppError::NotFound);
    }
    let message = "The session is signed out.".to_owned();
    back_to_page(&session, page_number(query), message).await
}

pub async fn revoke_user(
    State(store): State<session::Store>,
    Admin {
        session,
        user: admin,
    }: Admin,
    Path(id): Path<i32>,
    query: Result<Query<PageQuery>, QueryRejection>,
    CsrfForm(()): CsrfForm<()>,
) -> Result<Redirect, AppError> {
    let user = user::Entity::find_by_id(id).one(store.db()).await?;
    let user = user.ok_or(AppError::NotFound)?;
    store.revoke(session::Column::UserId.eq(user.id)).await?;
    if user.id == admin.id {
        return sign_out_this_device(&session).await;
    }
    let message = format!("{} is signed out everywhere.", user.name);
    back_to_page(&session, page_number(query), message).await
}

async fn back_to_page(
    session: &Session,
    page_number: u64,
    message: String,
) -> Result<Redirect, AppError> {
    flash(session, message).await?;
    Ok(Redirect::to(&format!("/admin?page={page_number}")))
}
