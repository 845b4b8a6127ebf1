//! Listening to PostgreSQL's notifications of sessions that have ended or changed.

use std::convert::Infallible;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions, Connection, PgPool};
use sea_orm::{DatabaseConnectionType, EntityName};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, timeout};

use super::SeaOrmStore;
use super::changes::{Changed, Notice};
use super::notify_trigger::{CHANNEL, IS_COMPLETE};
use crate::model::SessionModel;

/// How often the connection is tried, and how long that may take: a host that vanishes closes no connection.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The pause before the first attempt to connect again. Each following one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl<M: SessionModel> SeaOrmStore<M> {
    /// Listens, on PostgreSQL, for what other processes do to sessions, so that [`watch`](Self::watch) notices
    /// it within milliseconds and the [cache](crate::guide::caching) forgets it, until the returned [`ListenTask`] is
    /// dropped.
    ///
    /// The table needs the [trigger](Self::notify_trigger). This keeps one connection of its own, opened with
    /// the options of the store's pool, and tries it every second. If that is lost, or the trigger is missing
    /// or disabled, a warning is logged once, [`is_hearing`](ListenTask::is_hearing) says so, and sessions that
    /// are watched are asked for by [interval](Self::with_watch_interval). It connects again by itself, after 50 ms
    /// to 5 seconds, and then asks for everything that may have been missed. It ends with the store's pool.
    ///
    /// `LISTEN` needs a connection for itself: a pooler in transaction mode does not pass it on.
    ///
    /// Call this inside a tokio runtime: outside one, and on another database, it does nothing but log that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_store::DefaultStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let db = sea_orm::DatabaseConnection::default();
    /// let store = DefaultStore::new(db);
    /// let listening = store.listen();
    /// // … serve …
    /// drop(listening);
    /// # }
    /// ```
    pub fn listen(&self) -> ListenTask {
        let (hearing, is_hearing) = watch::channel(false);
        let task = match (self.postgres_pool(), Handle::try_current()) {
            (Some(pool), Ok(runtime)) => {
                let task = runtime.spawn(self.clone().listen_on(pool, hearing));
                Some(task.abort_handle())
            }
            (None, _) => {
                tracing::info!(
                    "only PostgreSQL sends notifications of sessions that end elsewhere"
                );
                None
            }
            (_, Err(error)) => {
                tracing::error!(%error, "cannot listen outside a tokio runtime");
                None
            }
        };
        ListenTask { is_hearing, task }
    }

    fn postgres_pool(&self) -> Option<PgPool> {
        let db = self.db();
        let is_postgres = matches!(
            db.inner,
            DatabaseConnectionType::SqlxPostgresPoolConnection(_)
        );
        is_postgres.then(|| db.get_postgres_connection_pool().clone())
    }

    async fn listen_on(self, pool: PgPool, hearing: watch::Sender<bool>) {
        let mut pause = FIRST_PAUSE;
        let mut has_warned = false;
        loop {
            let Err(error) = self.hear(&pool, &hearing).await;
            if hearing.send_replace(false) {
                (pause, has_warned) = (FIRST_PAUSE, false);
            }
            if pool.is_closed() {
                return;
            }
            if !std::mem::replace(&mut has_warned, true) {
                tracing::warn!(%error, "cannot hear of sessions that end elsewhere");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Hears notifications until an error.
    async fn hear(
        &self,
        pool: &PgPool,
        hearing: &watch::Sender<bool>,
    ) -> Result<Infallible, ListenError> {
        let connected = timeout(LONGEST_PAUSE, Self::connect(pool)).await;
        let mut listener = connected.map_err(|_| ListenError::NoAnswer)??;
        let delivered = timeout(LONGEST_PAUSE, Self::is_delivered(&mut listener, pool)).await;
        delivered.map_err(|_| ListenError::NotDelivered)??;
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notification = listener.try_recv() => {
                    match notification?.ok_or(ListenError::Lost)?.payload() {
                        "" => self.tell_changed(&Changed::Any),
                        notice => {
                            if let Some(notice) = Notice::parse(notice) {
                                self.tell_changed(&Changed::Notified(notice));
                            }
                        }
                    }
                }
                _ = heartbeat.tick() => {
                    if pool.is_closed() {
                        return Err(ListenError::Lost);
                    }
                    let has_trigger = timeout(HEARTBEAT, Self::has_trigger(&mut listener)).await;
                    if !has_trigger.map_err(|_| ListenError::NoAnswer)?? {
                        return Err(ListenError::NoTrigger(M::Entity::default().table_name()));
                    }
                    if !hearing.send_replace(true) {
                        tracing::info!("listening for sessions that end elsewhere");
                        // It has not heard of what happened before.
                        self.tell_changed(&Changed::Any);
                    }
                }
            }
        }
    }

    /// Opens the listener's own connection, with the options of the pool, which may have no other to spare.
    async fn connect(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
        let options = pool.connect_options().as_ref().clone();
        let own: PgPoolOptions = pool.options().clone();
        let own = own
            .min_connections(0)
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            // The log would have a line for each heartbeat.
            .connect_lazy_with(options.disable_statement_logging());
        let mut listener = PgListener::connect_with(&own).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    /// Waits for a notification that another connection has sent. A pooler delivers the listener's own.
    async fn is_delivered(listener: &mut PgListener, pool: &PgPool) -> Result<(), ListenError> {
        let probe = format!("probe {:032x}", fastrand::u128(..));
        let mut other = pool.connect_options().connect().await?;
        let notify = sqlx::query("SELECT pg_notify($1, $2)");
        let notify = notify.bind(CHANNEL).bind(&probe);
        notify.execute(&mut other).await?;
        other.close().await?;
        loop {
            let notification = listener.try_recv().await?.ok_or(ListenError::Lost)?;
            if notification.payload() == probe {
                return Ok(());
            }
        }
    }

    async fn has_trigger(listener: &mut PgListener) -> Result<bool, sqlx::Error> {
        let [table, body, trigger] = Self::is_complete_values();
        sqlx::query_scalar(IS_COMPLETE)
            .bind(table)
            .bind(body)
            .bind(trigger)
            .fetch_one(listener)
            .await
    }
}

#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the connection is lost")]
    Lost,
    #[error("the connection does not answer")]
    NoAnswer,
    #[error(
        "no notification arrives; LISTEN needs a direct connection, or a pooler in session mode"
    )]
    NotDelivered,
    #[error("the table `{0}` has no trigger that notifies; create it with `notify_trigger()`")]
    NoTrigger(&'static str),
}

/// A store that listens to notifications. Drop it to end that.
#[derive(Debug)]
#[must_use = "dropping a `ListenTask` stops listening: bind it to a named variable (`let listening = …`, not \
              `let _ = …`) that lives as long as the application"]
pub struct ListenTask {
    is_hearing: watch::Receiver<bool>,
    task: Option<AbortHandle>,
}

impl ListenTask {
    /// Returns whether what other processes do is heard now.
    #[must_use]
    pub fn is_hearing(&self) -> bool {
        // The sender is gone if the task has ended with its runtime.
        self.is_hearing.has_changed().is_ok() && *self.is_hearing.borrow()
    }
}

impl Drop for ListenTask {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
