//! Tokens that prove that a form came from a page of the same session.

use crate::change::Change;
use crate::error::Error;
use crate::seeds;
use crate::session::Session;
use crate::state::Phase;

impl Session {
    /// A token for the forms and scripts of this answer, of 86 characters.
    ///
    /// [`is_csrf_token`](Self::is_csrf_token) accepts the token as long as the session lives, up to the next
    /// [`renew`](Self::renew), [`sign_in`](Self::sign_in) or [`renew_empty`](Self::renew_empty).
    ///
    /// The token is a MAC over a seed in the session's metadata. The first token draws the seed, so that the first form
    /// begins a session for an anonymous visitor. Each request masks the token anew, so that the compressed size of
    /// answers tells an attacker nothing about it (BREACH).
    ///
    /// # Errors
    ///
    /// With the first token those that every write may have, but [`Error::Unconfirmed`] and [`Error::Renewed`]. A page
    /// of a session that can only be read still shows its forms, and what they send is refused. A visitor who came with
    /// an id that a sign-in has replaced gets tokens too, for signing in again. [`Error::Random`] if the system has no
    /// randomness. [`Error::NoFormTokens`] for a session that no session manager made.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// fn check(session: &waxseal_session::Session) -> Result<(), waxseal_session::Error> {
    ///     let token = session.csrf_token()?;
    ///     assert!(session.is_csrf_token(token.as_bytes()));
    ///     session.sign_in("user-7", SystemTime::now())?;
    ///     assert!(!session.is_csrf_token(token.as_bytes()));
    ///     Ok(())
    /// }
    /// ```
    pub fn csrf_token(&self) -> Result<String, Error> {
        let mut state = self.read();
        if let Some(token) = &state.csrf_token {
            return Ok(token.clone());
        }
        let Some(keys) = state.form_token_keys.clone() else { return Err(Error::NoFormTokens) };
        let newest = seeds::all(&state.content.metadata).last().copied();
        let seed = match newest {
            Some(seed) => seed,
            None => {
                let seed = state.fallback_seed().map_or_else(seeds::draw, Ok)?;
                match state.phase {
                    // Nothing is begun for a form alone: a token of our own would displace the one that came.
                    Phase::Open | Phase::RolledBack if state.fallback_is_enough() => {}
                    Phase::Open | Phase::RolledBack => {
                        state.begin_change();
                        state.make_fitting(Change::CsrfSeed(seed))?;
                    }
                    Phase::Sent => return Err(Error::Sent),
                    Phase::ReadOnly(_) => {}
                }
                seed
            }
        };
        let token = keys.make(&seed).map_err(Error::Random)?;
        state.csrf_token = Some(token.clone());
        Ok(token)
    }

    /// Returns `true` if `token`, which may be any bytes, is one that this session gave out. Takes a time that does not
    /// tell how close the token is.
    #[must_use]
    pub fn is_csrf_token(&self, token: &[u8]) -> bool {
        let state = self.read();
        let Some(keys) = &state.form_token_keys else { return false };
        seeds::all(&state.content.metadata)
            .iter()
            .chain(&state.fallback_seed())
            .fold(false, |found, seed| found | keys.is_good(seed, token))
    }

    /// Returns `true` if a token was ever given out. The call is no access.
    pub(crate) fn has_csrf_seed(&self) -> bool {
        !seeds::all(&self.lock().content.metadata).is_empty()
    }
}
