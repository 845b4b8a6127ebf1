//! What does pruning do to those who create, load and save at the same time?

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Outcome, Scenario};
use crate::load::Load;
use crate::servers::Server;
use crate::subject::{Slide, Store};

const LOAD: Load = Load {
    visitors: 16,
    expiring: true,
    pruners: 2,
};

pub(crate) async fn run(store: Store, server: &Server, time: Duration) -> Result<Outcome> {
    let url = Scenario::Prune.database(store, server).await?;
    let subject = store.open(&url, Slide::EachLoad).await?;
    let over = async {
        sleep(time).await;
        Ok(())
    };
    let (figures, ()) = LOAD.run(&subject, over).await?;
    Ok(Outcome {
        figures,
        fault: format!("{} tasks pruned, at REPEATABLE READ", LOAD.pruners),
    })
}
