//! When a session's visitor was last authenticated.

use time::{Duration, OffsetDateTime};

use super::session::TowerSession;
use crate::model::{SessionModel, store_keys};
use crate::store::SeaOrmStore;

impl<M: SessionModel> SeaOrmStore<M> {
    /// Notes that the visitor was authenticated now. Call it at sign-in, and when a user who is signed in has
    /// given the password again.
    ///
    /// The session gets a new id, as from `Session::cycle_id`, and keeps its data. Its age begins anew for the
    /// [absolute timeout](Self::with_absolute_timeout): `created_at` becomes the time of the authentication.
    /// All of this takes effect with the save at the end of the request, in one statement.
    ///
    /// A column with `#[session(authenticated_at)]` holds the time. `Session::clear` and `Session::flush`
    /// remove it. To note an authentication that the visitor then has to repeat, such as the first of two
    /// factors, use a session key of your own.
    ///
    /// # Errors
    ///
    /// Returns an error of tower-sessions if the session cannot be loaded.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # async fn example(store: session::Store, session: tower_sessions::Session)
    /// # -> Result<(), tower_sessions::session::Error> {
    /// // The password was right.
    /// store.set_authenticated(&session).await?;
    /// session.insert("user_id", 7).await?;
    /// # Ok(()) }
    /// ```
    pub async fn set_authenticated<T: TowerSession>(&self, session: &T) -> Result<(), T::Error> {
        let now = store_keys::encode_authenticated_at(self.now());
        session.cycle_id().await?;
        session.set_value(store_keys::AUTHENTICATED_AT, now).await
    }

    /// Returns when the visitor was last authenticated, with [`set_authenticated`](Self::set_authenticated).
    ///
    /// # Errors
    ///
    /// Returns an error of tower-sessions if the session cannot be loaded.
    pub async fn authenticated_at<T: TowerSession>(
        &self,
        session: &T,
    ) -> Result<Option<OffsetDateTime>, T::Error> {
        let value = session.value(store_keys::AUTHENTICATED_AT).await?;
        Ok(value.as_ref().and_then(store_keys::parse_authenticated_at))
    }

    /// Returns whether the visitor was authenticated at most `duration` ago. Ask it before an operation that
    /// needs a recent authentication, such as a change of the password.
    ///
    /// # Errors
    ///
    /// Returns an error of tower-sessions if the session cannot be loaded.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod session { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/session.rs")); }
    /// # async fn example(store: session::Store, session: tower_sessions::Session)
    /// # -> Result<(), tower_sessions::session::Error> {
    /// use time::Duration;
    ///
    /// if !store.authenticated_within(&session, Duration::minutes(10)).await? {
    ///     // Ask for the password.
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn authenticated_within<T: TowerSession>(
        &self,
        session: &T,
        duration: Duration,
    ) -> Result<bool, T::Error> {
        let authenticated_at = self.authenticated_at(session).await?;
        Ok(authenticated_at.is_some_and(|timestamp| self.now() - timestamp <= duration))
    }
}
