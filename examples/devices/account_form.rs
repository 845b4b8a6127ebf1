//! What does one enter to sign up or in, and what is wrong with what was entered?

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use tower_sessions::Session;

use crate::csrf;
use crate::error::AppError;
use crate::page::page;
use crate::session;
use crate::signed_in::user_of;

pub struct Form {
    title: &'static str,
    path: &'static str,
    /// What a password manager is to offer.
    autocomplete: &'static str,
    hint: Option<&'static str>,
    otherwise: (&'static str, &'static str, &'static str),
}

pub const SIGN_UP: Form = Form {
    title: "Sign up",
    path: "/sign-up",
    autocomplete: "new-password",
    hint: Some("At least 8 characters."),
    otherwise: ("Already have an account?", "/sign-in", "Sign in"),
};

pub const SIGN_IN: Form = Form {
    title: "Sign in",
    path: "/sign-in",
    autocomplete: "current-password",
    hint: None,
    otherwise: ("No account yet?", "/sign-up", "Sign up"),
};

/// What is wrong with a field, or with the whole form.
#[derive(Default, PartialEq, Eq)]
pub struct Problems {
    pub form: Option<&'static str>,
    pub name: Option<&'static str>,
    pub password: Option<&'static str>,
}

/// The empty form; who is signed in already has no use for it.
pub async fn form(
    store: &session::Store,
    session: &Session,
    form: &Form,
) -> Result<Response, AppError> {
    if user_of(session, store).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let page = form.page(session, "", &Problems::default()).await?;
    Ok(page.into_response())
}

/// The form once more, with the name that was entered and what to do about it.
pub async fn again(
    session: &Session,
    form: &Form,
    name: &str,
    problems: Problems,
) -> Result<Response, AppError> {
    let page = form.page(session, name, &problems).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

impl Form {
    async fn page(
        &self,
        session: &Session,
        name: &str,
        problems: &Problems,
    ) -> Result<Markup, AppError> {
        let token = csrf::token(session).await?;
        let (question, href, answer) = self.otherwise;
        let main = html! {
            section.narrow {
                h1 { (self.title) }
                @if let Some(problem) = problems.form {
                    p.alert role="alert" { (problem) }
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
                        problem: problems.name,
                    }.html())
                    (Field {
                        id: "password",
                        label: "Password",
                        kind: "password",
                        autocomplete: self.autocomplete,
                        value: "",
                        hint: self.hint,
                        problem: problems.password,
                    }.html())
                    button { (self.title) }
                }
                p.otherwise { (question) " " a href=(href) { (answer) } }
            }
        };
        page(session, None, self.title, &main).await
    }
}

struct Field<'a> {
    id: &'a str,
    label: &'a str,
    kind: &'a str,
    autocomplete: &'a str,
    value: &'a str,
    hint: Option<&'a str>,
    problem: Option<&'a str>,
}

impl Field<'_> {
    fn html(&self) -> Markup {
        let id = self.id;
        // A problem says what the hint does, and more.
        let note = match (self.problem, self.hint) {
            (Some(problem), _) => Some(("problem", problem)),
            (None, Some(hint)) => Some(("hint", hint)),
            (None, None) => None,
        };
        let note_id = note.map(|(kind, _)| format!("{id}-{kind}"));
        html! {
            div.field {
                label for=(id) { (self.label) }
                input id=(id) name=(id) type=(self.kind) value=(self.value) required
                    autocomplete=(self.autocomplete) autocapitalize="none" spellcheck="false"
                    aria-describedby=[&note_id] aria-invalid=[self.problem.map(|_| "true")];
                @if let Some((kind, text)) = note {
                    p class=(kind) id=[&note_id] { (text) }
                }
            }
        }
    }
}

pub fn problem_of_name(name: &str) -> Option<&'static str> {
    match name.chars().count() {
        0 => Some("Please enter a name."),
        41.. => Some("A name has at most 40 characters."),
        // The character NUL fits into no column of PostgreSQL, and a line break into no line.
        _ if name.contains(char::is_control) => Some("A name has letters, digits and signs only."),
        _ => None,
    }
}

pub fn problem_of_password(password: &str) -> Option<&'static str> {
    match password.chars().count() {
        ..8 => Some("A password has at least 8 characters."),
        201.. => Some("A password has at most 200 characters."),
        _ => None,
    }
}
