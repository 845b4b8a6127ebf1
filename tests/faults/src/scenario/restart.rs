//! What does a store do when its server is restarted under load?

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Outcome, Scenario};
use crate::load::Load;
use crate::servers::Server;
use crate::subject::{Slide, Store};

const LOAD: Load = Load {
    visitors: 16,
    expiring: false,
    pruners: 0,
};

pub(crate) async fn run(store: Store, server: &mut Server, time: Duration) -> Result<Outcome> {
    let url = Scenario::Restart(server.kind())
        .database(store, server)
        .await?;
    let subject = store.open(&url, Slide::Rarely).await?;
    let fault = async {
        sleep(time / 2).await;
        let away = server.restart().await?;
        sleep(time / 2).await;
        Ok(away)
    };
    let (figures, away) = LOAD.run(&subject, fault).await?;
    Ok(Outcome {
        figures,
        fault: format!("restarted, away for {} ms", away.as_millis()),
    })
}
