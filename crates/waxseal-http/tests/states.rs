//! Sessions that are kept on the server, behind HTTP: who asks first, what failures become, and who hangs up.

#[path = "support/place.rs"]
mod place;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::{CACHE_CONTROL, COOKIE, HeaderName, RETRY_AFTER, SET_COOKIE, VARY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use place::{ON_SERVER, Place, WITH_STORE};
use waxseal_http::{Clock, RequestSession, SessionCookie, SessionLayer, status_of};
use waxseal_manager::{Access, Error, Outcome};
use waxseal_session::Session;
use waxseal_store::MemoryStore;
use waxseal_store::testing::{FaultyStore, Operation};

const UNSAFE: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

#[derive(Debug, Clone, Copy)]
enum Stack {
    Hyper,
    Axum,
}

const ALL_STACKS: [Stack; 2] = [Stack::Hyper, Stack::Axum];

type Answer = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type Handler = Arc<dyn Fn(RequestSession) -> Answer + Send + Sync>;

/// A process with a store that fails on order, at some moment of some day.
#[derive(Clone)]
struct Site {
    layer: SessionLayer,
    store: FaultyStore<MemoryStore>,
    stack: Stack,
}

impl Site {
    fn new(place: Place) -> Self {
        Self::over(place, FaultyStore::new(MemoryStore::new()))
    }

    fn over(place: Place, store: FaultyStore<MemoryStore>) -> Self {
        let cookie = SessionCookie::builder().build().unwrap();
        let sessions = place.sessions(&cookie, &store);
        let layer =
            SessionLayer::new(sessions, cookie).without_maintenance().with_clock(Clock::from_fn(noon));
        Self { layer, store, stack: Stack::Hyper }
    }

    fn on(mut self, stack: Stack) -> Self {
        self.stack = stack;
        self
    }

    fn after(mut self, span: Duration) -> Self {
        self.layer = self.layer.with_clock(Clock::from_fn(move || noon() + span));
        self
    }

    /// The token of a visitor.
    async fn token(&self) -> String {
        let sessions = self.layer.sessions();
        let session = sessions.create();
        session.extend([("name", 1), ("coupon", 7)]).unwrap();
        let Outcome::Set { token, .. } = sessions.commit(&session, noon()).await.unwrap() else { panic!() };
        token
    }

    async fn signed_in(&self) -> String {
        let sessions = self.layer.sessions();
        let session = sessions.create();
        session.sign_in("albus", noon()).unwrap();
        let Outcome::Set { token, .. } = sessions.commit(&session, noon()).await.unwrap() else { panic!() };
        token
    }

    /// The token of the same session with another id.
    async fn renewed(&self, token: &str) -> String {
        let sessions = self.layer.sessions();
        let opened = sessions.open(token.as_bytes(), Access::Change, noon()).unwrap();
        let session = opened.load(noon()).await.unwrap();
        session.renew().unwrap();
        let Outcome::Set { token, .. } = sessions.commit(&session, noon()).await.unwrap() else { panic!() };
        token
    }

    async fn is_there(&self, token: &str) -> bool {
        let opened = self.layer.sessions().open(token.as_bytes(), Access::Change, noon()).unwrap();
        !opened.load(noon()).await.unwrap().is_new()
    }

    /// A request whose handler's errors become what [`status_of`] says.
    async fn send<F>(
        &self,
        method: &str,
        token: &str,
        handler: impl Fn(RequestSession) -> F + Send + Sync + 'static,
    ) -> Response<Body>
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |handle| Box::pin(handler(handle)));
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", "a.example")
            .header(COOKIE, format!("{}={token}", self.layer.cookie().name()))
            .body(Body::empty())
            .unwrap();
        match self.stack {
            Stack::Hyper => {
                let inner = hyper::service::service_fn(move |request: Request<Body>| {
                    let answer = handler(handle(&request));
                    async { Ok::<_, Infallible>(response(answer.await)) }
                });
                hyper::service::Service::call(&self.layer.layer(inner), request).await.unwrap().map(Body::new)
            }
            Stack::Axum => {
                let answer = move |request: axum::extract::Request| {
                    let answer = handler(handle(&request));
                    async { response(answer.await).map(axum::body::Body::new) }
                };
                let mut router =
                    axum::Router::new().route("/", axum::routing::any(answer)).layer(self.layer.clone());
                let request = request.map(axum::body::Body::new);
                tower_service::Service::call(&mut router, request).await.unwrap().map(Body::new)
            }
        }
    }
}

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn handle<B>(request: &Request<B>) -> RequestSession {
    request.extensions().get::<RequestSession>().expect("the layer put it there").clone()
}

fn response(answer: Result<(), Error>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if let Err(error) = answer {
        *response.status_mut() = status_of(&error);
    }
    response
}

fn all(response: &Response<Body>, name: HeaderName) -> Vec<&str> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

async fn look(handle: RequestSession) -> Result<(), Error> {
    let session = handle.load().await?;
    assert_eq!(session.get::<u8>("name")?, Some(1));
    Ok(())
}

#[tokio::test]
async fn who_acts_asks_the_store_before_the_handler_acts() {
    for (place, stack) in ON_SERVER.into_iter().flat_map(|place| ALL_STACKS.map(|stack| (place, stack))) {
        let site = Site::new(place).on(stack);
        let token = site.token().await;
        for method in UNSAFE {
            site.store.forget();
            let answer = site.send(method, &token, look).await;
            assert_eq!(answer.status(), StatusCode::OK, "{place:?}, {stack:?}");
            assert_eq!(site.store.asked().len(), 1, "{place:?}, {stack:?}, {method}: asked once");
        }
        site.store.set_away(true);
        for method in UNSAFE {
            let acted = Arc::new(AtomicUsize::new(0));
            let counter = acted.clone();
            let answer = site
                .send(method, &token, move |handle| {
                    let counter = counter.clone();
                    async move {
                        handle.load().await?;
                        counter.fetch_add(1, Ordering::Relaxed);
                        Ok(())
                    }
                })
                .await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{place:?}, {stack:?}, {method}");
            assert_eq!(acted.load(Ordering::Relaxed), 0, "{place:?}, {stack:?}, {method}");
            assert_eq!(all(&answer, SET_COOKIE), [""; 0]);
        }
        // A fresh copy needs no store, and a page that does not touch its session none either.
        let read = site.send("GET", &token, look).await;
        let expected = if place == Place::Mirrored { 200 } else { 503 };
        assert_eq!(read.status(), expected, "{place:?}, {stack:?}");
        let untouched = site.send("POST", &token, async |_| Ok(())).await;
        assert_eq!(untouched.status(), StatusCode::OK, "{place:?}, {stack:?}");
    }
}

#[tokio::test]
async fn a_page_from_a_copy_is_the_visitors_own_and_sets_no_cookie() {
    for (case, seconds, away) in [("fresh", 0, false), ("confirmed", 60, false), ("in an outage", 60, true)] {
        let site = Site::new(Place::Mirrored);
        let token = site.token().await;
        let site = site.after(Duration::from_secs(seconds));
        site.store.set_away(away);
        site.store.forget();
        for method in ["GET", "HEAD", "OPTIONS"] {
            let answer = site.send(method, &token, look).await;
            assert_eq!(answer.status(), StatusCode::OK, "{case}, {method}");
            assert_eq!(all(&answer, VARY), ["Cookie"], "{case}, {method}");
            assert_eq!(all(&answer, CACHE_CONTROL), ["private, no-store"], "{case}, {method}");
            assert_eq!(all(&answer, SET_COOKIE), [""; 0], "{case}, {method}");
        }
        let confirms = site.store.count(Operation::Revalidate);
        assert_eq!(confirms == 0, seconds == 0, "{case}: {confirms}");
    }
}

#[tokio::test]
async fn what_cannot_be_saved_is_a_503_that_says_when_to_try_again() {
    for (place, stack) in ON_SERVER.into_iter().flat_map(|place| ALL_STACKS.map(|stack| (place, stack))) {
        let site = Site::new(place).on(stack);
        let token = site.token().await;
        let store = site.store.clone();
        let answer = site
            .send("POST", &token, move |handle| {
                let store = store.clone();
                async move {
                    handle.load().await?.insert("name", 2)?;
                    store.set_away(true);
                    Ok(())
                }
            })
            .await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{place:?}, {stack:?}");
        assert_eq!(all(&answer, RETRY_AFTER), ["5"], "{place:?}, {stack:?}");
        assert_eq!(all(&answer, SET_COOKIE), [""; 0], "{place:?}, {stack:?}");
        site.store.set_away(false);
        assert_eq!(
            site.send("POST", &token, look).await.status(),
            StatusCode::OK,
            "{place:?}: nothing changed"
        );
    }
}

#[tokio::test]
async fn an_answer_that_changed_the_session_is_never_public_also_without_a_cookie() {
    type Change = fn(&Session);
    let changes: [(&str, Change); 4] = [
        ("written", |session| session.insert("name", 2).unwrap()),
        ("written twice, to the same", |session| {
            session.insert("name", 2).and_then(|()| session.insert("name", 1)).unwrap();
        }),
        ("a message was shown", |session| assert_eq!(session.flashed_messages(&[]).len(), 1)),
        ("a form was shown", |session| drop(session.csrf_token().unwrap())),
    ];
    for (place, (case, change)) in
        ON_SERVER.into_iter().flat_map(|place| changes.map(|change| (place, change)))
    {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            for lines in [
                &[("cache-control", "public, max-age=60")][..],
                &[("cache-control", "s-maxage=60"), ("cache-control", "immutable")],
                &[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")],
                &[
                    ("cache-control", "private"),
                    ("surrogate-control", "max-age=60"),
                    ("cdn-cache-control", "public, max-age=60"),
                    ("cloudflare-cdn-cache-control", "public"),
                    ("x-accel-expires", "60"),
                ],
            ] {
                let case = format!("{place:?}, {method}, {case}, {lines:?}");
                let site = Site::new(place);
                let sessions = site.layer.sessions();
                let session = sessions.create();
                session.insert("name", 1).and_then(|()| session.flash("info", "hello")).unwrap();
                let Outcome::Set { token, .. } = sessions.commit(&session, noon()).await.unwrap() else {
                    panic!()
                };
                let answer = async |change: Change| {
                    let mut headers = http::HeaderMap::new();
                    headers.insert(COOKIE, format!("__Host-session={token}").parse().unwrap());
                    let handle = site.layer.session_of(&method, &http::Uri::default(), &headers);
                    change(&handle.load().await.unwrap());
                    let mut response = Response::new(());
                    for (name, value) in lines {
                        response.headers_mut().append(*name, HeaderValue::from_static(value));
                    }
                    site.layer.finish(&handle, &mut response).await.unwrap();
                    response.into_parts().0.headers
                };
                // A page that only shows it is believed.
                let headers = answer(|session| _ = session.len()).await;
                for (name, value) in lines {
                    assert!(headers.get_all(*name).iter().any(|said| said == value), "{case}: {name}");
                }
                let headers = answer(change).await;
                let said: Vec<_> = headers.get_all(CACHE_CONTROL).iter().collect();
                let own = lines.contains(&("cache-control", "private"));
                assert_eq!(said, [if own { "private" } else { "private, no-store" }], "{case}");
                for name in ["expires", "surrogate-control", "cdn-cache-control", "x-accel-expires"] {
                    assert_eq!(headers.get(name), None, "{case}");
                }
                assert_eq!(headers.get("cloudflare-cdn-cache-control"), None, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_that_nobody_sees_takes_no_message_and_begins_no_session() {
    for place in ON_SERVER {
        let site = Site::new(place);
        let token = site.token().await;
        let send = async |method: &str, act: fn(&Session)| {
            let act =
                move |handle: RequestSession| async move { handle.load().await.map(|session| act(&session)) };
            site.send(method, &token, act).await
        };
        send("POST", |session| session.flash("info", "hello").unwrap()).await;
        // In state `mirrored` the browser's copy is an old one by now, which a process that knows asks for.
        let show: fn(&Session) = |session| assert_eq!(session.flashed_messages(&[]).len(), 1);
        send("HEAD", show).await;
        send("HEAD", |session| {
            assert_eq!(session.flashed_messages(&[]).len(), 1);
            session.add("visits", 1).unwrap();
        })
        .await;
        send("GET", show).await;
        let rest: fn(&Session) = |session| {
            assert_eq!(session.flashed_messages(&[]).len(), 0);
            assert_eq!(session.get("visits").unwrap(), Some(1), "what a HEAD does on purpose counts");
        };
        assert_eq!(send("GET", rest).await.status(), StatusCode::OK, "{place:?}");

        for (method, sets) in [("HEAD", 0), ("GET", 1)] {
            let form = site.send(method, "", async |handle: RequestSession| {
                Ok(handle.load().await?.csrf_token().map(drop)?)
            });
            let form = form.await;
            assert_eq!(all(&form, SET_COOKIE).len(), sets, "{place:?}, {method}");
            assert_eq!(all(&form, CACHE_CONTROL), ["private, no-store"], "{place:?}, {method}");
        }
    }
}

#[tokio::test]
async fn a_sign_out_holds_when_there_is_no_answer() {
    for place in ON_SERVER {
        for panics in [false, true] {
            let site = Site::new(place);
            let token = site.token().await;
            let inner = hyper::service::service_fn(move |request: Request<Body>| async move {
                let session = handle(&request).load().await.unwrap();
                session.destroy().unwrap();
                session.insert("name", 2).unwrap();
                assert!(!panics, "deliberate, in a test");
                Err::<Response<Body>, _>(std::io::Error::other("out of ink"))
            });
            let service = site.layer.layer(inner);
            let request = Request::builder().method("POST").uri("/").header("host", "a.example");
            let request =
                request.header(COOKIE, format!("__Host-session={token}")).body(Body::empty()).unwrap();
            let answer =
                tokio::spawn(async move { hyper::service::Service::call(&service, request).await }).await;
            match panics {
                true => assert!(answer.unwrap_err().is_panic(), "{place:?}"),
                false => assert_eq!(answer.unwrap().unwrap_err().to_string(), "out of ink", "{place:?}"),
            }
            assert!(!site.is_there(&token).await, "{place:?}, panics: {panics}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_round_of_maintenance_delays_no_sign_out() {
    for place in ON_SERVER {
        let site = Site::new(place);
        let token = site.token().await;
        site.store.hold(Some(Operation::Purge));
        let layer = site.layer.clone();
        let maintenance = tokio::spawn(async move { layer.maintain().await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        site.store.set_away(true);
        let out = site.send("POST", &token, async |handle: RequestSession| handle.destroy().await).await;
        assert_eq!(out.status(), StatusCode::OK, "{place:?}");
        site.store.set_away(false);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(site.store.count(Operation::Purge), 0, "{place:?}: the round waits still");
        let elsewhere = Site::over(place, site.store.clone());
        assert!(!elsewhere.is_there(&token).await, "{place:?}");
        maintenance.abort();
    }
}

#[tokio::test]
async fn a_request_that_another_overtook_is_a_409() {
    #[derive(Debug, Clone, Copy)]
    enum Other {
        Takes,
        Destroys,
        SignsIn,
    }
    for (place, other) in ON_SERVER
        .into_iter()
        .flat_map(|place| [Other::Takes, Other::Destroys, Other::SignsIn].map(|other| (place, other)))
    {
        let site = Site::new(place);
        let token = site.token().await;
        let (layer, theirs) = (site.layer.clone(), token.clone());
        let answer = site
            .send("POST", &token, move |handle| {
                let (layer, theirs) = (layer.clone(), theirs.clone());
                async move {
                    assert_eq!(handle.load().await?.take::<u8>("coupon")?, Some(7));
                    let sessions = layer.sessions();
                    let session = sessions.open(theirs.as_bytes(), Access::Change, noon()).unwrap();
                    let session = session.load(noon()).await?;
                    match other {
                        Other::Takes => _ = session.take::<u8>("coupon")?,
                        Other::Destroys => session.destroy()?,
                        Other::SignsIn => session.sign_in("albus", noon())?,
                    }
                    sessions.commit(&session, noon()).await.map(drop)
                }
            })
            .await;
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{place:?}, {other:?}");
        assert_eq!(all(&answer, SET_COOKIE), [""; 0], "{place:?}, {other:?}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_sign_out() {
    for place in WITH_STORE {
        let site = Site::new(place);
        let token = site.token().await;
        let (signing_out, store, theirs) = (site.clone(), site.store.clone(), token.clone());
        let request = tokio::spawn(async move {
            signing_out
                .send("POST", &theirs, move |handle| {
                    let store = store.clone();
                    async move {
                        handle.load().await?.destroy()?;
                        store.set_held(true);
                        store.forget();
                        Ok(())
                    }
                })
                .await
        });
        // Until the commit has begun, and waits for the store.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!request.is_finished(), "{place:?}");
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled(), "{place:?}");
        assert_eq!(site.store.asked(), [], "{place:?}: nothing had arrived");
        site.store.set_held(false);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let end = if place == Place::Listed { Operation::Create } else { Operation::Delete };
        assert_eq!(site.store.asked(), [end], "{place:?}");
        assert!(!site.is_there(&token).await, "{place:?}");
    }
}

/// The client has hung up, and a task of its handler holds the session still.
#[tokio::test]
async fn a_commit_that_fails_after_its_client_has_hung_up_leaves_a_closed_session() {
    for (place, fails) in ON_SERVER.into_iter().flat_map(|place| [(place, true), (place, false)]) {
        let site = Site::new(place);
        let (token, store) = (site.token().await, site.store.clone());
        let (send, kept) = std::sync::mpsc::channel();
        let (saving, theirs) = (site.clone(), token.clone());
        let request = tokio::spawn(async move {
            saving
                .send("POST", &theirs, move |handle| {
                    let (store, send) = (store.clone(), send.clone());
                    async move {
                        let session = handle.load().await?;
                        session.insert("name", 2)?;
                        send.send(session).unwrap();
                        store.set_held(true);
                        Ok(())
                    }
                })
                .await
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled(), "{place:?}");
        site.store.set_away(fails);
        site.store.set_held(false);
        // Also during the pauses between attempts.
        tokio::time::timeout(Duration::from_secs(5), site.layer.finish_ends()).await.unwrap();
        let late = kept.recv().unwrap();
        assert!(matches!(late.insert("late", 1), Err(waxseal_session::Error::Sent)), "{place:?} {fails}");
        assert!(matches!(late.destroy(), Err(waxseal_session::Error::Sent)), "{place:?} {fails}");
        site.store.set_away(false);
        let opened = site.layer.sessions().open(token.as_bytes(), Access::Change, noon()).unwrap();
        let name = opened.load(noon()).await.unwrap().get::<u8>("name").unwrap();
        assert_eq!(name, Some(if fails { 1 } else { 2 }), "{place:?}: it was completed");
    }
}

/// Somebody has a copy of the cookie, and renews the session between the request's load and its commit.
#[tokio::test]
async fn who_ends_the_session_that_they_are_in_ends_it_whatever_its_id_is_by_then() {
    for (place, is_answered) in ON_SERVER.into_iter().flat_map(|place| [(place, true), (place, false)]) {
        let site = Site::new(place);
        let (token, thief) = (site.signed_in().await, Site::over(place, site.store.clone()));
        let (send, stolen) = std::sync::mpsc::channel();
        let (ending, theirs) = (site.clone(), token.clone());
        let request = tokio::spawn(async move {
            let copied = theirs.clone();
            ending
                .send("POST", &theirs, move |handle| {
                    let (thief, copied, send) = (thief.clone(), copied.clone(), send.clone());
                    async move {
                        handle.load().await?;
                        send.send(thief.renewed(&copied).await).unwrap();
                        let public_id = handle.visit().unwrap().public_id().unwrap();
                        assert!(handle.end_session(public_id).await?);
                        if !is_answered {
                            std::future::pending::<()>().await;
                        }
                        Ok(())
                    }
                })
                .await
        });
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        if is_answered {
            assert!(all(&request.await.unwrap(), SET_COOKIE)[0].contains("Max-Age=0"), "{place:?}");
        } else {
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled(), "{place:?}");
        }
        let stolen = stolen.recv().unwrap();
        assert!(!site.is_there(&stolen).await, "{place:?}, {is_answered}");
    }
}

#[tokio::test]
async fn who_ends_the_session_that_they_are_in_may_do_so_while_the_store_is_away() {
    for place in ON_SERVER {
        let site = Site::new(place);
        let (token, store) = (site.signed_in().await, site.store.clone());
        let end = move |handle: RequestSession| {
            let store = store.clone();
            async move {
                handle.load().await?;
                store.set_away(true);
                let public_id = handle.visit().unwrap().public_id().unwrap();
                assert!(handle.end_session(public_id).await?);
                Ok(())
            }
        };
        let answer = site.send("POST", &token, end).await;
        assert_eq!(answer.status(), StatusCode::OK, "{place:?}");
        assert!(all(&answer, SET_COOKIE)[0].contains("Max-Age=0"), "{place:?}");
        site.store.set_away(false);
        site.layer.finish_ends().await;
        assert!(!site.is_there(&token).await, "{place:?}");
    }
}

#[tokio::test]
async fn a_visitor_signs_out_while_the_store_is_away() {
    for (place, stack) in WITH_STORE.into_iter().flat_map(|place| ALL_STACKS.map(|stack| (place, stack))) {
        for method in ["POST", "GET"] {
            let site = Site::new(place).on(stack);
            let token = site.token().await;
            site.store.set_away(true);
            let answer =
                site.send(method, &token, async |handle: RequestSession| handle.destroy().await).await;
            assert_eq!(answer.status(), StatusCode::OK, "{place:?}, {stack:?}, {method}");
            let set = all(&answer, SET_COOKIE);
            assert!(
                set.len() == 1 && set[0].contains("Max-Age=0"),
                "{place:?}, {stack:?}, {method}: {set:?}"
            );
            site.store.set_away(false);
            assert!(!site.is_there(&token).await, "{place:?}, {stack:?}, {method}: refused here at once");
            assert_eq!(site.layer.sessions().finish_ends(noon()).await.unwrap(), 0);
            let elsewhere = Site::over(place, site.store.clone());
            assert!(!elsewhere.is_there(&token).await, "{place:?}, {stack:?}, {method}: and everywhere then");
        }
    }
}

#[tokio::test]
async fn a_handler_may_confirm_before_it_does_what_cannot_be_undone() {
    for place in [Place::Listed, Place::Mirrored] {
        for (case, away, ended, expected) in [
            ("all is well", false, false, 200),
            ("the store is away", true, false, 503),
            ("it has ended", false, true, 409),
        ] {
            let site = Site::new(place);
            let token = site.token().await;
            // A safe method, and a fresh copy: without the confirm it would not be noticed.
            assert_eq!(site.send("GET", &token, look).await.status(), StatusCode::OK, "{case}, {place:?}");
            if ended {
                let elsewhere = Site::over(place, site.store.clone());
                let out = elsewhere.send("POST", &token, destroy).await;
                assert_eq!(out.status(), StatusCode::OK);
            }
            site.store.set_away(away);
            let answer = site
                .send("GET", &token, async |handle: RequestSession| {
                    look(handle.clone()).await?;
                    handle.revalidate().await
                })
                .await;
            assert_eq!(answer.status(), expected, "{case}, {place:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_request_saves_nothing_and_ends_what_it_ended() {
    for (case, destroys) in [("changed", false), ("destroyed", true)] {
        for place in WITH_STORE {
            let site = Site::new(place);
            let token = site.token().await;
            let answer = site
                .send("POST", &token, move |handle| async move {
                    let session = handle.load().await?;
                    session.insert("name", 2)?;
                    if destroys {
                        session.destroy()?;
                    }
                    // Any error that becomes a 500.
                    Err(Error::NoStore)
                })
                .await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{case}, {place:?}");
            assert_eq!(site.is_there(&token).await, !destroys, "{case}, {place:?}");
            if !destroys {
                assert_eq!(
                    site.send("POST", &token, look).await.status(),
                    StatusCode::OK,
                    "{case}, {place:?}"
                );
            }
        }
    }
}

/// What somebody does elsewhere while a request's body is held back.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    SignsOut,
    EndsAll,
    EndsOthers,
}

#[tokio::test]
async fn a_request_whose_body_was_held_back_does_not_escape_an_end() {
    for place in WITH_STORE {
        for stack in ALL_STACKS {
            for method in ["POST", "GET"] {
                for meanwhile in [Meanwhile::SignsOut, Meanwhile::EndsAll, Meanwhile::EndsOthers] {
                    let case = format!("{place:?}, {stack:?}, {method}, {meanwhile:?}");
                    let site = Site::new(place).on(stack);
                    let (token, other) = (site.signed_in().await, site.signed_in().await);
                    // Asked for within the last seconds, so that a page needs no answer.
                    let asks = async |handle: RequestSession| handle.load().await.map(drop);
                    assert_eq!(site.send("GET", &token, asks).await.status(), StatusCode::OK, "{case}");
                    let elsewhere = Site::over(place, site.store.clone());
                    let mine = token.clone();
                    let (open, body) = tokio::sync::oneshot::channel::<()>();
                    let body = Arc::new(tokio::sync::Mutex::new(Some(body)));
                    let (loaded, has_loaded) = tokio::sync::oneshot::channel::<()>();
                    let loaded = Arc::new(std::sync::Mutex::new(Some(loaded)));
                    let held_back = site.send(method, &token, move |handle: RequestSession| {
                        let (body, loaded) = (Arc::clone(&body), Arc::clone(&loaded));
                        async move {
                            let session = handle.load().await?;
                            loaded.lock().unwrap().take().unwrap().send(()).unwrap();
                            body.lock().await.take().unwrap().await.unwrap();
                            Ok(session.renew()?)
                        }
                    });
                    let meanwhile = async {
                        has_loaded.await.unwrap();
                        let status = match meanwhile {
                            Meanwhile::SignsOut => elsewhere.send("POST", &mine, destroy).await.status(),
                            Meanwhile::EndsAll => {
                                let sessions = elsewhere.layer.sessions();
                                sessions.end_all("albus", noon()).await.unwrap();
                                StatusCode::OK
                            }
                            Meanwhile::EndsOthers => {
                                let layer = elsewhere.layer.clone();
                                let end = move |handle: RequestSession| {
                                    let layer = layer.clone();
                                    async move {
                                        handle.load().await?;
                                        layer.sessions().end_others(handle.visit().unwrap())
                                    }
                                };
                                elsewhere.send("POST", &other, end).await.status()
                            }
                        };
                        assert_eq!(status, StatusCode::OK, "{case}");
                        open.send(()).unwrap();
                    };
                    let (answer, ()) = tokio::join!(held_back, meanwhile);
                    assert_eq!(answer.status(), StatusCode::CONFLICT, "{case}");
                    assert!(all(&answer, SET_COOKIE).is_empty(), "{case}");
                    assert!(!elsewhere.is_there(&token).await, "{case}");
                }
            }
        }
    }
}

async fn destroy(handle: RequestSession) -> Result<(), Error> {
    handle.destroy().await
}
