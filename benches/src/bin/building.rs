//! Measures what the store and its derive add to the time of a build.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use benches::report::{self, cell, median};

/// The number of entities in the crate. The cost of one would be too small to measure.
const ENTITIES: usize = 40;
const ROUNDS: usize = 7;
const COMMANDS: [&str; 2] = ["check", "build"];

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir()?;
    let without = Crate::new(folder.path(), "without", &root, false)?;
    let with = Crate::new(folder.path(), "with", &root, true)?;

    let added: Vec<_> = with
        .packages()?
        .difference(&without.packages()?)
        .cloned()
        .collect();
    let whole_build = with.cargo(&["build"])?;
    let mut clean = vec!["clean".to_owned()];
    for package in &added {
        clean.extend(["--package".to_owned(), package.clone()]);
    }
    with.cargo(&clean)?;
    let store_build = with.cargo(&["build", "--package", "session-store"])?;

    let crates = [&without, &with];
    // For each command, for each of the two crates, the milliseconds of each round.
    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    for command in COMMANDS {
        for entities in crates {
            entities.cargo(&[command])?;
        }
    }
    for round in 0..ROUNDS {
        for (command, times) in COMMANDS.into_iter().zip(&mut times) {
            // A different crate is first in each round.
            for turn in 0..2 {
                let index = (round + turn) % 2;
                crates[index].touch()?;
                let time = crates[index].cargo(&[command])?;
                times[index].push(time.as_secs_f64() * 1e3);
            }
        }
    }

    let names: Vec<_> = added
        .iter()
        .map(|package| package.split('@').next().unwrap_or(package))
        .collect();
    let snapshot = root.join("session-store-derive/snapshots/quick-start.rs");
    let lines = fs::read_to_string(snapshot)?.lines().count();
    let mut rows = vec![
        vec![
            "clean build of sea-orm, tower-sessions and the store, s".to_owned(),
            cell(Some(whole_build.as_secs_f64()), 0),
        ],
        vec![
            "of that, the store and the crates that only it needs, s".to_owned(),
            cell(Some(store_build.as_secs_f64()), 1),
        ],
        vec![
            "crates that only the store needs, including its own two".to_owned(),
            names.len().to_string(),
        ],
        vec![
            "lines that the derive generates for the README's entity".to_owned(),
            lines.to_string(),
        ],
    ];
    for (command, times) in COMMANDS.into_iter().zip(times) {
        for (label, times) in ["without", "with"].into_iter().zip(times) {
            rows.push(vec![
                format!("`cargo {command}` of {ENTITIES} entities {label} the derive, ms"),
                cell(median(times), 0),
            ]);
        }
    }
    let table = report::table(1, &["measurement", "result"], &rows);
    report::write(
        "building",
        &format!(
            "{table}\nThe crates that only the store needs: {}.",
            names.join(", ")
        ),
    )
}

/// A crate of entities, with or without the derive.
struct Crate {
    name: String,
    folder: PathBuf,
    target: PathBuf,
}

impl Crate {
    fn new(folder: &Path, name: &str, root: &Path, has_store: bool) -> Result<Self> {
        let created = Self {
            name: name.to_owned(),
            folder: folder.join(name),
            target: folder.join("target"),
        };
        fs::create_dir_all(created.folder.join("src"))?;
        // The versions that the store is tested with.
        fs::copy(root.join("Cargo.lock"), created.folder.join("Cargo.lock"))?;
        let store = root.join("session-store").canonicalize()?;
        let dependency = if has_store {
            format!("session-store = {{ path = '{}' }}", store.display())
        } else {
            String::new()
        };
        let manifest = format!(
            r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
sea-orm = {{ version = "2.0.4", default-features = false, features = ["macros", "runtime-tokio", "sqlx-postgres", "with-json", "with-time"] }}
tower-sessions = {{ version = "0.15", default-features = false, features = ["axum-core"] }}
{dependency}

[workspace]
"#
        );
        fs::write(created.folder.join("Cargo.toml"), manifest)?;
        let (import, derive) = if has_store {
            ("use session_store::SessionModel;", ", SessionModel")
        } else {
            ("", "")
        };
        let mut text = String::new();
        for number in 0..ENTITIES {
            write!(
                text,
                r#"pub mod session{number} {{
    use sea_orm::entity::prelude::*;
    {import}

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel{derive})]
    #[sea_orm(table_name = "session{number}")]
    pub struct Model {{
        #[sea_orm(primary_key, auto_increment = false)]
        pub sid: String,
        pub sess: Json,
        pub expire: TimeDateTimeWithTimeZone,
        pub user_id: Option<i32>,
        pub user_agent: Option<String>,
    }}

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {{}}

    impl ActiveModelBehavior for ActiveModel {{}}
}}
"#
            )?;
        }
        fs::write(created.source(), text)?;
        Ok(created)
    }

    fn source(&self) -> PathBuf {
        self.folder.join("src/lib.rs")
    }

    /// Rewrites the source, so that cargo builds it again.
    fn touch(&self) -> Result<()> {
        fs::write(self.source(), fs::read(self.source())?)?;
        Ok(())
    }

    /// Runs cargo and returns the time that took.
    fn cargo(&self, arguments: &[impl AsRef<str>]) -> Result<Duration> {
        let start = Instant::now();
        self.output(arguments)?;
        Ok(start.elapsed())
    }

    fn output(&self, arguments: &[impl AsRef<str>]) -> Result<String> {
        let output = Command::new("cargo")
            .args(arguments.iter().map(AsRef::as_ref))
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
            .context("cannot run cargo")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{errors}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Returns the crate's dependencies as `name@version`.
    fn packages(&self) -> Result<BTreeSet<String>> {
        let tree = ["tree", "--edges", "normal,build", "--prefix", "none"];
        let tree = self.output(&tree)?;
        let packages = tree.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            (name != self.name).then(|| format!("{name}@{version}"))
        });
        Ok(packages.collect())
    }
}
