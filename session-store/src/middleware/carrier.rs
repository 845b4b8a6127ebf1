//! What carries the session id of a request: the session cookie, or a token in headers.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, Request};
use tower_cookies::{Cookie, Cookies};

use super::cache_headers::keep_from_shared_caches;
use super::cookie::CookieOptions;

/// The layer's option for clients without cookies.
#[derive(Clone)]
pub(super) struct Bearer {
    /// The response header that a new token is in.
    pub(super) header: HeaderName,
    /// Whether a request without a token is served with the cookie.
    pub(super) or_cookie: bool,
}

/// What carries the session id of one request.
pub(super) struct Carrier {
    /// The request's cookies, or a jar of its own that has only the token. So a token is signed and encrypted
    /// as the cookie is.
    pub(super) jar: Cookies,
    /// The response header for a token, or `None` for the cookie.
    token_header: Option<HeaderName>,
}

impl Carrier {
    pub(super) fn of<B>(
        request: &Request<B>,
        bearer: Option<&Bearer>,
        cookie: &CookieOptions,
    ) -> Self {
        let token = bearer.and_then(|_| token(request.headers()));
        let Some(bearer) = bearer.filter(|bearer| token.is_some() || !bearer.or_cookie) else {
            return Self {
                jar: cookies(request.extensions()),
                token_header: None,
            };
        };
        let jar = Cookies::default();
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            jar.add(Cookie::new(cookie.name(), token.to_owned()));
        }
        Self {
            jar,
            token_header: Some(bearer.header.clone()),
        }
    }

    /// Returns whether the client has to be told when the session expires.
    pub(super) fn has_max_age(&self) -> bool {
        self.token_header.is_none()
    }

    /// Writes what the jar now has into a response. `CookieManager` writes the cookie.
    pub(super) fn write(
        &self,
        headers: &mut HeaderMap,
        cookie: &CookieOptions,
        has_cache_headers: bool,
    ) {
        if let Some(name) = &self.token_header {
            let set = self.jar.get(&cookie.name());
            let value = set.as_ref().map_or("", Cookie::value);
            // The text of an id, and base64, have only characters that a header can have.
            if let Ok(mut value) = HeaderValue::from_str(value) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        if has_cache_headers {
            match &self.token_header {
                Some(name) => keep_from_shared_caches(headers, name.as_str(), "Authorization"),
                None => keep_from_shared_caches(headers, "Set-Cookie", "Cookie"),
            }
        }
    }
}

/// `CookieManager` has put them there.
fn cookies(extensions: &Extensions) -> Cookies {
    extensions.get().cloned().unwrap_or_default()
}

/// Returns the token of `Authorization: Bearer`, which may be empty. Of several such headers, the first
/// counts.
fn token(headers: &HeaderMap) -> Option<&str> {
    let mut credentials = headers.get_all(AUTHORIZATION).iter();
    credentials.find_map(|credentials| {
        // Bytes that are not ASCII are in no id: the rest of the value decides nothing.
        let credentials = credentials.to_str().ok()?;
        let (scheme, token) = credentials.split_once(' ').unwrap_or((credentials, ""));
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    })
}
