//! The session cookie: its options, and reading, setting and removing it.

use std::borrow::Cow;
use std::panic::Location;

use time::Duration;
#[cfg(any(feature = "signed", feature = "private"))]
use tower_cookies::cookie::Key;
use tower_cookies::cookie::SameSite;
use tower_cookies::{Cookie, Cookies};
use tower_sessions::session::Id;

#[derive(Clone)]
pub(super) struct CookieOptions {
    /// `None` for the default: see [`CookieOptions::name`].
    pub(super) name: Option<Cow<'static, str>>,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    pub(super) secure: bool,
    pub(super) path: Cow<'static, str>,
    pub(super) domain: Option<Cow<'static, str>>,
    pub(super) partitioned: bool,
    pub(super) protection: Protection,
    /// Keys that cookies are still read with.
    #[cfg(any(feature = "signed", feature = "private"))]
    pub(super) previous_keys: Vec<Key>,
    /// Where the layer was created.
    pub(super) location: &'static Location<'static>,
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

impl CookieOptions {
    /// The defaults of tower-sessions, but for the name.
    pub(super) fn new(location: &'static Location<'static>) -> Self {
        Self {
            name: None,
            http_only: true,
            same_site: SameSite::Strict,
            secure: true,
            path: "/".into(),
            domain: None,
            partitioned: false,
            protection: Protection::Plaintext,
            #[cfg(any(feature = "signed", feature = "private"))]
            previous_keys: Vec::new(),
            location,
        }
    }
}

/// The session cookie of a request.
pub(super) enum RequestCookie {
    Missing,
    /// Its value is not an id.
    Malformed,
    Id {
        id: Id,
        /// Whether it was read with a previous key, and has to be set again.
        is_old: bool,
    },
}

impl CookieOptions {
    pub(super) fn read(&self, cookies: &Cookies) -> RequestCookie {
        let name = &self.name();
        let (cookie, is_old) = match &self.protection {
            Protection::Plaintext => (cookies.get(name).map(Cookie::into_owned), false),
            #[cfg(feature = "signed")]
            Protection::Signed(key) => self.read_with(key, |key| cookies.signed(key).get(name)),
            #[cfg(feature = "private")]
            Protection::Private(key) => self.read_with(key, |key| cookies.private(key).get(name)),
        };
        match cookie.map(|cookie| cookie.value().parse()) {
            None => RequestCookie::Missing,
            Some(Err(_)) => RequestCookie::Malformed,
            Some(Ok(id)) => RequestCookie::Id { id, is_old },
        }
    }

    /// Reads the cookie with this key or, if it was made with another, with a previous key. Returns whether
    /// the key was a previous one.
    #[cfg(any(feature = "signed", feature = "private"))]
    fn read_with(
        &self,
        key: &Key,
        read: impl Fn(&Key) -> Option<Cookie<'static>>,
    ) -> (Option<Cookie<'static>>, bool) {
        match read(key) {
            Some(cookie) => (Some(cookie), false),
            None => (self.previous_keys.iter().find_map(read), true),
        }
    }

    pub(super) fn set(&self, cookies: &Cookies, id: Id, max_age: Option<Duration>) {
        let mut cookie = self.cookie(id.to_string());
        cookie.set_max_age(max_age.map(|max_age| max_age.max(Duration::ZERO)));
        match &self.protection {
            Protection::Plaintext => cookies.add(cookie),
            #[cfg(feature = "signed")]
            Protection::Signed(key) => cookies.signed(key).add(cookie),
            #[cfg(feature = "private")]
            Protection::Private(key) => cookies.private(key).add(cookie),
        }
    }

    /// The removal has the attributes of the cookie: browsers demand of it what the name's prefix demands.
    pub(super) fn remove(&self, cookies: &Cookies) {
        cookies.remove(self.cookie(String::new()));
    }

    fn cookie(&self, value: String) -> Cookie<'static> {
        let cookie = Cookie::build((self.name(), value))
            .http_only(self.http_only)
            .same_site(self.same_site)
            .secure(self.secure)
            .partitioned(self.partitioned)
            .path(self.path.clone());
        match &self.domain {
            Some(domain) => cookie.domain(domain.clone()).build(),
            None => cookie.build(),
        }
    }
}
