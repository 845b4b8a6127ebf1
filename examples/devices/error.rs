//! What does a visitor see when something goes wrong?

use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use crate::page;

pub type AnyError = Box<dyn Error + Send + Sync>;

#[derive(Debug)]
pub enum AppError {
    /// Redirects to the sign-in page.
    NotSignedIn,
    /// The page is for the administrator only.
    Forbidden,
    /// The form does not have this session's token.
    InvalidCsrfToken,
    /// The form has a valid token, but a field is missing.
    MissingField,
    NotFound,
    /// The log has the error, the page does not.
    Internal(AnyError),
}

impl<E: Error + Send + Sync + 'static> From<E> for AppError {
    fn from(error: E) -> Self {
        let error: AnyError = error.into();
        match error.downcast_ref() {
            // Another device has signed this one out while the request ran.
            Some(session_store::Error::NotFound) => Self::NotSignedIn,
            _ => Self::Internal(error),
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let (status, title, advice) = match self {
            Self::NotSignedIn => return Redirect::to("/sign-in").into_response(),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "Not allowed",
                "This page is for the administrator.",
            ),
            Self::InvalidCsrfToken => (
                StatusCode::FORBIDDEN,
                "This form is out of date",
                "Nothing was changed. Open the page again and send the form from there.",
            ),
            Self::MissingField => (
                StatusCode::BAD_REQUEST,
                "A field is missing",
                "Nothing was changed. Open the page again and fill in the whole form.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not found",
                "What you requested does not exist or has been deleted.",
            ),
            Self::Internal(error) => {
                tracing::error!(error, "the request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong",
                    "This is an error of the site. Please try again later.",
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
        (status, page::without_session(title, &main)).into_response()
    }
}
