//! What does a visitor see when something goes wrong?

use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use crate::page;

pub type AnyError = Box<dyn Error + Send + Sync>;

#[derive(Debug)]
pub enum AppError {
    /// Nobody is signed in; the visitor is sent to do so.
    SignedOut,
    /// For the administrator alone.
    Forbidden,
    /// A form without this session's token.
    Forged,
    /// A form of ours without one of its fields.
    Incomplete,
    NotFound,
    /// The log says more than the page.
    Internal(AnyError),
}

impl<E: Error + Send + Sync + 'static> From<E> for AppError {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let (status, title, advice) = match self {
            Self::SignedOut => return Redirect::to("/sign-in").into_response(),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "Not for you",
                "This page is for the administrator.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form is out of date",
                "Nothing was changed. Open the page again and send the form from there.",
            ),
            Self::Incomplete => (
                StatusCode::BAD_REQUEST,
                "Something is missing",
                "Nothing was changed. Open the page again and fill in the whole form.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Nothing here",
                "What you are looking for does not exist, or not any more.",
            ),
            Self::Internal(error) => {
                tracing::error!(error, "a request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "That went wrong",
                    "It is our fault, not yours. Please try again in a moment.",
                )
            }
        };
        let main = html! {
            section.narrow {
                h1 { (title) }
                p { (advice) }
                p { a.button href="/" { "Back to your sessions" } }
            }
        };
        (status, page::bare(title, &main)).into_response()
    }
}
