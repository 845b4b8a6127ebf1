//! What do all pages have in common? The layout, the navigation and the flash message.

use maud::{DOCTYPE, Markup, html};
use tower_sessions::Session;

use crate::csrf::{self, Token};
use crate::error::AppError;
use crate::user;

const FLASH: &str = "flash";

/// Sets a message that the session's next page shows once.
pub async fn flash(session: &Session, message: impl Into<String>) -> Result<(), AppError> {
    Ok(session.insert(FLASH, message.into()).await?)
}

/// Renders a page for a user, or for a visitor if `user` is `None`.
pub async fn page(
    session: &Session,
    user: Option<&user::Model>,
    title: &str,
    main: &Markup,
) -> Result<Markup, AppError> {
    let message = session.get::<String>(FLASH).await?;
    if message.is_some() {
        // Only if there is one: `remove_value` saves the session even if the key is missing.
        session.remove_value(FLASH).await?;
    }
    let token = csrf::token(session).await?;
    let main = html! {
        @if let Some(message) = message {
            p.message role="status" { (message) }
        }
        (main)
    };
    let nav = match user {
        Some(user) => nav(user, title, &token),
        None => visitor_nav(title),
    };
    Ok(layout(title, &nav, &main))
}

/// Renders a page that does not load the session, for errors.
pub fn without_session(title: &str, main: &Markup) -> Markup {
    layout(title, &html! {}, main)
}

fn nav(user: &user::Model, title: &str, token: &Token) -> Markup {
    html! {
        nav aria-label="Site" {
            (link("/", "Your sessions", title))
            @if user.is_admin {
                (link("/admin", "Overview", title))
            }
            form method="post" action="/sign-out" {
                (token)
                button.quiet { "Sign out" span.visually-hidden { " " (user.name) } }
            }
        }
    }
}

fn visitor_nav(title: &str) -> Markup {
    html! {
        nav aria-label="Site" {
            (link("/sign-in", "Sign in", title))
            (link("/sign-up", "Sign up", title))
        }
    }
}

/// Renders a link, marked as current if its text is the title of this page.
fn link(href: &str, text: &str, title: &str) -> Markup {
    html! {
        a href=(href) aria-current=[(text == title).then_some("page")] { (text) }
    }
}

fn layout(title: &str, nav: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Devices" }
                link rel="stylesheet" href="/style.css";
                // An empty icon, so that browsers do not request one.
                link rel="icon" href="data:,";
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    div.bar {
                        a.brand href="/" { "Devices" }
                        (nav)
                    }
                }
                main id="main" tabindex="-1" { (main) }
            }
        }
    }
}
