//! The operations, and how long many of one take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::subject::{Data, Subject};

#[derive(Clone, Copy)]
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

    /// How long `count` of them take, by so many tasks at once.
    ///
    /// # Errors
    ///
    /// One of them fails.
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
        let start = Instant::now();
        let running: Vec<_> = (0..tasks)
            .map(|task| {
                let (subject, data) = (subject.clone(), data.clone());
                let sessions = Arc::clone(&sessions);
                tokio::spawn(async move {
                    for turn in (task..count).step_by(usize::try_from(tasks)?) {
                        let key = &sessions[usize::try_from(turn)? % sessions.len()];
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

/// New sessions, so many of them.
///
/// # Errors
///
/// One cannot be created.
pub async fn create<S: Subject>(subject: &S, data: &Data, count: u64) -> Result<Arc<[S::Key]>> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(subject.create(data).await?);
    }
    Ok(sessions.into())
}
