//! What the store and its derive add to the time of a build.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use benches::report::{self, cell, median};

/// Entities in a crate, so that what one costs shows.
const ENTITIES: usize = 40;
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir()?;
    let without = Crate::new(folder.path(), "without", &root, false)?;
    let with = Crate::new(folder.path(), "with", &root, true)?;

    let beyond: BTreeSet<_> = with.packages()?;
    let beyond: Vec<_> = beyond.difference(&without.packages()?).cloned().collect();
    let all = with.cargo(&["build"])?;
    let mut clean = vec!["clean".to_owned()];
    for package in &beyond {
        clean.extend(["--package".to_owned(), package.clone()]);
    }
    with.cargo(&clean)?;
    let store = with.cargo(&["build", "--package", "session-store"])?;

    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    for command in ["check", "build"] {
        for it in [&without, &with] {
            it.cargo(&[command])?;
        }
    }
    for round in 0..ROUNDS {
        for (place, command) in ["check", "build"].into_iter().enumerate() {
            // Who is first takes turns.
            for turn in 0..2 {
                let which = (round + turn) % 2;
                let it = [&without, &with][which];
                it.touch()?;
                times[place][which].push(it.cargo(&[command])?.as_secs_f64() * 1e3);
            }
        }
    }

    let names: Vec<_> = beyond
        .iter()
        .map(|package| package.split('@').next().unwrap_or(package))
        .collect();
    let lines = fs::read_to_string(root.join("session-store-derive/snapshots/readme.rs"))?;
    let mut rows = vec![
        vec![
            "a cold build: sea-orm, tower-sessions and the store, s".to_owned(),
            cell(Some(all.as_secs_f64()), 0),
        ],
        vec![
            "of it the store and what it alone needs, s".to_owned(),
            cell(Some(store.as_secs_f64()), 1),
        ],
        vec![
            "crates that it alone needs, its own two among them".to_owned(),
            names.len().to_string(),
        ],
        vec![
            "lines that the derive writes for the README's entity".to_owned(),
            lines.lines().count().to_string(),
        ],
    ];
    for (place, command) in ["check", "build"].into_iter().enumerate() {
        let [without, with] = [0, 1].map(|which| median(times[place][which].clone()));
        for (whose, time) in [("without the derive", without), ("with it", with)] {
            rows.push(vec![
                format!("`cargo {command}` of {ENTITIES} entities {whose}, ms"),
                cell(time, 0),
            ]);
        }
    }
    let table = report::table(1, &["", "figure"], &rows);
    report::write(
        "building",
        &format!("{table}\nThe crates: {}.", names.join(", ")),
    )
}

/// A crate of entities.
struct Crate {
    name: String,
    folder: PathBuf,
    target: PathBuf,
}

impl Crate {
    fn new(folder: &Path, name: &str, root: &Path, has_store: bool) -> Result<Self> {
        let it = Self {
            name: name.to_owned(),
            folder: folder.join(name),
            target: folder.join("target"),
        };
        fs::create_dir_all(it.folder.join("src"))?;
        // The versions that the store is tested with.
        fs::copy(root.join("Cargo.lock"), it.folder.join("Cargo.lock"))?;
        let store = root.join("session-store").canonicalize()?;
        let store = match has_store {
            true => format!("session-store = {{ path = {store:?} }}"),
            false => String::new(),
        };
        let manifest = format!(
            r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
sea-orm = {{ version = "2.0.4", default-features = false, features = ["macros", "runtime-tokio", "sqlx-postgres", "with-json", "with-time"] }}
tower-sessions = {{ version = "0.15", default-features = false, features = ["axum-core"] }}
{store}

[workspace]
"#
        );
        fs::write(it.folder.join("Cargo.toml"), manifest)?;
        let (import, derive) = match has_store {
            true => ("use session_store::SessionModel;", ", SessionModel"),
            false => ("", ""),
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
        fs::write(it.source(), text)?;
        Ok(it)
    }

    fn source(&self) -> PathBuf {
        self.folder.join("src/lib.rs")
    }

    fn touch(&self) -> Result<()> {
        fs::write(self.source(), fs::read(self.source())?)?;
        Ok(())
    }

    /// How long cargo takes.
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
            .context("cargo does not run")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{told}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What the crate is built of, as `name@version`.
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
