//! A Flask app and ours behind one address, which share a sign-in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::SET_COOKIE;
use waxseal_session::{Session, ValueError};
use waxseal_store::testing::Operation;

use super::*;

const MONTH: u64 = 31 * DAY;

/// A browser that goes to both apps, with what it was given last.
struct Browser {
    site: Site,
    jar: BTreeMap<String, String>,
}

impl Browser {
    fn new(place: Place) -> Self {
        Self::with(place, flask().side_by_side(["cart", "tuple"]))
    }

    fn with(place: Place, flask: Flask) -> Self {
        let site = Site::of(place, flask);
        Self { site, jar: BTreeMap::new() }
    }

    fn cookies(&self) -> String {
        let pairs = self.jar.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// One request to our app.
    async fn ours(
        &mut self,
        at: u64,
        method: Method,
        act: impl AsyncFnOnce(&RequestSession) -> Result<StatusCode, Error>,
    ) -> Answer {
        let answer = self.site.answer(at, method, self.cookies(), act).await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for line in &answer.sets {
            let (name, rest) = line.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            match attributes.contains("Max-Age=0;") {
                true => _ = self.jar.remove(name),
                false => _ = self.jar.insert(name.to_owned(), value.to_owned()),
            }
        }
    }

    async fn page(&mut self, at: u64) -> Option<String> {
        let answer = self.ours(at, Method::GET, async |request| {
            let _ = request.load().await?.owner();
            Ok(StatusCode::OK)
        });
        answer.await.owner
    }

    async fn sign_in(&mut self, at: u64, owner: &str) {
        let answer = self.ours(at, Method::POST, async |request| {
            request.sign_in(owner, None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        assert_eq!(answer.await.status, 303);
    }

    async fn sign_out(&mut self, at: u64) {
        let answer = self.ours(at, Method::POST, async |request| {
            request.destroy().await?;
            Ok(StatusCode::SEE_OTHER)
        });
        assert_eq!(answer.await.status, 303);
    }

    async fn cart(&mut self, at: u64) -> Option<Vec<i64>> {
        let mut cart = None;
        self.ours(at, Method::GET, async |request| {
            cart = request.load().await?.get("cart")?;
            Ok(StatusCode::OK)
        })
        .await;
        cart
    }

    /// The session that Flask sees.
    fn in_flask(&self, at: u64) -> Dict {
        let flask = FlaskCookie::new(FlaskKey::from_text(SECRET).unwrap());
        let read = self.jar.get("session").map(|value| flask.read(value, seconds(at), MONTH).unwrap());
        read.map(|read| read.entries).unwrap_or_default()
    }

    fn user_in_flask(&self, at: u64) -> Option<String> {
        waxseal_flask::login::Login::of(&self.in_flask(at)).map(|login| login.user_id)
    }

    /// One request to Flask, which changes its session and signs it anew.
    fn flask(&mut self, at: u64, change: impl FnOnce(&mut Dict)) {
        let mut entries = self.in_flask(at);
        change(&mut entries);
        let flask = FlaskCookie::new(FlaskKey::from_text(SECRET).unwrap());
        match entries.is_empty() {
            true => _ = self.jar.remove("session"),
            false => {
                let value = flask.write(&entries, seconds(at)).unwrap();
                self.jar.insert("session".to_owned(), value);
            }
        }
    }

    fn sign_in_at_flask(&mut self, at: u64, id: &str) {
        self.flask(at, |entries| {
            entries.insert(USER_ID.to_owned(), Value::Str(id.to_owned()));
        });
    }

    fn sign_out_at_flask(&mut self, at: u64) {
        self.flask(at, Dict::clear);
    }
}

fn ints(numbers: &[i128]) -> Value {
    Value::List(numbers.iter().map(|number| Value::Int(*number)).collect())
}

fn put(key: &str, value: Value) -> impl FnOnce(&mut Dict) {
    let key = key.to_owned();
    move |entries| _ = entries.insert(key, value)
}

#[tokio::test]
async fn a_sign_in_on_either_side_is_one_on_the_other_and_so_is_a_sign_out() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.sign_in_at_flask(10, "7");
        for at in [20, 500, 3 * 3_600] {
            assert_eq!(browser.page(at).await.as_deref(), Some("7"), "{place:?}, {at}");
            assert_eq!(browser.user_in_flask(at).as_deref(), Some("7"), "{place:?}: its cookie stays");
        }
        browser.sign_out_at_flask(3 * 3_600 + 10);
        let answer = browser.ours(3 * 3_600 + 20, Method::GET, async |request| {
            let _ = request.load().await?.owner();
            Ok(StatusCode::OK)
        });
        let answer = answer.await;
        assert_eq!(answer.owner, None, "{place:?}");
        // Where the store knows that it is over, the browser keeps the token.
        assert_eq!(answer.forgets("__Host-session"), place == Place::Cookie, "{place:?}: {:?}", answer.sets);
        assert_eq!(browser.page(3 * 3_600 + 30).await, None, "{place:?}");
        assert!(!browser.jar.contains_key("session"), "{place:?}");

        browser.sign_in(DAY, "8").await;
        assert_eq!(browser.user_in_flask(DAY).as_deref(), Some("8"), "{place:?}");
        assert_eq!(browser.page(DAY + 5).await.as_deref(), Some("8"), "{place:?}");
        browser.sign_out(DAY + 10).await;
        assert!(browser.jar.is_empty(), "{place:?}: {:?}", browser.jar);
        // In the next second already.
        browser.sign_in_at_flask(DAY + 11, "8");
        assert_eq!(browser.page(DAY + 12).await.as_deref(), Some("8"), "{place:?}");
        // A sign-out in Flask directly after a sign-in here.
        browser.sign_out(DAY + 20).await;
        browser.sign_in(DAY + 21, "8").await;
        browser.sign_out_at_flask(DAY + 22);
        assert_eq!(browser.page(DAY + 23).await, None, "{place:?}");
        assert!(!browser.jar.contains_key("session"), "{place:?}");
    }
}

#[tokio::test]
async fn another_user_in_flask_is_another_user_here() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.sign_in(10, "7").await;
        let theirs = browser.jar.clone();
        browser.sign_out_at_flask(20);
        browser.sign_in_at_flask(21, "8");
        assert_eq!(browser.page(22).await.as_deref(), Some("8"), "{place:?}");
        assert_eq!(browser.user_in_flask(22).as_deref(), Some("8"), "{place:?}");
        // Somebody else signs in here.
        browser.flask(23, put("secret", Value::Int(1)));
        browser.sign_in(30, "9").await;
        assert_eq!(browser.user_in_flask(31).as_deref(), Some("9"), "{place:?}");
        assert!(
            !browser.in_flask(31).contains_key("secret"),
            "{place:?}: nothing of one user goes to another"
        );
        // The session that Flask signed out has ended, also for a copy of both cookies.
        if place != Place::Cookie {
            let mut thief = Browser { jar: theirs, site: browser.site };
            let ours = thief.jar.remove("__Host-session").unwrap();
            let session = thief.site.page(40, &format!("__Host-session={ours}")).await;
            assert_eq!(session.owner, None, "{place:?}");
        }
    }
}

#[tokio::test]
async fn who_has_a_session_here_and_signs_in_at_flask_is_signed_in_here() {
    for place in ALL {
        let mut browser = Browser::new(place);
        let answer = browser.ours(10, Method::POST, async |request| {
            request.load().await?.insert("theme", "dark")?;
            Ok(StatusCode::OK)
        });
        answer.await;
        assert_eq!(browser.jar.len(), 1, "{place:?}: nothing crosses that is not shared");
        browser.sign_in_at_flask(20, "7");
        assert_eq!(browser.page(30).await.as_deref(), Some("7"), "{place:?}");
        // Also if the session here has expired, and again.
        for at in [6 * 3_600, 12 * 3_600, DAY] {
            assert_eq!(browser.page(at).await.as_deref(), Some("7"), "{place:?}, {at}");
        }
        browser.sign_out(DAY + 10).await;
        browser.sign_in_at_flask(DAY + 11, "7");
        let cookie = browser.jar["session"].clone();
        assert_eq!(browser.page(DAY + 12).await.as_deref(), Some("7"), "{place:?}");
        browser.sign_out(DAY + 13).await;
        // A copy of Flask's cookie is worth nothing here after a sign-out here.
        browser.jar.insert("session".to_owned(), cookie);
        if place != Place::Cookie {
            assert_eq!(browser.page(DAY + 90).await, None, "{place:?}");
            assert!(browser.jar.is_empty(), "{place:?}: and the browser forgets it");
        }
    }
}

#[tokio::test]
async fn shared_entries_go_both_ways_and_others_stay_where_they_are() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.sign_in_at_flask(10, "7");
        browser.flask(11, put("cart", ints(&[1])));
        browser.flask(12, put("csrf_token", Value::Str("of Flask".to_owned())));
        browser.flask(13, put("tuple", Value::Tuple(vec![Value::Uuid([7; 16])])));
        assert_eq!(browser.cart(20).await, Some(vec![1]), "{place:?}");
        browser.flask(30, put("cart", ints(&[1, 2])));
        assert_eq!(browser.cart(31).await, Some(vec![1, 2]), "{place:?}");
        let before = browser.jar["session"].clone();
        let answer = browser.ours(40, Method::POST, async |request| {
            let session = request.load().await?;
            session.append("cart", 3)?;
            session.insert("own", "of this app")?;
            Ok(StatusCode::OK)
        });
        answer.await;
        assert_ne!(browser.jar["session"], before, "{place:?}");
        let seen = browser.in_flask(41);
        assert_eq!(seen["cart"], ints(&[1, 2, 3]), "{place:?}");
        assert_eq!(seen["csrf_token"], Value::Str("of Flask".to_owned()), "{place:?}");
        assert_eq!(seen["tuple"], Value::Tuple(vec![Value::Uuid([7; 16])]), "{place:?}: its types stay");
        assert!(!seen.contains_key("own"), "{place:?}");
        // Removed there, removed here; and the other way round.
        browser.flask(50, |entries| _ = entries.remove("cart"));
        assert_eq!(browser.cart(51).await, None, "{place:?}");
        browser.flask(60, put("cart", ints(&[5])));
        browser
            .ours(61, Method::POST, async |request| {
                request.load().await?.remove("cart")?;
                Ok(StatusCode::OK)
            })
            .await;
        assert!(!browser.in_flask(62).contains_key("cart"), "{place:?}");
        assert_eq!(browser.page(63).await.as_deref(), Some("7"), "{place:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_sent_before_undoes_nothing() {
    for place in WITH_STORE {
        let mut browser = Browser::new(place);
        browser.sign_in_at_flask(10, "7");
        browser.flask(11, put("cart", ints(&[1])));
        assert_eq!(browser.cart(20).await, Some(vec![1]));
        let sent_before = browser.cookies();
        let answer = browser.ours(30, Method::POST, async |request| {
            request.load().await?.append("cart", 2)?;
            Ok(StatusCode::OK)
        });
        assert_eq!(answer.await.sets.iter().filter(|line| line.starts_with("session=")).count(), 1);
        // It was on its way meanwhile, with Flask's cookie from before.
        let late = browser.site.answer(31, Method::POST, &sent_before, async |request| {
            let session = request.load().await?;
            if place != Place::Listed {
                assert_eq!(session.get("cart")?, Some(vec![1, 2]), "{place:?}");
            }
            session.insert("own", 1)?;
            Ok(StatusCode::OK)
        });
        let late = late.await;
        if place != Place::Listed {
            assert!(!late.sets.iter().any(|line| line.starts_with("session=")), "{place:?}: {:?}", late.sets);
            assert_eq!(browser.cart(40).await, Some(vec![1, 2]), "{place:?}");
        }
    }
}

#[tokio::test]
async fn flasks_cookie_is_written_when_it_has_to_be_and_as_flask_writes_it() {
    for place in ALL {
        let cookie = SessionCookie::builder().name("old").path("/").secure(true).same_site(SameSite::Strict);
        let flask = flask().side_by_side(["cart"]).cookie(cookie).unwrap();
        let mut browser = Browser::with(place, flask);
        let answer = browser.ours(10, Method::POST, async |request| {
            request.load().await?.set_permanent(true)?;
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let answer = answer.await;
        let line = answer.sets.iter().find(|line| line.starts_with("old=")).unwrap();
        let (_, attributes) = line.split_once(';').unwrap();
        assert_eq!(attributes, " HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=2678400", "{place:?}");
        // Not with each answer: once more when a quarter of its lifetime is over.
        for (at, sets) in [(20, 0), (DAY, 0), (8 * DAY, 1), (8 * DAY + 5, 0)] {
            let at = if at > SWITCH { continue } else { at };
            let answer = browser.ours(at, Method::GET, async |request| {
                assert_eq!(request.load().await?.owner().as_deref(), Some("7"));
                Ok(StatusCode::OK)
            });
            let answer = answer.await;
            let written = answer.sets.iter().filter(|line| line.starts_with("old=")).count();
            assert_eq!(written, sets, "{place:?}, {at}: {:?}", answer.sets);
        }
        let short = self::flask().side_by_side(["cart"]).lifetime(Duration::from_secs(4 * 600));
        let mut browser = Browser::with(place, short);
        browser.sign_in(0, "7").await;
        let first = browser.jar["session"].clone();
        assert_eq!(browser.page(599).await.as_deref(), Some("7"), "{place:?}");
        assert_eq!(browser.jar["session"], first, "{place:?}");
        assert_eq!(browser.page(600).await.as_deref(), Some("7"), "{place:?}");
        assert_ne!(browser.jar["session"], first, "{place:?}");
    }
}

#[tokio::test]
async fn a_slow_request_that_ends_after_a_sign_out_sets_no_cookie_of_flasks_again() {
    let flask = || flask().side_by_side(["cart"]).lifetime(Duration::from_secs(4 * 600));
    for (place, method) in
        WITH_STORE.into_iter().flat_map(|place| [(place, Method::GET), (place, Method::POST)])
    {
        let mut browser = Browser::with(place, flask());
        browser.sign_in(0, "7").await;
        let flashes = async |request: &RequestSession| {
            request.load().await?.flash("info", "shown once")?;
            Ok(StatusCode::OK)
        };
        browser.ours(1, Method::POST, flashes).await;
        // Flask's cookie is old enough to be written anew. A message that was shown is a change that fails no page.
        let theirs = flasks_lines_of_a_slow_page(browser, &method, |session| {
            assert_eq!(session.flashed_messages(&[]).len(), 1);
        });
        assert_eq!(theirs.await, [""; 0], "{place:?}, {method}");
    }
}

/// Flask's lines of the answer to a request that loads its session a second before user 7 signs out in another tab, and
/// ends a second after.
async fn flasks_lines_of_a_slow_page(
    mut browser: Browser,
    method: &Method,
    look: impl FnOnce(&Session),
) -> Vec<String> {
    let page = Slow::begun(&browser, 700, method).await;
    look(page.request.loaded().unwrap());
    browser.sign_out(701).await;
    // Refused or shown: it writes nothing.
    page.end(702).await.into_iter().filter(|line| line.starts_with("session=")).collect()
}

/// A request whose session is loaded, and whose answer comes later.
struct Slow {
    layer: SessionLayer,
    request: RequestSession,
}

impl Slow {
    async fn begun(browser: &Browser, at: u64, method: &Method) -> Self {
        let layer = browser.site.layer.clone();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&browser.cookies()).unwrap());
        let slow = layer.clone().with_clock(Clock::from_fn(move || time(at)));
        let request = slow.session_of(method, &Uri::from_static("/"), &headers);
        let _ = request.load().await.unwrap().owner();
        Self { layer, request }
    }

    /// The lines of its answer.
    async fn end(self, at: u64) -> Vec<String> {
        let layer = self.layer.with_clock(Clock::from_fn(move || time(at)));
        let mut response = Response::new(());
        let _ = layer.finish(&self.request, &mut response).await;
        let sets = response.headers().get_all(SET_COOKIE).iter();
        sets.map(|line| line.to_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_slow_page_of_a_session_from_before_sets_no_cookie_of_flasks_after_a_sign_out() {
    for place in WITH_STORE {
        for method in [Method::GET, Method::POST] {
            let browser = from_before(place, [1]).await;
            let theirs = flasks_lines_of_a_slow_page(browser, &method, |session| {
                assert_eq!(session.owner().as_deref(), Some("7"));
            });
            assert_eq!(theirs.await, [""; 0], "{place:?}, {method}");
        }
    }
}

#[tokio::test]
async fn what_was_signed_for_flask_while_a_sign_out_was_under_way_is_refused() {
    let all = [
        (Place::Listed, Operation::Create),
        (Place::Store, Operation::Delete),
        (Place::Mirrored, Operation::Delete),
    ];
    for ((place, ends), hangs_up) in all.into_iter().flat_map(|all| [(all, false), (all, true)]) {
        // Flask's cookie is old enough to be written anew.
        let flask = flask().side_by_side(["cart"]).lifetime(Duration::from_secs(4 * 600));
        let mut browser = Browser::with(place, flask);
        browser.sign_in(0, "7").await;
        let page = Slow::begun(&browser, 700, &Method::GET).await;
        let Slow { layer, request } = Slow::begun(&browser, 700, &Method::POST).await;
        request.destroy().await.unwrap();
        let (store, clock) = (browser.site.store.clone(), Arc::new(AtomicU64::new(701)));
        let now = clock.clone();
        let layer = layer.with_clock(Clock::from_fn(move || time(now.load(Ordering::Relaxed))));
        store.hold(Some(ends));
        let mut signed_out = Response::new(());
        let meanwhile = async {
            clock.store(703, Ordering::Relaxed);
            let sets = page.end(703).await;
            store.hold(None);
            sets
        };
        let sets = if hangs_up {
            let sets = tokio::select! {
                biased;
                _ = layer.finish(&request, &mut signed_out) => panic!("the store holds the sign-out"),
                sets = meanwhile => sets,
            };
            settle().await;
            sets
        } else {
            let (ended, sets) = tokio::join!(layer.finish(&request, &mut signed_out), meanwhile);
            ended.unwrap();
            sets
        };
        let theirs = sets.iter().find(|line| line.starts_with("session=")).unwrap();
        let (theirs, _) = theirs.split_once(';').unwrap();
        assert_eq!(browser.site.page(710, theirs).await.owner, None, "{place:?}, {hangs_up}");
        let later = browser.site.page(710, &signed_in("7", 704)).await;
        assert_eq!(later.owner.as_deref(), Some("7"), "{place:?}, {hangs_up}");
    }
}

#[tokio::test]
async fn a_slow_answer_to_a_session_that_flask_signed_out_removes_no_newer_one() {
    for place in WITH_STORE {
        let mut browser = Browser::new(place);
        browser.sign_in(10, "7").await;
        browser.sign_out_at_flask(20);
        let page = Slow::begun(&browser, 25, &Method::GET).await;
        browser.sign_in(30, "7").await;
        assert_eq!(page.end(31).await, [""; 0], "{place:?}");
        assert_eq!(browser.page(40).await.as_deref(), Some("7"), "{place:?}");
    }
}

#[tokio::test]
async fn a_sign_out_in_an_outage_takes_no_later_cookie_of_flasks_along() {
    for place in WITH_STORE {
        let mut browser = Browser::new(place);
        browser.sign_in_at_flask(10, "7");
        assert_eq!(browser.page(20).await.as_deref(), Some("7"), "{place:?}");
        browser.site.store.set_away(true);
        browser.sign_out(30).await;
        assert!(browser.jar.is_empty(), "{place:?}: {:?}", browser.jar);
        browser.sign_in_at_flask(40, "7");
        let answer = browser.ours(50, Method::GET, async |request| {
            let _ = request.load().await?.owner();
            Ok(StatusCode::OK)
        });
        let answer = answer.await;
        assert_eq!((answer.status.as_u16(), answer.sets.len()), (503, 0), "{place:?}: {:?}", answer.sets);
        browser.site.store.set_away(false);
        assert_eq!(browser.site.layer.sessions().finish_ends(time(100)).await.unwrap(), 0, "{place:?}");
        assert_eq!(browser.page(110).await.as_deref(), Some("7"), "{place:?}");
        let before = browser.site.page(120, &signed_in("7", 30)).await;
        assert!(before.owner.is_none() && before.forgets("session"), "{place:?}: {:?}", before.sets);
    }
}

#[tokio::test]
async fn what_flask_cannot_have_is_refused_by_its_key_and_nothing_is_lost() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.sign_in(10, "7").await;
        let before = browser.jar.clone();
        let by_number = BTreeMap::from([(1, "one")]);
        let refuse = async |request: &RequestSession| {
            request.load().await?.insert("cart", &by_number)?;
            Ok(StatusCode::OK)
        };
        let cookies = browser.cookies();
        let layer = browser.site.layer.clone().with_clock(Clock::from_fn(|| time(20)));
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&cookies).unwrap());
        let request = layer.session_of(&Method::POST, &Uri::from_static("/"), &headers);
        refuse(&request).await.unwrap();
        let error = layer.finish(&request, &mut Response::new(())).await.unwrap_err();
        let Error::Session(waxseal_session::Error::Value { key, source }) = error else {
            panic!("{place:?}: {error}")
        };
        assert_eq!(key, "cart");
        assert_eq!(
            source.to_string(),
            "the app beside cannot have a map whose keys are not text; store it otherwise, or leave its key out of \
             those that are shared"
        );
        assert_eq!(browser.ours(20, Method::POST, refuse).await.status, 500, "{place:?}");
        let large = browser.ours(30, Method::POST, async |request| {
            // Nothing that zlib makes shorter.
            let noise = (0..900_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect::<Vec<_>>();
            match request.load().await?.insert("cart", noise) {
                Ok(()) => Ok(StatusCode::OK),
                Err(error) => Err(error.into()),
            }
        });
        assert_eq!(large.await.status, 500, "{place:?}");
        assert_eq!(browser.page(40).await.as_deref(), Some("7"), "{place:?}");
        assert_eq!(browser.jar, before, "{place:?}");
        assert!(matches!(source, ValueError::NotShared(_)));
    }
}

#[tokio::test]
async fn the_owner_goes_under_the_apps_own_key_with_the_apps_type() {
    type Typed = fn(Flask) -> Flask;
    let (text, integer, uuid): (Typed, Typed, Typed) =
        (|flask| flask, Flask::integer_owner, Flask::uuid_owner);
    let id = "00010203-0405-0607-0809-0a0b0c0d0eff";
    for (typed, owner, seen) in [
        (integer, "7", Value::Int(7)),
        (integer, "albus", Value::Str("albus".to_owned())),
        (integer, "07", Value::Str("07".to_owned())),
        (text, "7", Value::Str("7".to_owned())),
        (text, id, Value::Str(id.to_owned())),
        (uuid, id, Value::Uuid(uuid_bytes())),
        (uuid, "7", Value::Str("7".to_owned())),
    ] {
        let flask = typed(flask().owner_key("user_id").side_by_side(["user_id"]));
        let mut browser = Browser::with(Place::Mirrored, flask);
        browser.sign_in(10, owner).await;
        assert_eq!(browser.in_flask(10), Dict::from([("user_id".to_owned(), seen)]), "{owner}");
        assert_eq!(browser.page(20).await.as_deref(), Some(owner));
        browser.flask(30, |entries| _ = entries.remove("user_id"));
        assert_eq!(browser.page(31).await, None);
    }
    // Signed in at Flask, it stays what it is.
    let mut browser = Browser::with(Place::Mirrored, flask().owner_key("user_id").side_by_side(["cart"]));
    browser.flask(10, put("user_id", Value::Uuid(uuid_bytes())));
    assert_eq!(browser.page(20).await.as_deref(), Some(id));
    browser
        .ours(30, Method::POST, async |request| {
            request.load().await?.insert("cart", [1])?;
            Ok(StatusCode::OK)
        })
        .await;
    let seen = browser.in_flask(31);
    assert_eq!((&seen["user_id"], &seen["cart"]), (&Value::Uuid(uuid_bytes()), &ints(&[1])));
    let mut browser = Browser::new(Place::Mirrored);
    browser.sign_in(10, "7").await;
    let login = waxseal_flask::login::Login::of(&browser.in_flask(10)).unwrap();
    assert!(login.is_fresh);
}

#[tokio::test]
async fn a_session_from_before_is_not_signed_out_by_the_first_request() {
    for place in WITH_STORE {
        let store = FaultyStore::new(MemoryStore::new());
        let alone = Site::with(place, store.clone(), vec![Box::new(flask())]);
        let answer = alone.answer(10, Method::POST, "theme=dark", async |request| {
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let (_, ours) = answer
            .await
            .ours()
            .map(|pair| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap())
            .unwrap();
        let site = Site::with(place, store, vec![Box::new(flask().side_by_side(["cart"]))]);
        let mut browser = Browser { site, jar: BTreeMap::from([("__Host-session".to_owned(), ours)]) };
        // Two at once: neither has Flask's cookie.
        let sent_at_once = browser.cookies();
        assert_eq!(browser.page(100).await.as_deref(), Some("7"), "{place:?}");
        assert_eq!(browser.user_in_flask(100).as_deref(), Some("7"), "{place:?}");
        assert_eq!(browser.site.page(100, &sent_at_once).await.owner.as_deref(), Some("7"), "{place:?}");
        assert_eq!(browser.page(110).await.as_deref(), Some("7"), "{place:?}");
        browser.sign_out_at_flask(120);
        assert_eq!(browser.page(121).await, None, "{place:?}");
    }
}

#[tokio::test]
async fn a_planted_cookie_signs_nobody_out() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.sign_in(10, "7").await;
        let planted = signed_in("666", 5);
        for both in [format!("{planted}; {}", browser.cookies()), format!("{}; {planted}", browser.cookies())]
        {
            assert_eq!(browser.site.page(20, &both).await.owner.as_deref(), Some("7"), "{place:?}");
        }
        assert_eq!(browser.page(30).await.as_deref(), Some("7"), "{place:?}");
        // Any number of them, which a browser sends first: those that say nothing, and good ones of other users.
        for (count, seen) in [(4, Some("7")), (20, Some("7")), (200, None)] {
            for plant in [|at: u64| format!("session=x.y.{at}"), |at: u64| signed_in(&at.to_string(), 5)] {
                let planted: String = (100..100 + count).map(|at| plant(at) + "; ").collect();
                let page = browser.site.page(40, &format!("{planted}{}", browser.cookies())).await;
                assert_eq!(page.owner.as_deref(), seen, "{place:?}, {count}");
                assert!(!page.forgets("__Host-session"), "{place:?}, {count}: {:?}", page.sets);
            }
        }
        assert_eq!(browser.page(50).await.as_deref(), Some("7"), "{place:?}: the session goes on");
        let planted = "session=x.y.z; ".repeat(200);
        let answer = browser.site.sign_out(60, &format!("{planted}{}", browser.cookies())).await;
        assert!(answer.forgets("__Host-session"), "{place:?}: {:?}", answer.sets);
        if place != Place::Cookie {
            assert_eq!(browser.page(70).await, None, "{place:?}: a sign-out ends it all the same");
        }
    }
}

#[tokio::test]
async fn from_the_switch_on_each_session_stands_alone() {
    for place in ALL {
        let mut browser = Browser::new(place);
        let answer = browser.ours(SWITCH - 100, Method::POST, async |request| {
            request.load().await?.set_permanent(true)?;
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        answer.await;
        let old = browser.jar.remove("session").unwrap();
        assert_eq!(browser.page(SWITCH).await.as_deref(), Some("7"), "{place:?}");
        assert!(!browser.jar.contains_key("session"), "{place:?}: it is not written any more");
        browser.sign_out(SWITCH + 1).await;
        browser.jar.insert("session".to_owned(), old);
        if place != Place::Cookie {
            assert_eq!(browser.page(SWITCH + 2).await, None, "{place:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_out_in_flask_holds_while_the_store_is_away() {
    for place in WITH_STORE {
        let mut browser = Browser::new(place);
        browser.sign_in(10, "7").await;
        let ours = browser.jar["__Host-session"].clone();
        browser.sign_out_at_flask(11);
        browser.site.store.set_away(true);
        // Mirrored shows its copy, and the others ask in vain.
        let answer = browser.site.page(12, &browser.cookies()).await;
        assert_eq!(answer.owner, None, "{place:?}");
        browser.site.store.set_away(false);
        browser.jar.insert("__Host-session".to_owned(), ours);
        assert_eq!(browser.page(20).await, None, "{place:?}");
    }
}

#[tokio::test]
async fn a_request_that_fails_writes_nothing_and_one_that_asks_for_no_session_neither() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.sign_in(10, "7").await;
        let failed = browser.ours(20, Method::POST, async |request| {
            request.load().await?.insert("cart", [1])?;
            Ok(StatusCode::INTERNAL_SERVER_ERROR)
        });
        assert_eq!(failed.await.sets.len(), 0, "{place:?}");
        assert!(!browser.in_flask(21).contains_key("cart"), "{place:?}");
        browser.jar.remove("session");
        let answer = browser.ours(30, Method::GET, async |_| Ok(StatusCode::OK)).await;
        assert_eq!(answer.sets.len(), 0, "{place:?}");
    }
}

/// A browser with a session of user 7 from before anything was shared, and a shared entry in it.
async fn from_before(place: Place, cart: impl serde::Serialize) -> Browser {
    let store = FaultyStore::new(MemoryStore::new());
    let mut browser =
        Browser { site: Site::with(place, store.clone(), vec![Box::new(flask())]), jar: BTreeMap::new() };
    browser.sign_in(10, "7").await;
    browser
        .ours(11, Method::POST, async |request| {
            request.load().await?.insert("cart", cart)?;
            Ok(StatusCode::SEE_OTHER)
        })
        .await;
    browser.site = Site::with(place, store, vec![Box::new(flask().side_by_side(["cart"]))]);
    browser
}

#[tokio::test]
async fn what_was_here_before_it_was_shared_is_told_to_flask_and_not_removed() {
    for place in ALL {
        let mut browser = from_before(place, [1]).await;
        browser.sign_in_at_flask(20, "7");
        assert_eq!(browser.cart(30).await, Some(vec![1]), "{place:?}");
        assert!(browser.in_flask(31).contains_key("cart"), "{place:?}");
        browser.flask(40, |entries| _ = entries.insert("theirs".to_owned(), Value::Int(1)));
        assert_eq!(browser.cart(50).await, Some(vec![1]), "{place:?}");
        browser.flask(60, |entries| _ = entries.remove("cart"));
        assert_eq!(browser.cart(70).await, None, "{place:?}");
    }
}

#[tokio::test]
async fn a_page_that_only_reads_is_shown_if_flask_cannot_be_told() {
    for place in ALL {
        let mut browser = from_before(place, BTreeMap::from([(1, 2)])).await;
        let answer = browser.ours(30, Method::GET, async |request| {
            let _ = request.load().await?.owner();
            Ok(StatusCode::OK)
        });
        let answer = answer.await;
        assert_eq!(
            (answer.status, answer.owner.as_deref()),
            (200.try_into().unwrap(), Some("7")),
            "{place:?}"
        );
        assert!(!browser.jar.contains_key("session"), "{place:?}");
    }
}

#[tokio::test]
async fn a_sign_in_that_empties_the_session_takes_nothing_along_to_flask() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.flask(10, |entries| {
            _ = entries.insert("csrf_token".to_owned(), Value::Str("planted".to_owned()))
        });
        let answer = browser.ours(20, Method::POST, async |request| {
            request.load().await?.renew_empty()?;
            request.sign_in("7", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        assert_eq!(answer.await.status, 303, "{place:?}");
        assert_eq!(browser.user_in_flask(21).as_deref(), Some("7"), "{place:?}");
        assert!(!browser.in_flask(21).contains_key("csrf_token"), "{place:?}");
    }
}

#[tokio::test]
async fn who_signs_in_over_anothers_session_gets_nothing_of_it_on_either_side() {
    for place in ALL {
        let mut browser = Browser::new(place);
        let answer = browser.ours(10, Method::POST, async |request| {
            request.sign_in("7", None).await?;
            request.load().await?.insert("cart", [1, 2])?;
            Ok(StatusCode::SEE_OTHER)
        });
        assert_eq!(answer.await.status, 303, "{place:?}");
        assert!(browser.in_flask(11).contains_key("cart"), "{place:?}");
        browser.sign_in(20, "8").await;
        assert_eq!(
            (browser.user_in_flask(21).as_deref(), browser.page(21).await.as_deref()),
            (Some("8"), Some("8")),
            "{place:?}"
        );
        assert_eq!(
            (browser.cart(22).await, browser.in_flask(22).contains_key("cart")),
            (None, false),
            "{place:?}"
        );
        browser.sign_out(30).await;
        assert_eq!((browser.user_in_flask(31), browser.page(31).await), (None, None), "{place:?}");
    }
}

#[tokio::test]
async fn a_cookie_of_flasks_that_cannot_be_read_is_neither_none_nor_written_over() {
    for place in ALL {
        let dev = FlaskKey::from_text("dev").unwrap();
        let mut browser = Browser::with(place, flask().fallback(dev).side_by_side(["cart"]));
        browser.sign_in(10, "7").await;
        let good = browser.jar["session"].clone();
        // Flask keeps half a surrogate pair under a key of its own, and nobody here knows whose session it is.
        let unreadable = refusals::known("refused: surrogate").replace("session=", "");
        browser.jar.insert("session".to_owned(), unreadable.clone());
        let (before, site) = (browser.jar.clone(), &browser.site);
        let answer = site.page(20, &browser.cookies()).await;
        assert_eq!((answer.owner.as_deref(), answer.sets.len()), (None, 0), "{place:?}: {:?}", answer.sets);
        assert_eq!(browser.page(21).await, None, "{place:?}");
        assert_eq!(browser.jar, before, "{place:?}");
        browser.jar.insert("session".to_owned(), good);
        assert_eq!(browser.page(30).await.as_deref(), Some("7"), "{place:?}: it goes on");

        // Nor is it the planted one beside it that counts.
        let planted = format!("session={unreadable}; {}", signed_in("666", 5));
        let answer = browser.site.page(40, &planted).await;
        assert_eq!((answer.owner.as_deref(), answer.sets.len()), (None, 0), "{place:?}: {:?}", answer.sets);

        // Written over by nobody who is new here, nor by a sign-in.
        let mut browser = Browser { jar: BTreeMap::new(), ..browser };
        browser.jar.insert("session".to_owned(), unreadable.clone());
        browser
            .ours(50, Method::POST, async |request| {
                request.load().await?.insert("cart", [1])?;
                Ok(StatusCode::OK)
            })
            .await;
        assert_eq!(browser.jar["session"], unreadable, "{place:?}");
        browser.sign_in(60, "7").await;
        assert_eq!(browser.jar["session"], unreadable, "{place:?}");
        assert_eq!(browser.page(70).await.as_deref(), Some("7"), "{place:?}");
        // A sign-out is one on both sides all the same.
        browser.sign_out(80).await;
        assert!(browser.jar.is_empty(), "{place:?}: {:?}", browser.jar);
    }
}

#[tokio::test]
async fn of_several_sessions_of_nobody_none_is_written_over() {
    for place in ALL {
        let mut browser = Browser::new(place);
        browser.flask(10, put("csrf_token", Value::Str("of Flask".to_owned())));
        let planted = cookie_of(Dict::from([("csrf_token".to_owned(), Value::Str("planted".to_owned()))]), 5);
        let write = async |request: &RequestSession| {
            request.load().await?.insert("cart", [1])?;
            Ok(StatusCode::OK)
        };
        let both = format!("{}; {planted}", browser.cookies());
        let answer = browser.site.answer(20, Method::POST, &both, write).await;
        assert!(answer.ours().is_some(), "{place:?}: {:?}", answer.sets);
        assert!(!answer.sets.iter().any(|line| line.starts_with("session=")), "{place:?}: {:?}", answer.sets);
        // Of one it is known where it goes.
        browser.ours(30, Method::POST, write).await;
        assert_eq!(browser.in_flask(31).len(), 2, "{place:?}");
    }
}
