//! Prunes while sessions are created, loaded and saved.

use std::time::Duration;

use anyhow::Result;

use super::{Outcome, Scenario};
use crate::load::Load;
use crate::servers::Server;
use crate::subject::{Store, Touch};

const LOAD: Load = Load {
    creates_expired: true,
    pruners: 2,
    ..Load::VISITORS
};

pub(crate) async fn run(store: Store, server: &Server, time: Duration) -> Result<Outcome> {
    let url = Scenario::Prune.create_database(store, server).await?;
    let subject = store.open(&url, Touch::OnEachLoad).await?;
    Ok(Outcome {
        figures: LOAD.run_for(&subject, time).await?,
        fault: format!("{} tasks pruned, at REPEATABLE READ", LOAD.pruners),
    })
}
