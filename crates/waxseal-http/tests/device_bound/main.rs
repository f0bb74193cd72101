//! Device-bound sessions: each rule, and each attack that can be had without a browser, in all states.

mod attacks;
mod browser;
mod counts;
#[path = "../support/log.rs"]
mod log;
mod rules;
mod servers;
mod walk;
