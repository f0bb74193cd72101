//! WebSockets (RFC 6455) over hyper's upgrade. tungstenite handles the frames.

mod drive;
pub(crate) mod limits;
pub(crate) mod message;
pub(crate) mod socket;
pub(crate) mod upgrade;
