//! Device-bound sessions: the options that an app sets in code, and the session layer built from them and the settings.

#[cfg(feature = "device")]
use std::time::Duration;

use waxseal_crypto::Keyring;
use waxseal_http::{SessionCookie, SessionLayer};
use waxseal_manager::SessionManager;

use crate::device_bound::DeviceBound;
use crate::settings::Settings;
use crate::start_error::StartError;

/// The options that an app sets in code. Settings override them.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceSetup {
    pub(crate) chosen: Option<DeviceBound>,
    #[cfg(feature = "device")]
    pub(crate) proof_time: Option<Duration>,
    #[cfg(feature = "device")]
    pub(crate) except: Vec<String>,
    #[cfg(feature = "device")]
    pub(crate) folder: Option<String>,
}

impl DeviceSetup {
    /// Builds the session layer, with device-bound sessions if they are switched on. `statics` are the paths of static
    /// files.
    pub(crate) fn layer(
        &self,
        settings: &Settings,
        statics: &[String],
        keyring: &Keyring,
        sessions: SessionManager,
        cookie: SessionCookie,
    ) -> Result<SessionLayer, StartError> {
        match settings.device_bound.or(self.chosen).unwrap_or_default() {
            DeviceBound::Off => Ok(SessionLayer::new(sessions, cookie)),
            _ if settings.proxies.is_told_a_path() => Err(StartError::DeviceBoundBelowPath),
            chosen => self.bound_layer(chosen, settings, statics, keyring, sessions, cookie),
        }
    }

    #[cfg(feature = "device")]
    fn bound_layer(
        &self,
        chosen: DeviceBound,
        settings: &Settings,
        statics: &[String],
        keyring: &Keyring,
        sessions: SessionManager,
        cookie: SessionCookie,
    ) -> Result<SessionLayer, StartError> {
        use waxseal_http::{DeviceBinding, DevicePolicy};

        let policy = match chosen {
            DeviceBound::Off | DeviceBound::Observe => DevicePolicy::Observe,
            DeviceBound::Require => DevicePolicy::Require,
            DeviceBound::RequireAll => DevicePolicy::RequireAll,
        };
        let mut binding = DeviceBinding::new(policy).over_plain_http(settings.development);
        if let Some(time) = settings.device_bound_for.map(Duration::from_secs).or(self.proof_time) {
            binding = binding.proof_time(time);
        }
        // Browsers are told paths as they see them, with the root path.
        let at_root = |path: &str| format!("{}{path}", settings.proxies.root_path.as_str());
        binding = binding.folder(&at_root(self.folder.as_deref().unwrap_or("/_device")));
        let excepted = statics.iter().chain(&self.except);
        binding = excepted.fold(binding, |binding, path| binding.except(&at_root(path)));
        let sessions = sessions.with_device_tokens(keyring)?;
        let layer = SessionLayer::new(sessions, cookie).device_bound(&binding);
        layer.map_err(|error| StartError::DeviceBound(Box::new(error)))
    }

    #[cfg(not(feature = "device"))]
    fn bound_layer(
        &self,
        _: DeviceBound,
        _: &Settings,
        _: &[String],
        _: &Keyring,
        _: SessionManager,
        _: SessionCookie,
    ) -> Result<SessionLayer, StartError> {
        Err(StartError::DeviceBoundNotBuilt)
    }
}
