//! Signing out, in each of the ways that a Flask app may do it.

use http::header::SET_COOKIE;
use waxseal::testing::Client;
use waxseal::{
    App, MemoryStore, Method, Request, Response, Result, SessionState, Settings, WhenAway, abort, redirect,
    typed,
};
use waxseal_store::testing::FaultyStore;

const COOKIE: &str = "__Host-session";

async fn sign_in(request: Request) -> Result<Response> {
    let session = request.session().await?;
    session.insert("cart", 3)?;
    session.flash("info", "welcome")?;
    session.set_permanent(true)?;
    request.sign_in("7").await?;
    Ok(redirect("/"))
}

async fn page(request: Request) -> Result<Response> {
    let session = request.session().await?;
    let messages: Vec<_> = session.flashed_messages(&[]).into_iter().map(|flash| flash.message).collect();
    Ok(typed("text/plain", format!("{} {:?} {}", session.len(), session.owner(), messages.join(", "))))
}

/// Signs out in the way that the path says.
async fn out(request: Request) -> Result<Response> {
    match request.param("how")? {
        "clear" => request.session().await?.clear()?,
        "destroy" => request.session().await?.destroy()?,
        "emptied" => {
            request.session().await?.renew_empty()?;
            request.session().await?.clear()?;
        }
        "nobodys" => {
            request.session().await?.set_owner(None)?;
            request.session().await?.clear()?;
        }
        _ => request.sign_out().await?,
    }
    match request.param("then")? {
        "flash" => request.flash("info", "bye").await?,
        "insert" => request.session().await?.insert("cart", 1)?,
        "fail" => abort(500)?,
        "panic" => panic!("out of ink"),
        "refuse" => abort(404)?,
        _ => {}
    }
    Ok(redirect("/"))
}

fn app() -> App {
    App::new("demo")
        .get("/", page)
        .post("/sign-in", sign_in)
        .get("/out/{how}/{then}", out)
        .post("/out/{how}/{then}", out)
}

#[derive(Debug, Clone, Copy)]
struct Place {
    state: SessionState,
    has_store: bool,
    policy: WhenAway,
}

fn everywhere() -> impl Iterator<Item = (Place, Client, FaultyStore<MemoryStore>)> {
    use SessionState::{Cookie, Mirrored, Store};
    use WhenAway::{Anonymous, Refuse};
    let places = [
        (Cookie, false, Refuse),
        (Cookie, true, Refuse),
        (Store, true, Refuse),
        (Store, true, Anonymous),
        (Mirrored, true, Refuse),
    ];
    places.into_iter().map(|(state, has_store, policy)| {
        let settings = Settings { session_state: state, session_when_away: policy, ..Settings::default() };
        let store = FaultyStore::new(MemoryStore::new());
        let app = if has_store { app().session_store(store.clone()) } else { app() };
        (Place { state, has_store, policy }, Client::with_settings(app, &settings).unwrap(), store)
    })
}

/// Another browser with the cookie that this one has now.
fn copy_of(client: &Client) -> Client {
    let copy = client.another();
    copy.set_cookie(COOKIE, &client.cookie(COOKIE).unwrap());
    copy
}

#[tokio::test]
async fn who_signs_out_is_signed_out_in_every_way() {
    for how in ["clear", "destroy", "sign-out", "emptied", "nobodys"] {
        for (then, after, keeps_cookie) in [
            ("nothing", "0 None ", false),
            ("flash", "0 None bye", true),
            ("insert", "1 None ", true),
            ("fail", "0 None ", false),
            ("panic", "0 None ", false),
            ("refuse", "0 None ", false),
        ] {
            for (place, client, _) in everywhere() {
                let case = format!("{place:?}, {how}, {then}");
                client.post_form("/sign-in", &[]).await;
                let copy = copy_of(&client);
                let answer = client.post_form(&format!("/out/{how}/{then}"), &[]).await;
                let sets: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
                // Where nobody can end it, it is forgotten wherever it may lie.
                assert_eq!(sets.len(), if place.has_store { 1 } else { 2 }, "{case}");
                assert_eq!(client.cookie(COOKIE).is_some(), keeps_cookie, "{case}: {sets:?}");
                assert_eq!(client.get("/").await.text(), after, "{case}");
                if place.has_store {
                    assert_eq!(copy.get("/").await.text(), "0 None ", "{case}: the copy has ended");
                    assert_eq!(
                        copy.post_form("/sign-in", &[]).await.status(),
                        303,
                        "{case}: and is a stranger's"
                    );
                }
                // Nobody stays signed out.
                client.post_form("/sign-in", &[]).await;
                assert!(client.get("/").await.text().contains(" Some(\"7\") "), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_sign_out_holds_while_the_store_is_away() {
    for (how, method) in [
        ("sign-out", Method::POST),
        ("sign-out", Method::GET),
        ("clear", Method::GET),
        ("destroy", Method::GET),
    ] {
        for then in ["nothing", "flash", "fail", "panic"] {
            for (place, client, store) in everywhere() {
                let case = format!("{place:?}, {how}, {method}, {then}");
                client.post_form("/sign-in", &[]).await;
                assert!(client.get("/").await.text().contains(" Some(\"7\") "), "{case}");
                let copy = copy_of(&client);
                store.set_away(true);
                let path = format!("/out/{how}/{then}");
                let answer = client.send(client.request(method.clone(), &path, waxseal::Body::empty())).await;
                // A handler that asks for the session first gets none.
                if place.state == SessionState::Store && place.policy == WhenAway::Refuse && how != "sign-out"
                {
                    assert_eq!((answer.status().as_u16(), answer.header(&SET_COOKIE)), (503, None), "{case}");
                    continue;
                }
                let status = if matches!(then, "fail" | "panic") { 500 } else { 303 };
                assert_eq!(answer.status(), status, "{case}");
                if place.has_store && place.state != SessionState::Cookie {
                    assert_eq!(client.cookie(COOKIE), None, "{case}: a message has nowhere to be");
                }
                assert!(!client.get("/").await.text().contains("Some"), "{case}");
                store.set_away(false);
                if place.has_store {
                    // In this process at once, and in others when the store was told.
                    assert_eq!(copy.get("/").await.text(), "0 None ", "{case}");
                    client.service().sessions().sessions().finish_ends(client_now(&client)).await.unwrap();
                    assert_eq!(copy.get("/").await.text(), "0 None ", "{case}");
                }
            }
        }
    }
}

fn client_now(client: &Client) -> std::time::SystemTime {
    client.service().sessions().now()
}

#[tokio::test]
async fn what_is_written_after_a_sign_out_and_cannot_be_saved_is_said() {
    for (place, client, store) in everywhere() {
        if place.state == SessionState::Cookie {
            continue;
        }
        client.post_form("/sign-in", &[]).await;
        let copy = copy_of(&client);
        store.set_away(true);
        let answer = client.post_form("/out/sign-out/insert", &[]).await;
        assert_eq!(answer.status(), 503, "{place:?}: an entry is no message");
        assert_eq!(client.cookie(COOKIE), None, "{place:?}: but the sign-out holds");
        store.set_away(false);
        assert_eq!(copy.get("/").await.text(), "0 None ", "{place:?}");
    }
}

#[tokio::test]
async fn clearing_empties_a_strangers_session_and_removes_its_cookie_if_nothing_follows() {
    for (place, client, _) in everywhere() {
        client.with_session(|session| session.insert("cart", 3)).await.unwrap();
        let copy = copy_of(&client);
        client.post_form("/out/clear/flash", &[]).await;
        assert_eq!(client.get("/").await.text(), "0 None bye", "{place:?}");
        client.with_session(|session| session.insert("cart", 3)).await.unwrap();
        client.post_form("/out/clear/fail", &[]).await;
        assert_eq!(
            client.get("/").await.text(),
            "1 None ",
            "{place:?}: a stranger's cart stays after a failure"
        );
        client.post_form("/out/clear/nothing", &[]).await;
        assert_eq!(client.cookie(COOKIE), None, "{place:?}");
        if place.state != SessionState::Cookie {
            assert_eq!(copy.get("/").await.text(), "0 None ", "{place:?}");
        }
    }
}
