//! Does the site work as documented? Tests it in-process, with each database.

mod browser;
mod chromium;
#[path = "../driver.rs"]
mod driver;
#[path = "../process.rs"]
mod process;

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures_util::stream;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use tests::Clock;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

use self::browser::{Browser, LAPTOP, PASSWORD, PHONE, Page};
use crate::app::{app, open};
use crate::{sample, session, user};

async fn site(db: DatabaseConnection) -> (session::Store, Router) {
    let store = open(db).await.unwrap();
    let app = app(store.clone());
    (store, app)
}

async fn site_with_clock(db: DatabaseConnection) -> (Clock, Router) {
    let clock = Clock::new();
    let store = open(db).await.unwrap().with_clock(clock.reader());
    (clock, app(store))
}

async fn after_signing_up_a_user_sees_this_device(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/").await.redirects_to("/sign-in");
    laptop
        .submit("/sign-up", "%20ann%3Cb%3E+")
        .await
        .redirects_to("/");
    let page = laptop.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Signed in as <b class=\"person\">ann&lt;b&gt;</b> on 1 device.");
    page.shows("<h2>Firefox on Linux</h2><span class=\"badge\">This device</span>");
    page.shows("just now</time>");
    page.shows("<dt>From</dt><dd>192.0.2.7</dd>");
    page.does_not_show("/sessions/revoke-others");
    laptop.get("/sign-up").await.redirects_to("/");
}

async fn a_device_signed_out_from_another_is_redirected_to_sign_in(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.submit("/sign-in", "ann").await.redirects_to("/");
    phone.get("/").await.shows("on 2 devices.");

    laptop.get("/").await.shows("Safari on iPhone");
    laptop
        .post(&phone.revoke_path(&store), "")
        .await
        .redirects_to("/");
    let page = laptop.get("/").await;
    page.shows("That device is signed out.");
    page.does_not_show("Safari on iPhone");
    phone
        .post("/sessions/revoke-others", "")
        .await
        .redirects_to("/sign-in");
    phone.get("/").await.redirects_to("/sign-in");
    laptop.get("/").await.shows("on 1 device.");
}

async fn signing_out_all_others_keeps_this_device(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let mut bob = Browser::signed_up(&app, "bob").await;
    let mut phones = [Browser::new(&app, PHONE), Browser::new(&app, PHONE)];
    for phone in &mut phones {
        phone.submit("/sign-in", "ann").await.redirects_to("/");
    }
    laptop.get("/").await.shows("on 3 devices.");
    laptop
        .post("/sessions/revoke-others", "")
        .await
        .redirects_to("/");
    laptop
        .get("/")
        .await
        .shows("Your 2 other devices are signed out.");
    for phone in &mut phones {
        phone.get("/").await.redirects_to("/sign-in");
    }
    bob.get("/").await.shows("on 1 device.");
}

async fn revoking_this_device_is_signing_out(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let laptop = Browser::signed_up(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.submit("/sign-in", "ann").await.redirects_to("/");
    let revoke = phone.revoke_path(&store);
    for (mut browser, path) in [(laptop, "/sign-out"), (phone, &revoke)] {
        browser.get("/").await;
        let before = browser.cookie.clone();
        browser.post(path, "").await.redirects_to("/sign-in");
        assert_ne!(browser.cookie, before);
        browser.get("/sign-in").await.shows("You are signed out.");
        browser.get("/").await.redirects_to("/sign-in");
        browser.cookie = before;
        browser.get("/").await.redirects_to("/sign-in");
    }
}

async fn a_form_without_the_sessions_token_changes_nothing(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.submit("/sign-in", "ann").await.redirects_to("/");
    phone.get("/").await;
    let mut visitor = Browser::new(&app, LAPTOP);
    visitor.get("/sign-up").await;
    laptop.get("/").await;
    let (token, other_sessions) = (laptop.token.clone(), phone.token.clone());

    for wrong in [
        other_sessions.as_str(),
        "",
        &token[1..],
        &token.to_uppercase(),
    ] {
        for path in [
            "/sign-out",
            "/sessions/revoke-others",
            &phone.revoke_path(&store),
            &format!("/admin{}", phone.revoke_path(&store)),
            "/admin/users/1/revoke",
            "/password",
        ] {
            let body = format!("csrf={wrong}&new_password=battery-staple");
            let page = laptop.send(Method::POST, path, body).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {wrong:?}");
            page.shows("This form is out of date");
        }
        for path in ["/sign-up", "/sign-in"] {
            let body = format!("csrf={wrong}&name=ann&password={PASSWORD}");
            let page = visitor.send(Method::POST, path, body).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {wrong:?}");
        }
    }
    for body in ["", "csrf", "name=eve", "csrf=a&csrf=b", "%ff=%fe"] {
        let page = laptop
            .send(Method::POST, "/sign-out", body.to_owned())
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{body:?}");
    }
    laptop.get("/").await.shows("on 2 devices.");
    phone.get("/").await.shows("on 2 devices.");
    visitor.get("/").await.redirects_to("/sign-in");
}

async fn a_form_from_before_signing_in_is_rejected_after_it(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    // Sends the token of the sign-up form.
    let page = laptop.post("/sessions/revoke-others", "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

async fn a_form_with_a_missing_field_is_rejected(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/sign-in").await;
    let page = laptop.post("/sign-in", "name=ann").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

async fn a_user_cannot_revoke_another_users_session(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::signed_up(&app, "ann").await;
    let mut bob = Browser::signed_up(&app, "bob").await;
    bob.get("/").await;
    for path in [
        ann.revoke_path(&store),
        format!("/sessions/{}/revoke", "0".repeat(64)),
    ] {
        let page = bob.post(&path, "").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        page.shows("<h1>Not found</h1>");
    }
    ann.get("/").await.shows("on 1 device.");
}

async fn a_wrong_password_and_an_unknown_name_look_the_same(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    Browser::signed_up(&app, "ann").await;
    let mut pages = Vec::new();
    for (name, password) in [
        ("ann", "wrong-horse"),
        ("eve", PASSWORD),
        ("ann%00", PASSWORD),
    ] {
        let mut browser = Browser::new(&app, LAPTOP);
        let page = browser.submit_with("/sign-in", name, password).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows("The name or the password is wrong.");
        page.shows(&format!("value=\"{}\"", name.replace("%00", "\0")));
        page.does_not_show(password);
        pages.push(
            page.body
                .replace(&browser.token, "")
                .replace("eve", "ann")
                .replace('\0', ""),
        );
        browser.get("/").await.redirects_to("/sign-in");
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
}

async fn errors_are_shown_at_their_field_and_the_name_is_kept(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    Browser::signed_up(&app, "ann").await;
    let mut visitor = Browser::new(&app, LAPTOP);
    let long_name = "n".repeat(41);
    let long_password = "p".repeat(201);
    for (name, password, field, error) in [
        ("", PASSWORD, "name", "Please enter a name."),
        ("++", PASSWORD, "name", "Please enter a name."),
        (
            &long_name,
            PASSWORD,
            "name",
            "A name has at most 40 characters.",
        ),
        (
            "a%00b",
            PASSWORD,
            "name",
            "A name cannot contain control characters.",
        ),
        ("ann", PASSWORD, "name", "This name is taken."),
        (
            "bob",
            "7-chars",
            "password",
            "A password has at least 8 characters.",
        ),
        (
            "bob",
            &long_password,
            "password",
            "A password has at most 200 characters.",
        ),
    ] {
        let page = visitor.submit_with("/sign-up", name, password).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        page.shows(&format!("<p class=\"error\" id=\"{field}-error\">{error}"));
        page.shows(&format!("aria-describedby=\"{field}-error"));
        page.shows("aria-invalid=\"true\"");
        if name == "bob" {
            page.shows("value=\"bob\"");
        }
        page.does_not_show(password);
    }
    assert_eq!(user::Entity::find().all(store.db()).await.unwrap().len(), 1);
}

async fn signing_in_gives_the_session_a_new_id(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    Browser::signed_up(&app, "ann").await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/sign-in").await;
    let before = laptop.id();
    laptop.submit("/sign-in", "ann").await.redirects_to("/");
    assert_ne!(laptop.id(), before);
    assert!(store.find(&before).await.unwrap().is_none());
}

async fn a_user_who_chooses_to_stays_signed_in_for_30_days_after_each_visit(
    db: DatabaseConnection,
) {
    let (clock, app) = site_with_clock(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.sign_in_and_stay("ann").await;
    let page = laptop.get("/").await;
    page.shows("Safari on iPhone</h2><span class=\"badge plain\">Stays signed in</span>");
    assert_eq!(page.body.matches("Stays signed in").count(), 1);

    for _ in 0..2 {
        clock.advance(Duration::days(29));
        phone.get("/").await.shows("on 1 device.");
        laptop.get("/").await.redirects_to("/sign-in");
    }
    clock.advance(Duration::days(31));
    phone.get("/").await.redirects_to("/sign-in");
}

async fn the_box_to_stay_signed_in_stays_checked_when_the_form_has_errors(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/sign-in").await;
    for (field, is_checked) in [("&keep_signed_in=on", true), ("", false)] {
        let fields = format!("name=eve&password={PASSWORD}{field}");
        let page = laptop.post("/sign-in", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(page.body.contains("checked"), is_checked, "{}", page.body);
    }
}

async fn a_sixth_device_signs_out_the_oldest(db: DatabaseConnection) {
    let (clock, app) = site_with_clock(db).await;
    let mut bob = Browser::signed_up(&app, "bob").await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let mut phones = Vec::new();
    for number in 2..=6 {
        // The oldest is the one that signed in first, however recently it was used.
        clock.advance(Duration::minutes(5));
        laptop.get("/").await.shows("Your sessions");
        let mut phone = Browser::new(&app, PHONE);
        phone.submit("/sign-in", "ann").await.redirects_to("/");
        let page = phone.get("/").await;
        page.shows(&format!("on {} devices.", number.min(5)));
        phones.push(phone);
    }
    laptop.get("/").await.redirects_to("/sign-in");
    for phone in &mut phones {
        phone.get("/").await.shows("on 5 devices.");
    }
    bob.get("/").await.shows("on 1 device.");
}

async fn sign_ins_at_the_same_time_leave_five_devices(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    Browser::signed_up(&app, "ann").await;
    let mut sign_ins = JoinSet::new();
    for _ in 0..12 {
        let mut phone = Browser::new(&app, PHONE);
        phone.get("/sign-in").await;
        let fields = format!("name=ann&password={PASSWORD}");
        sign_ins.spawn(async move { (phone.post("/sign-in", &fields).await, phone) });
    }
    let mut devices = 0;
    for (page, mut phone) in sign_ins.join_all().await {
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        let page = phone.get("/").await;
        if page.status == StatusCode::OK {
            page.shows("on 5 devices.");
            devices += 1;
        }
    }
    assert_eq!(devices, 5);
}

async fn changing_the_password_signs_out_the_other_devices(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let mut bob = Browser::signed_up(&app, "bob").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.submit("/sign-in", "ann").await.redirects_to("/");
    phone.get("/").await;

    let before = laptop.id();
    let page = laptop.get("/password").await;
    page.does_not_show("Current password");
    laptop
        .post("/password", "new_password=battery-staple")
        .await
        .redirects_to("/");
    assert_ne!(laptop.id(), before);
    let page = laptop.get("/").await;
    page.shows("Your password is changed.");
    page.shows("on 1 device.");
    phone.get("/").await.redirects_to("/sign-in");
    bob.get("/").await.shows("on 1 device.");

    let page = phone.submit("/sign-in", "ann").await;
    page.shows("The name or the password is wrong.");
    let page = phone.submit_with("/sign-in", "ann", "battery-staple").await;
    page.redirects_to("/");
}

async fn the_current_password_is_asked_for_unless_it_was_given_within_ten_minutes(
    db: DatabaseConnection,
) {
    let (clock, app) = site_with_clock(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    clock.advance(Duration::minutes(10));
    let page = laptop.get("/password").await;
    page.does_not_show("Current password");

    clock.advance(Duration::minutes(1));
    for (fields, error) in [
        (
            "new_password=battery-staple",
            "Please enter your current password.",
        ),
        (
            "current_password=&new_password=battery-staple",
            "This password is wrong.",
        ),
        (
            "current_password=battery-staple&new_password=battery-staple",
            "This password is wrong.",
        ),
    ] {
        let page = laptop.post("/password", fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        page.shows(&format!("id=\"current_password-error\">{error}"));
        page.does_not_show("battery-staple");
        laptop.get("/password").await.shows("Current password");
    }

    // The right password counts, though the new one has to be chosen again.
    let fields = format!("current_password={PASSWORD}&new_password=short");
    let page = laptop.post("/password", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"new_password-error\">A password has at least 8 characters.");
    page.does_not_show("Current password");
    clock.advance(Duration::minutes(10));
    laptop
        .post("/password", "new_password=battery-staple")
        .await
        .redirects_to("/");
    // Changing the password does not count as giving it.
    clock.advance(Duration::minutes(1));
    laptop.get("/password").await.shows("Current password");
}

async fn a_device_signed_out_during_its_request_is_redirected_to_sign_in(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    laptop.get("/").await;
    let form = format!("csrf={}", laptop.token);
    // The handler has the session when it waits for the form.
    let body = Body::from_stream(stream::once(async move {
        store.delete_all().await.unwrap();
        Ok::<_, Infallible>(form)
    }));
    let page = laptop
        .send(Method::POST, "/sessions/revoke-others", body)
        .await;
    page.redirects_to("/sign-in");
    laptop.get("/").await.redirects_to("/sign-in");
}

async fn a_message_is_shown_once(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    let welcome = "<p class=\"message\" role=\"status\">Welcome, ann.</p>";
    laptop.get("/").await.shows(welcome);
    laptop.get("/").await.does_not_show("role=\"status\"");
}

async fn only_the_administrator_sees_the_overview(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::signed_up(&app, "ann").await;
    let mut bob = Browser::signed_up(&app, "bob").await;
    ann.get("/").await.shows("href=\"/admin\"");
    assert_eq!(ann.get("/admin").await.status, StatusCode::OK);

    bob.get("/").await.does_not_show("/admin");
    let page = bob.get("/admin").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("This page is for the administrator.");
    for path in [
        format!("/admin{}", ann.revoke_path(&store)),
        "/admin/users/1/revoke".to_owned(),
    ] {
        assert_eq!(bob.post(&path, "").await.status, StatusCode::FORBIDDEN);
    }
    Browser::new(&app, PHONE)
        .get("/admin")
        .await
        .redirects_to("/sign-in");
    ann.get("/").await.shows("on 1 device.");
}

async fn the_overview_counts_users_sessions_and_visitors(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut ann = Browser::signed_up(&app, "ann").await;
    Browser::signed_up(&app, "bob").await;
    Browser::new(&app, PHONE)
        .submit("/sign-in", "bob")
        .await
        .redirects_to("/");
    for _ in 0..20 {
        Browser::new(&app, PHONE).get("/sign-in").await;
    }
    let page = ann.get("/admin").await;
    for (label, count) in [
        ("people signed in", 2),
        ("their sessions", 3),
        ("visitors' sessions", 20),
        ("all sessions", 23),
    ] {
        page.shows(&format!("<dt>{label}</dt><dd>{count}</dd>"));
    }
    page.shows("Between 23 and 23, now 23.");
    page.shows("Page 1 of 2");
    let rows = |page: &Page| page.body.matches("<tr role=\"row\">").count() - 1;
    assert_eq!(rows(&page), 20);
    for beyond in ["2", "99"] {
        let page = ann.get(&format!("/admin?page={beyond}")).await;
        page.shows("Page 2 of 2");
        assert_eq!(rows(&page), 3);
    }
    for nonsense in ["0", "-1", "x", ""] {
        let page = ann.get(&format!("/admin?page={nonsense}")).await;
        page.shows("Page 1 of 2");
    }
}

async fn the_administrator_revokes_one_session_or_all_of_a_user(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::signed_up(&app, "ann").await;
    let mut bob = Browser::signed_up(&app, "bob").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.submit("/sign-in", "bob").await.redirects_to("/");

    let page = ann.get("/admin").await;
    page.shows("bob");
    page.shows("Safari on iPhone");
    let path = format!("/admin{}?page=7", phone.revoke_path(&store));
    ann.post(&path, "").await.redirects_to("/admin?page=7");
    assert_eq!(ann.post(&path, "").await.status, StatusCode::NOT_FOUND);
    phone.get("/").await.redirects_to("/sign-in");
    bob.get("/").await.shows("on 1 device.");

    phone.submit("/sign-in", "bob").await.redirects_to("/");
    ann.get("/admin").await.shows("The session is signed out.");
    ann.post("/admin/users/2/revoke", "")
        .await
        .redirects_to("/admin?page=1");
    ann.get("/admin")
        .await
        .shows("bob is signed out everywhere.");
    for browser in [&mut bob, &mut phone] {
        browser.get("/").await.redirects_to("/sign-in");
    }
    assert_eq!(
        ann.post("/admin/users/3/revoke", "").await.status,
        StatusCode::NOT_FOUND
    );

    ann.post("/admin/users/1/revoke", "")
        .await
        .redirects_to("/sign-in");
    ann.get("/").await.redirects_to("/sign-in");
}

async fn the_chart_agrees_with_the_cards_on_a_fresh_start(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    // As at startup, before the first visitor.
    sample::take(&store, OffsetDateTime::now_utc())
        .await
        .unwrap();
    let mut ann = Browser::signed_up(&app, "ann").await;
    Browser::new(&app, PHONE).get("/sign-in").await;
    let page = ann.get("/admin").await;
    page.shows("<dt>all sessions</dt><dd>2</dd>");
    page.shows("now 2.");
    let (_, rows) = page
        .body
        .split_once("<tbody><tr><th scope=\"row\">")
        .unwrap();
    let (_, latest) = rows.split_once("<td>").unwrap();
    assert!(latest.starts_with("2</td>"), "{latest}");
}

async fn stored_samples(store: &session::Store) -> Vec<sample::Model> {
    let samples = sample::Entity::find().order_by_asc(sample::Column::Minute);
    samples.all(store.db()).await.unwrap()
}

async fn each_minute_has_one_sample_which_is_kept_for_a_day(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::signed_up(&app, "ann").await;
    let now = OffsetDateTime::now_utc();
    let minute = sample::minute_of(now);
    sample::take(&store, now - Duration::minutes(3))
        .await
        .unwrap();
    sample::take(&store, now).await.unwrap();
    Browser::signed_up(&app, "bob").await;
    sample::take(&store, now).await.unwrap();
    let samples = stored_samples(&store).await;
    let samples: Vec<_> = samples.iter().map(|s| (s.minute, s.sessions)).collect();
    assert_eq!(samples, [(minute - 3, 1), (minute, 1)]);
    let page = ann.get("/admin").await;
    page.shows("Between 1 and 2, now 2.");

    let tomorrow = now + Duration::DAY;
    sample::take(&store, tomorrow).await.unwrap();
    let samples = stored_samples(&store).await;
    let minutes: Vec<_> = samples.iter().map(|s| s.minute).collect();
    assert_eq!(minutes, [sample::minute_of(tomorrow)]);
}

async fn a_missing_page_says_so_and_creates_no_session(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut visitor = Browser::new(&app, LAPTOP);
    for path in ["/nothing", "/sign-out", "/sessions/revoke-others"] {
        visitor.get(path).await.shows("<h1>Not found</h1>");
    }
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn reading_a_page_does_not_save_the_session(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::signed_up(&app, "ann").await;
    laptop.get("/").await.shows("Welcome, ann.");
    let before = store.find(&laptop.id()).await.unwrap().unwrap();
    for path in ["/", "/admin", "/", "/sign-in"] {
        laptop.get(path).await;
        let after = store.find(&laptop.id()).await.unwrap().unwrap();
        assert_eq!(after, before, "{path}");
    }
}

async fn the_sign_up_page_says_who_becomes_the_administrator(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let note = "The first account becomes the administrator.";
    let mut visitor = Browser::new(&app, LAPTOP);
    visitor.get("/sign-up").await.shows(note);
    let page = visitor.submit_with("/sign-up", "ann", "short").await;
    page.shows(note);
    visitor.get("/sign-in").await.does_not_show(note);

    Browser::signed_up(&app, "ann").await;
    visitor.get("/sign-up").await.does_not_show(note);
    let page = visitor.submit_with("/sign-up", "bob", "short").await;
    page.does_not_show(note);
}

async fn only_the_first_account_becomes_the_administrator(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let sign_up = |name| Browser::signed_up(&app, name);
    sign_up("ann").await;
    tokio::join!(sign_up("bob"), sign_up("eve"));
    let users = user::Entity::find().all(store.db()).await.unwrap();
    let admins: Vec<_> = users.iter().filter(|user| user.is_admin).collect();
    assert_eq!((users.len(), admins.len()), (3, 1));
    assert_eq!(admins[0].name, "ann");
}

async fn of_several_first_accounts_at_once_one_becomes_the_administrator(db: DatabaseConnection) {
    let (store, _) = site(db).await;
    // Without hashing passwords, which would take too long for the requests to overlap.
    let add = |name: &str| user::add(store.db(), name.to_owned(), "hash".to_owned());
    let _ = tokio::join!(add("ann"), add("bob"), add("eve"), add("dan"));
    let users = user::Entity::find().all(store.db()).await.unwrap();
    assert_eq!(users.iter().filter(|user| user.is_admin).count(), 1);
}

tests::on_every_database!(
    after_signing_up_a_user_sees_this_device,
    a_device_signed_out_from_another_is_redirected_to_sign_in,
    signing_out_all_others_keeps_this_device,
    revoking_this_device_is_signing_out,
    a_form_without_the_sessions_token_changes_nothing,
    a_form_from_before_signing_in_is_rejected_after_it,
    a_form_with_a_missing_field_is_rejected,
    a_user_cannot_revoke_another_users_session,
    a_wrong_password_and_an_unknown_name_look_the_same,
    errors_are_shown_at_their_field_and_the_name_is_kept,
    signing_in_gives_the_session_a_new_id,
    a_user_who_chooses_to_stays_signed_in_for_30_days_after_each_visit,
    the_box_to_stay_signed_in_stays_checked_when_the_form_has_errors,
    a_sixth_device_signs_out_the_oldest,
    sign_ins_at_the_same_time_leave_five_devices,
    changing_the_password_signs_out_the_other_devices,
    the_current_password_is_asked_for_unless_it_was_given_within_ten_minutes,
    a_device_signed_out_during_its_request_is_redirected_to_sign_in,
    a_message_is_shown_once,
    reading_a_page_does_not_save_the_session,
    only_the_administrator_sees_the_overview,
    the_overview_counts_users_sessions_and_visitors,
    the_administrator_revokes_one_session_or_all_of_a_user,
    the_chart_agrees_with_the_cards_on_a_fresh_start,
    each_minute_has_one_sample_which_is_kept_for_a_day,
    a_missing_page_says_so_and_creates_no_session,
    the_sign_up_page_says_who_becomes_the_administrator,
    only_the_first_account_becomes_the_administrator,
    of_several_first_accounts_at_once_one_becomes_the_administrator,
);
