//! Tests the program in a separate process: the address it prints, its signals, a port that is taken.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for the program to react on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Is set in the process that runs the program.
const RUN_PROGRAM: &str = "SESSION_STORE_RUN_PROGRAM";

/// Runs the program. `start` starts this test in a separate process.
#[test]
#[ignore = "runs the program for other tests"]
fn the_program() {
    if std::env::var_os(RUN_PROGRAM).is_some() {
        crate::main().unwrap();
    }
}

fn start(port: u16) -> Child {
    let (_, module) = module_path!().split_once("::").unwrap();
    let test = format!("{module}::the_program");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--ignored", "--nocapture"])
        .env(RUN_PROGRAM, "1")
        .env("PORT", port.to_string())
        .env("DATABASE_URL", "sqlite::memory:")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the program prints its address, and returns the host and port.
fn address(child: &mut Child) -> String {
    let stdout = BufReader::new(child.stdout.as_mut().unwrap());
    let lines = stdout.lines().map(Result::unwrap);
    let mut addresses = lines.filter_map(|line| {
        let (_, address) = line.split_once("listening on http://")?;
        Some(address.to_owned())
    });
    addresses.next().expect("the program prints its address")
}

/// Waits until the program exits. Kills it after the timeout.
fn output(mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < TIMEOUT {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait_with_output().unwrap()
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn a_signal_stops_the_program(signal: &str) {
    let mut child = start(0);
    let address = address(&mut child);
    assert!(get(&address).starts_with("HTTP/1.1 "));

    let idle_connection = TcpStream::connect(address).unwrap();
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
    let output = output(child);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    drop(idle_connection);
}

#[test]
fn ctrl_c_stops_the_program() {
    a_signal_stops_the_program("-INT");
}

#[test]
fn sigterm_stops_the_program() {
    a_signal_stops_the_program("-TERM");
}

#[test]
fn the_error_names_a_port_that_is_taken() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let output = output(start(port));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{stderr}");
    for words in [&*format!("cannot listen on port {port}: "), "set PORT"] {
        assert!(stderr.contains(words), "{stderr}");
    }
}
