//! Sessions that are bound to devices.

use std::time::Duration;

use super::App;
use crate::device_bound::DeviceBound;

impl App {
    /// Binds each signed-in session to the device on which it began, so that a stolen cookie becomes useless within
    /// eleven minutes. This uses Device Bound Session Credentials, which Chromium's browsers support. In other browsers
    /// nothing changes.
    ///
    /// Short for `device_policy(DeviceBound::Require)`. The setting `--device-bound` overrides what the app sets.
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

    /// Sets how requests are treated that do not prove their device.
    #[must_use]
    pub fn device_policy(mut self, policy: DeviceBound) -> Self {
        self.device.chosen = Some(policy);
        self
    }

    /// Sets the time after which a browser must prove its device again: 10 minutes unless set, at least 5 seconds (for
    /// tests) and at most an hour. Chromium makes no more than six signatures for a site within some minutes.
    #[must_use]
    pub fn device_bound_for(mut self, time: Duration) -> Self {
        self.device.proof_time = Some(time);
        self
    }

    /// Lets browsers send requests for `path`, and for all paths below it, without a proof. Static files are always
    /// excepted. Once a proof has expired, requests to these paths see no session.
    #[must_use]
    pub fn device_bound_except(mut self, path: &str) -> Self {
        self.device.except.push(path.to_owned());
        self
    }

    /// Sets the folder of the two paths that browsers call, in place of `/_device`. Two apps under one origin need
    /// different ones.
    #[must_use]
    pub fn device_path(mut self, folder: &str) -> Self {
        self.device.folder = Some(folder.to_owned());
        self
    }
}
