//! What does a browser send, and what does it keep of a response?

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, USER_AGENT,
};
use axum::http::{Method, Request, StatusCode};
use tower::ServiceExt;
use tower_sessions::session::Id;

use crate::session;

pub const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";
pub const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) \
                     AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 \
                     Safari/604.1";
pub const PASSWORD: &str = "correct-horse";

/// Sends the last cookie it received and, with a form, the CSRF token of the last page.
pub struct Browser {
    app: Router,
    user_agent: &'static str,
    pub cookie: String,
    pub token: String,
}

pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: String,
}

impl Page {
    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "no {text:?} in {}", self.body);
    }

    #[track_caller]
    pub fn does_not_show(&self, text: &str) {
        assert!(!self.body.contains(text), "{text:?} in {}", self.body);
    }

    #[track_caller]
    pub fn redirects_to(&self, path: &str) {
        let expected = (StatusCode::SEE_OTHER, Some(path));
        let redirect = (self.status, self.location.as_deref());
        assert_eq!(redirect, expected, "{}", self.body);
    }
}

impl Browser {
    pub fn new(app: &Router, user_agent: &'static str) -> Self {
        Self {
            app: app.clone(),
            user_agent,
            cookie: String::new(),
            token: String::new(),
        }
    }

    /// Creates a browser and signs up a user.
    pub async fn signed_up(app: &Router, name: &str) -> Self {
        let mut browser = Self::new(app, LAPTOP);
        browser.submit("/sign-up", name).await.redirects_to("/");
        browser
    }

    /// Opens the sign-up or sign-in form, fills it in and sends it.
    pub async fn submit(&mut self, path: &str, name: &str) -> Page {
        self.submit_with(path, name, PASSWORD).await
    }

    pub async fn submit_with(&mut self, path: &str, name: &str, password: &str) -> Page {
        self.get(path).await;
        let fields = format!("name={name}&password={password}");
        self.post(path, &fields).await
    }

    /// Signs a user in who chooses to stay signed in.
    pub async fn sign_in_and_stay(&mut self, name: &str) {
        self.get("/sign-in").await;
        let fields = format!("name={name}&password={PASSWORD}&keep_signed_in=on");
        self.post("/sign-in", &fields).await.redirects_to("/");
    }

    pub async fn get(&mut self, path: &str) -> Page {
        let page = self.send(Method::GET, path, String::new()).await;
        if let Some((_, token)) = page.body.split_once(r#"name="csrf" value=""#) {
            self.token = token.split('"').next().unwrap().to_owned();
        }
        page
    }

    pub async fn post(&mut self, path: &str, fields: &str) -> Page {
        let body = format!("csrf={}&{fields}", self.token);
        self.send(Method::POST, path, body).await
    }

    pub async fn send(&mut self, method: Method, path: &str, body: impl Into<Body>) -> Page {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(COOKIE, &self.cookie)
            .header(USER_AGENT, self.user_agent)
            // By the proxy, after what the client has made up.
            .header("x-forwarded-for", "203.0.113.9, 192.0.2.7")
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into())
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let headers = response.headers();
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
        if let Some(set_cookie) = headers.get(SET_COOKIE) {
            let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = pair.to_owned();
        }
        let location = headers.get(LOCATION);
        Page {
            status: response.status(),
            location: location.map(|path| path.to_str().unwrap().to_owned()),
            body: {
                let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
                String::from_utf8(body.to_vec()).unwrap()
            },
        }
    }

    pub fn id(&self) -> Id {
        let id = self.cookie.strip_prefix("devices=").unwrap();
        id.parse().unwrap()
    }

    /// Returns the path that revokes this browser's session. The administrator's has `/admin` before it.
    pub fn revoke_path(&self, store: &session::Store) -> String {
        format!("/sessions/{}/revoke", store.sid(&self.id()))
    }
}
