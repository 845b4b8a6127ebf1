//! What has happened to a session, and why it has ended.

use std::fmt;

/// What has happened to a session, for a listener of [`on_event`](crate::SeaOrmStore::on_event).
///
/// Sessions are named by what the [sid column](crate::SeaOrmStore::sid) holds, which nobody can sign in with
/// (unless the sids are [plain](crate::SeaOrmStore::with_plain_sid)).
#[derive(Clone)]
#[non_exhaustive]
pub enum Event<M> {
    /// A session was created.
    Created {
        /// Its sid.
        sid: String,
    },
    /// A session has a new id, as after `Session::cycle_id`.
    Renewed {
        /// Its sid before.
        from: String,
        /// Its sid from now on.
        to: String,
    },
    /// A session has ended, and its row was deleted.
    Ended {
        /// Its sid.
        sid: String,
        /// Why it has ended.
        reason: EndReason,
        /// The row that was deleted. `None` if it could not be read as the model.
        row: Option<M>,
    },
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// The visitor has signed out: `Session::flush` or `Session::delete`.
    SignedOut,
    /// It was revoked: [`revoke`](crate::SeaOrmStore::revoke),
    /// [`revoke_others`](crate::SeaOrmStore::revoke_others) or
    /// [`delete_all`](crate::SeaOrmStore::delete_all).
    Revoked,
    /// A newer session of the same user has taken its place:
    /// [`revoke_all_but_newest`](crate::SeaOrmStore::revoke_all_but_newest).
    Replaced,
    /// It had expired before its row was deleted, whoever has deleted it.
    Expired,
    /// Its row could not be read as the model, whoever has deleted it.
    Damaged,
}

impl EndReason {
    /// Returns the name of the reason: `signed out`, `revoked`, `replaced`, `expired` or `damaged`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed out",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<M> fmt::Debug for Event<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither a sid, which can be a plain id, nor the row, which has the session's data.
        match self {
            Self::Created { .. } => f.debug_struct("Created").finish_non_exhaustive(),
            Self::Renewed { .. } => f.debug_struct("Renewed").finish_non_exhaustive(),
            Self::Ended { reason, .. } => f
                .debug_struct("Ended")
                .field("reason", reason)
                .finish_non_exhaustive(),
        }
    }
}
