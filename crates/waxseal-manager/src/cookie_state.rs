//! State `cookie`: a token that is the whole session.

use std::sync::Arc;

use waxseal_crypto::{FreshNonce, Times};
use waxseal_session::backend::{Closed, Content};
use waxseal_store::Timestamp;

use crate::active_keys::ActiveKeys;
use crate::error::Error;
use crate::manager::SessionManager;
use crate::origin::{COOKIE_ID_BYTES, CookieToken};
use crate::outcome::Outcome;
use crate::visit::Visit;

impl SessionManager {
    /// Seals what a request wrote to the session of `token`, if it did nothing else: all of its commit. `None` if it takes
    /// more than that.
    pub(crate) fn seal_written(
        &self,
        keys: &ActiveKeys,
        token: &CookieToken,
        content: &Content,
        now: Timestamp,
    ) -> Option<Outcome> {
        if !content.fits(keys.capacity()) {
            return None;
        }
        let drawn = (FreshNonce::draw().ok()?, token.id);
        self.seal(keys, drawn, token.times.created(), content, now).ok()
    }

    /// Seals a session that no store keeps.
    pub(crate) fn seal_cookie(
        &self,
        visit: &Visit,
        closed: Closed,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        if closed.ends_others.is_some() {
            return Err(Error::NoStore);
        }
        self.seal_whole(visit, closed.content, closed.renewed, closed.renewed, now)
    }

    /// Seals `content` into a token, under a new id if one is requested or the session has none.
    pub(crate) fn seal_whole(
        &self,
        visit: &Visit,
        mut content: Arc<Content>,
        renewed: bool,
        new_id: bool,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let keys = &visit.keys;
        if !content.fits(keys.capacity()) {
            Arc::make_mut(&mut content).fit(keys.capacity());
        }
        let is_new = visit.session().began_here();
        let came = visit.home().cookie_token(is_new).map(|token| (token.id, token.times.created()));
        let drawn = match came {
            Some((id, _)) if !new_id => (FreshNonce::draw()?, id),
            _ => FreshNonce::draw_beside()?,
        };
        let begun = came.filter(|_| !renewed).map(|(_, created)| created);
        self.seal(keys, drawn, begun.unwrap_or(now.as_secs()), &content, now)
    }

    /// Seals `content`, which fits, with this nonce and under this id.
    fn seal(
        &self,
        keys: &ActiveKeys,
        (nonce, id): (FreshNonce, [u8; COOKIE_ID_BYTES]),
        created: u64,
        content: &Content,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let limits = self.lifetimes.of_session(content);
        let times = Times::new(created, now.as_secs(), limits.idle, limits.absolute);
        let mut payload = Vec::with_capacity(COOKIE_ID_BYTES + content.planned_size());
        payload.extend_from_slice(&id);
        content.write(&mut payload);
        let token = keys.sealer().seal_text_under(nonce, &payload, times)?;
        let end = times.idle_end(limits).min(times.absolute_end(limits));
        let end = Timestamp::from_millis(end.saturating_mul(1_000));
        Ok(Outcome::Set { token, expires: content.permanent.then(|| end.into()) })
    }
}
