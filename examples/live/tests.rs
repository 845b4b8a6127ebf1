//! Two processes of the program, a socket to one of them, and a sign-out by the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::Locator;
use sea_orm::DatabaseConnection;
use tests::database::{database_url, execute};
use tests::on_database;
use tungstenite::client::IntoClientRequest;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use super::SIGNED_OUT;
use super::driver::{Driver, desktop};

on_database!(
    postgres,
    Postgres: a_sign_out_on_another_node_closes_the_socket_at_once,
    a_session_that_is_deleted_by_hand_closes_its_socket,
);
on_database!(mariadb, MariaDb: a_sign_out_on_another_node_closes_the_socket_within_an_interval);

/// Is set in the process that runs the program.
const RUN_PROGRAM: &str = "SESSION_STORE_RUN_PROGRAM";

/// Runs the program. [`Node::start`] starts this test in a separate process.
#[test]
#[ignore = "runs the program for other tests"]
fn the_program() {
    if std::env::var_os(RUN_PROGRAM).is_some() {
        crate::main().unwrap();
    }
}

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

/// A process of the program.
struct Node {
    process: Child,
    address: String,
}

impl Node {
    fn start(database_url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::the_program", "--ignored", "--nocapture"])
            .env(RUN_PROGRAM, "1")
            .env("PORT", "0")
            .env("DATABASE_URL", database_url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let mut addresses = lines.filter_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("listening on http://")?;
            Some(address.to_owned())
        });
        let address = addresses.next().expect("the program prints its address");
        Self { process, address }
    }

    /// Sends a form. Returns the status line and the cookie that is set.
    fn post(&self, path: &str, cookie: &str, form: &str) -> (String, Option<String>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, form.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (status, headers) = response.split_once("\r\n").unwrap();
        let cookie = headers.split_once("set-cookie: ").map(|(_, cookie)| cookie);
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        (status.to_owned(), cookie.map(str::to_owned))
    }

    fn sign_in(&self) -> String {
        let (status, cookie) = self.post("/sign-in", "", "user=ann");
        assert!(status.contains("303"), "{status}");
        cookie.expect("a cookie")
    }

    fn sign_out(&self, cookie: &str) {
        let (status, removed) = self.post("/sign-out", cookie, "");
        assert!(status.contains("303"), "{status}");
        assert_eq!(removed.as_deref(), Some("id="));
    }

    fn open_socket(&self, cookie: &str) -> Socket {
        let mut request = format!("ws://{}/live", self.address)
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("Cookie", cookie.parse().unwrap());
        let (socket, _) = tungstenite::connect(request).unwrap();
        socket
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Reads until the socket is closed, and returns the close code.
fn closed(mut socket: Socket) -> u16 {
    loop {
        match socket.read().unwrap() {
            Message::Close(Some(frame)) => return frame.code.into(),
            message => assert!(message.is_text(), "{message:?}"),
        }
    }
}

/// Signs out on another node than the one of the socket, some times, and returns how long each socket stayed
/// open.
fn times_until_closed(database_url: &str, times: usize) -> Vec<Duration> {
    let (one, other) = (Node::start(database_url), Node::start(database_url));
    let kept = one.sign_in();
    let mut kept = one.open_socket(&kept);
    let mut sign_out = |_| {
        let cookie = one.sign_in();
        let mut socket = one.open_socket(&cookie);
        assert!(socket.read().unwrap().is_text());
        let signed_out = Instant::now();
        other.sign_out(&cookie);
        assert_eq!(closed(socket), SIGNED_OUT);
        let waited = signed_out.elapsed();
        assert!(kept.read().unwrap().is_text());
        waited
    };
    let mut waited: Vec<_> = (0..times).map(&mut sign_out).collect();
    // A visitor who is not signed in has no socket.
    let request = format!("ws://{}/live", one.address);
    let refused = tungstenite::connect(request).unwrap_err().to_string();
    assert!(refused.contains("401"), "{refused}");
    waited.sort();
    println!("{waited:?}");
    waited
}

async fn a_sign_out_on_another_node_closes_the_socket_at_once(db: DatabaseConnection) {
    let url = database_url(&db).await;
    let waited = tokio::task::block_in_place(|| times_until_closed(&url, 20));
    // Within the interval of a second if nothing is heard: half of them take longer than this then.
    assert!(waited[10] < Duration::from_millis(250), "{waited:?}");
}

async fn a_sign_out_on_another_node_closes_the_socket_within_an_interval(db: DatabaseConnection) {
    let url = database_url(&db).await;
    let waited = tokio::task::block_in_place(|| times_until_closed(&url, 5));
    assert!(waited[4] < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn a_sign_out_on_another_node_closes_the_socket_within_an_interval_on_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/live.sqlite?mode=rwc", folder.path().display());
    let waited = times_until_closed(&url, 5);
    assert!(waited[4] < Duration::from_secs(5), "{waited:?}");
}

async fn a_session_that_is_deleted_by_hand_closes_its_socket(db: DatabaseConnection) {
    let node = Node::start(&database_url(&db).await);
    let socket = node.open_socket(&node.sign_in());
    execute(&db, "DELETE FROM express_session").await;
    let code = tokio::task::block_in_place(|| closed(socket));
    assert_eq!(code, SIGNED_OUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_that_the_visitor_was_signed_out_elsewhere() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/live.sqlite?mode=rwc", folder.path().display());
    let (one, other) = (Node::start(&url), Node::start(&url));
    let browser = driver
        .browser(&format!("http://{}", one.address), desktop())
        .await;
    browser.go("/").await;
    browser.assert_fits_and_is_accessible().await;
    browser.press("Sign in").await;
    browser.assert_fits_and_is_accessible().await;
    let says = async |text: &str| {
        let path = format!("//p[contains(., '{text}')]");
        let wait = browser.client.wait().for_element(Locator::XPath(&path));
        wait.await.unwrap();
    };
    says("ann has been here for 1 s").await;
    browser.screenshot("live-signed-in").await;
    let cookies = browser.client.get_all_cookies().await.unwrap();
    other.sign_out(&format!("id={}", cookies[0].value()));
    says("You were signed out.").await;
    browser.screenshot("live-signed-out").await;
    assert!(browser.texts("button").await.is_empty());
    driver.stop([browser]).await;
}
