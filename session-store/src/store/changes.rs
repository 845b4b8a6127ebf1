//! What happens to sessions, told to those in this process that rely on it: watches, and the cache.

use sha2::{Digest, Sha256};
use tower_sessions::session::Id;

use super::SeaOrmStore;
use crate::model::SessionModel;

/// Names a session to everybody: the hash of what the sid column holds, because that can be a plain id, and
/// every user of the database may listen to notifications.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Notice([u8; 32]);

impl Notice {
    pub(super) fn of(sid: &str) -> Self {
        Self(Sha256::digest(sid).into())
    }

    /// Returns a number that is the same for the same session.
    #[cfg(feature = "cache")]
    pub(super) fn number(&self) -> usize {
        usize::from(self.0[0]) << 8 | usize::from(self.0[1])
    }

    /// Reads a hash in hexadecimal.
    #[cfg(feature = "listen")]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// A statement that changes or ends sessions. Dropping it tells of that, also if the statement has failed: it may
/// have been executed nevertheless. A statement that was dropped may be executed after that.
#[must_use]
pub(super) struct Change<'a, M: SessionModel> {
    store: &'a SeaOrmStore<M>,
    of: Changed,
}

pub(super) enum Changed {
    /// A session was saved or touched, and is still there.
    Saved(Id),
    Ended(Id),
    /// By what the sid column holds.
    EndedSids(Vec<String>),
    /// Elsewhere.
    #[cfg(feature = "listen")]
    Notified(Notice),
    Any,
}

impl<M: SessionModel> SeaOrmStore<M> {
    pub(super) fn saving(&self, id: &Id) -> Change<'_, M> {
        self.change(Changed::Saved(*id))
    }

    pub(super) fn ending(&self, id: &Id) -> Change<'_, M> {
        self.change(Changed::Ended(*id))
    }

    pub(super) fn change(&self, of: Changed) -> Change<'_, M> {
        Change { store: self, of }
    }

    /// Tells of what has happened. If nobody relies on it, nothing is hashed.
    pub(super) fn tell_changed(&self, of: &Changed) {
        #[cfg(feature = "cache")]
        if self.editions.are_used() {
            match self.notices(of) {
                Some(notices) => notices
                    .iter()
                    .for_each(|notice| self.editions.advance(notice)),
                None => self.editions.advance_all(),
            }
        }
        if !matches!(of, Changed::Saved(_)) && self.watched.has_any() {
            match self.notices(of) {
                Some(notices) => notices
                    .iter()
                    .for_each(|notice| self.watched.look_at(notice)),
                None => self.watched.look_at_all(),
            }
        }
    }

    /// Returns the sessions that have changed, or `None` if any may have.
    fn notices(&self, of: &Changed) -> Option<Vec<Notice>> {
        Some(match of {
            Changed::Saved(id) | Changed::Ended(id) => vec![Notice::of(&self.sid(id))],
            Changed::EndedSids(sids) => sids.iter().map(|sid| Notice::of(sid)).collect(),
            #[cfg(feature = "listen")]
            Changed::Notified(notice) => vec![*notice],
            Changed::Any => return None,
        })
    }
}

impl<M: SessionModel> Drop for Change<'_, M> {
    fn drop(&mut self) {
        self.store.tell_changed(&self.of);
    }
}
