//! Restarts the server under load.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Outcome, Scenario};
use crate::load::Load;
use crate::servers::Server;
use crate::subject::{Store, Touch};

pub(crate) async fn run(store: Store, server: &mut Server, time: Duration) -> Result<Outcome> {
    let url = Scenario::Restart(server.kind())
        .create_database(store, server)
        .await?;
    let subject = store.open(&url, Touch::Rarely).await?;
    let fault = async {
        sleep(time / 2).await;
        let downtime = server.restart().await?;
        sleep(time / 2).await;
        Ok(downtime)
    };
    let (figures, downtime) = Load::VISITORS.run(&subject, fault).await?;
    Ok(Outcome {
        figures,
        fault: format!("restarted, unavailable for {} ms", downtime.as_millis()),
    })
}
