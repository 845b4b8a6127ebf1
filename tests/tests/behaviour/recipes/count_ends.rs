use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use session_store::{EndReason, Event};

/// How many sessions have ended in this process, for each reason.
#[derive(Clone, Default)]
pub struct Ends(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Ends {
    /// Returns a store that counts.
    pub fn counted_by(&self, store: session::Store) -> session::Store {
        let ends = self.clone();
        store.on_event(move |event| {
            if let Event::Ended { reason, .. } = event {
                ends.count(reason);
            }
            ready(())
        })
    }

    fn count(&self, reason: EndReason) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *ends.entry(reason.as_str()).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
