//! What does the administrator see, and may end?

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use maud::{Markup, html};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, ItemsAndPagesNumber, PaginatorTrait,
    QueryOrder, QuerySelect,
};
use serde::Deserialize;
use time::OffsetDateTime;
use tower_sessions::Session;

use crate::account::leave;
use crate::ago::ago;
use crate::chart::chart;
use crate::csrf::{self, Posted, Token};
use crate::device::Device;
use crate::error::AppError;
use crate::page::{page, say};
use crate::signed_in::Admin;
use crate::{sample, session, user};

const SESSIONS_A_PAGE: u64 = 20;

#[derive(Deserialize)]
pub struct At {
    page: u64,
}

/// The page asked for, from 1; the first, where none is.
fn number(at: Result<Query<At>, QueryRejection>) -> u64 {
    at.map_or(1, |Query(at)| at.page).max(1)
}

#[derive(FromQueryResult)]
struct Counts {
    people: i64,
    of_people: i64,
    all: i64,
}

pub async fn overview(
    State(store): State<session::Store>,
    Admin { session, user }: Admin,
    at: Result<Query<At>, QueryRejection>,
) -> Result<Markup, AppError> {
    let counts = counts(&store).await?;
    let samples = sample::all(store.db()).await?;
    let sessions = store
        .active()
        .find_also_related(user::Entity)
        // People before visitors.
        .order_by_asc(session::Column::UserId.is_null())
        .order_by_desc(session::Column::LastSeen)
        .order_by_asc(session::Column::Sid)
        .paginate(store.db(), SESSIONS_A_PAGE);
    let ItemsAndPagesNumber {
        number_of_pages, ..
    } = sessions.num_items_and_pages().await?;
    // What was the last page may be gone since.
    let number = number(at).min(number_of_pages.max(1));
    let list = List {
        rows: sessions.fetch_page(number - 1).await?,
        this_one: session.id().map(|id| store.sid(&id)),
        token: csrf::token(&session).await?,
        now: OffsetDateTime::now_utc(),
        number,
        number_of_pages,
    };
    let main = html! {
        h1 { "Overview" }
        (counts.cards())
        (chart(&samples, list.now))
        h2 id="sessions" { "Sessions" }
        div.card.table { (list.table()) }
        (list.pager())
    };
    page(&session, Some(&user), "Overview", &main).await
}

/// All of one moment, from one query.
async fn counts(store: &session::Store) -> Result<Counts, AppError> {
    // Here alone: on numbers its `max` and `min` are in the way.
    use sea_orm::sea_query::ExprTrait;
    use session::Column::{Sid, UserId};

    let counts = store
        .active()
        .select_only()
        .column_as(UserId.into_expr().count_distinct(), "people")
        .column_as(UserId.count(), "of_people")
        .column_as(Sid.count(), "all")
        .into_model::<Counts>()
        .one(store.db())
        .await?;
    Ok(counts.ok_or_else(|| DbErr::RecordNotFound("the counts".to_owned()))?)
}

impl Counts {
    fn cards(&self) -> Markup {
        let visitors = self.all - self.of_people;
        html! {
            dl.counts {
                @for (count, of_what) in [
                    (self.people, "people signed in"),
                    (self.of_people, "their sessions"),
                    (visitors, "visitors' sessions"),
                    (self.all, "sessions in all"),
                ] {
                    div.card { dt { (of_what) } dd { (count) } }
                }
            }
        }
    }
}

/// One page of the sessions.
struct List {
    rows: Vec<(session::Model, Option<user::Model>)>,
    this_one: Option<String>,
    token: Token,
    now: OffsetDateTime,
    number: u64,
    number_of_pages: u64,
}

// Laid out as cards on a phone, elements of a table are none to a screen reader; the roles are.
impl List {
    fn table(&self) -> Markup {
        html! {
            table.sessions role="table" aria-labelledby="sessions" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for title in ["User", "Device", "First seen", "Last seen"] {
                            th scope="col" role="columnheader" { (title) }
                        }
                        th scope="col" role="columnheader" { span.hidden { "Sign out" } }
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
                        None => span.soft { "Visitor" },
                    }
                    @if self.this_one.as_ref() == Some(&row.sid) {
                        " " span.badge { "This device" }
                    }
                }
                td role="cell" data-label="Device" {
                    @if row.user_agent.is_some() { (device) } @else { span.soft { "–" } }
                }
                td role="cell" data-label="First seen" { (ago(row.created_at, self.now)) }
                td role="cell" data-label="Last seen" { (ago(row.last_seen, self.now)) }
                td role="cell" {
                    div.actions {
                        @let of_whom = user.map_or("a visitor", |user| &user.name);
                        (self.button(&format!("sessions/{}", row.sid), html! {
                            "Sign out" span.hidden { " " (of_whom) " on " (device) }
                        }))
                        @if let Some(user) = user {
                            (self.button(&format!("users/{}", user.id), html! {
                                span.hidden { "Sign out " (of_whom) " " } "Everywhere"
                            }))
                        }
                    }
                }
            }
        }
    }

    fn button(&self, what: &str, text: Markup) -> Markup {
        html! {
            form method="post" action={ "/admin/" (what) "/end?page=" (self.number) } {
                (self.token)
                button.second { (text) }
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
                    @if self.number > 1 { (link(self.number - 1, "Newer")) } @else { span {} }
                    span.soft { "Page " (self.number) " of " (self.number_of_pages) }
                    @if self.number < self.number_of_pages { (link(self.number + 1, "Older")) }
                    @else { span {} }
                }
            }
        }
    }
}

pub async fn end(
    State(store): State<session::Store>,
    Admin { session, .. }: Admin,
    Path(sid): Path<String>,
    at: Result<Query<At>, QueryRejection>,
    Posted(()): Posted<()>,
) -> Result<Redirect, AppError> {
    if session.id().is_some_and(|id| store.sid(&id) == sid) {
        return leave(&session).await;
    }
    if store.revoke(session::Column::Sid.eq(sid)).await? == 0 {
        return Err(AppError::NotFound);
    }
    back(&session, number(at), "The session is ended.".to_owned()).await
}

pub async fn end_all_of(
    State(store): State<session::Store>,
    Admin { session, user: me }: Admin,
    Path(id): Path<i32>,
    at: Result<Query<At>, QueryRejection>,
    Posted(()): Posted<()>,
) -> Result<Redirect, AppError> {
    let user = user::Entity::find_by_id(id).one(store.db()).await?;
    let user = user.ok_or(AppError::NotFound)?;
    store.revoke(session::Column::UserId.eq(user.id)).await?;
    if user.id == me.id {
        return leave(&session).await;
    }
    let message = format!("{} is signed out everywhere.", user.name);
    back(&session, number(at), message).await
}

async fn back(session: &Session, number: u64, message: String) -> Result<Redirect, AppError> {
    say(session, message).await?;
    Ok(Redirect::to(&format!("/admin?page={number}")))
}
