//! Macros that run a test on several databases.

/// Defines a test on every database for each `async fn name(db: DatabaseConnection)`.
///
/// After `one_thread:` the tests run on one thread and may pause tokio's clock. After `<Type>` the
/// functions are generic and called with this type.
#[macro_export]
macro_rules! on_every_database {
    (one_thread: $($test:ident),* $(,)?) => {
        mod one_thread {
            use super::*;
            $crate::on_every_database!(@ (flavor = "current_thread") [] $($test),*);
        }
    };
    (<$type:ident> $($test:ident),* $(,)?) => {
        $crate::on_every_database!(
            @ (flavor = "multi_thread", worker_threads = 2) [$type] $($test),*
        );
    };
    (@ $flavor:tt $type:tt $($test:ident),*) => {
        $crate::on_database!(@ sqlite_memory, SqliteMemory, $flavor $type $($test),*);
        $crate::on_database!(@ sqlite_file, SqliteFile, $flavor $type $($test),*);
        $crate::on_database!(@ postgres, Postgres, $flavor $type $($test),*);
        $crate::on_database!(@ mariadb, MariaDb, $flavor $type $($test),*);
    };
    ($($test:ident),* $(,)?) => {
        $crate::on_every_database!(
            @ (flavor = "multi_thread", worker_threads = 2) [] $($test),*
        );
    };
}

/// Defines a test on every database and for every type of `sess` and `expire` column for each
/// `async fn name<M: SessionModel>(db: DatabaseConnection)`.
#[macro_export]
macro_rules! on_every_database_and_kind {
    ($($test:ident),* $(,)?) => {
        $crate::on_every_database_and_kind!(@ json_and_offset: $($test),*);
        $crate::on_every_database_and_kind!(@ jsonb_and_fixed_offset: $($test),*);
        $crate::on_every_database_and_kind!(@ text_and_primitive: $($test),*);
        $crate::on_every_database_and_kind!(@ text_and_naive: $($test),*);
        $crate::on_every_database_and_kind!(@ bytes_and_utc: $($test),*);
    };
    (@ $kind:ident: $($test:ident),*) => {
        mod $kind {
            use super::*;
            use $crate::kinds::$kind::Model;
            $crate::on_every_database!(<Model> $($test),*);
        }
    };
}

/// Defines a module with a test on one database, a variant of [`Kind`](crate::database::Kind), for
/// each `async fn name(db: DatabaseConnection)`.
#[macro_export]
macro_rules! on_database {
    ($module:ident, $kind:ident: $($test:ident),* $(,)?) => {
        $crate::on_database!(
            @ $module, $kind, (flavor = "multi_thread", worker_threads = 2) [] $($test),*
        );
    };
    (@ $module:ident, $kind:ident, $flavor:tt $type:tt $($test:ident),*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test $flavor]
                async fn $test() {
                    let kind = $crate::database::Kind::$kind;
                    let test = $crate::test_function!($test $type);
                    $crate::database::with_database(kind, test).await;
                }
            )*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! test_function {
    ($test:ident []) => {
        super::$test
    };
    ($test:ident [$type:ident]) => {
        super::$test::<$type>
    };
}
