//! The versions of the servers and crates under test.

use anyhow::Result;

use crate::servers::Server;

const LOCK: &str = include_str!("../Cargo.lock");

const CRATES: [&str; 4] = [
    "session-store",
    "tower-sessions-sqlx-store",
    "sea-orm",
    "sqlx",
];

/// Returns the versions of the servers and crates, in one line.
pub(crate) async fn line(servers: &[Server]) -> Result<String> {
    let mut parts = Vec::new();
    for server in servers {
        parts.push(format!("{} {}", server.kind(), server.version().await?));
    }
    for name in CRATES {
        parts.push(format!("{name} {}", locked(name).join(" and ")));
    }
    Ok(parts.join(", "))
}

/// Returns the versions of a crate in the lock file.
fn locked(name: &str) -> Vec<&'static str> {
    let name = format!("name = \"{name}\"");
    let mut lines = LOCK.lines();
    let mut versions = Vec::new();
    while lines.by_ref().any(|line| line == name) {
        let version = lines.next().and_then(|line| line.split('"').nth(1));
        versions.extend(version);
    }
    versions
}
