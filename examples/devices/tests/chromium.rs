//! What do users see? Tests the site in Chromium, with two browsers.

use std::path::Path;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use sea_orm::ActiveValue::Set;
use sea_orm::{Database, DatabaseConnection, EntityTrait};
use serde_json::{Value, json};
use session_store::SessionLayer;
use tests::{COOKIE_NAME, Clock};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tower_sessions::Session;
use tower_sessions::cookie::SameSite;

use super::browser::PASSWORD;
use super::driver::{Browser, Driver, desktop, phone};
use crate::app::{app, open};
use crate::{sample, session};

/// A value of Chromium's setting `profile.cookie_controls_mode`.
const BLOCK_THIRD_PARTY_COOKIES: u8 = 1;

#[tokio::test]
async fn a_user_signs_out_one_device_from_another() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let site = site(|store| store).await;
    let desktop = driver.browser(&site, desktop()).await;
    let phone = driver.browser(&site, phone()).await;

    desktop.go("/sign-up").await;
    desktop.screenshot("devices-sign-up").await;
    submit(&desktop, "Sign up").await;
    phone.go("/").await;
    assert_eq!(phone.heading().await, "Sign in");
    phone.check("keep_signed_in").await;
    submit(&phone, "Sign in").await;
    assert_eq!(phone.heading().await, "Your sessions");

    desktop.go("/").await;
    let devices = desktop.texts(".device h2").await;
    assert_eq!(devices, ["Chrome on Linux", "Chrome on Android"]);
    assert_eq!(desktop.texts(".current h2").await, ["Chrome on Linux"]);
    assert_eq!(phone.texts(".current h2").await, ["Chrome on Android"]);
    desktop.screenshot("devices-desktop").await;
    phone.screenshot("devices-phone").await;

    desktop.press("Sign out all others").await;
    let messages = desktop.texts("[role=status]").await;
    assert_eq!(messages, ["Your other device is signed out."]);
    assert_eq!(desktop.texts(".device h2").await, ["Chrome on Linux"]);
    phone.go("/").await;
    assert_eq!(phone.heading().await, "Sign in");
    phone.screenshot("devices-signed-out").await;
    // The message is shown once, and this session is still active.
    desktop.go("/").await;
    assert_eq!(desktop.texts(".device h2").await, ["Chrome on Linux"]);
    assert!(desktop.texts("[role=status]").await.is_empty());

    desktop.go("/admin").await;
    desktop.screenshot("devices-overview").await;
    driver.stop([desktop, phone]).await;
}

#[tokio::test]
async fn reading_pages_keeps_a_user_signed_in_and_the_idle_timeout_signs_out() {
    const IDLE_TIMEOUT: Duration = Duration::seconds(8);
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let site = site(|store| {
        let store = store.with_idle_timeout(IDLE_TIMEOUT);
        store.with_touch_after(IDLE_TIMEOUT / 8)
    });
    let site = site.await;
    let reader = driver.browser(&site, desktop()).await;
    let absent = driver.browser(&site, phone()).await;
    reader.go("/sign-up").await;
    submit(&reader, "Sign up").await;
    absent.go("/sign-in").await;
    submit(&absent, "Sign in").await;

    let start = Instant::now();
    while start.elapsed() < IDLE_TIMEOUT * 3 {
        sleep(std::time::Duration::from_secs(1)).await;
        reader.go("/").await;
        assert_eq!(reader.heading().await, "Your sessions");
    }
    assert_eq!(reader.texts(".device h2").await, ["Chrome on Linux"]);
    absent.go("/").await;
    assert_eq!(absent.heading().await, "Sign in");

    sleep((IDLE_TIMEOUT + Duration::SECOND).unsigned_abs()).await;
    reader.go("/").await;
    assert_eq!(reader.heading().await, "Sign in");
    driver.stop([reader, absent]).await;
}

#[tokio::test]
async fn closing_the_browser_signs_a_user_out_who_has_not_chosen_to_stay_signed_in() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let site = site(|store| store).await;
    let profile = tempfile::tempdir().unwrap();
    let open = || desktop_with_profile(profile.path());
    let browser = driver.browser(&site, open()).await;
    browser.go("/sign-up").await;
    submit(&browser, "Sign up").await;
    assert!(browser.texts(".badge.plain").await.is_empty());
    browser.close().await;

    let browser = driver.browser(&site, open()).await;
    browser.go("/").await;
    assert_eq!(browser.heading().await, "Sign in");
    browser.check("keep_signed_in").await;
    browser.screenshot("devices-sign-in").await;
    submit(&browser, "Sign in").await;
    assert_eq!(browser.heading().await, "Your sessions");
    browser.close().await;

    let browser = driver.browser(&site, open()).await;
    browser.go("/").await;
    assert_eq!(browser.heading().await, "Your sessions");
    let kept = browser.texts(".current .badge.plain").await;
    assert_eq!(kept, ["Stays signed in"]);
    driver.stop([browser]).await;
}

#[tokio::test]
async fn a_sixth_device_signs_out_the_oldest() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let site = site(|store| store).await;
    let oldest = driver.browser(&site, desktop()).await;
    oldest.go("/sign-up").await;
    submit(&oldest, "Sign up").await;
    let mut others = Vec::new();
    for _ in 2..=6 {
        let other = driver.browser(&site, phone()).await;
        other.go("/sign-in").await;
        submit(&other, "Sign in").await;
        others.push(other);
    }

    oldest.go("/").await;
    assert_eq!(oldest.heading().await, "Sign in");
    for other in &others {
        other.go("/").await;
        assert_eq!(other.texts(".device").await.len(), 5);
    }
    others[4].screenshot("devices-five").await;
    driver.stop(others.into_iter().chain([oldest])).await;
}

#[tokio::test]
async fn changing_the_password_asks_for_it_unless_it_was_given_within_ten_minutes() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let clock = Clock::new();
    let site = site(|store| store.with_clock(clock.reader())).await;
    let browser = driver.browser(&site, desktop()).await;
    browser.go("/sign-up").await;
    submit(&browser, "Sign up").await;

    clock.advance(Duration::minutes(9));
    browser.go("/password").await;
    assert_eq!(browser.texts("label").await, ["New password"]);
    browser.type_into("new_password", "battery-staple").await;
    browser.press("Change password").await;
    let changed = "Your password is changed. Your other devices are signed out.";
    assert_eq!(browser.texts("[role=status]").await, [changed]);

    clock.advance(Duration::minutes(11));
    browser.go("/password").await;
    let labels = ["Current password", "New password"];
    assert_eq!(browser.texts("label").await, labels);
    browser.type_into("current_password", PASSWORD).await;
    browser.type_into("new_password", "tr0ub4dor&3").await;
    browser.press("Change password").await;
    assert_eq!(browser.texts(".error").await, ["This password is wrong."]);
    browser.screenshot("devices-password").await;
    browser
        .type_into("current_password", "battery-staple")
        .await;
    browser.type_into("new_password", "tr0ub4dor&3").await;
    browser.press("Change password").await;
    assert_eq!(browser.texts("[role=status]").await, [changed]);
    driver.stop([browser]).await;
}

#[tokio::test]
async fn every_page_fits_a_phone_and_is_accessible() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    let site = site(|store| store).await;
    let phone = driver.browser(&site, phone()).await;
    for path in ["/sign-in", "/sign-up"] {
        phone.go(path).await;
        phone.assert_fits_and_is_accessible().await;
    }
    submit(&phone, "Sign up").await;
    for path in ["/", "/admin", "/password", "/nothing-here"] {
        phone.go(path).await;
        phone.assert_fits_and_is_accessible().await;
    }
    driver.stop([phone]).await;
}

#[tokio::test]
async fn the_default_cookie_is_kept_sent_and_removed() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    for partitioned in [false, true] {
        let site = counter(|layer| layer.with_partitioned(partitioned)).await;
        let browser = driver.browser(&site, desktop()).await;
        for visit in ["1", "2", "3"] {
            browser.go("/").await;
            assert_eq!(browser.texts("body").await, [visit]);
            assert_eq!(browser.cookies().await, [COOKIE_NAME]);
        }
        browser.go("/sign-out").await;
        assert!(browser.cookies().await.is_empty());
        browser.close().await;
    }
    driver.stop([]).await;
}

#[tokio::test]
async fn an_embedded_application_keeps_its_session_with_a_partitioned_cookie() {
    let Some(mut driver) = Driver::start().await else {
        return;
    };
    for (partitioned, second_visit) in [(false, "1"), (true, "2")] {
        let site = counter(|layer| {
            let layer = layer.with_same_site(SameSite::None);
            layer.with_partitioned(partitioned)
        });
        let site = site.await;
        let mut options = desktop();
        options["prefs"] = json!({ "profile.cookie_controls_mode": BLOCK_THIRD_PARTY_COOKIES });
        let browser = driver.browser(&site, options).await;
        // To browsers, `localhost` is another site.
        let embedding = format!("{}/embed", site.replace("127.0.0.1", "localhost"));
        for visit in ["1", second_visit] {
            browser.client.goto(&embedding).await.unwrap();
            browser.client.enter_frame(0).await.unwrap();
            assert_eq!(browser.texts("body").await, [visit], "{partitioned}");
        }
        // Not embedded, it has another session.
        browser.go("/").await;
        assert_eq!(browser.texts("body").await, ["1"]);
        browser.close().await;
    }
    driver.stop([]).await;
}

/// Starts an application that counts the visits of a session, and returns its address.
async fn counter(
    configure: impl FnOnce(SessionLayer<session::Model>) -> SessionLayer<session::Model>,
) -> String {
    let count = get(async |session: Session| {
        let visits = session.get::<u32>("visits").await.unwrap().unwrap_or(0) + 1;
        session.insert("visits", visits).await.unwrap();
        visits.to_string()
    });
    let sign_out = get(async |session: Session| session.flush().await.unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let frame = Html(format!("<iframe src='{address}/'></iframe>"));
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let layer = configure(open(db).await.unwrap().layer());
    let router = Router::new()
        .route("/", count)
        .route("/sign-out", sign_out)
        .layer(layer)
        .route("/embed", get(frame));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Starts the site on a free port, with a new database in memory, and returns its address.
async fn site(configure: impl FnOnce(session::Store) -> session::Store) -> String {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let store = configure(open(db).await.unwrap());
    sample_the_last_half_hour(store.db()).await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app(store)).await });
    address
}

/// Adds samples for the chart.
async fn sample_the_last_half_hour(db: &DatabaseConnection) {
    let now = sample::minute_of(OffsetDateTime::now_utc());
    let sessions = [
        3, 4, 4, 6, 9, 11, 10, 12, 15, 14, 17, 16, 13, 11, 12, 10, 11, 9, 8, 9, 7, 8, 6, 5, 6, 4,
        5, 3, 3, 2,
    ];
    let samples = (now - 29..)
        .zip(sessions)
        .map(|(minute, sessions)| sample::ActiveModel {
            minute: Set(minute),
            sessions: Set(sessions),
        });
    sample::Entity::insert_many(samples).exec(db).await.unwrap();
}

/// A desktop browser that finds there what it has stored before.
fn desktop_with_profile(folder: &Path) -> Value {
    let mut options = desktop();
    let folder = format!("--user-data-dir={}", folder.display());
    options["args"].as_array_mut().unwrap().push(folder.into());
    options
}

/// Fills in the form and presses the button with this name.
async fn submit(browser: &Browser, button: &str) {
    for (id, text) in [("name", "Ann"), ("password", PASSWORD)] {
        browser.type_into(id, text).await;
    }
    browser.press(button).await;
}
