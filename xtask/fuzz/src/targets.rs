//! The targets, one file for each part that reads.

pub(crate) mod device;
pub(crate) mod device_endpoints;
pub(crate) mod django;
pub(crate) mod flask;
pub(crate) mod forms;
pub(crate) mod http_fields;
pub(crate) mod paths;
pub(crate) mod proxies;
pub(crate) mod rails;
pub(crate) mod records;
pub(crate) mod sealed;
pub(crate) mod session;
