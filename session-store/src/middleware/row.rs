//! What a request knows of its session's row.

use tower_sessions::session::Id;

use super::snapshot::Snapshot;

/// The row of the request's session.
#[derive(Clone, Default)]
pub(super) enum Row {
    /// The visitor's cookie has an id, and this request has not looked for its row.
    Unread(Id),
    /// As this request last loaded or saved it.
    Loaded(Snapshot),
    /// As it was when `cycle_id` was called. The next save gives it its new id.
    Renewing(Renewal),
    /// There is none that this request may write: the visitor has no session, or this request has
    /// deleted it.
    #[default]
    Absent,
}

#[derive(Clone)]
pub(super) struct Renewal {
    pub(super) from: Id,
    /// Chosen once, so that a save that was dropped is found by the next.
    pub(super) to: Id,
    /// Whether a save was sent whose outcome did not arrive: it was dropped, or the connection was lost.
    pub(super) is_uncertain: bool,
    /// `None` if the row is unread.
    pub(super) snapshot: Option<Snapshot>,
}

impl Row {
    /// Notes what a read has found under this id.
    pub(super) fn found(&mut self, id: &Id, snapshot: Option<Snapshot>) {
        match self {
            Self::Renewing(renewal) if renewal.from == *id => {
                renewal.snapshot = snapshot.or(renewal.snapshot.take());
            }
            Self::Unread(_) => *self = snapshot.map_or(Self::Absent, Self::Loaded),
            Self::Loaded(known) if known.id == *id => {
                *self = snapshot.map_or(Self::Absent, Self::Loaded);
            }
            // The request has deleted it meanwhile, or given it another id.
            Self::Renewing(_) | Self::Loaded(_) | Self::Absent => {}
        }
    }

    /// Notes whether the row perhaps has its new id already.
    pub(super) fn set_uncertain(&mut self, is_uncertain: bool) {
        if let Self::Renewing(renewal) = self {
            renewal.is_uncertain = is_uncertain;
        }
    }

    /// Notes that `cycle_id` was called for the session with this id. Returns false if this was noted
    /// before for the same id.
    pub(super) fn renew(&mut self, id: &Id) -> bool {
        let (from, snapshot) = match self {
            Self::Unread(_) => (*id, None),
            Self::Loaded(snapshot) => (snapshot.id, Some(snapshot.clone())),
            // After the first `cycle_id`, a second comes with the id that the record has meanwhile.
            Self::Renewing(renewal) => return renewal.from != *id,
            Self::Absent => return true,
        };
        *self = Self::Renewing(Renewal {
            from,
            to: Id::default(),
            is_uncertain: false,
            snapshot,
        });
        true
    }
}
