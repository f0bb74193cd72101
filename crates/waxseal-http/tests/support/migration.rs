//! A server that takes over another app's sessions, behind HTTP.

use std::time::{Duration, SystemTime};

use http::header::{CACHE_CONTROL, COOKIE, HOST, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use waxseal_http::{Clock, ForeignSessions, RequestSession, SessionCookie, SessionLayer, status_of};
use waxseal_manager::{Adoption, Error};
use waxseal_session::Session;
use waxseal_store::MemoryStore;
use waxseal_store::testing::FaultyStore;

use crate::place::Place;

pub(crate) const DAY: u64 = 86_400;
/// The day of the switch and the end of the migration, counted from the tests' beginning.
pub(crate) const SWITCH: u64 = 2 * DAY;
pub(crate) const UNTIL: u64 = 20 * DAY;

pub(crate) fn seconds(at: u64) -> u64 {
    1_700_000_000 + at
}

/// The terms of all migrations.
pub(crate) fn terms() -> Adoption {
    Adoption::new(time(SWITCH), time(UNTIL)).replayable()
}

pub(crate) fn time(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(at))
}

/// A server with a migration under way.
pub(crate) struct Site {
    pub(crate) layer: SessionLayer,
    pub(crate) store: FaultyStore<MemoryStore>,
}

/// The parts of an answer that tests look at.
pub(crate) struct Answer {
    pub(crate) owner: Option<String>,
    pub(crate) sets: Vec<String>,
    pub(crate) status: StatusCode,
    pub(crate) is_private: bool,
}

impl Site {
    pub(crate) fn with(
        place: Place,
        store: FaultyStore<MemoryStore>,
        readers: Vec<Box<dyn ForeignSessions>>,
    ) -> Self {
        let cookie = SessionCookie::builder().build().unwrap();
        let sessions = place.sessions(&cookie, &store).adopting(terms()).unwrap();
        let layer = SessionLayer::new(sessions, cookie).without_maintenance();
        Self { layer: layer.migrate_from(readers).unwrap(), store }
    }

    /// The site over a store of its own.
    pub(crate) fn of(place: Place, reader: impl ForeignSessions) -> Self {
        Self::with(place, FaultyStore::new(MemoryStore::new()), vec![Box::new(reader)])
    }

    /// Answers one request: `act` says what is done, and the status.
    pub(crate) async fn answer(
        &self,
        at: u64,
        method: Method,
        cookies: impl AsRef<str>,
        act: impl AsyncFnOnce(&RequestSession) -> Result<StatusCode, Error>,
    ) -> Answer {
        let layer = self.layer.clone().with_clock(Clock::from_fn(move || time(at)));
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example.org"));
        headers.insert(COOKIE, HeaderValue::from_bytes(cookies.as_ref().as_bytes()).unwrap());
        let request = layer.session_of(&method, &Uri::from_static("/a/b"), &headers);
        let status = act(&request).await.unwrap_or_else(|error| status_of(&error));
        let owner = request.loaded().and_then(Session::owner);
        let mut response = Response::builder().status(status).body(()).unwrap();
        if let Err(error) = layer.finish(&request, &mut response).await {
            *response.status_mut() = status_of(&error);
            layer.finish(&request, &mut response).await.unwrap();
        }
        let sets = response.headers().get_all(SET_COOKIE).iter();
        let sets = sets.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        let is_private =
            response.headers().get(CACHE_CONTROL).is_some_and(|value| value == "private, no-store")
                && response.headers().get(VARY).is_some_and(|value| value == "Cookie");
        Answer { owner, sets, status: response.status(), is_private }
    }

    /// A page that shows who is signed in.
    pub(crate) async fn page(&self, at: u64, cookies: &str) -> Answer {
        self.answer(at, Method::GET, cookies, async |request| {
            let _ = request.load().await?.owner();
            Ok(StatusCode::OK)
        })
        .await
    }

    pub(crate) async fn sign_out(&self, at: u64, cookies: &str) -> Answer {
        self.answer(at, Method::POST, cookies, async |request| {
            request.destroy().await?;
            Ok(StatusCode::SEE_OTHER)
        })
        .await
    }
}

impl Answer {
    /// Our cookie, as the browser sends it from now on.
    pub(crate) fn ours(&self) -> Option<String> {
        let ours =
            self.sets.iter().find(|line| line.starts_with("__Host-session=") && !line.contains("Max-Age=0"));
        ours.map(|line| line.split(';').next().unwrap().to_owned())
    }

    pub(crate) fn forgets(&self, name: &str) -> bool {
        self.sets.iter().any(|line| line.starts_with(&format!("{name}=;")) && line.contains("; Max-Age=0;"))
    }
}
