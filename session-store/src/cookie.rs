//! The session cookie: its options, and setting it anew when the session has slid.

use std::borrow::Cow;

use time::Duration;
#[cfg(any(feature = "signed", feature = "private"))]
use tower_cookies::cookie::Key;
use tower_cookies::cookie::SameSite;
use tower_cookies::{Cookie, Cookies};
use tower_sessions::session::Id;

#[derive(Clone)]
pub(crate) struct CookieOptions {
    pub(crate) name: Cow<'static, str>,
    pub(crate) http_only: bool,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
    pub(crate) path: Cow<'static, str>,
    pub(crate) domain: Option<Cow<'static, str>>,
    pub(crate) seal: Seal,
}

/// How the cookie's value is kept from being read or made by others.
#[derive(Clone)]
pub(crate) enum Seal {
    None,
    #[cfg(feature = "signed")]
    Signed(Key),
    #[cfg(feature = "private")]
    Private(Key),
}

impl Default for CookieOptions {
    /// tower-sessions' defaults.
    fn default() -> Self {
        Self {
            name: "id".into(),
            http_only: true,
            same_site: SameSite::Strict,
            secure: true,
            path: "/".into(),
            domain: None,
            seal: Seal::None,
        }
    }
}

impl CookieOptions {
    /// Sets the cookie with its full life, as tower-sessions does when a session is saved.
    pub(crate) fn renew(&self, cookies: &Cookies, id: Id, life: Option<Duration>) {
        let mut cookie = Cookie::build((self.name.clone(), id.to_string()))
            .http_only(self.http_only)
            .same_site(self.same_site)
            .secure(self.secure)
            .path(self.path.clone());
        if let Some(life) = life {
            cookie = cookie.max_age(life);
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.clone());
        }
        let cookie = cookie.build();
        match &self.seal {
            Seal::None => cookies.add(cookie),
            #[cfg(feature = "signed")]
            Seal::Signed(key) => cookies.signed(key).add(cookie),
            #[cfg(feature = "private")]
            Seal::Private(key) => cookies.private(key).add(cookie),
        }
    }
}
