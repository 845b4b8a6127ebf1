//! Each test on the page of guarantees exists.

use std::fs;
use std::path::Path;

#[test]
fn each_guarantee_names_a_test_that_exists() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let page = include_str!("../../../session-store/docs/guarantees.md");
    let mut named = 0;
    for row in page
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
    {
        let cell = row
            .trim_end_matches(" |")
            .rsplit_once(" | ")
            .map_or(row, |(_, cell)| cell);
        for name in cell
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.contains('/'))
        {
            let (files, function) = match name.split_once("::") {
                Some((module, function)) => (vec![format!("behaviour/{module}.rs")], function),
                None => (OTHERS.map(str::to_owned).to_vec(), name),
            };
            let heads = [
                format!("fn {function}("),
                format!("fn {function}<"),
                // Defined by a macro.
                format!("    {function}: "),
            ];
            let exists = files.iter().any(|file| {
                let source = fs::read_to_string(tests.join(file)).unwrap();
                heads.iter().any(|head| source.contains(head))
            });
            assert!(exists, "cannot find the test {function} in {files:?}");
            named += 1;
        }
    }
    assert!(named > 40, "found only {named} tests on the page");
}

/// Test binaries other than this one.
const OTHERS: [&str; 14] = [
    "../../examples/devices/tests/chromium.rs",
    "cluster/galera.rs",
    "cluster/pooler.rs",
    "cluster/standby.rs",
    "leaks/languages.rs",
    "leaks/main.rs",
    "migrations/column.rs",
    "migrations/migration.rs",
    "migrations/sqlx_store.rs",
    "model/main.rs",
    "processes.rs",
    "properties/main.rs",
    "random_handlers/main.rs",
    "telemetry/main.rs",
];
