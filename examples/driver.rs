//! Real Chromium for the tests of the examples, with real cookies and real time.
//!
//! Screenshots are in the folder `screenshots` of the target folder. Without Chromium's driver, the tests
//! are skipped, unless `SESSION_STORE_REQUIRE_SERVERS=1`.
// Each example uses some of it.
#![allow(dead_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tests::database::REQUIRE_SERVERS;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

pub fn desktop() -> Value {
    json!({
        "args": [
            "--window-size=1024,900",
            "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/140.0.0.0 Safari/537.36",
        ],
    })
}

pub fn phone() -> Value {
    json!({
        "args": [],
        "mobileEmulation": {
            "deviceMetrics": { "width": 375, "height": 700, "pixelRatio": 2.0 },
            "userAgent": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like \
                          Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
        },
    })
}

/// Chromium's driver, which gives each browser a new profile, unless its options have one.
pub struct Driver {
    process: Child,
    address: String,
}

impl Driver {
    /// Returns `None`, and prints a note, if it is not installed.
    pub async fn start() -> Option<Self> {
        let process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) => {
                assert!(
                    std::env::var(REQUIRE_SERVERS).is_err(),
                    "chromedriver: {error}, and {REQUIRE_SERVERS} is set"
                );
                // The test runner captures `eprintln!`.
                let _ = writeln!(
                    std::io::stderr(),
                    "NOT RUN: chromedriver: {error}; on Debian, apt-get install chromium \
                     chromium-driver"
                );
                return None;
            }
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // Keeps reading, because the driver blocks when the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = format!("http://127.0.0.1:{port}");
        Some(Self { process, address })
    }

    pub async fn browser(&mut self, site: &str, mut options: Value) -> Browser {
        let args = options["args"].as_array_mut().unwrap();
        // The sandbox does not run as root, and containers have little shared memory.
        let common = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"];
        args.extend(common.map(Value::from));
        let capabilities = [("goog:chromeOptions".to_owned(), options)];
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.into_iter().collect())
            .connect(&self.address)
            .await
            .unwrap();
        Browser {
            client,
            site: site.to_owned(),
        }
    }

    pub async fn stop(mut self, browsers: impl IntoIterator<Item = Browser>) {
        for browser in browsers {
            browser.close().await;
        }
        self.process.kill().await.unwrap();
    }
}

pub struct Browser {
    pub client: Client,
    site: String,
}

impl Browser {
    pub async fn close(self) {
        self.client.close().await.unwrap();
    }

    pub async fn go(&self, path: &str) {
        let url = format!("{}{path}", self.site);
        self.client.goto(&url).await.unwrap();
    }

    pub async fn type_into(&self, id: &str, text: &str) {
        let field = self.client.find(Locator::Id(id)).await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Checks the box with this name, by a click on its label.
    pub async fn check(&self, name: &str) {
        let path = format!("//label[input[@name='{name}']]");
        let label = self.client.find(Locator::XPath(&path)).await.unwrap();
        label.click().await.unwrap();
    }

    pub async fn press(&self, button: &str) {
        let path = format!("//main//button[starts-with(normalize-space(), '{button}')]");
        let button = self.client.find(Locator::XPath(&path)).await.unwrap();
        button.clone().click().await.unwrap();
        // Waits until the page with the button is gone, and then for the next page.
        while button.is_displayed().await.is_ok() {
            sleep(std::time::Duration::from_millis(20)).await;
        }
        let wait = self.client.wait().for_element(Locator::Css("h1"));
        wait.await.unwrap();
    }

    pub async fn cookies(&self) -> Vec<String> {
        let cookies = self.client.get_all_cookies().await.unwrap();
        cookies
            .iter()
            .map(|cookie| cookie.name().to_owned())
            .collect()
    }

    pub async fn heading(&self) -> String {
        self.texts("h1").await.concat()
    }

    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }

    /// Asserts that the page does not scroll sideways, that buttons are large enough for a thumb, that
    /// every field and button has a name, and that there is one heading, a language and a title.
    pub async fn assert_fits_and_is_accessible(&self) {
        let script = "
            const problems = [];
            const page = document.documentElement;
            if (page.scrollWidth > innerWidth) problems.push(`${page.scrollWidth} px wide`);
            if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1');
            if (!page.lang || !document.title) problems.push('no language or title');
            for (const field of document.querySelectorAll('input:not([type=hidden])'))
                if (!field.labels.length) problems.push(`no label: ${field.name}`);
            for (const button of document.querySelectorAll('button')) {
                if (!button.textContent.trim()) problems.push('a button without a name');
                const box = button.getBoundingClientRect();
                if (box.height < 44) problems.push(`${button.textContent}: ${box.height} px high`);
            }
            return problems;
        ";
        let url = self.client.current_url().await.unwrap();
        let problems = self.client.execute(script, vec![]).await.unwrap();
        assert_eq!(problems, json!([]), "{url}");
    }

    pub async fn screenshot(&self, name: &str) {
        // The test runs in `target/debug/examples`.
        let test = std::env::current_exe().unwrap();
        let folder: PathBuf = test.ancestors().nth(3).unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let png = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}
