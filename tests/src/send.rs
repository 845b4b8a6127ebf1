//! A request to a handler that gets only the session.

use std::convert::Infallible;

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use session_store::Id;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_sessions::Session;

use crate::COOKIE_NAME;

/// The response of [`send`].
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// `None` without a `Set-Cookie`, `Some(None)` if the cookie is removed.
    pub set_cookie: Option<Option<Id>>,
    /// The cookie's `Max-Age`, in seconds.
    pub max_age: Option<i64>,
}

impl Answer {
    /// Returns the visitor's cookie after the response.
    #[must_use]
    pub fn cookie(&self, before: Option<Id>) -> Option<Id> {
        self.set_cookie.unwrap_or(before)
    }
}

/// The application around which [`send`] puts a layer.
pub type Application = BoxCloneSyncService<Request<()>, Response<()>, Infallible>;

/// Sends a request with this cookie. The handler returns whether it fails: then the response is a 500.
///
/// # Panics
///
/// Panics if the response sets another cookie than that of the session.
pub async fn send<L, F>(
    layer: L,
    cookie: Option<Id>,
    handler: impl Fn(Session) -> F + Clone + Send + Sync + 'static,
) -> Answer
where
    L: Layer<Application>,
    L::Service: Service<Request<()>, Response = Response<()>, Error = Infallible>,
    F: Future<Output = bool> + Send + 'static,
{
    let application = service_fn(move |request: Request<()>| {
        let session = request.extensions().get::<Session>().cloned().unwrap();
        let running = handler(session);
        async move {
            let mut response = Response::new(());
            if running.await {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            Ok(response)
        }
    });
    let mut request = Request::get("/");
    if let Some(id) = cookie {
        request = request.header(COOKIE, format!("{COOKIE_NAME}={id}"));
    }
    let service = layer.layer(BoxCloneSyncService::new(application));
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    let set = response.headers().get(SET_COOKIE);
    let set = set.map(|set| set.to_str().unwrap());
    let set_cookie = set.map(|set| {
        let (pair, _) = set.split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        assert_eq!(name, COOKIE_NAME);
        value.parse().ok()
    });
    let max_age = set.and_then(|set| set.split("Max-Age=").nth(1));
    let max_age = max_age.map(|age| age.split(';').next().unwrap().parse().unwrap());
    Answer {
        status: response.status(),
        set_cookie,
        max_age,
    }
}
