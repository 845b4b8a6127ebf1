//! A browser, as far as sessions go.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Request, StatusCode};
use tower::ServiceExt;
use tower_sessions::session::Id;

/// It sends the cookie that it was last given.
#[derive(Clone, Debug)]
pub struct Visitor {
    app: Router,
    pub cookie: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: String,
    pub set_cookie: Option<String>,
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
            cookie: Some(format!("id={value}")),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let mut request = Request::get(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let set_cookie = response
            .headers()
            .get(SET_COOKIE)
            .map(|value| value.to_str().unwrap().to_owned());
        if let Some(set) = &set_cookie {
            let pair = set.split(';').next().unwrap();
            let is_removal = set.contains("Max-Age=0");
            self.cookie = (!is_removal).then(|| pair.to_owned());
        }
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status,
            body,
            set_cookie,
        }
    }

    pub async fn ok(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.body
    }

    pub fn id(&self) -> Id {
        self.cookie
            .as_deref()
            .unwrap()
            .strip_prefix("id=")
            .unwrap()
            .parse()
            .unwrap()
    }
}
