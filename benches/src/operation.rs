//! The operations, and how to time them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::subject::{Data, Subject};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Load,
    Save,
    Delete,
    Touch,
}

impl Operation {
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Load,
        Self::Save,
        Self::Delete,
        Self::Touch,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Load => "load",
            Self::Save => "save",
            Self::Delete => "delete",
            Self::Touch => "touch",
        }
    }

    /// Returns whether tower-sessions-sqlx-store has this operation.
    #[must_use]
    pub fn is_in_sqlx_store(self) -> bool {
        self != Self::Touch
    }

    /// Runs the operation `count` times, divided among `tasks` tasks, and returns the time that took.
    ///
    /// # Errors
    ///
    /// Returns the first error of an operation.
    pub async fn time<S: Subject>(
        self,
        subject: &S,
        sessions: &Arc<[S::Key]>,
        data: &Data,
        tasks: u64,
        count: u64,
    ) -> Result<Duration> {
        let sessions = match self {
            Self::Delete => create(subject, data, count).await?,
            _ => Arc::clone(sessions),
        };
        // Each task has sessions of its own. If two tasks touched one session, the later statement could
        // have been prepared earlier, and would not move the expiry.
        let tasks = usize::try_from(tasks)?;
        let count = usize::try_from(count)?;
        let start = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let (subject, data) = (subject.clone(), data.clone());
                let sessions = Arc::clone(&sessions);
                tokio::spawn(async move {
                    let own = sessions.iter().skip(task).step_by(tasks).cycle();
                    for (_, key) in (task..count).step_by(tasks).zip(own) {
                        match self {
                            Self::Create => drop(subject.create(&data).await?),
                            Self::Load => subject.load(key).await?,
                            Self::Save => subject.save(key, &data).await?,
                            Self::Delete => subject.delete(key).await?,
                            Self::Touch => subject.touch(key).await?,
                        }
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for task in running {
            task.await??;
        }
        Ok(start.elapsed())
    }
}

/// Creates `count` sessions and returns their keys.
///
/// # Errors
///
/// Returns the first error.
pub async fn create<S: Subject>(subject: &S, data: &Data, count: u64) -> Result<Arc<[S::Key]>> {
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(subject.create(data).await?);
    }
    Ok(keys.into())
}
