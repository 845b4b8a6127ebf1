//! Which fields do the sign-up and sign-in forms have, and which errors do they show?

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use tower_sessions::Session;

use crate::csrf;
use crate::error::AppError;
use crate::field::Field;
use crate::page::page;
use crate::session;
use crate::signed_in::current_user;

pub struct Form {
    title: &'static str,
    path: &'static str,
    note: Option<&'static str>,
    /// Tells a password manager whether to offer a new or a stored password.
    autocomplete: &'static str,
    password_hint: Option<&'static str>,
    /// A question, and the path and text of the link that follows it.
    alternative: (&'static str, &'static str, &'static str),
}

pub const PASSWORD_HINT: Option<&str> = Some("At least 8 characters.");

pub const SIGN_UP: Form = Form {
    title: "Sign up",
    path: "/sign-up",
    note: None,
    autocomplete: "new-password",
    password_hint: PASSWORD_HINT,
    alternative: ("Already have an account?", "/sign-in", "Sign in"),
};

/// The sign-up form while there is no account.
pub const FIRST_SIGN_UP: Form = Form {
    note: Some("The first account becomes the administrator."),
    ..SIGN_UP
};

pub const SIGN_IN: Form = Form {
    title: "Sign in",
    path: "/sign-in",
    note: None,
    autocomplete: "current-password",
    password_hint: None,
    alternative: ("No account yet?", "/sign-up", "Sign up"),
};

/// The errors of the whole form and of each field.
#[derive(Default, PartialEq, Eq)]
pub struct FormErrors {
    pub form: Option<&'static str>,
    pub name: Option<&'static str>,
    pub password: Option<&'static str>,
}

/// Shows the empty form. Redirects a signed-in user to the sessions.
pub async fn show(
    store: &session::Store,
    session: &Session,
    form: &Form,
) -> Result<Response, AppError> {
    if current_user(session, store).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let errors = FormErrors::default();
    let page = form.page(session, "", false, &errors).await?;
    Ok(page.into_response())
}

/// Shows the form again, as the user has filled it in, with the errors.
pub async fn show_errors(
    session: &Session,
    form: &Form,
    name: &str,
    keep_signed_in: bool,
    errors: FormErrors,
) -> Result<Response, AppError> {
    let page = form.page(session, name, keep_signed_in, &errors).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

impl Form {
    async fn page(
        &self,
        session: &Session,
        name: &str,
        keep_signed_in: bool,
        errors: &FormErrors,
    ) -> Result<Markup, AppError> {
        let token = csrf::token(session).await?;
        let (question, href, link) = self.alternative;
        let main = html! {
            section.narrow {
                h1 { (self.title) }
                @if let Some(note) = self.note {
                    p { (note) }
                }
                @if let Some(error) = errors.form {
                    p.alert role="alert" { (error) }
                }
                form.card method="post" action=(self.path) {
                    (token)
                    (Field {
                        id: "name",
                        label: "Name",
                        kind: "text",
                        autocomplete: "username",
                        value: name,
                        hint: None,
                        error: errors.name,
                    }.html())
                    (Field {
                        id: "password",
                        label: "Password",
                        kind: "password",
                        autocomplete: self.autocomplete,
                        value: "",
                        hint: self.password_hint,
                        error: errors.password,
                    }.html())
                    label.check {
                        input type="checkbox" name="keep_signed_in" checked[keep_signed_in]
                            aria-describedby="keep-hint";
                        "Keep me signed in"
                    }
                    p.hint id="keep-hint" { "Not on a shared device." }
                    button { (self.title) }
                }
                p.alternative { (question) " " a href=(href) { (link) } }
            }
        };
        page(session, None, self.title, &main).await
    }
}

/// Returns what is wrong with a name, if anything.
pub fn validate_name(name: &str) -> Option<&'static str> {
    match name.chars().count() {
        0 => Some("Please enter a name."),
        41.. => Some("A name has at most 40 characters."),
        // PostgreSQL cannot store NUL, and a line break would break the layout.
        _ if name.contains(char::is_control) => Some("A name cannot contain control characters."),
        _ => None,
    }
}

/// Returns what is wrong with a password, if anything.
pub fn validate_password(password: &str) -> Option<&'static str> {
    match password.chars().count() {
        ..8 => Some("A password has at least 8 characters."),
        201.. => Some("A password has at most 200 characters."),
        _ => None,
    }
}
