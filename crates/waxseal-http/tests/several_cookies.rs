//! Several good cookies of our name in one browser: after the cookie's attributes were changed, or one was planted.

#[path = "support/place.rs"]
mod place;

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use place::{ALL, ON_SERVER, Place};
use waxseal_http::{Clock, RequestSession, SessionCookie, SessionCookieBuilder, SessionLayer, status_of};
use waxseal_manager::{Access, Error, Outcome, Visit, WhenAway};
use waxseal_session::Session;
use waxseal_store::MemoryStore;
use waxseal_store::testing::{FaultyStore, Operation};

/// A server, at some moment of some day.
#[derive(Clone)]
struct Site {
    layer: SessionLayer,
    store: FaultyStore<MemoryStore>,
    now: SystemTime,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    SessionDebugView,
    Put(i32),
    SignIn(&'static str),
    SignOut,
    Clear,
    Nothing,
}

/// What a request saw of its session before it did that, and what was answered.
struct Seen {
    status: StatusCode,
    owner: Option<String>,
    number: Option<i32>,
    is_new: bool,
    sets: Vec<String>,
    cache_control: String,
}

/// What a browser tells cookies of one name apart by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Spot {
    domain: String,
    path: String,
    partitioned: bool,
}

/// A browser's cookies of one name.
#[derive(Debug, Clone, Default)]
struct Jar(Vec<(Spot, String)>);

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

impl Jar {
    fn of(cookies: impl IntoIterator<Item = (Spot, String)>) -> Self {
        Self(cookies.into_iter().collect())
    }

    fn take(&mut self, lines: &[String]) {
        for line in lines {
            let attribute =
                |name: &str| line.split("; ").find_map(|part| part.strip_prefix(name)).unwrap_or_default();
            let spot = Spot {
                domain: attribute("Domain=").to_owned(),
                path: attribute("Path=").to_owned(),
                partitioned: line.contains("; Partitioned"),
            };
            self.0.retain(|(other, _)| *other != spot);
            let value = line.split_once('=').unwrap().1.split(';').next().unwrap();
            if attribute("Max-Age=") != "0" {
                self.0.push((spot, value.to_owned()));
            }
        }
    }

    fn turned(&self) -> Self {
        Self(self.0.iter().rev().cloned().collect())
    }
}

fn spot(domain: &str, path: &str, partitioned: bool) -> Spot {
    Spot { domain: domain.to_owned(), path: path.to_owned(), partitioned }
}

fn own_spot() -> Spot {
    spot("", "/", false)
}

impl Site {
    fn new(place: Place, cookie: SessionCookieBuilder) -> Self {
        Self::over(place, cookie, FaultyStore::new(MemoryStore::new()), WhenAway::Refuse)
    }

    fn over(
        place: Place,
        cookie: SessionCookieBuilder,
        store: FaultyStore<MemoryStore>,
        policy: WhenAway,
    ) -> Self {
        let cookie = cookie.build().unwrap();
        let sessions = place.sessions_when_away(&cookie, &store, policy);
        let layer = SessionLayer::new(sessions, cookie).without_maintenance();
        Self { layer, store, now: noon() }.at(0)
    }

    fn at(&self, seconds: u64) -> Self {
        let now = noon() + Duration::from_secs(seconds);
        let layer = self.layer.clone().with_clock(Clock::from_fn(move || now));
        Self { layer, now, ..self.clone() }
    }

    /// The token of a new session.
    async fn token(&self, fill: impl Fn(&Session, SystemTime)) -> String {
        let session = self.layer.sessions().create();
        fill(&session, self.now);
        self.commit(&session).await
    }

    async fn commit(&self, session: &Visit) -> String {
        match self.layer.sessions().commit(session, self.now).await.unwrap() {
            Outcome::Set { token, .. } => token,
            other => panic!("{other:?}"),
        }
    }

    async fn open(&self, token: &str) -> Visit {
        let opened = self.layer.sessions().open(token.as_bytes(), Access::Change, self.now).unwrap();
        opened.load(self.now).await.unwrap()
    }

    /// Another token of the same session, after a change.
    async fn again(&self, token: &str, number: i32) -> String {
        let session = self.open(token).await;
        session.insert("number", number).unwrap();
        match self.layer.sessions().commit(&session, self.now).await.unwrap() {
            Outcome::Set { token, .. } => token,
            _ => token.to_owned(),
        }
    }

    async fn visit(&self, jar: &mut Jar, method: &str, path: &str, act: Act) -> Seen {
        let now = self.now;
        let inner = hyper::service::service_fn(move |request: Request<Body>| async move {
            let handle = request.extensions().get::<RequestSession>().unwrap().clone();
            let mut response = Response::new(Body::empty());
            match answer(handle, act, now).await {
                Ok(seen) => _ = response.extensions_mut().insert(seen),
                Err(error) => *response.status_mut() = status_of(&error),
            }
            Ok::<_, Infallible>(response)
        });
        let name = self.layer.cookie().name();
        let cookies: Vec<_> = jar.0.iter().map(|(_, token)| format!("{name}={token}")).collect();
        let request = Request::builder().method(method).uri(path).header("host", "shop.example.org");
        let request = request.header(COOKIE, cookies.join("; ")).body(Body::empty()).unwrap();
        let response = hyper::service::Service::call(&self.layer.layer(inner), request).await.unwrap();
        let all =
            |name| response.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
        let sets: Vec<String> = all(SET_COOKIE).collect();
        jar.take(&sets);
        let (owner, number, is_new) = response.extensions().get().cloned().unwrap_or((None, None, false));
        let cache_control = all(CACHE_CONTROL).collect();
        Seen { status: response.status(), owner, number, is_new, sets, cache_control }
    }

    async fn look(&self, jar: &mut Jar) -> Seen {
        self.visit(jar, "GET", "/", Act::SessionDebugView).await
    }
}

type Found = (Option<String>, Option<i32>, bool);

async fn answer(handle: RequestSession, act: Act, now: SystemTime) -> Result<Found, Error> {
    if act == Act::SignOut {
        return handle.destroy().await.map(|()| (None, None, false));
    }
    let session = handle.load().await?;
    if act == Act::Nothing {
        return Ok((None, None, false));
    }
    let seen = (session.owner(), session.get("number")?, session.is_new());
    match act {
        Act::Put(number) => session.insert("number", number)?,
        Act::SignIn(owner) => session.sign_in(owner, now)?,
        Act::Clear => session.clear()?,
        _ => {}
    }
    Ok(seen)
}

fn stranger(number: i32) -> impl Fn(&Session, SystemTime) {
    move |session, _| session.insert("number", number).unwrap()
}

fn signed_in(owner: &'static str) -> impl Fn(&Session, SystemTime) {
    move |session, now| session.sign_in(owner, now).unwrap()
}

/// What an operator may change, and where the cookies from before lie then.
fn changes() -> Vec<(&'static str, SessionCookieBuilder, Spot, Spot)> {
    let host = SessionCookie::builder;
    let sid = || SessionCookie::builder().name("sid");
    vec![
        ("__Host-, partitioned now", host().partitioned(true), own_spot(), spot("", "/", true)),
        ("__Host-, partitioned before", host(), spot("", "/", true), own_spot()),
        ("partitioned now", sid().partitioned(true), own_spot(), spot("", "/", true)),
        ("a path now", sid().path("/app"), own_spot(), spot("", "/app", false)),
        ("a path before", sid(), spot("", "/app", false), own_spot()),
        ("a path with a slash before", sid(), spot("", "/app/", false), own_spot()),
        ("a domain now", sid().domain("example.org"), own_spot(), spot("example.org", "/", false)),
        ("a domain before", sid(), spot("example.org", "/", false), own_spot()),
        ("the host's own domain before", sid(), spot("shop.example.org", "/", false), own_spot()),
        ("all of it", sid(), spot("example.org", "/app", true), own_spot()),
    ]
}

#[tokio::test]
async fn after_a_change_of_attributes_a_sign_in_signs_in_and_a_sign_out_signs_out() {
    for place in ALL {
        for (change, cookie, before, ours) in changes() {
            for (case, first, second) in [
                ("strangers", None, None),
                ("signed in before", Some("7"), None),
                ("signed in since", None, Some("7")),
                ("signed in both times", Some("6"), Some("7")),
            ] {
                let case = format!("{place:?}, {change}, {case}");
                let site = Site::new(place, cookie.clone());
                let mut tokens = Vec::new();
                for (seconds, owner) in [(0, first), (10, second)] {
                    let site = site.at(seconds);
                    let token = site.token(|session, now| {
                        session.set_permanent(true).unwrap();
                        owner.map_or(Ok(()), |owner| session.sign_in(owner, now)).unwrap();
                    });
                    tokens.push(token.await);
                }
                let [old, new] = &tokens[..] else { unreachable!() };
                let jar = || Jar::of([(before.clone(), old.clone()), (ours.clone(), new.clone())]);
                for (turn, mut jar) in [jar(), jar().turned()].into_iter().enumerate() {
                    let site = site.at(20 + turn as u64);
                    let signed_in = site.visit(&mut jar, "POST", "/app/sign-in", Act::SignIn("8")).await;
                    assert_eq!(signed_in.status, StatusCode::OK, "{case}");
                    assert_eq!(jar.0.len(), 1, "{case}: {:?}", signed_in.sets);
                    assert_eq!(jar.0[0].0, ours, "{case}");
                    let seen = site.look(&mut jar).await;
                    assert_eq!((seen.owner.as_deref(), seen.sets.len()), (Some("8"), 0), "{case}");
                    let copy = jar.clone();
                    site.visit(&mut jar, "POST", "/app/sign-out", Act::SignOut).await;
                    assert_eq!(jar.0, [], "{case}");
                    if place != Place::Cookie {
                        assert_eq!(
                            site.look(&mut copy.clone()).await.owner,
                            None,
                            "{case}: the copy has ended"
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cookie_from_before_a_change_is_left_by_a_sign_in_and_by_a_sign_out() {
    for place in ALL {
        for (change, cookie, before, ours) in changes() {
            for owner in [None, Some("7")] {
                let case = format!("{place:?}, {change}, {owner:?}");
                let site = Site::new(place, cookie.clone());
                let old = site.token(|session, now| {
                    session.insert("number", 1).unwrap();
                    owner.map_or(Ok(()), |owner| session.sign_in(owner, now)).unwrap();
                });
                let jar = Jar::of([(before.clone(), old.await)]);
                let site = site.at(10);

                let mut signing_in = jar.clone();
                site.visit(&mut signing_in, "POST", "/app/sign-in", Act::SignIn("8")).await;
                let seen = site.look(&mut signing_in).await;
                // What another owner had goes.
                let number = owner.is_none().then_some(1);
                assert_eq!((seen.owner.as_deref(), seen.number), (Some("8"), number), "{case}");
                assert!(signing_in.0.iter().any(|(spot, _)| *spot == ours), "{case}");

                for act in [Act::SignOut, Act::Clear] {
                    let site = Site::new(place, cookie.clone());
                    let mut jar = Jar::of([(before.clone(), site.token(signed_in("7")).await)]);
                    site.visit(&mut jar, "POST", "/app/sign-out", act).await;
                    assert_eq!(site.look(&mut jar).await.owner, None, "{case}, {act:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn signing_out_with_several_cookies_signs_out_of_all() {
    for place in ALL {
        for (change, cookie, before, ours) in changes() {
            for act in [Act::SignOut, Act::Clear] {
                let case = format!("{place:?}, {change}, {act:?}");
                let site = Site::new(place, cookie.clone());
                let (old, new) = (site.token(signed_in("7")).await, site.at(10).token(signed_in("7")).await);
                let mut jar = Jar::of([(before.clone(), old.clone()), (ours.clone(), new.clone())]);
                let site = site.at(20);
                let out = site.visit(&mut jar, "POST", "/app/sign-out", act).await;
                assert_eq!((out.status, &jar.0[..]), (StatusCode::OK, &[][..]), "{case}: {:?}", out.sets);
                for token in [old, new] {
                    let mut copy = Jar::of([(ours.clone(), token)]);
                    let seen = site.look(&mut copy).await;
                    assert_eq!(seen.owner.is_none(), place != Place::Cookie, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn under_a_host_name_the_one_worth_most_counts_and_stays() {
    for place in ALL {
        type Owner = Option<&'static str>;
        let cases: [(&str, Owner, Owner, Owner, i32); 4] = [
            ("strangers: the later", None, None, None, 2),
            ("one with an owner", Some("7"), None, Some("7"), 1),
            ("the same, turned", None, Some("7"), Some("7"), 2),
            ("the later sign-in", Some("7"), Some("8"), Some("8"), 2),
        ];
        for (case, first, second, owner, number) in cases {
            for method in ["GET", "HEAD", "POST"] {
                for turned in [false, true] {
                    let case = format!("{place:?}, {case}, {method}, turned: {turned}");
                    let site = Site::new(place, SessionCookie::builder());
                    let mut tokens = Vec::new();
                    for (seconds, number, owner) in [(0, 1, first), (10, 2, second)] {
                        let site = site.at(seconds);
                        let token = site.token(|session, now| {
                            session.insert("number", number).unwrap();
                            owner.map_or(Ok(()), |owner| session.sign_in(owner, now)).unwrap();
                        });
                        tokens.push(token.await);
                    }
                    let mut jar =
                        Jar::of([(spot("", "/", true), tokens[0].clone()), (own_spot(), tokens[1].clone())]);
                    if turned {
                        jar = jar.turned();
                    }
                    let site = site.at(11);
                    let (untouched, before) =
                        (site.visit(&mut jar, method, "/", Act::Nothing).await, jar.0.len());
                    assert_eq!((untouched.sets.len(), before), (0, 2), "{case}: not accessed");
                    let seen = site.visit(&mut jar, method, "/", Act::SessionDebugView).await;
                    assert_eq!((seen.owner.as_deref(), seen.number), (owner, Some(number)), "{case}");
                    assert_eq!((seen.sets.len(), jar.0.len()), (2, 1), "{case}: {:?}", seen.sets);
                    assert_eq!(seen.cache_control, "private, no-store", "{case}");
                    // It stays, whichever place it came from, and it is no conflict any more.
                    let again = site.visit(&mut jar, method, "/", Act::SessionDebugView).await;
                    assert_eq!((again.owner.as_deref(), again.number), (owner, Some(number)), "{case}");
                    assert_eq!(again.sets.len(), 0, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn two_cookies_of_one_session_are_no_conflict_under_any_name() {
    for place in ALL {
        for (change, cookie, before, ours) in changes() {
            for turned in [false, true] {
                let case = format!("{place:?}, {change}, turned: {turned}");
                let site = Site::new(place, cookie.clone());
                let old = site.token(|session, now| {
                    session.insert("number", 1).unwrap();
                    session.sign_in("7", now).unwrap();
                });
                let old = old.await;
                let new = site.at(10).again(&old, 2).await;
                let mut jar = Jar::of([(ours.clone(), old), (before.clone(), new)]);
                if turned {
                    jar = jar.turned();
                }
                if place == Place::Store {
                    // One token, which is one cookie however often it comes.
                    assert_eq!(jar.0[0].1, jar.0[1].1, "{case}");
                    jar.0.pop();
                }
                let site = site.at(11);
                site.store.forget();
                let seen = site.visit(&mut jar, "POST", "/app/", Act::SessionDebugView).await;
                assert_eq!((seen.owner.as_deref(), seen.number), (Some("7"), Some(2)), "{case}");
                let asked =
                    [Operation::Load, Operation::Revalidate].map(|operation| site.store.count(operation));
                assert!(
                    asked.iter().sum::<usize>() <= 4,
                    "{case}: asked for once, and once more for its cookie, of its session and its owner"
                );
                assert_eq!(jar.0.len(), 1, "{case}: {:?}", seen.sets);
                let seen = site.look(&mut jar).await;
                assert_eq!((seen.owner.as_deref(), seen.number), (Some("7"), Some(2)), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn under_any_other_name_a_planted_cookie_gains_nothing() {
    for place in ALL {
        for (change, cookie, planted, ours) in changes() {
            if cookie.clone().build().unwrap().name().starts_with("__Host-") {
                continue;
            }
            for turned in [false, true] {
                let case = format!("{place:?}, {change}, turned: {turned}");
                let site = Site::new(place, cookie.clone());
                let victims = site.token(signed_in("victim")).await;
                let thiefs = site.at(10).token(signed_in("thief")).await;
                let mut jar = Jar::of([(planted.clone(), thiefs.clone()), (ours.clone(), victims.clone())]);
                if turned {
                    jar = jar.turned();
                }
                let site = site.at(11);
                let seen = site.visit(&mut jar, "GET", "/app/", Act::SessionDebugView).await;
                assert_eq!((seen.owner, seen.is_new), (None, true), "{case}: neither counts");
                // And the planted one is forgotten: the next page is the visitor's own.
                assert_eq!(jar.0, [(ours.clone(), victims)], "{case}: {:?}", seen.sets);
                assert_eq!(site.look(&mut jar).await.owner.as_deref(), Some("victim"), "{case}");

                // What is written while both are there begins a session that is the thief's in no way.
                jar.0.push((planted.clone(), thiefs.clone()));
                site.visit(&mut jar, "POST", "/app/", Act::Put(5)).await;
                assert_eq!(jar.0.len(), 1, "{case}");
                assert_eq!(site.look(&mut jar).await.number, Some(5), "{case}");
                assert_eq!(site.look(&mut Jar::of([(ours.clone(), thiefs)])).await.number, None, "{case}");
            }
        }
    }
}

/// What may lie beside a live cookie, and is no session any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dead {
    Ended,
    /// The id from before a sign-in.
    Renewed,
    Expired,
    OtherKey,
}

async fn dead(site: &Site, what: Dead) -> String {
    let token = site.token(stranger(1)).await;
    let session = site.open(&token).await;
    match what {
        Dead::Ended => session.destroy().unwrap(),
        Dead::Renewed => session.sign_in("9", site.now).unwrap(),
        Dead::Expired => {}
        Dead::OtherKey => return format!("{}AAAA", &token[..token.len() - 4]),
    }
    site.layer.sessions().commit(&session, site.now).await.unwrap();
    token
}

#[tokio::test]
async fn what_is_over_beside_a_live_cookie_drops_out() {
    for place in ALL {
        for what in [Dead::Ended, Dead::Renewed, Dead::Expired, Dead::OtherKey] {
            if place == Place::Cookie && matches!(what, Dead::Ended | Dead::Renewed) {
                continue; // Nobody knows.
            }
            for name in ["__Host-session", "sid"] {
                for (method, turned) in
                    ["GET", "HEAD", "POST"].into_iter().flat_map(|method| [(method, false), (method, true)])
                {
                    let case = format!("{place:?}, {what:?}, {name}, {method}, turned: {turned}");
                    let site = Site::new(place, SessionCookie::builder().name(name));
                    let over = dead(&site, what).await;
                    let site = site.at(if what == Dead::Expired { 31 * 60 } else { 10 });
                    let live = site.token(signed_in("7")).await;
                    let mut jar = Jar::of([(spot("", "/", true), over.clone()), (own_spot(), live)]);
                    if turned {
                        jar = jar.turned();
                    }
                    let seen = site.visit(&mut jar, method, "/", Act::SessionDebugView).await;
                    assert_eq!(seen.owner.as_deref(), Some("7"), "{case}");
                    let seen = site.visit(&mut jar, "POST", "/", Act::Put(3)).await;
                    assert_eq!((seen.status, seen.owner.as_deref()), (StatusCode::OK, Some("7")), "{case}");
                    let seen = site.look(&mut jar).await;
                    assert_eq!((seen.owner.as_deref(), seen.number), (Some("7"), Some(3)), "{case}");
                    site.visit(&mut jar, "POST", "/", Act::SignOut).await;
                    assert_eq!(site.look(&mut jar).await.owner, None, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn of_dead_ones_alone_none_counts_and_a_sign_ins_new_cookie_is_safe() {
    for place in ON_SERVER {
        for name in ["__Host-session", "sid"] {
            let site = Site::new(place, SessionCookie::builder().name(name));
            let (ended, old) = (dead(&site, Dead::Ended).await, dead(&site, Dead::Renewed).await);
            let mut jar = Jar::of([(spot("", "/", true), ended), (own_spot(), old.clone())]);
            let seen = site.visit(&mut jar, "POST", "/", Act::Put(1)).await;
            assert_eq!(seen.status, StatusCode::CONFLICT, "{place:?}, {name}: as with the old id alone");
            assert!(
                jar.0.iter().any(|(_, token)| *token == old),
                "{place:?}, {name}: nothing is put in its place"
            );
        }
    }
}

#[tokio::test]
async fn four_cookies_at_most_are_asked_for() {
    for place in [Place::Listed, Place::Store, Place::Mirrored] {
        let site = Site::new(place, SessionCookie::builder());
        let mut tokens = Vec::new();
        for number in 0..10 {
            tokens.push((own_spot(), site.token(stranger(number)).await));
        }
        site.store.forget();
        let seen = site.at(1).visit(&mut Jar::of(tokens), "POST", "/", Act::SessionDebugView).await;
        assert!(seen.number.is_some_and(|number| number < 4), "{place:?}");
        let asked = site.store.asked();
        // And once more for the one that counts, whose cookie is sent.
        assert!(asked.len() <= 5, "{place:?}: {asked:?}");
    }
}

#[tokio::test]
async fn more_planted_cookies_than_are_looked_at_do_not_keep_anybody_from_signing_in_or_out() {
    let spots = ["/app/a/b", "/app/a/b/", "/app/a", "/app/a/", "/app", "/app/"];
    for place in ALL {
        for same in [true, false] {
            for signed_in_before in [true, false] {
                let case = format!("{place:?}, all the same: {same}, signed in before: {signed_in_before}");
                let site = Site::new(place, SessionCookie::builder().name("sid"));
                let planted = spots.iter().enumerate().map(|(at, path)| {
                    let value = if same { "planted".to_owned() } else { format!("planted{at}") };
                    (spot("example.org", path, false), value)
                });
                let mut jar = Jar::of(planted);
                let ours = site.token(signed_in("7")).await;
                if signed_in_before {
                    jar.0.push((own_spot(), ours.clone()));
                }
                let mut signing_in = jar.clone();
                site.visit(&mut signing_in, "POST", "/app/a/b/sign-in", Act::SignIn("8")).await;
                assert_eq!(site.look(&mut signing_in).await.owner.as_deref(), Some("8"), "{case}");

                // It goes on with the next page, and a sign-out holds.
                let mut signing_out = jar.clone();
                site.visit(&mut signing_out, "GET", "/app/a/b/page", Act::SessionDebugView).await;
                let seen = site.look(&mut signing_out).await;
                assert_eq!(seen.owner.as_deref(), signed_in_before.then_some("7"), "{case}");
                site.visit(&mut jar, "POST", "/app/a/b/sign-out", Act::SignOut).await;
                assert_eq!(site.look(&mut jar).await.owner, None, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn while_the_store_does_not_say_of_one_nobody_is_shown_the_other() {
    for (place, policy) in [
        (Place::Store, WhenAway::Refuse),
        (Place::Store, WhenAway::Anonymous),
        (Place::Mirrored, WhenAway::Refuse),
    ] {
        for turned in [false, true] {
            let case = format!("{place:?}, {policy:?}, turned: {turned}");
            let store = FaultyStore::new(MemoryStore::new());
            let site = Site::over(place, SessionCookie::builder(), store, policy);
            let (owned, strangers) = (site.token(signed_in("7")).await, site.token(stranger(1)).await);
            let jar = Jar::of([(spot("", "/", true), owned), (own_spot(), strangers)]);
            let mut jar = if turned { jar.turned() } else { jar };
            // Older than the grace.
            let site = site.at(301);
            site.store.fail_next(1);
            let seen = site.look(&mut jar).await;
            match policy {
                WhenAway::Anonymous => assert_eq!((seen.owner, seen.number), (None, None), "{case}"),
                _ => assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{case}"),
            }
            assert_eq!((seen.sets.len(), jar.0.len()), (0, 2), "{case}: no cookie is touched");

            // Signing out needs nobody.
            site.store.set_away(true);
            let all = jar.clone();
            let out = site.visit(&mut jar, "POST", "/", Act::SignOut).await;
            assert_eq!((out.status, jar.0.len()), (StatusCode::OK, 0), "{case}");
            site.store.set_away(false);
            assert_eq!(site.layer.sessions().finish_ends(site.now).await.unwrap(), 0, "{case}");
            for (_, token) in all.0 {
                assert!(site.open(&token).await.is_new(), "{case}: each has ended");
            }
        }
    }
}

#[tokio::test]
async fn copies_of_several_cookies_are_read_in_an_outage_and_none_is_touched() {
    let site = Site::new(Place::Mirrored, SessionCookie::builder());
    let (owned, strangers) = (site.token(signed_in("7")).await, site.token(stranger(1)).await);
    let mut jar = Jar::of([(spot("", "/", true), owned), (own_spot(), strangers)]);
    site.store.set_away(true);
    for seconds in [1, 60] {
        let seen = site.at(seconds).look(&mut jar).await;
        assert_eq!((seen.status, seen.owner.as_deref()), (StatusCode::OK, Some("7")), "after {seconds} s");
        assert_eq!((seen.sets.len(), jar.0.len()), (0, 2), "after {seconds} s");
    }
}

#[tokio::test]
async fn under_a_name_that_can_be_planted_an_outage_forgets_no_cookie_either() {
    for planted in [0, 6] {
        let site = Site::new(Place::Mirrored, SessionCookie::builder().name("sid"));
        let (owned, strangers) = (site.token(signed_in("7")).await, site.token(stranger(1)).await);
        let mut jar = Jar::of([(own_spot(), owned), (spot("example.org", "/", false), strangers)]);
        let spots = (0..planted).map(|at| spot("example.org", &format!("/{at}"), false));
        jar.0.extend(spots.map(|spot| (spot, "planted".to_owned())));
        let before = jar.0.len();
        site.store.set_away(true);
        let seen = site.at(60).look(&mut jar).await;
        assert_eq!((seen.status, seen.owner), (StatusCode::OK, None), "{planted} planted");
        assert_eq!((seen.sets.len(), jar.0.len()), (0, before), "{planted} planted");
        // Once the store is back, one is left.
        site.store.set_away(false);
        site.at(61).look(&mut jar).await;
        assert_eq!(site.at(62).look(&mut jar).await.owner.as_deref(), Some("7"), "{planted} planted");
    }
}

#[tokio::test]
async fn a_request_that_failed_forgets_no_cookie_that_may_be_the_visitors() {
    for place in ALL {
        let site = Site::new(place, SessionCookie::builder());
        let (owned, strangers) = (site.token(signed_in("7")).await, site.token(stranger(1)).await);
        let jar = Jar::of([(spot("", "/", true), owned), (own_spot(), strangers)]);
        let handle = {
            let cookies: Vec<_> = jar.0.iter().map(|(_, token)| format!("__Host-session={token}")).collect();
            let mut headers = http::HeaderMap::new();
            headers.insert(COOKIE, cookies.join("; ").parse().unwrap());
            site.layer.session_of(&http::Method::POST, &http::Uri::default(), &headers)
        };
        assert_eq!(handle.load().await.unwrap().owner().as_deref(), Some("7"));
        let mut response = Response::builder().status(500).body(()).unwrap();
        site.layer.finish(&handle, &mut response).await.unwrap();
        assert_eq!(response.headers().get(SET_COOKIE), None, "{place:?}");
    }
}
