//! Sessions that real Django has signed, taken over behind HTTP.

#[path = "../support/migration.rs"]
mod migration;
#[path = "../support/place.rs"]
mod place;

use http::{Method, StatusCode};
use migration::{DAY, Site};
use place::{ALL, Place, WITH_STORE};
use serde_json::Value as Json;
use waxseal_http::Django;

/// What real Django signed at second 0, as `make.py` of waxseal-django found it.
const ANSWERS: &str = include_str!("../../../waxseal-django/tests/known_answers/answers.json");

fn django() -> Django {
    Django::new("dev").unwrap()
}

/// The cookie of the answer with this name.
fn cookie(name: &str) -> String {
    let answers: Vec<Json> = serde_json::from_str(ANSWERS).unwrap();
    let found = answers.iter().find(|answer| answer["name"] == name).unwrap();
    format!("sessionid={}", found["cookie"].as_str().unwrap())
}

#[tokio::test]
async fn a_visitor_stays_signed_in_once_and_the_old_cookie_goes() {
    for place in ALL {
        let site = Site::of(place, django());
        let old = cookie("signed in");
        let answer = site.page(DAY, &old).await;
        assert_eq!((answer.owner.as_deref(), answer.status.as_u16()), (Some("7"), 200), "{place:?}");
        assert!(answer.forgets("sessionid") && answer.is_private, "{place:?}");
        let ours = answer.ours().unwrap();
        let seen = site.answer(DAY + 1, Method::GET, &ours, async |request| {
            let session = request.load().await?;
            assert_eq!(session.get::<Vec<u8>>("cart")?, Some(vec![1, 2]));
            assert_eq!(session.get::<String>("_auth_user_hash")?.map(|hash| hash.len()), Some(64));
            assert_eq!(session.len(), 2, "Django's own keys are no entries");
            assert!(session.is_permanent());
            Ok(StatusCode::OK)
        });
        assert_eq!(seen.await.status, 200, "{place:?}");
        if place != Place::Cookie {
            let elsewhere = Site::with(place, site.store.clone(), vec![Box::new(django())]);
            for site in [&site, &elsewhere] {
                assert_eq!(site.page(DAY + 90, &old).await.owner, None, "{place:?}: once");
            }
        }
    }
}

#[tokio::test]
async fn a_sign_out_holds_against_the_old_cookie() {
    for place in WITH_STORE {
        let site = Site::of(place, django());
        let old = cookie("signed in");
        let ours = site.page(DAY, &old).await.ours().unwrap();
        site.sign_out(DAY + 10, &ours).await;
        assert_eq!(site.page(DAY + 20, &old).await.owner, None, "{place:?}");
    }
}

#[tokio::test]
async fn values_arrive_as_python_has_them() {
    let site = Site::of(Place::Mirrored, django());
    let taken = async |name: &str| site.page(DAY, &cookie(name)).await.ours().unwrap();
    let ints = taken("ints").await;
    let floats = taken("floats").await;
    let seen = site.answer(DAY, Method::GET, &ints, async |request| {
        let ints: Option<Vec<i128>> = request.load().await?.get("key")?;
        assert_eq!(ints.unwrap()[3..], [i128::from(u64::MAX), i128::MAX, i128::MIN]);
        Ok(StatusCode::OK)
    });
    assert_eq!(seen.await.status, 200);
    let seen = site.answer(DAY, Method::GET, &floats, async |request| {
        let floats: Option<Vec<f64>> = request.load().await?.get("key")?;
        assert_eq!(floats.unwrap()[4..], [5e-324, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY]);
        Ok(StatusCode::OK)
    });
    assert_eq!(seen.await.status, 200);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_django_says() {
    const TWO_WEEKS: u64 = 14 * DAY;
    for (name, reader, at, is_taken, is_permanent) in [
        ("nested", django(), TWO_WEEKS - 1, true, true),
        ("nested", django(), TWO_WEEKS, false, true),
        ("nested", django().ends_with_browser(), DAY, true, false),
        ("expires with the browser", django(), DAY, true, false),
        ("expires in an hour", django().ends_with_browser(), 3_599, true, true),
        ("expires in an hour", django(), 3_600, false, true),
    ] {
        let site = Site::of(Place::Mirrored, reader);
        let answer = site.answer(at, Method::GET, cookie(name), async |request| {
            assert_eq!(request.load().await?.is_permanent(), is_permanent && is_taken, "{name}");
            Ok(StatusCode::OK)
        });
        assert_eq!(answer.await.ours().is_some(), is_taken, "{name} at {at}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_new_session() {
    let site = Site::of(Place::Mirrored, django());
    for (case, cookie) in [
        ("a bomb", cookie("refused: bomb")),
        ("another key's", cookie("key beyond ascii")),
        ("no cookie of Django's", "sessionid=abc".to_owned()),
        ("not ascii", "sessionid=\u{e9}".to_owned()),
    ] {
        let answer = site.page(DAY, &cookie).await;
        assert_eq!((answer.status.as_u16(), answer.owner, answer.sets.len()), (200, None, 0), "{case}");
    }
}
