//! The `Session` of any version.

use std::fmt::Display;

use serde_json::Value;
use tower_sessions::Expiry;
use tower_sessions::session::Id;

use super::backend::Backend;

/// The `Session` of a version of tower-sessions:
///
/// | the version | its `Session` | needs |
/// |---|---|---|
/// | 0.15 | [`tower_sessions::Session`] | |
/// | 0.14, which [axum-login](crate::guide::axum_login) 0.18 uses | `axum_login::tower_sessions::Session` | the feature `tower-sessions-0_14` |
///
/// Only this crate implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Session` of a version of tower-sessions that is switched on",
    note = "session-store knows the `Session` of tower-sessions 0.15, and with its feature \
            `tower-sessions-0_14` that of 0.14, which is `axum_login::tower_sessions::Session`"
)]
pub trait TowerSession: Clone + Send + Sync + 'static {
    /// The error of this version: `tower_sessions::session::Error`.
    type Error: Display + Send;

    #[doc(hidden)]
    fn new(id: Option<Id>, backend: impl Backend, expiry: Expiry) -> Self;

    #[doc(hidden)]
    fn id(&self) -> Option<Id>;

    #[doc(hidden)]
    fn expiry(&self) -> Option<Expiry>;

    #[doc(hidden)]
    fn is_modified(&self) -> bool;

    #[doc(hidden)]
    fn is_empty(&self) -> impl Future<Output = bool> + Send;

    #[doc(hidden)]
    fn clear(&self) -> impl Future<Output = ()> + Send;

    #[doc(hidden)]
    fn save(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    #[doc(hidden)]
    fn cycle_id(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    #[doc(hidden)]
    fn value(&self, key: &str) -> impl Future<Output = Result<Option<Value>, Self::Error>> + Send;

    #[doc(hidden)]
    fn remove_value(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    #[doc(hidden)]
    fn set_value(
        &self,
        key: &str,
        value: Value,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
