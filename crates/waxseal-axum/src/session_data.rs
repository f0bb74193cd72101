//! One struct in the session, as an extractor.

use std::fmt;
use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::session::{LazySession, Session};

/// A type that is kept in the session under one key.
pub trait Keyed: Serialize + DeserializeOwned {
    /// The key, such as `cart`: one for each type.
    const KEY: &'static str;
}

/// The `T` in the visitor's session. An extractor that dereferences to it. A visitor without one gets the default.
///
/// `Option<SessionData<T>>` is `None` for a visitor without one.
///
/// # Errors
///
/// Extraction fails with the errors of [`Session`], and with 500 if the value is not a `T`.
///
/// # Example
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use waxseal_axum::{Keyed, Result, SessionData};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Cart {
///     items: u32,
/// }
///
/// impl Keyed for Cart {
///     const KEY: &'static str = "cart";
/// }
///
/// async fn add(mut cart: SessionData<Cart>) -> Result<String> {
///     cart.update(|cart| cart.items += 1)?;
///     Ok(format!("{} items", cart.items))
/// }
/// ```
pub struct SessionData<T> {
    value: T,
    session: Session,
}

impl<T: Keyed> SessionData<T> {
    /// Changes the value in the session.
    ///
    /// The closure should only change its argument, because it may run more than once: if another request has changed
    /// the session meanwhile, it runs again on the newer value.
    ///
    /// # Errors
    ///
    /// Those of [`Session::update`](waxseal_session::Session::update).
    pub fn update(&mut self, change: impl Fn(&mut T) + Send + Sync + 'static) -> Result<()>
    where
        T: Default,
    {
        self.session.update(T::KEY, change)?;
        self.value = self.session.get(T::KEY)?.unwrap_or_default();
        Ok(())
    }

    /// Replaces the value in the session.
    ///
    /// # Errors
    ///
    /// Those of [`Session::insert`](waxseal_session::Session::insert).
    pub fn set(&mut self, value: T) -> Result<()> {
        self.session.insert(T::KEY, &value)?;
        self.value = value;
        Ok(())
    }

    /// Removes the value from the session, and returns it.
    ///
    /// # Errors
    ///
    /// Those of [`Session::remove`](waxseal_session::Session::remove).
    pub fn remove(self) -> Result<T> {
        self.session.remove(T::KEY)?;
        Ok(self.value)
    }
}

impl<T> SessionData<T> {
    /// The whole session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl<S: Sync, T: Keyed + Default> FromRequestParts<S> for SessionData<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let session = LazySession::of(parts)?.load().await?;
        Ok(Self { value: session.get(T::KEY)?.unwrap_or_default(), session })
    }
}

impl<S: Sync, T: Keyed> OptionalFromRequestParts<S> for SessionData<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        let session = LazySession::of(parts)?.load().await?;
        Ok(session.get(T::KEY)?.map(|value| Self { value, session }))
    }
}

impl<T> Deref for SessionData<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Shows nothing of the value.
impl<T> fmt::Debug for SessionData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionData(..)")
    }
}
