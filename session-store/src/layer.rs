//! The middleware: tower-sessions' layer with a view of the store for each request, plus the cookie
//! that slides with the row.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_cookies::Cookies;
#[cfg(any(feature = "signed", feature = "private"))]
use tower_cookies::cookie::Key;
use tower_cookies::cookie::SameSite;
use tower_layer::Layer;
use tower_service::Service;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::cookie::{CookieOptions, Seal};
use crate::model::SessionModel;
use crate::store::SeaOrmStore;
use crate::view::View;

impl<M: SessionModel> SeaOrmStore<M> {
    /// The middleware that gives each request its [`Session`].
    ///
    /// It is tower-sessions' own, with its options under their own names, and with two things that
    /// it cannot do with a store alone:
    ///
    /// - The cookie slides with the row: when loading a session has moved its end, the response
    ///   carries the cookie again with the full [life](Self::with_life), so a visitor who only reads
    ///   stays signed in. Without a life the cookie lasts until the browser closes, and the row two
    ///   weeks from its last save.
    /// - With a `#[session(version)]` column no change is lost: of two requests that change
    ///   different keys of one session at the same time, both keep their change. Of one key the
    ///   later save wins; `Session::clear` takes away what others have added.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # let db = sea_orm::DatabaseConnection::default();
    /// use axum::{Router, routing::get};
    /// use tower_sessions::Session;
    ///
    /// async fn home(session: Session) -> String {
    ///     format!("{:?}", session.get::<u32>("visits").await)
    /// }
    ///
    /// let store = DefaultStore::new(db).with_life(time::Duration::days(14));
    /// let app: Router = Router::new()
    ///     .route("/", get(home))
    ///     .layer(store.layer().with_name("sid"));
    /// ```
    #[must_use]
    pub fn layer(&self) -> SessionLayer<M> {
        SessionLayer {
            store: self.clone(),
            cookie: Arc::new(CookieOptions::default()),
            always_save: false,
        }
    }
}

/// The middleware over a store; from [`SeaOrmStore::layer`].
pub struct SessionLayer<M: SessionModel> {
    store: SeaOrmStore<M>,
    cookie: Arc<CookieOptions>,
    always_save: bool,
}

impl<M: SessionModel> SessionLayer<M> {
    /// The cookie's name; `id` unless set, which does not tell what the site is made with
    /// ([OWASP][owasp]).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-id-name-fingerprinting
    #[must_use]
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with_cookie(|cookie| cookie.name = name.into())
    }

    /// Whether scripts of the page are kept from reading the cookie; `true` unless set.
    ///
    /// <div class="warning">
    ///
    /// With `false` a script that gets into a page can steal the session.
    ///
    /// </div>
    #[must_use]
    pub fn with_http_only(self, http_only: bool) -> Self {
        self.with_cookie(|cookie| cookie.http_only = http_only)
    }

    /// Whether requests that other sites cause carry the cookie; [`SameSite::Strict`] unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    /// use tower_sessions::cookie::SameSite;
    ///
    /// // A visitor who follows a link from another site is signed in.
    /// let layer = store.layer().with_same_site(SameSite::Lax);
    /// ```
    #[must_use]
    pub fn with_same_site(self, same_site: SameSite) -> Self {
        self.with_cookie(|cookie| cookie.same_site = same_site)
    }

    /// Whether the cookie is sent over HTTPS alone; `true` unless set.
    ///
    /// <div class="warning">
    ///
    /// With `false` whoever listens on the way can take the session. It is for development over
    /// plain HTTP.
    ///
    /// </div>
    #[must_use]
    pub fn with_secure(self, secure: bool) -> Self {
        self.with_cookie(|cookie| cookie.secure = secure)
    }

    /// The path that the cookie is for; `/` unless set.
    #[must_use]
    pub fn with_path(self, path: impl Into<Cow<'static, str>>) -> Self {
        self.with_cookie(|cookie| cookie.path = path.into())
    }

    /// The domain that the cookie is for, its subdomains included; the host alone unless set.
    #[must_use]
    pub fn with_domain(self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.with_cookie(|cookie| cookie.domain = Some(domain.into()))
    }

    /// Whether a session is saved after every request that has one, changed or not; `false` unless
    /// set. A session that is to live while it is used needs [a life](SeaOrmStore::with_life), not
    /// this.
    #[must_use]
    pub fn with_always_save(mut self, always_save: bool) -> Self {
        self.always_save = always_save;
        self
    }

    /// Signs the cookie with a `tower_sessions::cookie::Key`: one that this key did not sign is no
    /// session, and asks the database nothing.
    #[cfg(feature = "signed")]
    #[must_use]
    pub fn with_signed(self, key: Key) -> Self {
        self.with_cookie(|cookie| cookie.seal = Seal::Signed(key))
    }

    /// Encrypts and signs the cookie with a `tower_sessions::cookie::Key`.
    #[cfg(feature = "private")]
    #[must_use]
    pub fn with_private(self, key: Key) -> Self {
        self.with_cookie(|cookie| cookie.seal = Seal::Private(key))
    }

    fn with_cookie(mut self, set: impl FnOnce(&mut CookieOptions)) -> Self {
        set(Arc::make_mut(&mut self.cookie));
        self
    }

    /// tower-sessions' layer over the view of one request.
    fn manager(&self, view: View<M>) -> SessionManagerLayer<View<M>> {
        let cookie = &*self.cookie;
        let manager = SessionManagerLayer::new(view)
            .with_name(cookie.name.clone())
            .with_http_only(cookie.http_only)
            .with_same_site(cookie.same_site)
            .with_secure(cookie.secure)
            .with_path(cookie.path.clone())
            .with_always_save(self.always_save);
        let manager = match self.store.life().get() {
            Some(life) => manager.with_expiry(Expiry::OnInactivity(life)),
            None => manager,
        };
        match &cookie.domain {
            Some(domain) => manager.with_domain(domain.clone()),
            None => manager,
        }
    }
}

impl<S, M: SessionModel> Layer<S> for SessionLayer<M> {
    type Service = SessionService<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`SessionLayer`] makes of an application.
#[derive(Clone, Debug)]
pub struct SessionService<S, M: SessionModel> {
    inner: S,
    layer: SessionLayer<M>,
}

type ResponseFuture<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<ReqBody, ResBody, S, M> Service<Request<ReqBody>> for SessionService<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Error: Send,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: Default + Send + 'static,
    M: SessionModel,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The service that was polled ready serves this request, its clone the next.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let view = View::new(self.layer.store.clone());
        let manager = self.layer.manager(view.clone());
        let renew = Renew {
            inner,
            view,
            layer: self.layer.clone(),
        };
        match &self.layer.cookie.seal {
            Seal::None => Box::pin(manager.layer(renew).call(request)),
            #[cfg(feature = "signed")]
            Seal::Signed(key) => {
                Box::pin(manager.with_signed(key.clone()).layer(renew).call(request))
            }
            #[cfg(feature = "private")]
            Seal::Private(key) => {
                Box::pin(manager.with_private(key.clone()).layer(renew).call(request))
            }
        }
    }
}

/// Between tower-sessions' middleware and the application: sets the cookie of a session that has
/// slid, which the middleware, coming after, replaces or removes where the session was changed.
#[derive(Clone)]
struct Renew<S, M: SessionModel> {
    inner: S,
    view: View<M>,
    layer: SessionLayer<M>,
}

impl<ReqBody, ResBody, S, M> Service<Request<ReqBody>> for Renew<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    ResBody: Send,
    M: SessionModel,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let cookies = request.extensions().get::<Cookies>().cloned();
        let session = request.extensions().get::<Session>().cloned();
        let view = self.view.clone();
        let layer = self.layer.clone();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            if let (Some(cookies), Some(session)) = (cookies, session) {
                replace_unknown(&session, &view).await;
                // Not if the request has ended the session, or moved it to another id.
                if let Some(slid) = view.slid()
                    && session.id() == Some(slid)
                {
                    let life = layer.store.life().get();
                    layer.cookie.renew(&cookies, slid, life);
                }
            }
            Ok(response)
        })
    }
}

/// Gives a session that was changed before it was read, by `clear`, a new id if that of the visitor's
/// cookie is none of the store's: saved under it, it would be refused until the cookie is gone.
async fn replace_unknown<M: SessionModel>(session: &Session, view: &View<M>) {
    if session.is_modified()
        && let Some(id) = session.id()
        && let Ok(false) = view.has(&id).await
        && let Err(error) = session.cycle_id().await
    {
        tracing::warn!(%error, "a session keeps an id that is not known");
    }
}

impl<M: SessionModel> Clone for SessionLayer<M> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            cookie: Arc::clone(&self.cookie),
            always_save: self.always_save,
        }
    }
}

impl<M: SessionModel> fmt::Debug for SessionLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key that signs cookies.
        f.debug_struct("SessionLayer")
            .field("store", &self.store)
            .field("name", &self.cookie.name)
            .finish_non_exhaustive()
    }
}
