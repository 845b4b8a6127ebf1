fn main() {
    let store = session_store::DefaultStore::new(sea_orm::DatabaseConnection::default());
    let _ = store.layer_for::<String>();
}
