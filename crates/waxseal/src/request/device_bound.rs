//! The device of a request.

use std::time::{Duration, SystemTime};

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, Method};
use waxseal_http::Device;

use super::Request;
use crate::error::{Error, Result};

/// The shortest time for [`Request::prove_within`]: browsers limit signatures to a few within some minutes.
const SHORTEST: Duration = Duration::from_secs(60);

impl Request {
    /// What the request has proven about the device that its session is bound to.
    ///
    /// # Errors
    ///
    /// Those of [`session`](Self::session).
    pub async fn device(&self) -> Result<Device> {
        Ok(self.request_session().device().await?)
    }

    /// When the session was bound to a device; `None` if it is not bound.
    ///
    /// # Errors
    ///
    /// Those of [`session`](Self::session).
    pub async fn device_bound_since(&self) -> Result<Option<SystemTime>> {
        self.session().await?;
        Ok(self.request_session().device_bound_since())
    }

    /// Requires that the device was proven within the last `span`, at least a minute. Call it before a password is
    /// changed or money is sent, and sparingly: browsers limit signatures to a few within some minutes.
    ///
    /// If the proof is older, the answer to a GET is a redirect to the same URL, which makes the browser prove its
    /// device again first.
    ///
    /// # Errors
    ///
    /// That redirect. For any other method it is a 403 instead, so call this on the page before, too. Also 403 if the
    /// request has no proof at all or its session is not bound; [`device`](Self::device) tells this in advance.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use waxseal::{Request, Response, Result, html};
    ///
    /// async fn password_form(request: Request) -> Result<Response> {
    ///     request.prove_within(Duration::from_secs(120)).await?;
    ///     Ok(html("<form method=post>…"))
    /// }
    /// ```
    pub async fn prove_within(&self, span: Duration) -> Result<()> {
        let unproven =
            || Error::status(403).message("this needs a browser that proves its device; sign in again");
        let Device::Proven(since) = self.device().await? else { return Err(unproven()) };
        let age = self.session_layer().now().duration_since(since).unwrap_or_default();
        if age <= span.max(SHORTEST) {
            return Ok(());
        }
        let removal = self.request_session().to_prove_anew().await?.ok_or_else(unproven)?;
        if self.method() != Method::GET {
            let late =
                "the proof of this browser's device is too old; load the page before anew, and try again";
            return Err(Error::status(403).message(late));
        }
        let here = self.uri().path_and_query().map_or("/", |here| here.as_str());
        // A redirect to `//a.example` would lead to another host.
        let here = format!("/{}", here.trim_start_matches('/'));
        let here = HeaderValue::try_from(here).map_err(|_| unproven())?;
        Err(Error::repeated_first().header(LOCATION, here).header(SET_COOKIE, removal))
    }
}
