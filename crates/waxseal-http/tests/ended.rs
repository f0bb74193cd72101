//! What is open ends, too: the end of a session, as answers that are still open notice it.

#[path = "support/place.rs"]
mod place;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::COOKIE;
use http::{HeaderMap, Method, Response, Uri};
use place::{ALL, Place, WITH_STORE};
use tokio::time::{Instant, timeout};
use waxseal_http::{Clock, EndReason, RequestSession, SessionCookie, SessionEnded, SessionLayer};
use waxseal_manager::Outcome;
use waxseal_store::MemoryStore;
use waxseal_store::testing::{FaultyStore, Operation};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any session lives here.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A process; its clock is the paused one of the runtime.
struct Site {
    layer: SessionLayer,
    store: FaultyStore<MemoryStore>,
}

impl Site {
    fn new(place: Place) -> Self {
        Self::over(place, FaultyStore::new(MemoryStore::new()))
    }

    fn over(place: Place, store: FaultyStore<MemoryStore>) -> Self {
        let cookie = SessionCookie::builder().build().unwrap();
        let sessions = place.sessions(&cookie, &store);
        let started = Instant::now();
        let clock = Clock::from_fn(move || noon() + started.elapsed());
        let layer = SessionLayer::new(sessions, cookie).without_maintenance().with_clock(clock);
        Self { layer, store }
    }

    /// Another process over the same store, whose clock shows the same.
    fn beside(&self, place: Place) -> Self {
        let clock = self.layer.clone();
        let other = Self::over(place, self.store.clone());
        Self { layer: other.layer.with_clock(Clock::from_fn(move || clock.now())), ..other }
    }

    /// The same process; its clock is set back by as many seconds as the returned number says.
    fn whose_clock_can_be_set_back(self) -> (Self, Arc<AtomicU64>) {
        let (clock, back) = (self.layer.clone(), Arc::new(AtomicU64::new(0)));
        let by = back.clone();
        let clock = Clock::from_fn(move || clock.now() - Duration::from_secs(by.load(Ordering::Relaxed)));
        (Self { layer: self.layer.with_clock(clock), ..self }, back)
    }

    /// The token of a new session of `owner`.
    async fn token(&self, owner: &str) -> String {
        let (sessions, now) = (self.layer.sessions(), self.layer.now());
        let session = sessions.create();
        session.sign_in(owner, now).unwrap();
        let Outcome::Set { token, .. } = sessions.commit(&session, now).await.unwrap() else { panic!() };
        token
    }

    fn request(&self, method: Method, token: &str) -> RequestSession {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("{}={token}", self.layer.cookie().name()).parse().unwrap());
        self.layer.session_of(&method, &Uri::from_static("/"), &headers)
    }

    /// A stream that a page opens.
    async fn open(&self, token: &str) -> SessionEnded {
        let request = self.request(Method::GET, token);
        assert!(!request.load().await.unwrap().is_new());
        let ended = request.ended().await.unwrap();
        self.layer.finish(&request, &mut Response::new(())).await.unwrap();
        ended
    }

    async fn finish(&self, request: RequestSession) {
        self.layer.finish(&request, &mut Response::new(())).await.unwrap();
    }
}

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The reason for which a stream ends within `time`.
async fn within(time: Duration, ended: &mut SessionEnded) -> Option<EndReason> {
    timeout(time, ended).await.ok()
}

#[tokio::test(start_paused = true)]
async fn what_this_process_does_ends_its_streams_within_a_second() {
    for place in ALL {
        let site = Site::new(place);
        let (first, second) = (site.token("albus").await, site.token("albus").await);
        let mut streams = [site.open(&first).await, site.open(&first).await, site.open(&second).await];
        for stream in &mut streams {
            assert_eq!(within(60 * SECOND, stream).await, None, "{place:?}: it lives");
        }
        let request = site.request(Method::POST, &first);
        request.destroy().await.unwrap();
        site.finish(request).await;
        let [one, other, unrelated] = &mut streams;
        let at_once = SECOND + Duration::from_millis(1);
        assert_eq!(within(at_once, one).await, Some(EndReason::Ended), "{place:?}");
        assert_eq!(within(at_once, other).await, Some(EndReason::Ended), "{place:?}");
        assert_eq!(within(60 * SECOND, unrelated).await, None, "{place:?}");

        let request = site.request(Method::POST, &second);
        request.load().await.unwrap().sign_in("albus", site.layer.now()).unwrap();
        site.finish(request).await;
        assert_eq!(within(at_once, unrelated).await, Some(EndReason::Renewed), "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_process_does_ends_streams_within_the_window_and_a_second() {
    for place in WITH_STORE {
        let site = Site::new(place);
        let other = site.beside(place);
        let window = site.layer.sessions().watch_window();
        assert_eq!(window, if place == Place::Store { SECOND } else { 5 * SECOND });
        for case in ["end all", "sign-out", "sign-in"] {
            let token = site.token("albus").await;
            let mut streams = [site.open(&token).await, site.open(&token).await];
            // In the middle of a window.
            for stream in &mut streams {
                assert_eq!(within(Duration::from_millis(6_300), stream).await, None, "{place:?}, {case}");
            }
            let request = other.request(Method::POST, &token);
            match case {
                "end all" => other.layer.sessions().end_all("albus", other.layer.now()).await.unwrap(),
                "sign-out" => request.destroy().await.unwrap(),
                _ => request.load().await.unwrap().sign_in("albus", other.layer.now()).unwrap(),
            }
            other.finish(request).await;
            let expected = if case == "sign-in" { EndReason::Renewed } else { EndReason::Ended };
            let since = Instant::now();
            for stream in &mut streams {
                assert_eq!(within(DAY, stream).await, Some(expected), "{place:?}, {case}");
                let latest = window + SECOND + Duration::from_millis(1);
                assert!(since.elapsed() <= latest, "{place:?}, {case}: {:?}", since.elapsed());
            }
        }
    }
}

/// An open stream is no activity, and a new cookie that other requests get does not reach it in state `cookie`.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_session_expires() {
    for place in ALL {
        let site = Site::new(place);
        let token = site.token("albus").await;
        let (mut stream, since) = (site.open(&token).await, Instant::now());
        assert_eq!(within(DAY, &mut stream).await, Some(EndReason::Expired), "{place:?}");
        let after = since.elapsed().as_secs();
        assert!(
            (1_798..=1_806).contains(&after),
            "{place:?}: the idle time of half an hour, and not {after} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_lives_as_long_as_another_tab_lets_the_session_live() {
    // In a cookie, a session that becomes permanent has a new id.
    for place in [Place::Store, Place::Mirrored] {
        let site = Site::new(place);
        let token = site.token("albus").await;
        let (mut stream, since) = (site.open(&token).await, Instant::now());
        let other = site.beside(place);
        let request = other.request(Method::POST, &token);
        request.load().await.unwrap().set_permanent_for(2 * 3_600 * SECOND).unwrap();
        other.finish(request).await;
        assert_eq!(within(DAY, &mut stream).await, Some(EndReason::Expired), "{place:?}");
        let after = since.elapsed().as_secs();
        assert!((7_198..=7_206).contains(&after), "{place:?}: two hours, and not {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_an_outage_that_is_shorter_than_the_grace() {
    for place in WITH_STORE {
        let site = Site::new(place);
        let token = site.token("albus").await;
        let mut stream = site.open(&token).await;
        assert_eq!(within(30 * SECOND, &mut stream).await, None, "{place:?}");
        site.store.set_away(true);
        assert_eq!(within(290 * SECOND, &mut stream).await, None, "{place:?}");
        site.store.set_away(false);
        assert_eq!(within(30 * SECOND, &mut stream).await, None, "{place:?}");
        site.store.set_away(true);
        let since = Instant::now();
        assert_eq!(within(DAY, &mut stream).await, Some(EndReason::StoreAway), "{place:?}");
        assert!((290..=307).contains(&since.elapsed().as_secs()), "{place:?}: {:?}", since.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_stream_open() {
    for place in WITH_STORE {
        for case in ["end all", "end all elsewhere", "sign-out elsewhere"] {
            let site = Site::new(place);
            let other = site.beside(place);
            let (site, back) = site.whose_clock_can_be_set_back();
            let window = site.layer.sessions().watch_window();
            let token = site.token("albus").await;
            let mut stream = site.open(&token).await;
            // In the middle of a window.
            assert_eq!(within(Duration::from_millis(6_300), &mut stream).await, None, "{place:?}, {case}");
            back.store(3_600, Ordering::Relaxed);
            let ender = if case == "end all" { &site } else { &other };
            match case {
                "sign-out elsewhere" => {
                    let request = other.request(Method::POST, &token);
                    request.destroy().await.unwrap();
                    other.finish(request).await;
                }
                _ => ender.layer.sessions().end_all("albus", ender.layer.now()).await.unwrap(),
            }
            let latest = window + SECOND + Duration::from_millis(1);
            let reason = within(latest, &mut stream).await;
            assert_eq!(reason, Some(EndReason::Ended), "{place:?}, {case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_does_not_lengthen_the_grace() {
    for place in WITH_STORE {
        let (site, back) = Site::new(place).whose_clock_can_be_set_back();
        let token = site.token("albus").await;
        let mut stream = site.open(&token).await;
        assert_eq!(within(Duration::from_millis(30_300), &mut stream).await, None, "{place:?}");
        site.store.set_away(true);
        back.store(3_600, Ordering::Relaxed);
        let since = Instant::now();
        assert_eq!(within(DAY, &mut stream).await, Some(EndReason::StoreAway), "{place:?}");
        assert!((290..=307).contains(&since.elapsed().as_secs()), "{place:?}: {:?}", since.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_without_a_session_has_none_that_ends() {
    for place in ALL {
        let site = Site::new(place);
        let request = site.layer.session_of(&Method::GET, &Uri::from_static("/"), &HeaderMap::new());
        let mut ended = request.ended().await.unwrap();
        assert!(ended.is_never(), "{place:?}");
        assert_eq!(within(DAY, &mut ended).await, None, "{place:?}");
        assert!(request.end_if_accessed().is_none(), "{place:?}");
        let token = site.token("albus").await;
        let request = site.request(Method::GET, &token);
        request.load().await.unwrap();
        assert!(request.end_if_accessed().is_none(), "{place:?}: loaded, and not looked at");
        let _ = request.load().await.unwrap().owner();
        assert!(request.end_if_accessed().is_some(), "{place:?}");
    }
}

/// Each window, the store is asked once about each session, however many streams it has; a session whose streams are all
/// closed costs nothing.
#[tokio::test(start_paused = true)]
async fn a_thousand_streams_of_a_thousand_sessions_cost_a_thousand_small_reads_in_a_window() {
    const SESSIONS: usize = 1_000;
    const WINDOWS: u32 = 3;
    for place in WITH_STORE {
        let site = Site::new(place);
        let window = site.layer.sessions().watch_window();
        let mut streams = tokio::task::JoinSet::new();
        for number in 0..SESSIONS {
            let token = site.token(&format!("user-{number}")).await;
            for _ in 0..3 {
                streams.spawn(site.open(&token).await);
            }
        }
        tokio::time::sleep(2 * window).await;
        site.store.forget();
        tokio::time::sleep(WINDOWS * window).await;
        let (asked, read) = (site.store.asked().len(), site.store.count(Operation::Revalidate));
        assert_eq!(asked, read, "{place:?}: heads alone are read");
        // A list is asked for the session's id, and for its owner's epoch.
        let each = if place == Place::Listed { 2 } else { 1 };
        let most = (WINDOWS as usize + 1) * SESSIONS * each;
        let least = (WINDOWS as usize - 1) * SESSIONS * each;
        assert!((least..=most).contains(&asked), "{place:?}: {asked} reads in {WINDOWS} windows");
        assert!(streams.try_join_next().is_none(), "{place:?}: all are open");

        streams.abort_all();
        while streams.join_next().await.is_some() {}
        site.store.forget();
        tokio::time::sleep(3 * window).await;
        assert_eq!(site.store.asked(), [], "{place:?}");
    }
}

/// What requests have found out is not asked again.
#[tokio::test(start_paused = true)]
async fn answers_to_requests_are_shared_with_streams() {
    let site = Site::new(Place::Mirrored);
    let token = site.token("albus").await;
    let mut stream = site.open(&token).await;
    site.store.forget();
    for round in 0..10 {
        assert_eq!(within(3 * SECOND, &mut stream).await, None);
        site.request(Method::POST, &token).load().await.unwrap();
        assert_eq!(site.store.asked().len(), round + 1, "the requests' own questions");
    }
}
