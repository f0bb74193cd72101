//! The user who is signed in, as an extractor.

use std::error::Error as StdError;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::error::{Error, Result};
use crate::local_path::with_way_back;
use crate::session::LazySession;

/// A user of the app, loaded by the name that [`Session::sign_in`](crate::Session::sign_in) was given.
pub trait LoadUser: Sized + Send + Sync + 'static {
    /// The part of the router's state from which users are loaded, such as a pool of connections.
    type Source: Send + Sync;
    /// The error of loading. It is logged, and the response is a 500.
    type Error: Into<Box<dyn StdError + Send + Sync>>;

    /// The sign-in page, to which visitors who are not signed in are redirected, with the requested path as `next` in
    /// its query. If `None`, they get a 401. Use that for requests of scripts or HTMX, which would follow a redirect
    /// and get the sign-in page as the response.
    const SIGN_IN_PAGE: Option<&'static str> = None;

    /// Loads the user named `owner`. Returns `None` if the user no longer exists; the visitor then counts as signed out.
    fn load(
        owner: &str,
        source: &Self::Source,
    ) -> impl Future<Output = std::result::Result<Option<Self>, Self::Error>> + Send;
}

/// The user who is signed in. An extractor that dereferences to it. A user is loaded once for each request.
///
/// `Option<SignedIn<U>>` is `None` if nobody is signed in. To protect whole routes, use
/// `axum::middleware::from_extractor_with_state::<SignedIn<U>, _>(state)`, or [`RequireSignIn`](crate::RequireSignIn),
/// which does not load the user.
///
/// # Errors
///
/// Extraction fails with [`Error::SignedOut`], which is a redirect to [`LoadUser::SIGN_IN_PAGE`] or a 401, and with the
/// errors of [`Session`](crate::Session) and of [`LoadUser::load`].
///
/// # Example
///
/// ```
/// use std::collections::HashMap;
/// use std::convert::Infallible;
/// use std::sync::Arc;
/// use axum::{Router, routing::get};
/// use waxseal_axum::{LoadUser, SignedIn};
///
/// #[derive(Clone)]
/// struct Person {
///     name: String,
/// }
///
/// type People = Arc<HashMap<String, Person>>;
///
/// impl LoadUser for Person {
///     type Source = People;
///     type Error = Infallible;
///     const SIGN_IN_PAGE: Option<&'static str> = Some("/sign-in");
///
///     async fn load(owner: &str, people: &People) -> Result<Option<Self>, Infallible> {
///         Ok(people.get(owner).cloned())
///     }
/// }
///
/// async fn greet(person: SignedIn<Person>) -> String {
///     format!("Hello, {}.", person.name)
/// }
///
/// let app: Router = Router::new().route("/", get(greet)).with_state(People::default());
/// ```
#[derive(Debug)]
pub struct SignedIn<U>(Arc<U>);

/// The name of the user who is signed in, as it was passed to [`Session::sign_in`](crate::Session::sign_in). An
/// extractor that does not load the user.
///
/// `Option<Owner>` is `None` if nobody is signed in.
///
/// # Errors
///
/// Extraction fails with [`Error::SignedOut`], which is a 401, and with the errors of [`Session`](crate::Session).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper")]
pub struct Owner(pub String);

impl<U> SignedIn<U> {
    async fn find<S>(parts: &mut Parts, state: &S) -> Result<Option<Self>>
    where
        U: LoadUser,
        U::Source: FromRef<S>,
    {
        let Some(owner) = Owner::of(parts).await? else { return Ok(None) };
        if let Some(Loaded(name, user)) = parts.extensions.get::<Loaded<U>>()
            && *name == owner
        {
            return Ok(Some(Self(user.clone())));
        }
        let source = U::Source::from_ref(state);
        let Some(user) = U::load(&owner.0, &source).await.map_err(Error::other)?.map(Arc::new) else {
            return Ok(None);
        };
        parts.extensions.insert(Loaded(owner, user.clone()));
        Ok(Some(Self(user)))
    }
}

impl Owner {
    pub(crate) async fn of(parts: &Parts) -> Result<Option<Self>> {
        Ok(LazySession::of(parts)?.load().await?.owner().map(Self))
    }
}

/// The user that an extractor has loaded in this request.
struct Loaded<U>(Owner, Arc<U>);

impl<U> Clone for Loaded<U> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1.clone())
    }
}

impl<S, U> FromRequestParts<S> for SignedIn<U>
where
    S: Sync,
    U: LoadUser,
    U::Source: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let found = Self::find(parts, state).await?;
        found.ok_or_else(|| Error::signed_out(U::SIGN_IN_PAGE, parts))
    }
}

impl<S, U> OptionalFromRequestParts<S> for SignedIn<U>
where
    S: Sync,
    U: LoadUser,
    U::Source: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>> {
        Self::find(parts, state).await
    }
}

impl<S: Sync> FromRequestParts<S> for Owner {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::of(parts).await?.ok_or_else(|| Error::signed_out(None, parts))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Owner {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        Self::of(parts).await
    }
}

impl<U> Deref for SignedIn<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0
    }
}

impl Error {
    pub(crate) fn signed_out(page: Option<&str>, parts: &Parts) -> Self {
        Self::SignedOut { redirect: page.map(|page| with_way_back(page, parts)) }
    }
}
