//! The settings of device-bound sessions.

use std::time::Duration;

use waxseal_device::Terms;
use waxseal_manager::SessionManager;

use super::bound::Bound;
use super::metrics::DeviceMetrics;
use super::policy::DevicePolicy;
use super::recent_offers::RecentOffers;
use crate::session_cookie::SessionCookie;
use crate::setup_error::SetupError;

/// The shortest and the longest time of a proof, in seconds. Browsers limit signatures to a few within some minutes, so
/// the shortest times are for tests.
const PROOF_SECONDS: std::ops::RangeInclusive<u64> = 5..=3_600;

/// The settings of device-bound sessions (Device Bound Session Credentials), for
/// [`SessionLayer::device_bound`](crate::SessionLayer::device_bound).
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_crypto::{Keyring, SecretKey};
/// use waxseal_http::{DeviceBinding, DevicePolicy, SessionCookie, SessionLayer};
/// use waxseal_manager::SessionManager;
///
/// let cookie = SessionCookie::builder().build()?;
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let sessions = SessionManager::cookie(&keyring, cookie.name(), "demo")?.with_device_tokens(&keyring)?;
/// let binding = DeviceBinding::new(DevicePolicy::Require).proof_time(Duration::from_secs(300)).except("/static");
/// let layer = SessionLayer::new(sessions, cookie).device_bound(&binding)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DeviceBinding {
    policy: DevicePolicy,
    proof_time: Duration,
    excluded: Vec<String>,
    folder: String,
    over_plain_http: bool,
}

impl DeviceBinding {
    /// Creates settings with this policy. A proof lasts 10 minutes, and the endpoints are `/_device/register` and
    /// `/_device/refresh`.
    #[must_use]
    pub fn new(policy: DevicePolicy) -> Self {
        Self {
            policy,
            proof_time: Duration::from_secs(600),
            excluded: Vec::new(),
            folder: "/_device".to_owned(),
            over_plain_http: false,
        }
    }

    /// Sets the time after which a browser must prove its device again, in whole seconds from 5 to 3,600. A stolen
    /// cookie works for up to a minute longer. Chromium makes no more than six signatures for a site within some
    /// minutes, so times below two minutes are for tests.
    #[must_use]
    pub fn proof_time(mut self, time: Duration) -> Self {
        self.proof_time = time;
        self
    }

    /// Lets browsers send requests for `path`, and for all paths below it, without a proof. For static files: without a
    /// proof, requests to these paths see no session.
    #[must_use]
    pub fn except(mut self, path: &str) -> Self {
        self.excluded.push(path.to_owned());
        self
    }

    /// Sets the folder of the endpoints, as browsers see it. A proxy must pass these paths on unchanged. Two apps under
    /// one origin need different folders.
    #[must_use]
    pub fn folder(mut self, path: &str) -> Self {
        path.clone_into(&mut self.folder);
        self
    }

    /// Accepts a cookie that is not Secure, for development. Browsers do not bind sessions over plain HTTP.
    #[must_use]
    pub fn over_plain_http(mut self, accepted: bool) -> Self {
        self.over_plain_http = accepted;
        self
    }

    pub(crate) fn build(
        &self,
        sessions: &SessionManager,
        cookie: &SessionCookie,
    ) -> Result<Bound, SetupError> {
        let seconds = self.proof_time.as_secs();
        if !cookie.attributes.secure && !self.over_plain_http {
            return Err(SetupError::DeviceNotSecure);
        }
        if !cookie.attributes.http_only {
            return Err(SetupError::DeviceNotHttpOnly);
        }
        if cookie.attributes.partitioned {
            return Err(SetupError::DevicePartitioned);
        }
        if let Some(domain) = &cookie.attributes.domain {
            return Err(SetupError::DeviceDomain(domain.clone()));
        }
        if !PROOF_SECONDS.contains(&seconds) {
            return Err(SetupError::DeviceProofTime(seconds));
        }
        if sessions.snapshot().device_tokens().is_none() {
            return Err(SetupError::DeviceTokens);
        }
        // A list of revoked sessions also records which offers were taken up.
        if !sessions.needs_maintenance() {
            warn_of_state_cookie(self.policy);
        }
        let mut terms = Terms::new(cookie.name(), cookie.attributes_text(), sessions.longest_lifetime())?
            .folder(&self.folder)?
            .proof_seconds(u32::try_from(seconds).expect("it was checked above"));
        if ![terms.register_path(), terms.refresh_path()].iter().all(|path| is_sent_to(path, cookie.path())) {
            let (cookie, folder) = (cookie.path().to_owned(), self.folder.clone());
            return Err(SetupError::DevicePath { cookie, folder });
        }
        for path in &self.excluded {
            terms = terms.except(path)?;
        }
        Ok(Bound {
            terms,
            longest_seconds: sessions.longest_lifetime(),
            policy: self.policy,
            metrics: DeviceMetrics::new(),
            recent_offers: RecentOffers::default(),
        })
    }
}

/// Returns `true` if browsers send a cookie of the path `cookie` with requests for `path` (RFC 6265, section 5.1.4).
fn is_sent_to(path: &str, cookie: &str) -> bool {
    let Some(rest) = path.strip_prefix(cookie) else { return false };
    cookie.ends_with('/') || rest.is_empty() || rest.starts_with('/')
}

/// Warns about attacks that cannot be noticed without anything kept on the server.
fn warn_of_state_cookie(policy: DevicePolicy) {
    match policy {
        DevicePolicy::Observe => {}
        DevicePolicy::Require => tracing::warn!(
            "sessions in state cookie are bound to devices, but a copy of a cookie from before its binding stays good, and \
             two keys that register for one sign-in are both bound; keep a list of ended sessions, choose state store or \
             mirrored, or, against the first, the policy require-all"
        ),
        DevicePolicy::RequireAll => tracing::warn!(
            "sessions in state cookie are bound to devices, but two keys that register for one sign-in are both bound; keep \
             a list of ended sessions, or choose state store or mirrored"
        ),
    }
}
