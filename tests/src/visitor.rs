//! A browser that keeps the session cookie.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use session_store::Id;
use tower::ServiceExt;

use crate::COOKIE_NAME;

/// Sends the last cookie that the application has set.
#[derive(Clone, Debug)]
pub struct Visitor {
    app: Router,
    pub cookie: Option<String>,
}

#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub body: String,
    pub set_cookie: Option<String>,
    pub headers: HeaderMap,
}

impl Visitor {
    pub fn new(app: &Router) -> Self {
        Self {
            app: app.clone(),
            cookie: None,
        }
    }

    pub fn with_cookie(app: &Router, value: &str) -> Self {
        Self {
            app: app.clone(),
            cookie: Some(format!("{COOKIE_NAME}={value}")),
        }
    }

    pub async fn get(&mut self, path: &str) -> Response {
        let mut request = Request::get(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let set_cookie = headers
            .get(SET_COOKIE)
            .map(|value| value.to_str().unwrap().to_owned());
        if let Some(set) = &set_cookie {
            let pair = set.split(';').next().unwrap();
            let is_removal = set.contains("Max-Age=0");
            self.cookie = (!is_removal).then(|| pair.to_owned());
        }
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Response {
            status,
            body,
            set_cookie,
            headers,
        }
    }

    /// Returns the body of a successful response.
    ///
    /// # Panics
    ///
    /// Panics if the status is not 200.
    pub async fn ok(&mut self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status, StatusCode::OK, "{path}");
        response.body
    }

    /// Returns the value of the cookie, whatever its name.
    ///
    /// # Panics
    ///
    /// Panics without a cookie.
    pub fn value(&self) -> &str {
        let (_, value) = self.cookie.as_deref().unwrap().split_once('=').unwrap();
        value
    }

    pub fn id(&self) -> Id {
        self.value().parse().unwrap()
    }
}
