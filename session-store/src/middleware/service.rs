//! The service: what happens before and after the application handles a request.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_cookies::CookieManager;
use tower_cookies::service::future::ResponseFuture;
use tower_layer::Layer;
use tower_service::Service;
use tower_sessions::Session;

use super::carrier::Carrier;
use super::cookie::RequestCookie;
use super::layer::SessionLayer;
use super::on_error::{DefaultOnError, OnError};
use super::request_store::RequestStore;
use super::running_request::RunningRequest;
use crate::model::SessionModel;
use crate::tower_sessions::TowerSession;

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// The service that [`SessionLayer`] wraps around an application.
#[derive(Clone, Debug)]
pub struct SessionService<S, M: SessionModel, T: TowerSession = Session, E = DefaultOnError>(
    CookieManager<WithSession<S, M, T, E>>,
);

impl<S, M: SessionModel, T: TowerSession, E: Clone> Layer<S> for SessionLayer<M, T, E> {
    type Service = SessionService<S, M, T, E>;

    #[track_caller]
    fn layer(&self, inner: S) -> Self::Service {
        self.cookie.assert_consistent();
        let layer = self.clone();
        SessionService(CookieManager::new(WithSession { inner, layer }))
    }
}

impl<ReqBody, ResBody, S, M, T, E> Service<Request<ReqBody>> for SessionService<S, M, T, E>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Send,
    S::Future: Send + 'static,
    ResBody: Send,
    M: SessionModel,
    T: TowerSession,
    E: OnError<ResBody> + Clone + Send + 'static,
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
struct WithSession<S, M: SessionModel, T: TowerSession, E> {
    inner: S,
    layer: SessionLayer<M, T, E>,
}

impl<ReqBody, ResBody, S, M, T, E> Service<Request<ReqBody>> for WithSession<S, M, T, E>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Send,
    S::Future: Send + 'static,
    ResBody: Send,
    M: SessionModel,
    T: TowerSession,
    E: OnError<ResBody> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let SessionLayer {
            store,
            cookie,
            bearer,
            always_save,
            is_persistent,
            has_cache_headers,
            on_error,
            session: PhantomData,
        } = self.layer.clone();
        let carrier = Carrier::of(&request, bearer.as_deref(), &cookie);
        let mut is_changed = false;
        let (id, is_old) = match cookie.read(&carrier.jar) {
            RequestCookie::Id { id, is_old } => (Some(id), is_old),
            RequestCookie::Missing => (None, false),
            RequestCookie::Malformed => {
                tracing::warn!("possibly suspicious activity: malformed session id");
                cookie.remove(&carrier.jar);
                is_changed = true;
                (None, false)
            }
        };
        let store = if M::HAS_REQUEST_COLUMNS {
            let (parts, body) = request.into_parts();
            let store = store.for_request(&parts);
            request = Request::from_parts(parts, body);
            store
        } else {
            store
        };
        let store = RequestStore::<M, T>::new(store, is_persistent);
        let session = store.session(id, is_old);
        request.extensions_mut().insert(session.clone());
        request.extensions_mut().insert(store.info());
        let running = RunningRequest::new(store, session);
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            let mut has_ended = false;
            if response.status().is_server_error() {
                if let Err(error) = running.end_if_flushed().await {
                    tracing::error!(%error, "failed to end session");
                }
            } else if let Err(error) = running.save(always_save).await {
                tracing::error!(%error, "failed to save session");
                has_ended = error.status() == StatusCode::UNAUTHORIZED;
                response = on_error.respond(&error, response);
            }
            let after = running.id().await.filter(|_| !has_ended);
            if let Some(new) = after.and_then(|id| running.new_cookie(id)) {
                if carrier.has_max_age() || id != Some(new.id) || is_old {
                    cookie.set(&carrier.jar, new.id, new.max_age);
                    is_changed = true;
                }
            } else if after.is_none() && id.is_some() {
                cookie.remove(&carrier.jar);
                is_changed = true;
            }
            if is_changed {
                carrier.write(response.headers_mut(), &cookie, has_cache_headers);
            }
            Ok(response)
        })
    }
}
