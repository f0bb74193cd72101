//! The two endpoints that browsers call by themselves.

use std::fmt;

use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};

use super::answers::bare;
use super::refresh::refresh;
use super::registration::register;
use crate::session_layer::SessionLayer;

/// A request about the device of a session, which the browser sends by itself and not for a page; from
/// [`SessionLayer::device_call`].
pub struct DeviceCall {
    layer: SessionLayer,
    endpoint: Endpoint,
    method: Method,
    target: Uri,
    headers: HeaderMap,
}

#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Register,
    Refresh,
}

impl SessionLayer {
    /// Returns the call, if the request is for one of the two device endpoints, whatever its method. A server without a
    /// [`SessionService`](crate::SessionService) answers it with [`DeviceCall::answer`], before any check of the
    /// request's host, origin or CSRF token. A service in this layer does so by itself.
    #[must_use]
    pub fn device_call(&self, method: &Method, target: &Uri, headers: &HeaderMap) -> Option<DeviceCall> {
        let terms = &self.bound()?.terms;
        let endpoint = match target.path() {
            path if path == terms.register_path() => Endpoint::Register,
            path if path == terms.refresh_path() => Endpoint::Refresh,
            _ => return None,
        };
        let (method, target, headers) = (method.clone(), target.clone(), headers.clone());
        Some(DeviceCall { layer: self.clone(), endpoint, method, target, headers })
    }
}

/// Shows no header, which may be a cookie or a proof.
impl fmt::Debug for DeviceCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DeviceCall");
        shown.field("endpoint", &self.endpoint).field("method", &self.method).finish_non_exhaustive()
    }
}

impl DeviceCall {
    /// Answers the call. The request's body is not read.
    pub async fn answer(self) -> Response<String> {
        let Self { layer, endpoint, method, target, headers } = self;
        let mut response = if method != Method::POST {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            response
        } else {
            match endpoint {
                Endpoint::Register => register(&layer, &target, &headers).await,
                Endpoint::Refresh => refresh(&layer, &headers).await,
            }
        };
        let fields = response.headers_mut();
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
        fields.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}
