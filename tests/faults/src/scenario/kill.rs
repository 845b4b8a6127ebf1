//! Kills every connection of a store's pool, repeatedly.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tokio::time::sleep;

use super::{Outcome, Scenario};
use crate::load::Load;
use crate::servers::{Kind, Server, connect_once};
use crate::subject::{Store, Touch};

const INTERVAL: Duration = Duration::from_millis(200);

pub(crate) async fn run(store: Store, server: &Server, time: Duration) -> Result<Outcome> {
    let kind = server.kind();
    let url = Scenario::Kill(kind).create_database(store, server).await?;
    let subject = store.open(&url, Touch::Rarely).await?;
    let admin = connect_once(&url).await?;
    let (figures, killed) = Load::VISITORS
        .run(&subject, kill(kind, &admin, time))
        .await?;
    Ok(Outcome {
        figures,
        fault: format!("{killed} connections killed"),
    })
}

/// Kills every connection to the database except this one, until `time` is over. Returns their number.
async fn kill(kind: Kind, admin: &DatabaseConnection, time: Duration) -> Result<i64> {
    let start = Instant::now();
    let mut killed = 0;
    while start.elapsed() < time {
        sleep(INTERVAL).await;
        killed += match kind {
            Kind::Postgres => kill_postgres(admin).await?,
            Kind::MariaDb => kill_mariadb(admin).await?,
        };
    }
    Ok(killed)
}

async fn kill_postgres(admin: &DatabaseConnection) -> Result<i64> {
    let kill = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let kill = Statement::from_string(admin.get_database_backend(), kill);
    let row = admin.query_one_raw(kill).await?.context("no count")?;
    Ok(row.try_get_by_index(0)?)
}

async fn kill_mariadb(admin: &DatabaseConnection) -> Result<i64> {
    let others = "SELECT id FROM information_schema.processlist \
                  WHERE db = database() AND id <> connection_id()";
    let others = Statement::from_string(admin.get_database_backend(), others);
    let mut killed = 0;
    for row in admin.query_all_raw(others).await? {
        let id: i64 = row.try_get_by_index(0)?;
        // Fails if the connection was closed meanwhile.
        let kill = admin.execute_unprepared(&format!("KILL {id}")).await;
        killed += i64::from(kill.is_ok());
    }
    Ok(killed)
}
