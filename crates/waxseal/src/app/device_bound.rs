//! Sessions that are bound to devices.

use std::time::Duration;

use super::App;
use crate::device_bound::DeviceBound;

impl App {
    /// Binds each signed-in session to the device that it was begun on, so that a stolen cookie is worthless within
    /// eleven minutes: Device Bound Session Credentials, which Chromium's browsers have. A browser without it notices
    /// nothing, and its sessions are as before.
    ///
    /// The same as `device_policy(DeviceBound::Require)`. `--device-bound` comes before what the app says.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request, Response, Result, typed};
    ///
    /// async fn home(request: Request) -> Result<Response> {
    ///     let owner = request.session().await?.owner(); // nobody, if the cookie was copied to another device
    ///     Ok(typed("text/plain", owner.unwrap_or("stranger".into())))
    /// }
    ///
    /// let app = App::new("demo").device_bound().get("/", home);
    /// ```
    #[must_use]
    pub fn device_bound(self) -> Self {
        self.device_policy(DeviceBound::Require)
    }

    /// Sets what becomes of requests that do not prove their device.
    #[must_use]
    pub fn device_policy(mut self, policy: DeviceBound) -> Self {
        self.device.chosen = Some(policy);
        self
    }

    /// Sets the time after which a browser proves its device anew: 10 minutes unless set, from 5 seconds (for tests) to an
    /// hour. Chromium makes six signatures for a site within some minutes and no more.
    #[must_use]
    pub fn device_bound_for(mut self, time: Duration) -> Self {
        self.device.proof_time = Some(time);
        self
    }

    /// Lets browsers ask for `path`, and all below it, without waiting for a proof. Static files are excepted without
    /// being named. Sessions are not shown there once a proof has run out.
    #[must_use]
    pub fn device_bound_except(mut self, path: &str) -> Self {
        self.device.except.push(path.to_owned());
        self
    }

    /// Puts the two paths that browsers use into another folder than `/_device`. Two apps under one origin need two.
    #[must_use]
    pub fn device_path(mut self, folder: &str) -> Self {
        self.device.folder = Some(folder.to_owned());
        self
    }
}
