//! The manager's device tokens, as the protocol asks for them.

use std::error::Error;
use std::fmt;

use waxseal_device::Purpose;
use waxseal_manager::{DevicePurpose, DeviceTokens};

/// The manager's device tokens, as the protocol asks for them.
pub(crate) struct Tokens<'a>(pub(crate) &'a DeviceTokens);

impl waxseal_device::Tokens for Tokens<'_> {
    fn sign(
        &self,
        purpose: Purpose,
        payload: &[u8],
        now: u64,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(self.0.sign(of(purpose), payload, now)?.ok_or(OtherLength)?)
    }

    fn open(&self, purpose: Purpose, token: &str, payload: &mut [u8]) -> Option<u64> {
        self.0.open(of(purpose), token, payload)
    }
}

fn of(purpose: Purpose) -> DevicePurpose {
    match purpose {
        Purpose::Offer => DevicePurpose::Offer,
        Purpose::Key => DevicePurpose::Key,
        Purpose::Challenge => DevicePurpose::Challenge,
        Purpose::Proof => DevicePurpose::Proof,
    }
}

/// A payload whose length is wrong for its purpose, which is a bug in this program.
#[derive(Debug)]
struct OtherLength;

impl fmt::Display for OtherLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device token's payload has another length than its purpose")
    }
}

impl Error for OtherLength {}
