//! The layer and its options.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use http::HeaderName;
#[cfg(any(feature = "signed", feature = "private"))]
use tower_cookies::cookie::Key;
use tower_cookies::cookie::SameSite;
use tower_sessions::Session;

use super::carrier::Bearer;
use super::cookie::CookieOptions;
#[cfg(any(feature = "signed", feature = "private"))]
use super::cookie::Protection;
use super::on_error::DefaultOnError;
use crate::model::SessionModel;
use crate::store::SeaOrmStore;
use crate::tower_sessions::TowerSession;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Creates the middleware that gives each request its [`Session`](tower_sessions::Session).
    ///
    /// It has the options of tower-sessions' `SessionManagerLayer`, except `with_expiry`: the expiry comes
    /// from [`with_idle_timeout`](Self::with_idle_timeout). It adds to a plain `SessionManagerLayer`:
    ///
    /// - The cookie is named `__Host-id`: see [`with_name`](SessionLayer::with_name). Its removal has the
    ///   attributes without which browsers would keep it.
    /// - Shared caches do not keep the cookie: see [`with_cache_headers`](SessionLayer::with_cache_headers).
    /// - What a handler says with `Session::set_expiry` holds for that session from then on: see
    ///   [timeouts](crate::guide::timeouts#an-expiry-for-one-session).
    /// - The cookie is renewed with the row. When loading a session has moved its expiry, the response
    ///   sets the cookie again with the full idle timeout, so a visitor who only reads stays signed in.
    ///   Without an idle timeout, the cookie lasts until the browser closes, and the row expires two
    ///   weeks after its last save.
    /// - If the session cannot be saved, the answer says why: see [`on_error`](SessionLayer::on_error).
    /// - With a `#[session(version)]` column, no change is lost. If two requests change different keys
    ///   of one session at the same time, both changes are kept. If they change one key, the later save
    ///   wins. `Session::clear` removes what the request has seen and, before the first read, everything.
    /// - `Session::cycle_id` takes effect with the save: one statement gives the row its new id and the
    ///   request's changes. If the handler fails, is dropped, or the save is refused, the session stays
    ///   under its old id. (A session without data ends: its `flush` looks the same.) If another request
    ///   deletes the session meanwhile, it stays deleted. The row keeps `created_at` and the columns that
    ///   the store does not fill.
    /// - After `Session::flush` or `Session::delete`, nothing from before is saved. What is inserted then
    ///   begins a session with a new random id, and not with the id of the visitor's cookie.
    /// - A new id that the handler has saved is set as the cookie even if the response is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use axum::{Router, routing::get};
    /// use time::Duration;
    /// use tower_sessions::Session;
    ///
    /// async fn home(session: Session) -> String {
    ///     format!("{:?}", session.get::<u32>("visits").await)
    /// }
    ///
    /// let store = DefaultStore::new(db).with_idle_timeout(Duration::days(14));
    /// let app: Router = Router::new()
    ///     .route("/", get(home))
    ///     .layer(store.layer().with_name("sid"));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn layer(&self) -> SessionLayer<M> {
        self.layer_for()
    }

    /// Creates the same middleware as [`layer`](Self::layer) for the `Session` of another version of
    /// tower-sessions. Everything is the same but the type of the `Session` that handlers get.
    ///
    /// # Examples
    ///
    /// The layer [under axum-login](crate::guide::axum_login), which uses tower-sessions 0.14:
    ///
    /// ```
    /// # #[cfg(feature = "tower-sessions-0_14")]
    /// # fn example<B: axum_login::AuthnBackend + 'static>(store: session_store::DefaultStore, backend: B) {
    /// use axum::Router;
    /// use axum_login::AuthManager;
    /// use axum_login::tower_sessions::Session;
    /// use tower::layer::layer_fn;
    ///
    /// let app: Router = Router::new()
    ///     .layer(layer_fn(move |app| AuthManager::new(app, backend.clone(), "axum-login.data")))
    ///     .layer(store.layer_for::<Session>());
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn layer_for<T: TowerSession>(&self) -> SessionLayer<M, T> {
        SessionLayer {
            store: self.clone(),
            cookie: Arc::new(CookieOptions::new(Location::caller())),
            bearer: None,
            always_save: false,
            is_persistent: self.expiry().has_idle_timeout(),
            has_cache_headers: true,
            on_error: DefaultOnError,
            session: PhantomData,
        }
    }
}

/// The session middleware. Created by [`SeaOrmStore::layer`].
pub struct SessionLayer<M: SessionModel, T: TowerSession = Session, E = DefaultOnError> {
    pub(super) store: SeaOrmStore<M>,
    pub(super) cookie: Arc<CookieOptions>,
    /// `None` if the layer takes only cookies.
    pub(super) bearer: Option<Arc<Bearer>>,
    pub(super) always_save: bool,
    pub(super) is_persistent: bool,
    pub(super) has_cache_headers: bool,
    pub(super) on_error: E,
    pub(super) session: PhantomData<fn() -> T>,
}

impl<M: SessionModel, T: TowerSession, E> SessionLayer<M, T, E> {
    /// Sets the cookie's name. The default depends on the other options:
    ///
    /// | the default name | when |
    /// |---|---|
    /// | `__Host-id` | unless one of the following applies |
    /// | `__Secure-id` | with [`with_domain`](Self::with_domain), or a path other than `/` |
    /// | `id` | with [`with_secure(false)`](Self::with_secure) |
    ///
    /// Browsers accept a cookie whose name begins with `__Host-` only from the host itself, over HTTPS, and
    /// for this host and each of its paths. So neither another host of the domain nor an attacker on the
    /// network can set it ([RFC 6265bis, section 4.1.3][prefixes]). `id` does not reveal the software behind
    /// the site ([OWASP][owasp]).
    ///
    /// # Panics
    ///
    /// When the layer is put around a service, it panics if browsers would refuse the cookie because the
    /// other options contradict the prefix of its name:
    ///
    /// | the prefix | needs |
    /// |---|---|
    /// | `__Host-` | `Secure`, no domain, and the path `/` |
    /// | `__Secure-` | `Secure` |
    /// | `__Host-Http-` ([MDN][mdn]) | the same as `__Host-`, and `HttpOnly` |
    /// | `__Http-` ([MDN][mdn]) | the same as `__Secure-`, and `HttpOnly` |
    ///
    /// As in browsers, the case of the letters does not matter.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// let layer = store.layer().with_name("__Host-sid");
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-id-name-fingerprinting
    /// [prefixes]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3
    /// [mdn]: https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    #[must_use]
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_cookie(|cookie| cookie.name = Some(name.into()))
    }

    /// Sets whether the cookie is hidden from the page's scripts. The default is `true`.
    ///
    /// <div class="warning">
    ///
    /// With `false`, a script that gets into a page can steal the session.
    ///
    /// </div>
    ///
    /// # Panics
    ///
    /// See [`with_name`](Self::with_name): some prefixes of names demand `true`.
    #[must_use]
    pub fn with_http_only(self, http_only: bool) -> Self {
        self.with_cookie(|cookie| cookie.http_only = http_only)
    }

    /// Sets the cookie's `SameSite` attribute: whether the browser sends it with cross-site requests. The
    /// default is [`SameSite::Strict`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use tower_sessions::cookie::SameSite;
    ///
    /// // A visitor who follows a link from another site stays signed in.
    /// let layer = store.layer().with_same_site(SameSite::Lax);
    /// ```
    #[must_use]
    pub fn with_same_site(self, same_site: SameSite) -> Self {
        self.with_cookie(|cookie| cookie.same_site = same_site)
    }

    /// Sets whether the browser sends the cookie only over HTTPS. The default is `true`.
    ///
    /// <div class="warning">
    ///
    /// With `false`, anyone who can read the network traffic can take the session. Use it only for
    /// development over plain HTTP.
    ///
    /// </div>
    ///
    /// With `false`, the default [name](Self::with_name) is `id`.
    ///
    /// # Panics
    ///
    /// When the layer is put around a service, `false` panics with a [name](Self::with_name) whose prefix
    /// demands `true`, and with [`with_partitioned(true)`](Self::with_partitioned).
    #[must_use]
    pub fn with_secure(self, secure: bool) -> Self {
        self.with_cookie(|cookie| cookie.secure = secure)
    }

    /// Sets the path that the cookie is for. The default is `/`. With another, the default
    /// [name](Self::with_name) is `__Secure-id`.
    ///
    /// # Panics
    ///
    /// When the layer is put around a service, another path than `/` panics with a name that begins with
    /// `__Host-`.
    #[must_use]
    pub fn with_path(self, path: impl Into<Cow<'static, str>>) -> Self {
        self.with_cookie(|cookie| cookie.path = path.into())
    }

    /// Sets the domain that the cookie is for, including its subdomains. By default the cookie is only
    /// for the host that set it. With a domain, the default [name](Self::with_name) is `__Secure-id`.
    ///
    /// # Panics
    ///
    /// When the layer is put around a service, a domain panics with a name that begins with `__Host-`.
    #[must_use]
    pub fn with_domain(self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.with_cookie(|cookie| cookie.domain = Some(domain.into()))
    }

    /// Sets whether the cookie is partitioned ([CHIPS][chips]): if other sites embed the application, a
    /// visitor has a separate session under each of them. The default is `false`. Browsers send the cookie
    /// to an embedded page only with [`SameSite::None`].
    ///
    /// # Panics
    ///
    /// When the layer is put around a service, `true` panics with
    /// [`with_secure(false)`](Self::with_secure), because browsers refuse such a cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use tower_sessions::cookie::SameSite;
    ///
    /// let layer = store
    ///     .layer()
    ///     .with_partitioned(true)
    ///     .with_same_site(SameSite::None);
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    ///
    /// [chips]: https://datatracker.ietf.org/doc/html/draft-cutler-httpbis-partitioned-cookies
    #[must_use]
    pub fn with_partitioned(self, partitioned: bool) -> Self {
        self.with_cookie(|cookie| cookie.partitioned = partitioned)
    }

    /// Sets whether the cookie outlives the browser: with a `Max-Age`, which is renewed as the session
    /// slides, or without one, until the browser closes. It applies to sessions for which the handler has
    /// not chosen with `Session::set_expiry`. The default is `true` if the store has an [idle
    /// timeout](SeaOrmStore::with_idle_timeout), and `false` if not.
    ///
    /// NIST recommends cookies that end with the browser ([SP 800-63B-4, section 5.1][nist]). Then [let
    /// the visitor choose](crate::guide::recipes#keep-me-signed-in) to stay signed in.
    ///
    /// [nist]: https://pages.nist.gov/800-63-4/sp800-63b.html
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use time::Duration;
    ///
    /// let store = store.with_idle_timeout(Duration::minutes(30));
    /// let layer = store.layer().with_persistent_cookie(false);
    /// ```
    #[must_use]
    pub fn with_persistent_cookie(mut self, is_persistent: bool) -> Self {
        self.is_persistent = is_persistent;
        self
    }

    /// Answers requests whose session could not be saved. The closure gets the error, and what the
    /// application answered.
    ///
    /// Without it, the answer is empty, with the [status](crate::Error::status) of the error:
    ///
    /// | the error | the answer |
    /// |---|---|
    /// | the session has ended while the request ran ([`NotFound`](crate::Error::NotFound)) | 401, and the cookie is removed |
    /// | the database cannot be reached ([`Unreachable`](crate::Error::Unreachable)) | 503 with `Retry-After: 5` |
    /// | the data are too large, a column refuses a value, or anything else | 500 |
    ///
    /// The layer removes the cookie of a session that has ended whatever the closure returns. It does not
    /// call the closure if the application answered with a server error (5xx): nothing is saved then.
    /// Each error is also logged.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use axum::response::{IntoResponse, Redirect, Response};
    /// use session_store::Error;
    ///
    /// let layer = store.layer().on_error(|error: &Error, _: Response| match error {
    ///     Error::NotFound => Redirect::to("/sign-in").into_response(),
    ///     error => error.status().into_response(),
    /// });
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    #[must_use]
    pub fn on_error<F>(self, on_error: F) -> SessionLayer<M, T, F> {
        let Self {
            store,
            cookie,
            bearer,
            always_save,
            is_persistent,
            has_cache_headers,
            on_error: _,
            session,
        } = self;
        SessionLayer {
            store,
            cookie,
            bearer,
            always_save,
            is_persistent,
            has_cache_headers,
            on_error,
            session,
        }
    }

    /// Sets whether every request whose cookie has a session id saves the session, changed or not,
    /// unless the response is a server error (5xx). The default is `false`. To extend a session while it
    /// is used, set [an idle timeout](SeaOrmStore::with_idle_timeout), not this.
    ///
    /// <div class="warning">
    ///
    /// With `true`, a request with the id of a session that does not exist creates a new, empty one,
    /// with a row and a cookie, even on a page that does not use the session. The session may have expired
    /// or been deleted, or the id may be made up, so any client can add rows to the table. A request
    /// without a cookie creates none on such a page.
    ///
    /// </div>
    #[must_use]
    pub fn with_always_save(mut self, always_save: bool) -> Self {
        self.always_save = always_save;
        self
    }

    /// Sets whether a response that sets or removes the session cookie has headers that keep the cookie out
    /// of shared caches. The default is `true`. Without such headers, a cache may store the response, and
    /// give one visitor's session to others, as [happened][issue].
    ///
    /// - `Cache-Control: no-cache="Set-Cookie"` is added, unless the application has set `no-store`,
    ///   `private` or `no-cache`, for the whole response or for the field `Set-Cookie`. Other directives of
    ///   the application stay, so a page with `public, max-age=60` can still be cached, but its cookie is
    ///   not used again. Many caches read this as `no-cache`, and ask again each time ([RFC 9111, section
    ///   5.2.2.4][rfc]).
    /// - `Vary: Cookie` is added, unless the response varies by it already.
    ///
    /// Responses that neither set nor remove the cookie do not change: send `Cache-Control: no-store` with
    /// pages that are for one visitor.
    ///
    /// <div class="warning">
    ///
    /// Some applications have an outer layer that adds `no-store` to responses without a `Cache-Control`. It
    /// skips the responses that have this one. Put that layer inside the session layer, or use `false`.
    ///
    /// </div>
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// // An outer layer adds `no-store` to responses without a `Cache-Control`.
    /// let layer = store.layer().with_cache_headers(false);
    /// ```
    ///
    /// [issue]: https://github.com/auth0/nextjs-auth0/issues/2100
    /// [rfc]: https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.4
    #[must_use]
    pub fn with_cache_headers(mut self, has_cache_headers: bool) -> Self {
        self.has_cache_headers = has_cache_headers;
        self
    }

    /// Signs the cookie with a `tower_sessions::cookie::Key`. A cookie that was not signed with this key
    /// is ignored, without asking the database. To change the key without signing anyone out, see
    /// [`with_previous_keys`](Self::with_previous_keys).
    #[cfg(feature = "signed")]
    #[must_use]
    pub fn with_signed(self, key: Key) -> Self {
        self.with_cookie(|cookie| cookie.protection = Protection::Signed(key))
    }

    /// Encrypts and signs the cookie with a `tower_sessions::cookie::Key`. To change the key without signing
    /// anyone out, see [`with_previous_keys`](Self::with_previous_keys).
    #[cfg(feature = "private")]
    #[must_use]
    pub fn with_private(self, key: Key) -> Self {
        self.with_cookie(|cookie| cookie.protection = Protection::Private(key))
    }

    /// Sets the keys that [signed](Self::with_signed) or [private](Self::with_private) cookies are still read
    /// with, so that a new key signs nobody out. The first request that loads or saves the session of such
    /// a cookie sets the cookie again, under the current key. A request that does not use the session
    /// leaves the cookie as it is, and costs no statement.
    ///
    /// Remove a previous key when it has leaked, or when no session is left that was last used before the
    /// change: after the idle timeout, or when the last session with an end of its own has ended.
    ///
    /// # Panics
    ///
    /// When the layer is put around a service, previous keys without `with_signed` or `with_private` panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// # use tower_sessions::cookie::Key;
    /// # let (new, old) = (Key::generate(), Key::generate());
    /// # #[cfg(feature = "signed")]
    /// let layer = store.layer().with_signed(new).with_previous_keys([old]);
    /// # #[cfg(feature = "signed")]
    /// # let _: axum::Router = axum::Router::new().layer(layer);
    /// ```
    #[cfg(any(feature = "signed", feature = "private"))]
    #[must_use]
    pub fn with_previous_keys(self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.with_cookie(|cookie| cookie.previous_keys = keys.into_iter().collect())
    }

    /// Serves clients without cookies. The session id is a token: a request has it in `Authorization: Bearer`,
    /// and the response has a new one in `header`. No cookie is read or set. The rest is the same: timeouts,
    /// renewal, revoking, merging.
    ///
    /// | the response has in `header` | when |
    /// |---|---|
    /// | the token | the session was created, or has a new id, as after `Session::cycle_id` |
    /// | an empty value | the session has ended, or the request's token was not one |
    ///
    /// A token says nothing of when it expires: the row does. [`with_signed`](Self::with_signed),
    /// [`with_private`](Self::with_private) and [`with_previous_keys`](Self::with_previous_keys) apply to the
    /// token as to the cookie, and the other options of the cookie do not. With
    /// [cache headers](Self::with_cache_headers), shared caches do not keep the token.
    ///
    /// <div class="warning">
    ///
    /// This is for native applications and for other servers. The scripts of a page can read the token, and
    /// the cookie they cannot: see [clients without cookies](crate::guide::bearer).
    ///
    /// </div>
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use axum::http::HeaderName;
    ///
    /// let layer = store.layer().with_bearer(HeaderName::from_static("session-token"));
    /// ```
    #[must_use]
    pub fn with_bearer(mut self, header: HeaderName) -> Self {
        let or_cookie = false;
        self.bearer = Some(Arc::new(Bearer { header, or_cookie }));
        self
    }

    /// Serves clients without cookies, as [`with_bearer`](Self::with_bearer), and browsers on the same
    /// routes. The request decides: one with `Authorization: Bearer` is answered with a token, and its cookies
    /// are not looked at. Any other is answered with the cookie.
    ///
    /// A client that has no token yet says so with an empty one: `Authorization: Bearer`. So the id in a
    /// browser's cookie is never in a header that scripts can read.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use axum::http::HeaderName;
    ///
    /// let header = HeaderName::from_static("session-token");
    /// let layer = store.layer().with_bearer_or_cookie(header);
    /// ```
    #[must_use]
    pub fn with_bearer_or_cookie(mut self, header: HeaderName) -> Self {
        let or_cookie = true;
        self.bearer = Some(Arc::new(Bearer { header, or_cookie }));
        self
    }

    fn with_cookie(mut self, set: impl FnOnce(&mut CookieOptions)) -> Self {
        set(Arc::make_mut(&mut self.cookie));
        self
    }
}

impl<M: SessionModel, T: TowerSession, E: Clone> Clone for SessionLayer<M, T, E> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            cookie: Arc::clone(&self.cookie),
            bearer: self.bearer.clone(),
            always_save: self.always_save,
            is_persistent: self.is_persistent,
            has_cache_headers: self.has_cache_headers,
            on_error: self.on_error.clone(),
            session: PhantomData,
        }
    }
}

impl<M: SessionModel, T: TowerSession, E> fmt::Debug for SessionLayer<M, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the keys of signed and private cookies.
        f.debug_struct("SessionLayer")
            .field("store", &self.store)
            .field("name", &self.cookie.name())
            .finish_non_exhaustive()
    }
}
