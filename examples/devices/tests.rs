//! Does the site keep its promises? Browsers in-process, on every database.

mod browser;
mod chromium;

use axum::Router;
use axum::http::{Method, StatusCode};
use sea_orm::{DatabaseConnection, EntityTrait};
use time::{Duration, OffsetDateTime};

use self::browser::{Browser, LAPTOP, PASSWORD, PHONE, Page};
use crate::app::{app, open};
use crate::{sample, session, user};

async fn site(db: DatabaseConnection) -> (session::Store, Router) {
    let store = open(db).await.unwrap();
    let app = app(store.clone());
    (store, app)
}

async fn who_signs_up_sees_the_device_in_hand(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/").await.leads_to("/sign-in");
    laptop
        .enter("/sign-up", "%20ann%3Cb%3E+")
        .await
        .leads_to("/");
    let page = laptop.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Signed in as <b class=\"person\">ann&lt;b&gt;</b> on 1 device.");
    page.shows("<h2>Firefox on Linux</h2><span class=\"badge\">This device</span>");
    page.shows("just now</time>");
    page.shows_not("/sessions/end-others");
    laptop.get("/sign-up").await.leads_to("/");
}

async fn a_device_that_is_ended_from_another_is_sent_to_sign_in(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::of(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.enter("/sign-in", "ann").await.leads_to("/");
    phone.get("/").await.shows("on 2 devices.");

    laptop.get("/").await.shows("Safari on iPhone");
    laptop.post(&phone.end(&store), "").await.leads_to("/");
    let page = laptop.get("/").await;
    page.shows("That device is signed out.");
    page.shows_not("Safari on iPhone");
    phone
        .post("/sessions/end-others", "")
        .await
        .leads_to("/sign-in");
    phone.get("/").await.leads_to("/sign-in");
    laptop.get("/").await.shows("on 1 device.");
}

async fn signing_out_all_others_keeps_this_device(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::of(&app, "ann").await;
    let mut bob = Browser::of(&app, "bob").await;
    let mut phones = [Browser::new(&app, PHONE), Browser::new(&app, PHONE)];
    for phone in &mut phones {
        phone.enter("/sign-in", "ann").await.leads_to("/");
    }
    laptop.get("/").await.shows("on 3 devices.");
    laptop.post("/sessions/end-others", "").await.leads_to("/");
    laptop
        .get("/")
        .await
        .shows("Your 2 other devices are signed out.");
    for phone in &mut phones {
        phone.get("/").await.leads_to("/sign-in");
    }
    bob.get("/").await.shows("on 1 device.");
}

async fn ending_the_device_in_hand_is_signing_out(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let laptop = Browser::of(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.enter("/sign-in", "ann").await.leads_to("/");
    let end = phone.end(&store);
    for (mut browser, path) in [(laptop, "/sign-out"), (phone, &end)] {
        browser.get("/").await;
        let before = browser.cookie.clone();
        browser.post(path, "").await.leads_to("/sign-in");
        assert_ne!(browser.cookie, before);
        browser.get("/sign-in").await.shows("You are signed out.");
        browser.get("/").await.leads_to("/sign-in");
        browser.cookie = before;
        browser.get("/").await.leads_to("/sign-in");
    }
}

async fn a_form_without_the_sessions_own_token_changes_nothing(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::of(&app, "ann").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.enter("/sign-in", "ann").await.leads_to("/");
    phone.get("/").await;
    let mut visitor = Browser::new(&app, LAPTOP);
    visitor.get("/sign-up").await;
    laptop.get("/").await;
    let (token, foreign) = (laptop.token.clone(), phone.token.clone());

    for stolen in [foreign.as_str(), "", &token[1..], &token.to_uppercase()] {
        for path in [
            "/sign-out",
            "/sessions/end-others",
            &phone.end(&store),
            &format!("/admin{}", phone.end(&store)),
            "/admin/users/1/end",
        ] {
            let body = format!("csrf={stolen}");
            let page = laptop.send(Method::POST, path, body).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {stolen:?}");
            page.shows("This form is out of date");
        }
        for path in ["/sign-up", "/sign-in"] {
            let body = format!("csrf={stolen}&name=ann&password={PASSWORD}");
            let page = visitor.send(Method::POST, path, body).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {stolen:?}");
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
    visitor.get("/").await.leads_to("/sign-in");
}

async fn a_form_handed_out_before_signing_in_is_worth_nothing_after(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::of(&app, "ann").await;
    // The token of the sign-up form, still.
    let page = laptop.post("/sessions/end-others", "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

async fn a_form_without_a_field_is_asked_for_again(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/sign-in").await;
    let page = laptop.post("/sign-in", "name=ann").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

async fn nobody_ends_another_users_session(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::of(&app, "ann").await;
    let mut bob = Browser::of(&app, "bob").await;
    bob.get("/").await;
    for path in [ann.end(&store), format!("/sessions/{}/end", "0".repeat(64))] {
        let page = bob.post(&path, "").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        page.shows("Nothing here");
    }
    ann.get("/").await.shows("on 1 device.");
}

async fn a_wrong_password_and_an_unknown_name_look_the_same(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    Browser::of(&app, "ann").await;
    let mut pages = Vec::new();
    for (name, password) in [
        ("ann", "wrong-horse"),
        ("eve", PASSWORD),
        ("ann%00", PASSWORD),
    ] {
        let mut browser = Browser::new(&app, LAPTOP);
        let page = browser.enter_with("/sign-in", name, password).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows("The name or the password is wrong.");
        page.shows(&format!("value=\"{}\"", name.replace("%00", "\0")));
        page.shows_not(password);
        pages.push(
            page.body
                .replace(&browser.token, "")
                .replace("eve", "ann")
                .replace('\0', ""),
        );
        browser.get("/").await.leads_to("/sign-in");
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
}

async fn what_is_wrong_is_said_beside_its_field_and_the_name_is_kept(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    Browser::of(&app, "ann").await;
    let mut visitor = Browser::new(&app, LAPTOP);
    let long = "n".repeat(41);
    let endless = "p".repeat(201);
    for (name, password, field, problem) in [
        ("", PASSWORD, "name", "Please enter a name."),
        ("++", PASSWORD, "name", "Please enter a name."),
        (&long, PASSWORD, "name", "A name has at most 40 characters."),
        (
            "a%00b",
            PASSWORD,
            "name",
            "A name has letters, digits and signs only.",
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
            &endless,
            "password",
            "A password has at most 200 characters.",
        ),
    ] {
        let page = visitor.enter_with("/sign-up", name, password).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        page.shows(&format!(
            "<p class=\"problem\" id=\"{field}-problem\">{problem}"
        ));
        page.shows(&format!("aria-describedby=\"{field}-problem"));
        page.shows("aria-invalid=\"true\"");
        if name == "bob" {
            page.shows("value=\"bob\"");
        }
        page.shows_not(password);
    }
    assert_eq!(user::Entity::find().all(store.db()).await.unwrap().len(), 1);
}

async fn signing_in_gives_the_session_a_new_id(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    Browser::of(&app, "ann").await;
    let mut laptop = Browser::new(&app, LAPTOP);
    laptop.get("/sign-in").await;
    let before = laptop.id();
    laptop.enter("/sign-in", "ann").await.leads_to("/");
    assert_ne!(laptop.id(), before);
    assert!(store.find(&before).await.unwrap().is_none());
}

async fn a_message_is_shown_once(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut laptop = Browser::of(&app, "ann").await;
    let welcome = "<p class=\"message\" role=\"status\">Welcome, ann.</p>";
    laptop.get("/").await.shows(welcome);
    laptop.get("/").await.shows_not("role=\"status\"");
}

async fn the_overview_is_for_the_administrator_alone(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::of(&app, "ann").await;
    let mut bob = Browser::of(&app, "bob").await;
    ann.get("/").await.shows("href=\"/admin\"");
    assert_eq!(ann.get("/admin").await.status, StatusCode::OK);

    bob.get("/").await.shows_not("/admin");
    let page = bob.get("/admin").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("This page is for the administrator.");
    for path in [
        format!("/admin{}", ann.end(&store)),
        "/admin/users/1/end".to_owned(),
    ] {
        assert_eq!(bob.post(&path, "").await.status, StatusCode::FORBIDDEN);
    }
    Browser::new(&app, PHONE)
        .get("/admin")
        .await
        .leads_to("/sign-in");
    ann.get("/").await.shows("on 1 device.");
}

async fn the_overview_counts_people_sessions_and_visitors(db: DatabaseConnection) {
    let (_, app) = site(db).await;
    let mut ann = Browser::of(&app, "ann").await;
    Browser::of(&app, "bob").await;
    Browser::new(&app, PHONE)
        .enter("/sign-in", "bob")
        .await
        .leads_to("/");
    for _ in 0..20 {
        Browser::new(&app, PHONE).get("/sign-in").await;
    }
    let page = ann.get("/admin").await;
    for (of_what, count) in [
        ("people signed in", 2),
        ("their sessions", 3),
        ("visitors' sessions", 20),
        ("sessions in all", 23),
    ] {
        page.shows(&format!("<dt>{of_what}</dt><dd>{count}</dd>"));
    }
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

async fn the_administrator_ends_any_session_and_all_of_a_user(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::of(&app, "ann").await;
    let mut bob = Browser::of(&app, "bob").await;
    let mut phone = Browser::new(&app, PHONE);
    phone.enter("/sign-in", "bob").await.leads_to("/");

    let page = ann.get("/admin").await;
    page.shows("bob");
    page.shows("Safari on iPhone");
    let path = format!("/admin{}?page=7", phone.end(&store));
    ann.post(&path, "").await.leads_to("/admin?page=7");
    assert_eq!(ann.post(&path, "").await.status, StatusCode::NOT_FOUND);
    phone.get("/").await.leads_to("/sign-in");
    bob.get("/").await.shows("on 1 device.");

    phone.enter("/sign-in", "bob").await.leads_to("/");
    ann.get("/admin").await.shows("The session is ended.");
    ann.post("/admin/users/2/end", "")
        .await
        .leads_to("/admin?page=1");
    ann.get("/admin")
        .await
        .shows("bob is signed out everywhere.");
    for browser in [&mut bob, &mut phone] {
        browser.get("/").await.leads_to("/sign-in");
    }
    assert_eq!(
        ann.post("/admin/users/3/end", "").await.status,
        StatusCode::NOT_FOUND
    );

    ann.post("/admin/users/1/end", "")
        .await
        .leads_to("/sign-in");
    ann.get("/").await.leads_to("/sign-in");
}

async fn a_minute_has_one_sample_for_a_day(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut ann = Browser::of(&app, "ann").await;
    let now = OffsetDateTime::now_utc();
    let minute = sample::minute_of(now);
    sample::take(&store, now - Duration::minutes(3))
        .await
        .unwrap();
    sample::take(&store, now).await.unwrap();
    Browser::of(&app, "bob").await;
    sample::take(&store, now).await.unwrap();
    let samples = sample::all(store.db()).await.unwrap();
    let samples: Vec<_> = samples.iter().map(|s| (s.minute, s.sessions)).collect();
    assert_eq!(samples, [(minute - 3, 1), (minute, 1)]);
    ann.get("/admin").await.shows("Between 1 and 1; 1 at ");

    let tomorrow = now + Duration::DAY;
    sample::take(&store, tomorrow).await.unwrap();
    let samples = sample::all(store.db()).await.unwrap();
    let minutes: Vec<_> = samples.iter().map(|s| s.minute).collect();
    assert_eq!(minutes, [sample::minute_of(tomorrow)]);
}

async fn what_does_not_exist_is_a_page_that_says_so(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut visitor = Browser::new(&app, LAPTOP);
    for path in ["/nothing", "/sign-out", "/sessions/end-others"] {
        visitor.get(path).await.shows("Nothing here");
    }
    assert_eq!(store.count().await.unwrap(), 0);
}

async fn a_page_that_is_only_read_does_not_save_the_session(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let mut laptop = Browser::of(&app, "ann").await;
    laptop.get("/").await.shows("Welcome, ann.");
    let before = store.find(&laptop.id()).await.unwrap().unwrap();
    for path in ["/", "/admin", "/", "/sign-in"] {
        laptop.get(path).await;
        let after = store.find(&laptop.id()).await.unwrap().unwrap();
        assert_eq!(after, before, "{path}");
    }
}

async fn the_first_account_alone_is_the_administrators(db: DatabaseConnection) {
    let (store, app) = site(db).await;
    let sign_up = |name| Browser::of(&app, name);
    sign_up("ann").await;
    tokio::join!(sign_up("bob"), sign_up("eve"));
    let users = user::Entity::find().all(store.db()).await.unwrap();
    let admins: Vec<_> = users.iter().filter(|user| user.is_admin).collect();
    assert_eq!((users.len(), admins.len()), (3, 1));
    assert_eq!(admins[0].name, "ann");
}

async fn of_those_who_sign_up_first_at_once_one_is_the_administrator(db: DatabaseConnection) {
    let (store, _) = site(db).await;
    // Added directly: hashing passwords takes so long that their sign-ups would not meet.
    let add = |name: &str| user::add(store.db(), name.to_owned(), "hash".to_owned());
    let _ = tokio::join!(add("ann"), add("bob"), add("eve"), add("dan"));
    let users = user::Entity::find().all(store.db()).await.unwrap();
    assert_eq!(users.iter().filter(|user| user.is_admin).count(), 1);
}

tests::on_every_database!(
    who_signs_up_sees_the_device_in_hand,
    a_device_that_is_ended_from_another_is_sent_to_sign_in,
    signing_out_all_others_keeps_this_device,
    ending_the_device_in_hand_is_signing_out,
    a_form_without_the_sessions_own_token_changes_nothing,
    a_form_handed_out_before_signing_in_is_worth_nothing_after,
    a_form_without_a_field_is_asked_for_again,
    nobody_ends_another_users_session,
    a_wrong_password_and_an_unknown_name_look_the_same,
    what_is_wrong_is_said_beside_its_field_and_the_name_is_kept,
    signing_in_gives_the_session_a_new_id,
    a_message_is_shown_once,
    a_page_that_is_only_read_does_not_save_the_session,
    the_overview_is_for_the_administrator_alone,
    the_overview_counts_people_sessions_and_visitors,
    the_administrator_ends_any_session_and_all_of_a_user,
    a_minute_has_one_sample_for_a_day,
    what_does_not_exist_is_a_page_that_says_so,
    the_first_account_alone_is_the_administrators,
    of_those_who_sign_up_first_at_once_one_is_the_administrator,
);
