//! The answer to a request whose session could not be saved.

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use crate::error::Error;

/// The seconds after which a client may try again, if the database cannot be reached.
const RETRY_AFTER_SECONDS: u16 = 5;

/// How a layer answers a request whose session could not be saved: an `Fn(&Error, Response<B>) ->
/// Response<B>`, or [`DefaultOnError`]. Passed to [`on_error`](crate::SessionLayer::on_error).
pub trait OnError<B> {
    /// Returns the response. `response` is what the application answered.
    fn respond(&self, error: &Error, response: Response<B>) -> Response<B>;
}

/// Answers with an empty response of the error's [status](Error::status), and says when to try again if
/// the database cannot be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultOnError;

impl<B: Default> OnError<B> for DefaultOnError {
    fn respond(&self, error: &Error, _: Response<B>) -> Response<B> {
        let mut response = Response::default();
        *response.status_mut() = error.status();
        if error.status() == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl<B, F: Fn(&Error, Response<B>) -> Response<B>> OnError<B> for F {
    fn respond(&self, error: &Error, response: Response<B>) -> Response<B> {
        self(error, response)
    }
}
