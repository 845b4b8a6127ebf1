//! Renewing the cookie of a session that has slid, between tower-sessions' middleware and the
//! application.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_cookies::Cookies;
use tower_service::Service;
use tower_sessions::Session;

use super::cookie::CookieOptions;
use super::request_store::RequestStore;
use crate::model::SessionModel;

/// Sets the cookie again when the session has slid. The middleware around it, which comes after,
/// replaces or removes that cookie if the session was changed.
#[derive(Clone)]
pub(super) struct RenewCookie<S, M: SessionModel> {
    inner: S,
    store: RequestStore<M>,
    cookie: Arc<CookieOptions>,
}

impl<S, M: SessionModel> RenewCookie<S, M> {
    pub(super) fn new(inner: S, store: RequestStore<M>, cookie: Arc<CookieOptions>) -> Self {
        Self {
            inner,
            store,
            cookie,
        }
    }
}

impl<ReqBody, ResBody, S, M> Service<Request<ReqBody>> for RenewCookie<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    ResBody: Send,
    M: SessionModel,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let cookies = request.extensions().get::<Cookies>().cloned();
        let session = request.extensions().get::<Session>().cloned();
        let store = self.store.clone();
        let cookie = Arc::clone(&self.cookie);
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            if let (Some(cookies), Some(session)) = (cookies, session) {
                replace_unknown_id(&session, &store).await;
                // Not if the request has deleted the session, or renewed its id.
                if let Some(id) = store.slid_session()
                    && session.id() == Some(id)
                {
                    cookie.renew(&cookies, id, store.idle_timeout());
                }
            }
            Ok(response)
        })
    }
}

/// Gives a session a new id if it was cleared before it was read and the store does not have the id of
/// the visitor's cookie. Otherwise its saves would be refused until the cookie is gone.
async fn replace_unknown_id<M: SessionModel>(session: &Session, store: &RequestStore<M>) {
    if session.is_modified()
        && let Some(id) = session.id()
        && let Ok(false) = store.has(&id).await
        && let Err(error) = session.cycle_id().await
    {
        tracing::warn!(%error, "a session keeps an id that the store does not have");
    }
}
