//! Sets up, starts and restarts temporary database servers.

use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// The maximum time between a server's start and its first answer.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The maximum time that a server takes to stop.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// Runs a server as an unprivileged user, because PostgreSQL refuses to run as root.
const UNPRIVILEGED: [&str; 4] = [
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// A running server with its data in a temporary folder, on a port of 127.0.0.1 that a restart keeps.
///
/// The server and its data are removed on drop. Durability is off: the server is always shut down
/// properly, so nothing is lost.
pub(crate) struct Server {
    kind: Kind,
    port: u16,
    process: Child,
    home: TempDir,
}

impl Server {
    /// Sets up a server and starts it.
    pub(crate) async fn start(kind: Kind) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("faults.").tempdir()?;
        if is_root().await? {
            let chown = Command::new("chown")
                .arg("nobody:nogroup")
                .arg(home.path())
                .status();
            ensure!(chown.await?.success(), "chown failed");
        }
        // The port is free now. Another program could take it before the server does, but rarely will.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let installed = kind.install(home.path())?;
        let status = command(home.path(), installed).await?.status().await?;
        ensure!(status.success(), "{kind}: {}", log(home.path()));
        let process = command(home.path(), kind.server(home.path(), port)?)
            .await?
            .spawn()?;
        let mut server = Self {
            kind,
            port,
            process,
            home,
        };
        server.wait_until_ready().await?;
        Ok(server)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Shuts the server down, which closes its connections, and starts it again. Returns how long it was
    /// unavailable.
    pub(crate) async fn restart(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.stop().await?;
        let server = self.kind.server(self.home.path(), self.port)?;
        self.process = command(self.home.path(), server).await?.spawn()?;
        self.wait_until_ready().await?;
        Ok(start.elapsed())
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(id) = self.process.id() else {
            bail!(
                "{} stopped unexpectedly: {}",
                self.kind,
                log(self.home.path())
            );
        };
        let signal = Command::new("kill")
            .args([self.kind.stop_signal(), &id.to_string()])
            .status();
        ensure!(signal.await?.success(), "kill failed");
        tokio::time::timeout(STOP_LIMIT, self.process.wait())
            .await
            .with_context(|| format!("{} did not stop in time", self.kind))??;
        Ok(())
    }

    /// Creates a database and returns its URL.
    pub(crate) async fn create_database(&self, name: &str) -> Result<String> {
        let admin = self.connect(self.kind.first_database()).await?;
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await?;
        admin.close().await?;
        Ok(self.url(name))
    }

    pub(crate) async fn version(&self) -> Result<String> {
        let admin = self.connect(self.kind.first_database()).await?;
        let version = Statement::from_string(admin.get_database_backend(), self.kind.version());
        let row = admin
            .query_one_raw(version)
            .await?
            .context("missing version")?;
        let version = row.try_get_by_index(0)?;
        admin.close().await?;
        Ok(version)
    }

    async fn connect(&self, database: &str) -> Result<DatabaseConnection> {
        connect_once(&self.url(database)).await
    }

    fn url(&self, database: &str) -> String {
        let Self { kind, port, .. } = self;
        let scheme_and_user = kind.scheme_and_user();
        format!("{scheme_and_user}@127.0.0.1:{port}/{database}")
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            // sqlx retries a refused connection until the pool's `acquire_timeout`.
            match self.version().await {
                Ok(_) => return Ok(()),
                Err(_) if start.elapsed() < START_LIMIT && self.process.try_wait()?.is_none() => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => {
                    let log = log(self.home.path());
                    return Err(error.context(format!("{} did not start: {log}", self.kind)));
                }
            }
        }
    }
}

/// Opens a pool of one connection, with a timeout of one second.
pub(crate) async fn connect_once(url: &str) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(1));
    Ok(Database::connect(options).await?)
}

impl Kind {
    /// Returns the command that creates the data folder.
    fn install(self, home: &Path) -> Result<Vec<String>> {
        let data = data(home);
        Ok(match self {
            Self::Postgres => vec![
                find_program(&["initdb"])?,
                format!("--pgdata={data}"),
                "--username=postgres".into(),
                "--auth=trust".into(),
                "--encoding=UTF8".into(),
                "--locale=C".into(),
                "--no-sync".into(),
            ],
            Self::MariaDb => vec![
                find_program(&["mariadb-install-db", "mysql_install_db"])?,
                "--no-defaults".into(),
                format!("--datadir={data}"),
                "--auth-root-authentication-method=normal".into(),
            ],
        })
    }

    /// Returns the command that runs the server.
    fn server(self, home: &Path, port: u16) -> Result<Vec<String>> {
        let data = data(home);
        let home = home.display();
        Ok(match self {
            Self::Postgres => {
                let mut command = vec![
                    find_program(&["postgres"])?,
                    "-D".into(),
                    data,
                    "-p".into(),
                    port.to_string(),
                ];
                for setting in [
                    "listen_addresses=127.0.0.1",
                    "unix_socket_directories=",
                    "fsync=off",
                    "synchronous_commit=off",
                    "full_page_writes=off",
                    "max_connections=300",
                ] {
                    command.extend(["-c".into(), setting.into()]);
                }
                command
            }
            Self::MariaDb => vec![
                find_program(&["mariadbd", "mysqld"])?,
                "--no-defaults".into(),
                format!("--datadir={data}"),
                format!("--port={port}"),
                "--bind-address=127.0.0.1".into(),
                format!("--socket={home}/mariadb.sock"),
                format!("--pid-file={home}/mariadb.pid"),
                "--transaction-isolation=REPEATABLE-READ".into(),
                "--innodb-flush-log-at-trx-commit=0".into(),
                "--skip-log-bin".into(),
                "--max-connections=300".into(),
            ],
        })
    }

    /// Returns the signal that stops the server. PostgreSQL's is that of a fast shutdown, which does not
    /// wait for clients to disconnect.
    fn stop_signal(self) -> &'static str {
        match self {
            Self::Postgres => "-INT",
            Self::MariaDb => "-TERM",
        }
    }

    /// Returns the scheme and the user of a URL.
    fn scheme_and_user(self) -> &'static str {
        match self {
            Self::Postgres => "postgres://postgres",
            Self::MariaDb => "mysql://root",
        }
    }

    /// Returns a database that every new server has.
    fn first_database(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mysql",
        }
    }

    /// Returns the statement that reads the version.
    fn version(self) -> &'static str {
        match self {
            Self::Postgres => "SELECT current_setting('server_version')",
            Self::MariaDb => "SELECT version()",
        }
    }
}

fn data(home: &Path) -> String {
    home.join("data").display().to_string()
}

/// Prepares a command that runs as an unprivileged user and writes its output to the log.
async fn command(home: &Path, line: Vec<String>) -> Result<Command> {
    let prefix: &[&str] = if is_root().await? { &UNPRIVILEGED } else { &[] };
    let mut words = prefix.iter().map(|word| (*word).to_owned()).chain(line);
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_file(home))?;
    let mut command = Command::new(words.next().context("missing program of the command")?);
    command
        .args(words)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

fn log_file(home: &Path) -> PathBuf {
    home.join("log")
}

/// Returns the last lines of a server's log.
fn log(home: &Path) -> String {
    let log = std::fs::read_to_string(log_file(home)).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

async fn is_root() -> Result<bool> {
    let id = Command::new("id").arg("-u").output().await?;
    Ok(id.stdout.trim_ascii() == b"0")
}

/// Returns the path of the first installed program, also in Debian's folders for PostgreSQL.
fn find_program(names: &[&str]) -> Result<String> {
    let mut folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain([PathBuf::from("/usr/sbin")])
        .collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    for name in names {
        for folder in &folders {
            let program = folder.join(name);
            if program.is_file() {
                return Ok(program.display().to_string());
            }
        }
    }
    bail!(
        "cannot find {} (Debian: apt-get install postgresql mariadb-server)",
        names.join(" or ")
    )
}
