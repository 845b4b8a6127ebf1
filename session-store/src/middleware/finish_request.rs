//! The beginning and the end of a request, between tower-sessions' middleware and the application.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_cookies::Cookies;
use tower_service::Service;
use tower_sessions::Session;

use super::cookie::CookieOptions;
use super::request_store::RequestStore;
use crate::model::SessionModel;

/// Tells the request's store when the request begins and ends, and sets the cookie again when the session
/// has slid or has a new id. The middleware around it, which comes after, replaces or removes that
/// cookie if the session was changed.
#[derive(Clone)]
pub(super) struct FinishRequest<S, M: SessionModel> {
    inner: S,
    store: RequestStore<M>,
    cookie: Arc<CookieOptions>,
}

impl<S, M: SessionModel> FinishRequest<S, M> {
    pub(super) fn new(inner: S, store: RequestStore<M>, cookie: Arc<CookieOptions>) -> Self {
        Self {
            inner,
            store,
            cookie,
        }
    }
}

impl<ReqBody, ResBody, S, M> Service<Request<ReqBody>> for FinishRequest<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    ResBody: Default + Send,
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
        let running = session.map(|session| self.store.begin(session));
        let (cookie, max_age) = (Arc::clone(&self.cookie), self.store.idle_timeout());
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            let (Some(cookies), Some(running)) = (cookies, running) else {
                return Ok(response);
            };
            if let Err(error) = running.finish().await {
                tracing::error!(%error, "failed to finish the request's session");
                let mut response = Response::default();
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(response);
            }
            if let Some(id) = running.renewed_id() {
                cookie.renew(&cookies, id, max_age);
            }
            Ok(response)
        })
    }
}
