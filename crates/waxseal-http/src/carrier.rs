//! The session manager, cookie and clock that a session layer and its requests share.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use waxseal_manager::SessionManager;

use crate::clock::Clock;
use crate::commits::Commits;
use crate::cross_origin::CrossOrigin;
#[cfg(feature = "device")]
use crate::device_bound::bound::Bound;
use crate::foreign_cookies::Readers;
use crate::maintainer::Maintainer;
use crate::session_cookie::SessionCookie;

/// What a session layer and its requests share: the session manager, the cookie that carries sessions, the clock, and the
/// layer's rules. Layers and requests hold it in an `Arc`.
// Only the manager's part is shared by clones of a layer that have been given another clock or other rules.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    shared: Arc<Shared>,
    clock: Clock,
    cross_origin: CrossOrigin,
    readers: Option<Arc<Readers>>,
    #[cfg(feature = "device")]
    bound: Option<Arc<Bound>>,
}

#[derive(Debug)]
struct Shared {
    sessions: SessionManager,
    cookie: SessionCookie,
    maintainer: Maintainer,
    commits: Commits,
}

/// A carrier that does not keep the session manager alive.
#[derive(Debug, Clone)]
pub(crate) struct WeakCarrier {
    shared: Weak<Shared>,
    clock: Clock,
}

impl Carrier {
    pub(crate) fn new(sessions: SessionManager, cookie: SessionCookie) -> Self {
        Self {
            shared: Arc::new(Shared {
                sessions,
                cookie,
                maintainer: Maintainer::default(),
                commits: Commits::default(),
            }),
            clock: Clock::system(),
            cross_origin: CrossOrigin::default(),
            readers: None,
            #[cfg(feature = "device")]
            bound: None,
        }
    }

    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    pub(crate) fn with_cross_origin(self, cross_origin: CrossOrigin) -> Self {
        Self { cross_origin, ..self }
    }

    /// Which requests from other sites are let through.
    pub(crate) fn cross_origin(&self) -> &CrossOrigin {
        &self.cross_origin
    }

    pub(crate) fn sessions(&self) -> &SessionManager {
        &self.shared.sessions
    }

    pub(crate) fn cookie(&self) -> &SessionCookie {
        &self.shared.cookie
    }

    /// The readers of foreign cookies, if there is a migration.
    pub(crate) fn readers(&self) -> Option<&Readers> {
        self.readers.as_deref()
    }

    pub(crate) fn with_readers(self, readers: Readers) -> Self {
        Self { readers: Some(Arc::new(readers)), ..self }
    }

    /// The terms of device-bound sessions, if they are switched on.
    #[cfg(feature = "device")]
    pub(crate) fn bound(&self) -> Option<&Arc<Bound>> {
        self.bound.as_ref()
    }

    #[cfg(feature = "device")]
    pub(crate) fn with_bound(self, bound: Bound) -> Self {
        Self { bound: Some(Arc::new(bound)), ..self }
    }

    #[cfg(feature = "device")]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn maintainer(&self) -> &Maintainer {
        &self.shared.maintainer
    }

    /// The commits that run in tasks of their own.
    pub(crate) fn commits(&self) -> &Commits {
        &self.shared.commits
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Returns `true` if both have the same session manager.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Returns `true` if this carrier has readers or a binding of devices that `outer` does not have. Within `outer`,
    /// they would do nothing.
    pub(crate) fn adds_to(&self, outer: &Self) -> bool {
        let adds = adds(self.readers.as_ref(), outer.readers.as_ref());
        #[cfg(feature = "device")]
        let adds = adds || self::adds(self.bound.as_ref(), outer.bound.as_ref());
        adds
    }

    pub(crate) fn downgrade(&self) -> WeakCarrier {
        WeakCarrier { shared: Arc::downgrade(&self.shared), clock: self.clock.clone() }
    }
}

fn adds<T>(inner: Option<&Arc<T>>, outer: Option<&Arc<T>>) -> bool {
    inner.is_some_and(|inner| outer.is_none_or(|outer| !Arc::ptr_eq(inner, outer)))
}

impl WeakCarrier {
    /// The carrier for maintenance, which binds no sessions and reads no cookies.
    pub(crate) fn upgrade(&self) -> Option<Carrier> {
        Some(Carrier {
            shared: self.shared.upgrade()?,
            clock: self.clock.clone(),
            cross_origin: CrossOrigin::default(),
            readers: None,
            #[cfg(feature = "device")]
            bound: None,
        })
    }
}
