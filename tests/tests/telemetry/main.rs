//! Spans and metrics, under the names in the documentation.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};
use std::pin::pin;
use std::sync::Once;
use std::task::{self, Waker};

use axum::routing::get;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sea_orm::{Database, DatabaseConnection, DbBackend};
use session_store::{SeaOrmStore, connect_options};
use tests::database::{execute, take_connections};
use tests::{
    Clock, ConnectionKiller, Visitor, entity, new_session, on_every_database, record,
    session_routes, store,
};
use time::{Duration, OffsetDateTime};
use tower_sessions::{Session, SessionStore};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

// On one thread, because the metrics recorder and the recorded spans belong to a thread.
on_every_database!(one_thread:
    each_statement_has_a_span,
    the_span_of_a_statement_counts_its_retries,
    a_failed_statement_has_the_outcome_error,
    a_cancelled_statement_has_the_outcome_cancelled,
    operations_are_counted_and_timed,
    a_merged_conflict_is_counted,
    pruned_rows_and_the_last_prune_are_recorded,
);

entity!(session {
    pub sess: Json,
    pub expire: TimeDateTimeWithTimeZone,
    #[session(version)]
    pub version: i64,
});

type Store = SeaOrmStore<session::Model>;

/// Creates a store, and forgets the spans of its creation.
async fn observed_store(db: DatabaseConnection) -> (Store, Clock) {
    install_span_recorder();
    let (store, clock) = store::<session::Model>(db).await;
    take_spans();
    (store.with_idle_timeout(Duration::HOUR), clock)
}

type Fields = BTreeMap<&'static str, String>;

thread_local! {
    /// The fields of the spans of this thread's test, in the order of their creation.
    static SPANS: RefCell<Vec<(u64, Fields)>> = RefCell::default();
}

/// Records the spans of all threads. With one subscriber per thread, a thread can miss a span that
/// another thread is the first to create.
struct SpanRecorder;

struct FieldRecorder<'a>(&'a mut Fields);

impl Visit for FieldRecorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.0
            .insert(field.name(), text.trim_matches('"').to_owned());
    }
}

impl<S: Subscriber> Layer<S> for SpanRecorder {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if span.metadata().target() == "session_store" {
            assert_eq!(span.metadata().name(), "session_store");
            assert_eq!(*span.metadata().level(), Level::DEBUG);
            let mut fields = Fields::new();
            span.record(&mut FieldRecorder(&mut fields));
            SPANS.with_borrow_mut(|spans| spans.push((id.into_u64(), fields)));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        SPANS.with_borrow_mut(|spans| {
            // The last one, because the ids of closed spans are used again.
            let span = spans
                .iter_mut()
                .rev()
                .find(|(recorded, _)| *recorded == id.into_u64());
            if let Some((_, fields)) = span {
                values.record(&mut FieldRecorder(fields));
            }
        });
    }
}

fn install_span_recorder() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::registry().with(SpanRecorder).init());
}

/// Returns the spans since the last call.
fn take_spans() -> Vec<Fields> {
    let spans = SPANS.take().into_iter();
    spans.map(|(_, fields)| fields).collect()
}

/// Returns the spans since the last call, each as `operation rows outcome`.
fn take_outcomes() -> Vec<String> {
    let outcomes = take_spans().into_iter().map(|fields| {
        let rows = fields.get("rows").map_or("-", String::as_str);
        let outcome = fields.get("outcome").map_or("-", String::as_str);
        format!("{} {rows} {outcome}", fields["operation"])
    });
    outcomes.collect()
}

async fn each_statement_has_a_span(db: DatabaseConnection) {
    let (store, clock) = observed_store(db).await;
    let mut session = new_session(&store, clock.now(), []).await;
    assert_eq!(take_outcomes(), ["create 1 ok"]);
    store.save(&session).await.unwrap();
    assert_eq!(take_outcomes(), ["save 1 ok"]);
    store.load(&session.id).await.unwrap();
    assert_eq!(take_outcomes(), ["load 1 ok"]);
    clock.advance(Duration::minutes(30));
    store.load(&session.id).await.unwrap();
    assert_eq!(take_outcomes(), ["load 1 ok", "touch 1 ok"]);
    store.find(&session.id).await.unwrap();
    store.count().await.unwrap();
    assert_eq!(take_outcomes(), ["find 1 ok", "count 1 ok"]);
    store.delete(&session.id).await.unwrap();
    assert_eq!(take_outcomes(), ["delete 1 ok"]);
    store.load(&session.id).await.unwrap();
    store.save(&session).await.unwrap_err();
    assert_eq!(take_outcomes(), ["load 0 none", "save 0 none"]);

    store.create(&mut session).await.unwrap();
    clock.advance(Duration::DAY);
    store.prune().await.unwrap();
    assert_eq!(
        take_outcomes(),
        ["create 1 ok", "prune_find 1 ok", "prune_delete 1 ok"]
    );
    store.delete_all().await.unwrap();
    store.health().await.unwrap();
    store.has_expire_index().await.unwrap();
    assert_eq!(
        take_outcomes(),
        ["delete_all 0 none", "health 0 none", "check_index 1 ok"]
    );
}

fn backend(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Sqlite => "sqlite",
        DbBackend::Postgres => "postgres",
        _ => "mysql",
    }
}

async fn the_span_of_a_statement_counts_its_retries(db: DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Sqlite {
        return;
    }
    let killer = ConnectionKiller::new(&db).await;
    let mut options = connect_options(&killer.url);
    options.max_connections(1);
    let (store, _) = observed_store(Database::connect(options).await.unwrap()).await;
    let metrics = Metrics::new();
    let _recorder = metrics.record();

    store.count().await.unwrap();
    killer.kill_all().await;
    store.count().await.unwrap();

    let spans = take_spans();
    let retries: Vec<_> = spans.iter().map(|fields| &fields["retries"]).collect();
    assert_eq!(retries, ["0", "1"]);
    for fields in &spans {
        assert_eq!(fields["backend"], backend(&db));
        assert_eq!(fields["table"], "session");
    }
    metrics.read();
    let labels = [
        ("operation", "count"),
        ("backend", backend(&db)),
        ("table", "session"),
    ];
    assert_eq!(metrics.counter("session_store_retries_total", &labels), 1);
}

async fn a_failed_statement_has_the_outcome_error(db: DatabaseConnection) {
    install_span_recorder();
    let store = Store::new(db);
    store.count().await.unwrap_err();
    assert_eq!(take_outcomes(), ["count - error"]);
}

/// A timeout around a request cancels the slow operations, which operators want to see.
async fn a_cancelled_statement_has_the_outcome_cancelled(db: DatabaseConnection) {
    let backend = backend(&db);
    let (store, _) = observed_store(db).await;
    let metrics = Metrics::new();
    let _recorder = metrics.record();
    let _connections = take_connections(store.db()).await;
    {
        let count = pin!(store.count());
        let polled = count.poll(&mut task::Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    assert_eq!(take_outcomes(), ["count - cancelled"]);
    let labels = [
        ("operation", "count"),
        ("backend", backend),
        ("table", "session"),
        ("outcome", "cancelled"),
    ];
    metrics.read();
    assert_eq!(
        metrics.counter("session_store_operations_total", &labels),
        1
    );
}

/// A metric's name and labels.
type Key = (String, BTreeMap<String, String>);

/// Records metrics and keeps what was read.
struct Metrics {
    recorder: DebuggingRecorder,
    snapshotter: Snapshotter,
    values: RefCell<HashMap<Key, DebugValue>>,
}

impl Metrics {
    fn new() -> Self {
        let recorder = DebuggingRecorder::new();
        Self {
            snapshotter: recorder.snapshotter(),
            recorder,
            values: RefCell::default(),
        }
    }

    fn record(&self) -> metrics::LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(&self.recorder)
    }

    /// Reads the values, which removes them from the recorder.
    fn read(&self) {
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            let labels = key
                .labels()
                .map(|label| (label.key().into(), label.value().into()));
            let key = (key.name().to_owned(), labels.collect());
            self.values.borrow_mut().insert(key, value);
        }
    }

    fn get<T>(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        convert: impl Fn(&DebugValue) -> Option<T>,
    ) -> Option<T> {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        let key = (name.to_owned(), labels.collect());
        self.values.borrow().get(&key).and_then(convert)
    }

    fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.get(name, labels, |value| match value {
            DebugValue::Counter(count) => Some(*count),
            _ => None,
        })
        .unwrap_or(0)
    }

    fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.get(name, labels, |value| match value {
            DebugValue::Gauge(value) => Some(value.0),
            _ => None,
        })
    }

    fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        self.get(name, labels, |value| match value {
            DebugValue::Histogram(values) => Some(values.iter().map(|value| value.0).collect()),
            _ => None,
        })
        .unwrap_or_default()
    }
}

async fn operations_are_counted_and_timed(db: DatabaseConnection) {
    let backend = backend(&db);
    let (store, _) = observed_store(db).await;
    let metrics = Metrics::new();
    let _recorder = metrics.record();
    for _ in 0..3 {
        store
            .load(&tower_sessions::session::Id::default())
            .await
            .unwrap();
    }
    let loads = [
        ("operation", "load"),
        ("backend", backend),
        ("table", "session"),
        ("outcome", "none"),
    ];
    metrics.read();
    let times = metrics.histogram("session_store_operation_duration_seconds", &loads);
    assert_eq!(times.len(), 3);
    assert!(
        times.iter().all(|time| (0.000_001..10.0).contains(time)),
        "{times:?}"
    );
    assert_eq!(metrics.counter("session_store_operations_total", &loads), 3);
}

async fn a_merged_conflict_is_counted(db: DatabaseConnection) {
    let table = [("backend", backend(&db)), ("table", "session")];
    let (store, _) = observed_store(db).await;
    let app = {
        let store = store.clone();
        session_routes().route(
            "/conflict",
            get(async move |session: Session| {
                session.insert("b", 1).await.unwrap();
                // Another request saves first.
                let id = session.id().unwrap();
                let other = store.load(&id).await.unwrap().unwrap();
                store.save(&other).await.unwrap();
            }),
        )
    };
    let metrics = Metrics::new();
    let _recorder = metrics.record();
    let mut visitor = Visitor::new(&app.layer(store.layer()));
    visitor.ok("/insert/a/1").await;
    visitor.ok("/insert/a/1").await;
    let conflicts = || {
        metrics.read();
        metrics.counter("session_store_conflicts_merged_total", &table)
    };
    assert_eq!(conflicts(), 0);
    visitor.ok("/conflict").await;
    assert_eq!(conflicts(), 1);
}

async fn pruned_rows_and_the_last_prune_are_recorded(db: DatabaseConnection) {
    let table = [("backend", backend(&db)), ("table", "session")];
    let (store, clock) = observed_store(db).await;
    for _ in 0..5 {
        store.create(&mut record(clock.now(), [])).await.unwrap();
    }
    clock.advance(Duration::DAY);
    let prune = async || {
        let metrics = Metrics::new();
        let recorder = metrics.record();
        let _ = store.pruner().batch_size(2).prune().await;
        drop(recorder);
        metrics.read();
        metrics
    };
    let last_prune = |metrics: &Metrics| {
        let gauge = |name| metrics.gauge(name, &table);
        (
            gauge("session_store_last_prune_failed"),
            gauge("session_store_last_prune_timestamp_seconds"),
        )
    };
    let now = (clock.now() - OffsetDateTime::UNIX_EPOCH).as_seconds_f64();

    let metrics = prune().await;
    assert_eq!(last_prune(&metrics), (Some(0.0), Some(now)));
    let rows = metrics.counter("session_store_pruned_rows_total", &table);
    assert_eq!(rows, 5);

    execute(store.db(), "ALTER TABLE session RENAME TO elsewhere").await;
    assert_eq!(last_prune(&prune().await), (Some(1.0), None));
}

#[test]
fn every_name_is_in_the_documentation() {
    let page = include_str!("../../../session-store/docs/telemetry.md");
    let sources = [
        include_str!("../../../session-store/src/telemetry/operation.rs"),
        include_str!("../../../session-store/src/telemetry/metrics.rs"),
    ];
    let mut names = 0;
    for source in sources {
        let operations = source.split("Self::new(").skip(1);
        let metrics = source.split("!(\"session_store").skip(1);
        let operations = operations.filter_map(|rest| rest.trim_start().strip_prefix('"'));
        let metrics = metrics.map(|rest| ("session_store", rest));
        let prefixed = operations.map(|rest| ("", rest)).chain(metrics);
        for (prefix, rest) in prefixed {
            let name = format!("`{prefix}{}`", rest.split('"').next().unwrap());
            assert!(page.contains(&name), "cannot find {name} in telemetry.md");
            names += 1;
        }
    }
    assert!(names > 20, "found only {names} names in the sources");
}
