//! Device-bound sessions: each rule, and each attack that can be had without a browser, in all states.

mod attacks;
mod browser;
#[path = "../support/log.rs"]
mod log;
mod counts;
mod rules;
mod servers;
mod walk;
