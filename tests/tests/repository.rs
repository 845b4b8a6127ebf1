//! What the repository says of itself in more than one place is the same everywhere.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_oldest_rust_is_the_same_wherever_it_is_stated() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "session-store/docs/crate.md",
    ] {
        let stated = format!("Rust {version} or later");
        assert!(read(file).contains(&stated), "{file} does not say {stated}");
    }
    // Workspaces of their own.
    for manifest in ["benches/Cargo.toml", "tests/faults/Cargo.toml"] {
        let stated = format!("rust-version = \"{version}\"");
        assert!(read(manifest).contains(&stated), "{manifest}");
    }
}

#[test]
fn each_source_file_is_where_contributing_says() {
    let page = read("CONTRIBUTING.md");
    for folder in ["session-store/src", "session-store-derive/src"] {
        let heading = format!("| `{folder}/` | |\n");
        let list = page.split(&heading).nth(1).unwrap();
        let list = list.split("\n\n").next().unwrap();
        let mut files: Vec<_> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                let is_folder = entry.file_type().unwrap().is_dir();
                if is_folder { format!("{name}/") } else { name }
            })
            .collect();
        files.sort();
        let mut listed: Vec<_> = list
            .lines()
            .filter_map(|line| line.split(" | ").next())
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        listed.sort_unstable();
        assert_eq!(listed, files, "{folder}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
