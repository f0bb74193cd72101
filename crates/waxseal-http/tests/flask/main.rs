//! Sessions of a Flask app, taken over behind HTTP.

#[path = "../support/log.rs"]
mod log;
#[path = "../support/migration.rs"]
mod migration;
#[path = "../support/place.rs"]
mod place;
mod refusals;
mod remember;
mod server_side;
mod side_by_side;

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use migration::{Answer, DAY, SWITCH, Site, UNTIL, seconds, time};
use place::{ALL, Place, WITH_STORE};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_flask::login::USER_ID;
use waxseal_flask::{DateTime, Dict, FlaskCookie, Value};
use waxseal_http::{
    Clock, Flask, FlaskKey, ForeignSessions, RequestSession, SameSite, SessionCookie, SessionLayer,
    SetupError,
};
use waxseal_manager::{Adoption, Error, SessionManager};
use waxseal_session::Markup;
use waxseal_store::MemoryStore;
use waxseal_store::testing::FaultyStore;

const SECRET: &str = "the old app's key";

/// The site of the Flask app.
fn site_at(place: Place) -> Site {
    Site::of(place, flask())
}

fn flask() -> Flask {
    Flask::new(FlaskKey::from_text(SECRET).unwrap())
}

/// The old app's cookie, signed at `at`.
fn cookie_of(entries: Dict, at: u64) -> String {
    let old = FlaskCookie::new(FlaskKey::from_text(SECRET).unwrap());
    format!("session={}", old.write(&entries, seconds(at)).unwrap())
}

/// Lets the tasks run that need no more than their turn.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn user(id: &str) -> Dict {
    Dict::from([
        (USER_ID.to_owned(), Value::Str(id.to_owned())),
        ("_fresh".to_owned(), Value::Bool(true)),
        ("cart".to_owned(), Value::Tuple(vec![Value::Int(1), Value::Int(2)])),
    ])
}

fn signed_in(id: &str, at: u64) -> String {
    cookie_of(user(id), at)
}

#[tokio::test]
async fn a_visitor_stays_signed_in_and_the_old_cookie_goes() {
    for place in ALL {
        let site = site_at(place);
        let old = signed_in("7", 0);
        let answer = site.page(DAY, &old).await;
        assert_eq!((answer.owner.as_deref(), answer.status.as_u16()), (Some("7"), 200), "{place:?}");
        assert!(answer.is_private && answer.forgets("session"), "{place:?}: {:?}", answer.sets);
        let removal = answer.sets.iter().find(|line| line.starts_with("session=")).unwrap();
        assert_eq!(
            removal,
            "session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
        let ours = answer.ours().unwrap();
        let answer = site.page(DAY + 10, &ours).await;
        assert_eq!((answer.owner.as_deref(), answer.sets.len()), (Some("7"), 0), "{place:?}");
        // Ours counts, whatever else comes.
        let answer = site.page(DAY + 10, &format!("{}; {ours}", signed_in("8", 0))).await;
        assert_eq!((answer.owner.as_deref(), answer.sets.len()), (Some("7"), 0), "{place:?}");
    }
}

#[tokio::test]
async fn each_type_that_flask_tells_apart_arrives() {
    let uuid = uuid_bytes();
    let markup = Value::Markup("<b>bold</b>".to_owned());
    let nested = Dict::from([(" t".to_owned(), Value::List(vec![Value::None, markup.clone()]))]);
    let flash = |message| Value::Tuple(vec![Value::Str("info".to_owned()), message]);
    let flashes = vec![flash(Value::Str("saved".to_owned())), flash(markup.clone())];
    let entries = Dict::from(
        [
            ("_permanent", Value::Bool(true)),
            ("_flashes", Value::List(flashes)),
            ("bool", Value::Bool(true)),
            ("bytes", Value::Bytes(vec![0, 255])),
            ("csrf_token", Value::Str("kept".to_owned())),
            ("date", Value::DateTime(DateTime::from_unix(1_445_412_480).unwrap())),
            ("float", Value::Float(0.5)),
            ("int", Value::Int(i128::from(u64::MAX) + 1)),
            ("markup", markup),
            ("nested", Value::Dict(nested)),
            ("none", Value::None),
            ("tuple", Value::Tuple(vec![Value::Int(-1)])),
            ("user_id", Value::Int(7)),
            ("uuid", Value::Uuid(uuid)),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    for place in ALL {
        let site = Site::of(place, flask().owner_key("user_id"));
        let old = cookie_of(entries.clone(), 0);
        let ours = site.page(DAY, &old).await.ours().unwrap();
        let seen = site.answer(DAY + 1, Method::GET, &ours, async |request| {
            let session = request.load().await?;
            assert_eq!(session.owner().as_deref(), Some("7"));
            assert!(session.is_permanent());
            let messages = session.flashed_messages(&[]);
            let messages: Vec<_> =
                messages.iter().map(|flash| (flash.message.as_str(), flash.is_markup)).collect();
            assert_eq!(messages, [("saved", false), ("<b>bold</b>", true)]);
            assert_eq!(session.get::<bool>("bool")?, Some(true));
            assert_eq!(session.get::<i128>("int")?, Some(i128::from(u64::MAX) + 1));
            assert_eq!(session.get::<f64>("float")?, Some(0.5));
            assert_eq!(session.get::<(i64,)>("tuple")?, Some((-1,)));
            assert_eq!(session.get::<Markup>("markup")?, Some(Markup::from_html("<b>bold</b>")));
            assert_eq!(session.get::<String>("csrf_token")?.as_deref(), Some("kept"));
            assert_eq!(
                session.get::<String>("uuid")?.as_deref(),
                Some("00010203-0405-0607-0809-0a0b0c0d0eff")
            );
            assert_eq!(session.get::<String>("date")?.as_deref(), Some("2015-10-21T07:28:00Z"));
            assert_eq!(session.get::<Option<u8>>("none")?, Some(None));
            assert_eq!(session.get::<u8>("user_id")?, Some(7));
            type Nested = std::collections::BTreeMap<String, (Option<u8>, Markup)>;
            assert_eq!(session.get::<Nested>("nested")?.unwrap()[" t"].1.as_str(), "<b>bold</b>");
            let kinds: Vec<_> =
                session.iter().filter(|(key, _)| key == "bytes").map(|(_, v)| v.shape()).collect();
            assert_eq!(kinds, ["bytes"]);
            assert_eq!(session.len(), 12, "{:?}", session.keys());
            Ok(StatusCode::OK)
        });
        assert_eq!(seen.await.status, 200, "{place:?}");
    }
}

fn uuid_bytes() -> [u8; 16] {
    let mut bytes: [u8; 16] = std::array::from_fn(|at| at as u8);
    bytes[15] = 0xff;
    bytes
}

#[tokio::test]
async fn the_old_cookie_is_worth_nothing_after_a_sign_out() {
    for place in WITH_STORE {
        let site = site_at(place);
        let old = signed_in("7", 0);
        // A thief has an older cookie of the same session, which Flask signed before.
        let stolen = old.clone();
        let older = cookie_of(Dict::from([(USER_ID.to_owned(), Value::Str("7".to_owned()))]), 0);
        let ours = site.page(DAY, &old).await.ours().unwrap();
        let answer = site.sign_out(DAY + 5, &ours).await;
        assert!(answer.forgets("__Host-session"), "{place:?}");
        for (case, cookie) in [("the same", &old), ("a copy", &stolen), ("an older one", &older)] {
            let answer = site.page(DAY + 6, cookie).await;
            assert_eq!((answer.owner.as_deref(), answer.ours()), (None, None), "{place:?}: {case}");
        }
    }
}

#[tokio::test]
async fn a_sign_out_ends_the_old_cookie_that_comes_along_whoever_it_is_of() {
    for place in ALL {
        let keeps = Site::of(place, flask().keep_cookie());
        let old = signed_in("7", 0);
        let answer = keeps.page(DAY, &old).await;
        assert!(answer.owner.is_some() && !answer.forgets("session"), "{place:?}");
        let both = format!("{old}; {}", answer.ours().unwrap());
        let answer = keeps.sign_out(DAY + 5, &both).await;
        assert!(
            answer.forgets("session") && answer.forgets("__Host-session"),
            "{place:?}: {:?}",
            answer.sets
        );
        if place != Place::Cookie {
            assert_eq!(keeps.page(DAY + 6, &old).await.owner, None, "{place:?}");
        }

        // Another user's, which lay there when somebody signed in here.
        let site = site_at(place);
        let others = signed_in("8", 0);
        let answer = site.answer(DAY, Method::POST, "theme=dark", async |request| {
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let both = format!("{others}; {}", answer.await.ours().unwrap());
        let answer = site.sign_out(DAY + 5, &both).await;
        assert!(answer.forgets("session"), "{place:?}: {:?}", answer.sets);
        if place != Place::Cookie {
            assert_eq!(site.page(DAY + 6, &others).await.owner, None, "{place:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_out_works_while_the_store_is_away_and_a_page_does_not() {
    for place in WITH_STORE {
        let site = site_at(place);
        let old = signed_in("7", 0);
        site.store.set_away(true);
        let answer = site.page(DAY, &old).await;
        assert_eq!((answer.status.as_u16(), answer.owner, answer.sets.len()), (503, None, 0), "{place:?}");
        let answer = site.sign_out(DAY + 1, &signed_in("8", 0)).await;
        assert_eq!(answer.status, 303, "{place:?}");
        assert!(answer.forgets("session"), "{place:?}");
        site.store.set_away(false);
        assert_eq!(site.page(DAY + 2, &old).await.owner.as_deref(), Some("7"), "{place:?}: nothing is lost");
        assert_eq!(site.page(DAY + 2, &signed_in("8", 0)).await.owner, None, "{place:?}");
    }
}

#[tokio::test]
async fn a_request_that_fails_leaves_the_visitor_signed_in() {
    for place in ALL {
        let site = site_at(place);
        let failed = site.answer(DAY, Method::POST, signed_in("7", 0), async |request| {
            request.load().await?.insert("order", 1)?;
            Ok(StatusCode::INTERNAL_SERVER_ERROR)
        });
        let answer = failed.await;
        let ours = answer.ours().unwrap_or_else(|| panic!("{place:?}: {:?}", answer.sets));
        assert_eq!(site.page(DAY + 90, &ours).await.owner.as_deref(), Some("7"), "{place:?}");
        // Also if the handler has loaded its session and looked at nothing.
        let site = site_at(place);
        let loaded = site.answer(DAY, Method::GET, signed_in("7", 0), async |request| {
            request.load().await?;
            Ok(StatusCode::OK)
        });
        assert!(loaded.await.ours().is_some(), "{place:?}");
        // Who does not ask for a session is not asked for a cookie.
        let answer = site.answer(DAY, Method::GET, signed_in("8", 0), async |_| Ok(StatusCode::OK)).await;
        assert_eq!((answer.sets.len(), answer.is_private), (0, false), "{place:?}");
    }
}

#[tokio::test]
async fn what_is_forged_too_late_too_large_or_of_others_is_refused_and_left() {
    let other = FlaskCookie::new(FlaskKey::from_text("another key").unwrap());
    let forged = format!("session={}", other.write(&user("7"), seconds(0)).unwrap());
    let deep = (0..100).fold(Value::Int(1), |inner, _| Value::List(vec![inner]));
    let deep = cookie_of(Dict::from([("deep".to_owned(), deep)]), 0);
    let zeros = Value::Str("0".repeat(300_000));
    let bomb = cookie_of(Dict::from([("zeros".to_owned(), zeros)]), 0);
    let nobody = cookie_of(Dict::from([(USER_ID.to_owned(), Value::Str(String::new()))]), 0);
    for place in ALL {
        let site = site_at(place);
        let cut = signed_in("7", 0);
        for (case, cookie, at) in [
            ("forged", forged.clone(), DAY),
            ("cut short", cut[..cut.len() - 1].to_owned(), DAY),
            ("no cookie of Flask's", "session=x".to_owned(), DAY),
            ("not ASCII", "session=\u{e9}".to_owned(), DAY),
            ("of another name", cut.replace("session=", "sessions="), DAY),
            ("from after the switch", signed_in("7", SWITCH), SWITCH + DAY),
            ("expired", signed_in("7", 0), 31 * DAY + 1),
            ("after the end", signed_in("7", 0), UNTIL),
            ("nested too deeply", deep.clone(), DAY),
            ("inflating beyond the limit", bomb.clone(), DAY),
            ("of an owner without a name", nobody.clone(), DAY),
            ("signed ahead of time", signed_in("7", DAY + 120), DAY),
        ] {
            let answer = site.page(at, &cookie).await;
            assert_eq!((answer.owner.as_deref(), answer.status.as_u16()), (None, 200), "{place:?}: {case}");
            assert_eq!(answer.ours(), None, "{place:?}: {case}");
        }
        // Left in the browser what is not known to be the old app's.
        assert_eq!(site.page(DAY, &forged).await.sets.len(), 0, "{place:?}");
    }
}

#[tokio::test]
async fn of_several_good_ones_none_counts_and_none_is_removed() {
    for place in ALL {
        let site = site_at(place);
        let (mine, planted) = (signed_in("7", 0), signed_in("666", 1));
        for both in [format!("{mine}; {planted}"), format!("{planted}; {mine}")] {
            let answer = site.page(DAY, &both).await;
            assert_eq!((answer.owner, answer.sets.len()), (None, 0), "{place:?}");
        }
        // Signing in and out ends both, so neither takes over afterwards.
        let both = format!("{mine}; {planted}");
        let answer = site.answer(DAY, Method::POST, &both, async |request| {
            request.sign_in("9", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let ours = answer.await.ours().unwrap();
        site.sign_out(DAY + 1, &format!("{ours}; {both}")).await;
        if place != Place::Cookie {
            for cookie in [&mine, &planted] {
                assert_eq!(site.page(DAY + 2, cookie).await.owner, None, "{place:?}");
            }
        }
        // The same one twice is one, and so is one beside what is not good.
        let twice = format!("{}; {}; session=junk", signed_in("8", 5), signed_in("8", 5));
        assert_eq!(site_at(place).page(DAY, &twice).await.owner.as_deref(), Some("8"), "{place:?}");
    }
}

#[tokio::test]
async fn a_planted_session_of_nobody_gives_nothing_away_after_a_sign_in() {
    for place in WITH_STORE {
        let site = site_at(place);
        let planted = cookie_of(Dict::from([("theirs".to_owned(), Value::Int(1))]), 0);
        let attackers = site.page(DAY, &planted).await.ours().unwrap();
        let victims = site.answer(DAY + 1, Method::POST, &planted, async |request| {
            request.sign_in("victim", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let victims = victims.await.ours().unwrap();
        assert_eq!(site.page(DAY + 9, &victims).await.owner.as_deref(), Some("victim"), "{place:?}");
        for cookie in [&attackers, &planted] {
            let answer = site.answer(DAY + 9, Method::POST, cookie, async |request| {
                assert_eq!(request.load().await?.owner(), None);
                Ok(StatusCode::OK)
            });
            assert_eq!(answer.await.status, 200, "{place:?}");
        }
    }
}

#[tokio::test]
async fn fallback_keys_lifetimes_and_cookie_attributes_are_the_old_apps() {
    let now = FlaskKey::from_text("a newer key").unwrap();
    let cookie = SessionCookie::builder().name("old").domain("example.org").path("/shop").secure(false);
    let flask = Flask::new(now)
        .fallback(FlaskKey::from_text(SECRET).unwrap())
        .lifetime(Duration::from_secs(3_600))
        .cookie(cookie)
        .unwrap();
    let site = Site::of(Place::Mirrored, flask);
    let old = signed_in("7", 0).replace("session=", "old=");
    assert_eq!(site.page(3_601, &old).await.owner, None);
    let answer = site.page(3_000, &old).await;
    assert_eq!(answer.owner.as_deref(), Some("7"));
    let removal = answer.sets.iter().find(|line| line.starts_with("old=;")).unwrap();
    assert!(removal.contains("; Path=/shop; Domain=example.org; Max-Age=0"), "{removal}");
}

#[test]
fn a_migration_without_terms_or_under_our_own_name_is_an_error() {
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    let layer = |name: &str, terms: Option<Adoption>| {
        let cookie = SessionCookie::builder().name(name).build().unwrap();
        let sessions = SessionManager::store(&keyring, name, "demo", MemoryStore::new()).unwrap();
        let sessions = match terms {
            Some(terms) => sessions.adopting(terms).unwrap(),
            None => sessions,
        };
        SessionLayer::new(sessions, cookie).migrate_from(vec![Box::new(flask())])
    };
    let terms = Adoption::new(time(SWITCH), time(UNTIL));
    assert!(matches!(layer("__Host-session", None), Err(SetupError::NotAdopting)));
    assert!(matches!(layer("session", Some(terms)), Err(SetupError::SameCookie(name)) if name == "session"));
    assert!(layer("__Host-session", Some(terms)).is_ok());
}

#[tokio::test]
async fn a_page_that_was_looked_for_twice_reads_the_cookie_once() {
    let site = site_at(Place::Mirrored);
    let answer = site.answer(DAY, Method::GET, signed_in("7", 0), async |request| {
        assert!(request.ready().is_none(), "the store has to be asked");
        let _ = request.load().await?.owner();
        assert!(request.ready().is_some());
        Ok(StatusCode::OK)
    });
    assert_eq!(answer.await.owner.as_deref(), Some("7"));
}

/// A page that changes its session.
async fn change(site: &Site, at: u64, cookies: &str) -> Answer {
    site.answer(at, Method::POST, cookies, async |request| {
        request.load().await?.insert("order", at)?;
        Ok(StatusCode::OK)
    })
    .await
}

#[tokio::test]
async fn a_cookie_of_the_old_app_stays_until_it_is_over() {
    for place in ALL {
        // Who has a session of ours changes it, while the old app still serves the other cookie.
        let site = site_at(place);
        let ours = change(&site, DAY, "theme=dark").await.ours().unwrap();
        let old = signed_in("7", 0);
        let both = format!("{old}; {ours}");
        let answer = change(&site, DAY + 1, &both).await;
        assert!(answer.status == 200 && !answer.forgets("session"), "{place:?}: {:?}", answer.sets);
        // What a request without a session of ours is refused for: made after the switch, so that the old app runs still.
        let late = signed_in("7", SWITCH + 10);
        let answer = change(&site, SWITCH + 20, &late).await;
        assert!(answer.ours().is_some() && !answer.forgets("session"), "{place:?}: {:?}", answer.sets);
        // It goes with a sign-in and with a sign-out, also if something is written after it.
        let answer = site.answer(DAY + 2, Method::POST, &both, async |request| {
            request.sign_in("9", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        assert!(answer.await.forgets("session"), "{place:?}");
        let ours = change(&site, DAY + 2, "theme=dark").await.ours().unwrap();
        let answer =
            site.answer(DAY + 3, Method::POST, format!("{}; {ours}", signed_in("8", 1)), async |request| {
                request.destroy().await?;
                request.load().await?.flash("info", "signed out")?;
                Ok(StatusCode::SEE_OTHER)
            });
        let answer = answer.await;
        assert!(answer.ours().is_some() && answer.forgets("session"), "{place:?}: {:?}", answer.sets);
    }
}

#[tokio::test]
async fn a_cookie_that_is_over_goes() {
    for place in WITH_STORE {
        let site = site_at(place);
        let old = signed_in("7", 0);
        let ours = site.page(DAY, &old).await.ours().unwrap();
        let answer = site.page(DAY + 30, &old).await;
        assert!(answer.owner.is_some() && answer.forgets("session"), "{place:?}: joined");
        let answer = site.page(DAY + 90, &old).await;
        assert!(answer.owner.is_none() && answer.forgets("session"), "{place:?}: replayed");
        site.sign_out(DAY + 100, &ours).await;
        let answer = site.page(DAY + 101, &signed_in("7", 5)).await;
        assert!(answer.owner.is_none() && answer.forgets("session"), "{place:?}: ended by its owner");
    }
}
