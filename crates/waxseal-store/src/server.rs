//! Sessions that are kept on the server: states `store` and `mirrored`, by the rules of `docs/states.md`.

mod capacities;
mod counts;
mod end;
mod find;
mod freshness;
mod load;
mod maintenance;
mod near_cache;
mod owners;
mod save;
mod seal_token;
mod single_flight;
mod token;
mod unfinished;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use self::capacities::Capacities;
pub(crate) use self::find::ConfirmedAt;
pub(crate) use self::freshness::Freshness;
pub use self::maintenance::Maintenance;
pub(crate) use self::maintenance::purge;
pub(crate) use self::near_cache::{NearCache, Seen};
pub(crate) use self::save::Draft;
pub(crate) use self::single_flight::SingleFlight;
pub(crate) use self::token::Token;
pub(crate) use self::unfinished::Unfinished;

use self::counts::Counts;
use self::load::Answer;
use crate::any_store::AnyStore;
use crate::{Lifetimes, Timestamp};

/// Waits for so long; a timer of whatever runtime there is.
pub(crate) type Pause = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What a request means to do with its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read it, as GET, HEAD and OPTIONS do: state `mirrored` may show a fresh copy.
    Read,
    /// To act on it: the store is asked first.
    Change,
}

/// What a visitor sees of a session in state `store` while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenAway {
    /// An error that says so: [`Error::Unavailable`](crate::Error::Unavailable).
    #[default]
    Refuse,
    /// For [`Access::Read`] a session that is empty and cannot be written: the page of a visitor who is not signed in.
    Anonymous,
}

/// The state of sessions on the server.
pub(crate) struct Server {
    store: Arc<dyn AnyStore>,
    /// State `mirrored`: the browser has a copy.
    mirror: Option<Mirror>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) strict: bool,
    pub(crate) renew_every: Option<Duration>,
    pub(crate) when_away: WhenAway,
    pub(crate) pause: Option<Pause>,
    unfinished: Unfinished,
    capacities: Capacities,
    counts: Counts,
}

/// What state `mirrored` has beside the store.
struct Mirror {
    freshness: Freshness,
    near: NearCache,
    flights: SingleFlight<(Answer, Timestamp)>,
    /// This process's clock and the store's agree.
    clocks_agree: AtomicBool,
}

impl Server {
    pub(crate) fn new(store: Arc<dyn AnyStore>, mirrored: bool) -> Self {
        let capacities = Capacities::default();
        Self {
            store,
            mirror: mirrored.then(|| Mirror::new(Freshness::default(), capacities)),
            lifetimes: Lifetimes::default(),
            strict: false,
            renew_every: None,
            when_away: WhenAway::default(),
            pause: None,
            unfinished: Unfinished::new(capacities.retry_queue),
            capacities,
            counts: Counts::new(),
        }
    }

    pub(crate) fn set_freshness(&mut self, change: impl FnOnce(&mut Freshness)) {
        if let Some(mirror) = &mut self.mirror {
            let mut freshness = mirror.freshness;
            change(&mut freshness);
            *mirror = Mirror::new(freshness, self.capacities);
        }
    }

    pub(crate) fn set_capacities(&mut self, capacities: Capacities) {
        self.capacities = capacities;
        self.unfinished = Unfinished::new(capacities.retry_queue);
        if let Some(mirror) = &mut self.mirror {
            mirror.near = NearCache::new(capacities.near_cache, mirror.freshness);
        }
    }

    pub(crate) fn is_mirrored(&self) -> bool {
        self.mirror.is_some()
    }

    fn near(&self) -> Option<&NearCache> {
        self.mirror.as_ref().map(|mirror| &mirror.near)
    }
}

impl Mirror {
    fn new(freshness: Freshness, capacities: Capacities) -> Self {
        Self {
            freshness,
            near: NearCache::new(capacities.near_cache, freshness),
            flights: SingleFlight::default(),
            clocks_agree: AtomicBool::new(true),
        }
    }

    fn trusts_copies(&self) -> bool {
        self.clocks_agree.load(Ordering::Acquire)
    }
}
