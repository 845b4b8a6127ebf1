//! The session cookie: its options, and renewing it when the session has slid.

use std::borrow::Cow;

use time::Duration;
#[cfg(any(feature = "signed", feature = "private"))]
use tower_cookies::cookie::Key;
use tower_cookies::cookie::SameSite;
use tower_cookies::{Cookie, Cookies};
use tower_sessions::session::Id;

#[derive(Clone)]
pub(super) struct CookieOptions {
    pub(super) name: Cow<'static, str>,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    pub(super) secure: bool,
    pub(super) path: Cow<'static, str>,
    pub(super) domain: Option<Cow<'static, str>>,
    pub(super) protection: Protection,
}

/// How the cookie's value is protected from being read or made by others.
#[derive(Clone)]
pub(super) enum Protection {
    Plaintext,
    #[cfg(feature = "signed")]
    Signed(Key),
    #[cfg(feature = "private")]
    Private(Key),
}

impl Default for CookieOptions {
    /// The defaults of tower-sessions.
    fn default() -> Self {
        Self {
            name: "id".into(),
            http_only: true,
            same_site: SameSite::Strict,
            secure: true,
            path: "/".into(),
            domain: None,
            protection: Protection::Plaintext,
        }
    }
}

impl CookieOptions {
    /// Sets the cookie with its full `Max-Age`, as tower-sessions does when a session is saved.
    pub(super) fn renew(&self, cookies: &Cookies, id: Id, max_age: Option<Duration>) {
        let mut cookie = Cookie::build((self.name.clone(), id.to_string()))
            .http_only(self.http_only)
            .same_site(self.same_site)
            .secure(self.secure)
            .path(self.path.clone());
        if let Some(max_age) = max_age {
            cookie = cookie.max_age(max_age);
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.clone());
        }
        let cookie = cookie.build();
        match &self.protection {
            Protection::Plaintext => cookies.add(cookie),
            #[cfg(feature = "signed")]
            Protection::Signed(key) => cookies.signed(key).add(cookie),
            #[cfg(feature = "private")]
            Protection::Private(key) => cookies.private(key).add(cookie),
        }
    }
}
