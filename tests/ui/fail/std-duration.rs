use session_store::DefaultStore;

fn main() {
    let store = DefaultStore::new(sea_orm::DatabaseConnection::default());
    store.with_idle_timeout(std::time::Duration::from_secs(1800));
}
