//! What do all pages have in common? The frame around them, and the message that is shown once.

use maud::{DOCTYPE, Markup, html};
use tower_sessions::Session;

use crate::csrf::{self, Token};
use crate::error::AppError;
use crate::user;

const FLASH: &str = "flash";

/// Has the session's next page say something, once.
pub async fn say(session: &Session, message: impl Into<String>) -> Result<(), AppError> {
    Ok(session.insert(FLASH, message.into()).await?)
}

/// A page for somebody, or for a visitor.
pub async fn page(
    session: &Session,
    user: Option<&user::Model>,
    title: &str,
    main: &Markup,
) -> Result<Markup, AppError> {
    let message = session.get::<String>(FLASH).await?;
    if message.is_some() {
        // Not without one: `remove` has the session saved, though there is nothing to remove.
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
        None => visitors_nav(title),
    };
    Ok(frame(title, &nav, &main))
}

/// A page that asks no session: an error's, above all.
pub fn bare(title: &str, main: &Markup) -> Markup {
    frame(title, &html! {}, main)
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
                button.quiet { "Sign out" span.hidden { " " (user.name) } }
            }
        }
    }
}

fn visitors_nav(title: &str) -> Markup {
    html! {
        nav aria-label="Site" {
            (link("/sign-in", "Sign in", title))
            (link("/sign-up", "Sign up", title))
        }
    }
}

/// A link is called as the page it leads to.
fn link(href: &str, text: &str, title: &str) -> Markup {
    html! {
        a href=(href) aria-current=[(text == title).then_some("page")] { (text) }
    }
}

fn frame(title: &str, nav: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Devices" }
                link rel="stylesheet" href="/style.css";
                // No request for an icon that is not there.
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
