//! Tokens that prove that a form came from a page of the same session.

use crate::change::Change;
use crate::error::Error;
use crate::seeds;
use crate::session::Session;
use crate::state::Phase;

impl Session {
    /// A token of 86 characters for the forms and scripts in this response.
    ///
    /// [`is_csrf_token`](Self::is_csrf_token) accepts the token for as long as the session lives, until the next
    /// [`renew`](Self::renew), [`sign_in`](Self::sign_in) or [`renew_empty`](Self::renew_empty).
    ///
    /// The token is a MAC over a seed in the session's metadata. The first call draws the seed, so the first form
    /// begins a session for an anonymous visitor. Each request masks the token anew, so that the compressed size of
    /// responses tells an attacker nothing about it (BREACH).
    ///
    /// # Errors
    ///
    /// For the first token, those of every [write](Session#errors) except [`Error::Unconfirmed`] and
    /// [`Error::Renewed`]: a page of a session that can only be read still shows its forms, although what they send is
    /// refused, and a visitor who came with an id that a sign-in has replaced needs a token to sign in again.
    /// [`Error::Random`] if the system has no randomness. [`Error::NoFormTokens`] if the session was not made by a
    /// session manager.
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
                    // A form alone begins no session here: a token of the new session would displace the one that came.
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

    /// Returns `true` if `token`, which may be any bytes, is one that this session gave out. The time taken does not
    /// reveal how much of the token is right.
    #[must_use]
    pub fn is_csrf_token(&self, token: &[u8]) -> bool {
        let state = self.read();
        let Some(keys) = &state.form_token_keys else { return false };
        seeds::all(&state.content.metadata)
            .iter()
            .chain(&state.fallback_seed())
            .fold(false, |found, seed| found | keys.is_good(seed, token))
    }

    /// Returns `true` if a token was ever given out. The call does not count as access.
    pub(crate) fn has_csrf_seed(&self) -> bool {
        !seeds::all(&self.lock().content.metadata).is_empty()
    }
}
