//! The parts of an app that a request uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use waxseal_http::SessionLayer;
use waxseal_server::Limits;
#[cfg(feature = "websocket")]
use waxseal_server::WebSocketLimits;

use crate::pages::Pages;
use crate::panel_log::PanelLog;
use crate::request_id::RequestIdHeader;
use crate::settings::proxies::ProxySettings;
use crate::states::States;
use crate::urls::{Name, Urls};

/// The parts of an app that a request uses: all but routes and hooks, whose types refer to requests.
pub(crate) struct AppContext {
    pub(crate) pages: Pages,
    pub(crate) sessions: SessionLayer,
    pub(crate) limits: Limits,
    #[cfg(feature = "websocket")]
    pub(crate) websocket: WebSocketLimits,
    pub(crate) proxies: ProxySettings,
    /// `true` if the app itself serves TLS.
    pub(crate) speaks_tls: bool,
    pub(crate) urls: Arc<Urls>,
    /// Name and path of each route.
    pub(crate) endpoints: Vec<(Name, String)>,
    pub(crate) config: BTreeMap<String, Value>,
    pub(crate) states: States,
    pub(crate) request_id: RequestIdHeader,
    /// The app's name, shown by the panel.
    pub(crate) name: String,
    /// The sessions' state, shown by the panel.
    pub(crate) state: &'static str,
    /// The session store, shown by the panel.
    pub(crate) store: String,
    /// The requests that the panel shows, in development.
    pub(crate) panel: Option<PanelLog>,
}
