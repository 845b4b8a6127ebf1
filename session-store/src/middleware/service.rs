//! The service: what happens before and after the application handles a request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_cookies::service::future::ResponseFuture;
use tower_cookies::{CookieManager, Cookies};
use tower_layer::Layer;
use tower_service::Service;
use tower_sessions::{Expiry, Session};

use super::cookie::RequestCookie;
use super::layer::SessionLayer;
use super::request_store::RequestStore;
use super::running_request::RunningRequest;
use crate::model::SessionModel;

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// The service that [`SessionLayer`] wraps around an application.
#[derive(Clone, Debug)]
pub struct SessionService<S, M: SessionModel>(CookieManager<WithSession<S, M>>);

impl<S, M: SessionModel> Layer<S> for SessionLayer<M> {
    type Service = SessionService<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        SessionService(CookieManager::new(WithSession { inner, layer }))
    }
}

impl<ReqBody, ResBody, S, M> Service<Request<ReqBody>> for SessionService<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Send,
    S::Future: Send + 'static,
    ResBody: Default + Send,
    M: SessionModel,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<BoxFuture<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.0.call(request)
    }
}

/// Gives each request its session, and saves the session when the response is there.
#[derive(Clone, Debug)]
struct WithSession<S, M: SessionModel> {
    inner: S,
    layer: SessionLayer<M>,
}

impl<ReqBody, ResBody, S, M> Service<Request<ReqBody>> for WithSession<S, M>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Send,
    S::Future: Send + 'static,
    ResBody: Default + Send,
    M: SessionModel,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // `CookieManager` has put them there.
        let cookies: Cookies = request.extensions().get().cloned().unwrap_or_default();
        let SessionLayer {
            store,
            cookie,
            always_save,
        } = self.layer.clone();
        let id = match cookie.read(&cookies) {
            RequestCookie::Id(id) => Some(id),
            RequestCookie::Missing => None,
            RequestCookie::Malformed => {
                tracing::warn!("possibly suspicious activity: malformed session id");
                cookie.remove(&cookies);
                None
            }
        };
        let expiry = store.expiry().idle_timeout().map(Expiry::OnInactivity);
        let store = RequestStore::new(store);
        let session = Session::new(id, Arc::new(store.clone()), expiry);
        request.extensions_mut().insert(session.clone());
        let running = RunningRequest::new(store, session);
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            if response.status().is_server_error() {
                if let Err(error) = running.end_if_flushed().await {
                    tracing::error!(%error, "failed to end session");
                }
            } else if let Err(error) = running.save(always_save).await {
                tracing::error!(%error, "failed to save session");
                response = Response::default();
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            let after = running.id().await;
            if let Some(id) = after.filter(|id| running.is_new_to_visitor(*id)) {
                cookie.set(&cookies, id, running.expiry());
            } else if after.is_none() && id.is_some() {
                cookie.remove(&cookies);
            }
            Ok(response)
        })
    }
}
