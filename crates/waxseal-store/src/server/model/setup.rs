//! What a case begins with, and what happens in it.

use std::time::Duration;

use proptest::prelude::*;

use super::visit::Act;
use crate::{Access, WhenAway};

/// How processes and their store are set up.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) place: Place,
    /// How far each process's clock is ahead of the true time, in milliseconds.
    pub(super) ahead_millis: Vec<i64>,
    /// How many sessions a process remembers, if it is few.
    pub(super) entries: Option<usize>,
    pub(super) window: Duration,
    /// What a visitor sees in state `store` while the store is away.
    pub(super) when_away: WhenAway,
    /// The store has a clock, by which processes find out that theirs is wrong.
    pub(super) tells_time: bool,
}

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Store,
    Mirrored,
}

/// Something happens. Numbers choose among what there is, whatever there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A browser sends a request.
    Browse {
        browser: usize,
        process: usize,
        access: Access,
        act: Act,
    },
    /// A browser sends a request, and it goes all its way.
    Visit {
        browser: usize,
        process: usize,
        access: Access,
        act: Act,
    },
    /// The same, and the answer to its first save is lost.
    Mishap {
        browser: usize,
        process: usize,
        access: Access,
        act: Act,
    },
    /// Somebody uses a copy of a token.
    Replay {
        token: usize,
        process: usize,
        access: Access,
        act: Act,
    },
    /// The same, and it goes all its way.
    ReplayAtOnce {
        token: usize,
        process: usize,
        access: Access,
        act: Act,
    },
    /// Somebody reads, and while the answer is on its way, an act overtakes it.
    Overtake {
        token: usize,
        process: usize,
        access: Access,
        act: Act,
    },
    /// A call arrives at the store.
    Perform(usize),
    /// A call is done and answered.
    Deliver(usize),
    /// A caller gives up: the call was done, or will be, or was lost on its way.
    Lose(usize),
    /// A call that was given up arrives yet, or one that was done arrives once more.
    Repeat(usize),
    HangUp(usize),
    Away(bool),
    Maintenance(usize),
    Promote {
        process: usize,
        ring: usize,
    },
}

impl Setup {
    pub(super) const GRACE: Duration = Duration::from_secs(300);
    pub(super) const BROWSERS: usize = 2;
    /// No session of a case is idle for so long: which clock would end it is no rule.
    pub(super) const IDLE: Duration = Duration::from_secs(3_600);
    /// A case's time.
    pub(super) const SPAN: Duration = Duration::from_secs(3_300);
    /// Activity is noted once in so long: a twentieth of the idle time.
    pub(super) const TOUCH: Duration = Duration::from_secs(180);

    /// How far two clocks are apart at most.
    pub(super) fn apart_millis(&self) -> u64 {
        let all = || self.ahead_millis.iter();
        all().max().expect("some process").abs_diff(*all().min().expect("some process"))
    }

    pub(super) fn any(place: Place) -> impl Strategy<Value = Self> {
        // Up to a minute from one another.
        let ahead = prop_oneof![
            3 => Just(0_i64),
            1 => Just(700_i64),
            1 => prop::sample::select(&[-30_000_i64, 30_000][..]),
            1 => -30_000..=30_000_i64,
        ];
        let in_time = proptest::collection::vec(Just(0_i64), 2..=3);
        let clocks = prop_oneof![in_time, proptest::collection::vec(ahead, 2..=3)];
        let seconds = |seconds| Just(Duration::from_secs(seconds));
        let window = prop_oneof![5 => seconds(5), 1 => seconds(0)];
        let entries = prop_oneof![2 => Just(None), 1 => Just(Some(1))];
        let when_away = prop_oneof![Just(WhenAway::Refuse), Just(WhenAway::Anonymous)];
        (clocks, entries, window, any::<bool>(), when_away).prop_map(
            move |(ahead_millis, entries, window, tells_time, when_away)| Self {
                place,
                ahead_millis,
                entries,
                window,
                when_away,
                tells_time,
            },
        )
    }
}

impl Step {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let number = || any::<usize>();
        let browser = || 0..Setup::BROWSERS;
        let visit = || (number(), access(), act());
        prop_oneof![
            5 => millis().prop_map(Self::Pass),
            3 => (browser(), visit()).prop_map(|(browser, (process, access, act))| Self::Browse { browser, process, access, act }),
            5 => (browser(), visit()).prop_map(|(browser, (process, access, act))| Self::Visit { browser, process, access, act }),
            1 => (browser(), visit()).prop_map(|(browser, (process, access, act))| Self::Mishap { browser, process, access, act }),
            2 => (number(), visit()).prop_map(|(token, (process, access, act))| Self::Replay { token, process, access, act }),
            4 => (number(), visit()).prop_map(|(token, (process, access, act))| Self::ReplayAtOnce { token, process, access, act }),
            2 => (number(), visit()).prop_map(|(token, (process, access, act))| Self::Overtake { token, process, access, act }),
            3 => number().prop_map(Self::Perform),
            6 => number().prop_map(Self::Deliver),
            1 => number().prop_map(Self::Lose),
            1 => number().prop_map(Self::Repeat),
            1 => number().prop_map(Self::HangUp),
            1 => prop_oneof![2 => Just(true), 3 => Just(false)].prop_map(Self::Away),
            1 => number().prop_map(Self::Maintenance),
            1 => (number(), number()).prop_map(|(process, ring)| Self::Promote { process, ring }),
        ]
    }
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![3 => Just(Access::Read), 1 => Just(Access::Change)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => Just(Act::SessionDebugView),
        5 => Just(Act::Add),
        1 => Just(Act::AddAndFail),
        1 => any::<bool>().prop_map(Act::Fill),
        1 => Just(Act::Issue),
        1 => Just(Act::Take),
        2 => Just(Act::Flash),
        2 => Just(Act::Page),
        1 => Just(Act::Form),
        1 => Just(Act::Submit),
        2 => Just(Act::SignIn),
        1 => Just(Act::Renew),
        1 => Just(Act::RenewEmpty),
        2 => Just(Act::Destroy),
        1 => Just(Act::DestroyAndFail),
        1 => Just(Act::EndAll),
        1 => Just(Act::EndOthers),
    ]
}

/// Around what is judged: a second, the window, the tombstone's time, half of the grace, and the grace.
fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => prop::sample::select(&[1_u64, 500, 999, 1_000, 1_001, 3_000][..]),
        4 => prop::sample::select(&[4_000_u64, 4_999, 5_000, 5_001, 6_000][..]),
        1 => prop::sample::select(&[10_000_u64, 19_000, 21_000, 59_000, 61_000][..]),
        1 => prop::sample::select(&[150_000_u64, 151_000, 299_999, 300_000, 301_000][..]),
    ]
}
