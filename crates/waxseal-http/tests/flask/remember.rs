//! The `remember_token` that real Flask-Login has made, taken over after Flask has stopped.

use serde_json::Value as Json;
use waxseal_http::FlaskRemember;

use super::*;
use crate::migration::terms;

const ANSWERS: &str = include_str!("../../../waxseal-flask/tests/known_answers/answers.json");

/// The token of user 7, as `make.py` of waxseal-flask found it.
fn token() -> String {
    let answers: Vec<Json> = serde_json::from_str(ANSWERS).unwrap();
    let found = answers.iter().find(|answer| answer["name"] == "login").unwrap();
    format!("remember_token={}", found["remember_token"].as_str().unwrap())
}

fn remembering(place: Place) -> Site {
    let readers: Vec<Box<dyn ForeignSessions>> =
        vec![Box::new(FlaskRemember::new(FlaskKey::from_text("dev").unwrap(), &terms())), Box::new(flask())];
    Site::with(place, FaultyStore::new(MemoryStore::new()), readers)
}

#[tokio::test]
async fn who_is_remembered_is_signed_in_and_not_as_just_now() {
    for place in ALL {
        let site = remembering(place);
        let answer = site.answer(SWITCH, Method::GET, token(), async |request| {
            let session = request.load().await?;
            assert_eq!(session.owner().as_deref(), Some("7"), "{place:?}");
            assert!(session.is_permanent() && session.is_empty(), "{place:?}");
            assert!(!session.signed_in_within(Duration::from_secs(3_600), request.now()), "{place:?}");
            Ok(StatusCode::OK)
        });
        let answer = answer.await;
        assert!(answer.forgets("remember_token"), "{place:?}: {:?}", answer.sets);
        let ours = answer.ours().unwrap();
        assert_eq!(site.page(SWITCH + 10, &ours).await.owner.as_deref(), Some("7"), "{place:?}");
        // Another browser of the same user has the same token.
        let other = site.page(SWITCH + 90, &token()).await.ours().unwrap();
        assert_ne!(other, ours, "{place:?}");
        assert_eq!(site.page(SWITCH + 91, &other).await.owner.as_deref(), Some("7"), "{place:?}");
        assert_eq!(site.page(SWITCH + 91, &ours).await.owner.as_deref(), Some("7"), "{place:?}");
    }
}

#[tokio::test]
async fn a_sign_out_is_one_for_each_copy_of_the_token() {
    for place in WITH_STORE {
        let site = remembering(place);
        let ours = site.page(SWITCH, &token()).await.ours().unwrap();
        site.sign_out(SWITCH + 10, &ours).await;
        let answer = site.page(SWITCH + 90, &token()).await;
        assert!(answer.owner.is_none() && answer.forgets("remember_token"), "{place:?}: {:?}", answer.sets);
    }
}

#[tokio::test]
async fn a_sign_in_leaves_other_browsers_remembered() {
    for place in ALL {
        let site = remembering(place);
        let answer = site.answer(SWITCH, Method::POST, token(), async |request| {
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        assert!(answer.await.forgets("remember_token"), "{place:?}");
        assert_eq!(site.page(SWITCH + 90, &token()).await.owner.as_deref(), Some("7"), "{place:?}");
    }
}

#[tokio::test]
async fn a_session_that_comes_with_the_token_counts_and_lasts() {
    for place in ALL {
        let site = remembering(place);
        for both in
            [format!("{}; {}", token(), signed_in("7", 0)), format!("{}; {}", signed_in("7", 0), token())]
        {
            let site = remembering(place);
            let answer = site.answer(SWITCH, Method::GET, &both, async |request| {
                let session = request.load().await?;
                assert_eq!(session.get::<Vec<u8>>("cart")?, Some(vec![1, 2]), "{place:?}");
                assert!(session.is_permanent(), "{place:?}");
                Ok(StatusCode::OK)
            });
            let answer = answer.await;
            assert!(
                answer.forgets("session") && answer.forgets("remember_token"),
                "{place:?}: {:?}",
                answer.sets
            );
        }
        // Of somebody else it says nothing, and is left to them.
        let answer = site.answer(
            SWITCH,
            Method::GET,
            format!("{}; {}", token(), signed_in("8", 0)),
            async |request| {
                let session = request.load().await?;
                assert_eq!(
                    (session.owner().as_deref(), session.is_permanent()),
                    (Some("8"), false),
                    "{place:?}"
                );
                Ok(StatusCode::OK)
            },
        );
        assert!(!answer.await.forgets("remember_token"), "{place:?}");
        // Signed out with both, neither signs in again.
        let site = remembering(place);
        let both = format!("{}; {}", token(), signed_in("7", 0));
        let out = site.sign_out(SWITCH + 10, &both).await;
        assert!(out.forgets("session") && out.forgets("remember_token"), "{place:?}: {:?}", out.sets);
        for old in [token(), signed_in("7", 0)].into_iter().filter(|_| place != Place::Cookie) {
            assert_eq!(site.page(SWITCH + 90, &old).await.owner, None, "{place:?}");
        }
    }
}

#[tokio::test]
async fn tokens_that_are_forged_or_several_or_before_the_switch_sign_nobody_in() {
    let good = token();
    let site = remembering(Place::Mirrored);
    let flip = |text: &str| text.replace("=7|", "=8|");
    for (case, cookies, at) in [
        ("before the switch", good.clone(), SWITCH - 1),
        ("another user's digits", flip(&good), SWITCH),
        ("in upper case", good.replacen('a', "A", 1), SWITCH),
        ("cut", good[..good.len() - 1].to_owned(), SWITCH),
        ("quoted", good.replace('=', "=\"") + "\"", SWITCH),
        ("without a user", "remember_token=".to_owned(), SWITCH),
    ] {
        let answer = site.page(at, &cookies).await;
        assert_eq!((answer.owner, answer.status.as_u16(), answer.sets.len()), (None, 200, 0), "{case}");
    }
    assert_eq!(site.page(SWITCH, &good).await.owner.as_deref(), Some("7"));
}

#[tokio::test]
async fn before_the_switch_a_good_token_is_not_worth_a_word() {
    log::start();
    let site = remembering(Place::Mirrored);
    // Of a forged one, the reason and the refusal.
    for (cookies, lines) in [(token(), 0), (token().replacen('a', "b", 1), 2)] {
        log::clear();
        assert_eq!(site.page(SWITCH - 1, &cookies).await.owner, None);
        let said: Vec<_> = log::lines().into_iter().filter(|line| line.contains("foreign")).collect();
        assert_eq!(said.len(), lines, "{said:?}");
    }
}

/// While both apps run nobody is taken over by the token, and Flask-Login would sign in by it whoever signs out here.
#[tokio::test]
async fn a_sign_out_here_makes_the_browser_forget_the_token_before_the_switch_too() {
    for place in ALL {
        for flask in [flask(), flask().side_by_side(["cart"])] {
            let key = FlaskKey::from_text("dev").unwrap();
            let readers: Vec<Box<dyn ForeignSessions>> =
                vec![Box::new(flask), Box::new(FlaskRemember::new(key, &terms()))];
            let site = Site::with(place, FaultyStore::new(MemoryStore::new()), readers);
            let old = format!("{}; {}", signed_in("7", 0), token());
            let page = site.page(DAY, &old).await;
            assert_eq!(
                (page.owner.as_deref(), page.forgets("remember_token")),
                (Some("7"), false),
                "{place:?}"
            );
            let out = site.sign_out(DAY + 5, &format!("{old}; {}", page.ours().unwrap())).await;
            for name in ["__Host-session", "session", "remember_token"] {
                assert!(out.forgets(name), "{place:?}: {name} of {:?}", out.sets);
            }
            // With a token that is not good here, and without a session.
            for cookies in [token() + "0", format!("{}; {}", token(), page.ours().unwrap())] {
                let out = site.sign_out(DAY + 6, &cookies).await;
                assert!(out.forgets("remember_token"), "{place:?}: {:?}", out.sets);
            }
            assert!(!site.sign_out(DAY + 6, "theme=dark").await.forgets("remember_token"), "{place:?}");
        }
    }
}
