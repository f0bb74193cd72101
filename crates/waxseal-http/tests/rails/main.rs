//! Sessions that real Rails has encrypted, taken over behind HTTP.

#[path = "../support/migration.rs"]
mod migration;
#[path = "../support/place.rs"]
mod place;

use http::{Method, StatusCode};
use migration::{DAY, SWITCH, Site, terms};
use place::{ALL, Place, WITH_STORE};
use serde_json::Value as Json;
use waxseal_http::{Rails, RailsDigest, RailsKey};

/// What real Rails encrypted at second 0, as `make.rb` of waxseal-rails found it.
const ANSWERS: &str = include_str!("../../../waxseal-rails/tests/known_answers/answers.json");
const NAME: &str = "_shop_session";

fn key(digest: RailsDigest) -> RailsKey {
    RailsKey::new(&"5f".repeat(64), digest).unwrap()
}

fn rails() -> Rails {
    Rails::new(NAME, key(RailsDigest::Sha256), &terms()).unwrap().owner_key("user_id")
}

/// The cookie of the answer with this name.
fn cookie(name: &str) -> String {
    let answers: Vec<Json> = serde_json::from_str(ANSWERS).unwrap();
    let found = answers.iter().find(|answer| answer["name"] == name).unwrap();
    format!("{NAME}={}", found["cookie"].as_str().unwrap())
}

#[tokio::test]
async fn a_visitor_stays_signed_in_once_and_the_old_cookie_goes() {
    for place in ALL {
        let site = Site::of(place, rails());
        let old = cookie("user");
        let answer = site.page(SWITCH, &old).await;
        assert_eq!((answer.owner.as_deref(), answer.status.as_u16()), (Some("7"), 200), "{place:?}");
        assert!(answer.forgets(NAME) && answer.is_private, "{place:?}");
        let ours = answer.ours().unwrap();
        let seen = site.answer(SWITCH + 1, Method::GET, &ours, async |request| {
            let session = request.load().await?;
            assert_eq!(session.get::<Vec<u8>>("cart")?, Some(vec![1, 2]));
            assert_eq!((session.len(), session.is_permanent()), (2, false), "Rails' own keys are no entries");
            Ok(StatusCode::OK)
        });
        assert_eq!(seen.await.status, 200, "{place:?}");
        if place != Place::Cookie {
            assert_eq!(site.page(SWITCH + 90, &old).await.owner, None, "{place:?}: once");
            let same = Rails::fallback(rails(), key(RailsDigest::Sha1));
            let other = Site::with(place, site.store.clone(), vec![Box::new(same)]);
            let again = other.page(SWITCH + 90, &cookie("sha1")).await;
            assert_eq!(again.owner, None, "{place:?}: the same session, encrypted anew");
        }
    }
}

#[tokio::test]
async fn a_sign_out_holds_against_every_old_cookie_of_the_owner() {
    for place in WITH_STORE {
        let site = Site::of(place, rails());
        let ours = site.answer(SWITCH + DAY, Method::POST, "", async |request| {
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let ours = ours.await.ours().unwrap();
        site.sign_out(SWITCH + DAY + 10, &ours).await;
        assert_eq!(site.page(SWITCH + DAY + 20, &cookie("user")).await.owner, None, "{place:?}");
    }
}

#[tokio::test]
async fn none_is_read_before_the_switch_since_it_does_not_say_when_it_was_made() {
    let site = Site::of(Place::Mirrored, rails());
    let answer = site.page(SWITCH - 1, &cookie("user")).await;
    assert_eq!((answer.owner, answer.sets.len()), (None, 0));
    assert_eq!(site.page(SWITCH, &cookie("user")).await.owner.as_deref(), Some("7"));
}

#[tokio::test]
async fn an_expiry_of_rails_makes_a_session_permanent_and_ends_it() {
    // Until 2024-02-29T23:59:59Z, 1,709,251,199.
    let ends = 9_251_199;
    for (at, is_taken) in [(SWITCH, true), (ends, false)] {
        let site = Site::of(Place::Mirrored, rails());
        let answer = site.answer(at, Method::GET, cookie("expires after leap day"), async |request| {
            assert_eq!(request.load().await?.is_permanent(), is_taken);
            Ok(StatusCode::OK)
        });
        assert_eq!(answer.await.ours().is_some(), is_taken, "{at}");
    }
    let site = Site::of(Place::Mirrored, rails());
    assert_eq!(site.page(SWITCH, &cookie("expires")).await.owner, None, "an hour is over");
}

#[tokio::test]
async fn devise_and_messages_come_along() {
    let site = Site::of(Place::Mirrored, rails().devise("user"));
    let answer = site.page(SWITCH, &cookie("devise")).await;
    assert_eq!(answer.owner.as_deref(), Some("7"));
    let site = Site::of(Place::Mirrored, rails());
    let ours = site.page(SWITCH, &cookie("flash")).await.ours().unwrap();
    let seen = site.answer(SWITCH, Method::GET, &ours, async |request| {
        let session = request.load().await?;
        let messages = session.flashed_messages(&[]);
        let messages: Vec<_> = messages.iter().map(|flash| (&*flash.category, &*flash.message)).collect();
        assert_eq!(messages, [("notice", "saved")]);
        Ok(StatusCode::OK)
    });
    assert_eq!(seen.await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_new_session() {
    let site = Site::of(Place::Mirrored, rails());
    for name in ["another secret", "sha1", "without metadata", "refused: marshal", "refused: expired"] {
        let answer = site.page(SWITCH, &cookie(name)).await;
        assert_eq!((answer.status.as_u16(), answer.owner, answer.sets.len()), (200, None, 0), "{name}");
    }
    let lenient = Site::of(Place::Mirrored, rails().without_metadata());
    assert_eq!(lenient.page(SWITCH, &cookie("without metadata")).await.owner.as_deref(), Some("7"));
}

#[tokio::test]
async fn an_anonymous_cookie_with_the_id_of_a_signed_in_session_is_not_its_owners() {
    for place in ALL {
        for order in [["user", "flash"], ["flash", "user"]] {
            let site = Site::of(place, rails());
            for (name, at) in order.into_iter().zip([SWITCH, SWITCH + 5]) {
                let owner = site.page(at, &cookie(name)).await.owner;
                assert_eq!(owner.as_deref(), (name == "user").then_some("7"), "{place:?}, {order:?}");
            }
        }
    }
}
