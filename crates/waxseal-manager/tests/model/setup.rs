//! The set-up of a case, and the steps of its course.

use std::time::Duration;

use proptest::prelude::*;
use waxseal_manager::{Access, WhenAway};

use crate::visit::Act;

/// The set-up of processes and their store.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) place: Place,
    /// Milliseconds by which each process's clock is ahead of the true time.
    pub(crate) ahead_millis: Vec<i64>,
    /// The near cache's size, if it is small.
    pub(crate) near_cache: Option<usize>,
    /// The retry queue's size, if it is small.
    pub(crate) retry_queue: Option<usize>,
    /// The freshness lifetime of copies.
    pub(crate) freshness: Duration,
    pub(crate) strict: bool,
    /// The policy of state `store` for outages.
    pub(crate) when_away: WhenAway,
    /// Sessions are bound to devices.
    pub(crate) bound: bool,
    /// The store tells its time, by which processes notice that their clocks are wrong.
    pub(crate) tells_time: bool,
}

/// The state of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Store,
    Mirrored,
}

/// A step of a case. Numbers choose among what there is, however much that is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A browser sends a request.
    Browse { browser: usize, process: usize, access: Access, act: Act },
    /// A browser sends a request, which is answered at once.
    Visit { browser: usize, process: usize, access: Access, act: Act },
    /// A browser sends a request, and the answer to its first save is lost.
    Mishap { browser: usize, process: usize, access: Access, act: Act },
    /// A copy of a token is used.
    Replay { token: usize, process: usize, access: Access, act: Act },
    /// A copy of a token is used, and the request is answered at once.
    ReplayAtOnce { token: usize, process: usize, access: Access, act: Act },
    /// A copy of a token is read, and while the store's answer is on its way, another request acts with it.
    Overtake { token: usize, process: usize, access: Access, act: Act },
    /// A browser proves its device anew.
    Refresh(usize),
    /// A thief copies a browser's device cookie.
    Steal(usize),
    /// A thief registers a key of his own for the session of a copied token.
    ThiefRegisters { token: usize, process: usize },
    /// A thief uses a copied token with a device cookie that he has.
    ThiefUses { token: usize, proof: usize, process: usize, access: Access, act: Act },
    /// A call arrives at the store.
    Perform(usize),
    /// A call is done and answered.
    Deliver(usize),
    /// A caller gives up: the call was done, will be done, or was lost on its way.
    Lose(usize),
    /// A call that was given up arrives after all, or one that was done arrives once more.
    Repeat(usize),
    /// A client hangs up.
    HangUp(usize),
    /// An outage begins or ends.
    Away(bool),
    /// A process does its maintenance.
    Maintenance(usize),
    /// A process gets another keyring.
    Promote { process: usize, ring: usize },
}

impl Setup {
    pub(crate) const GRACE: Duration = Duration::from_secs(300);
    pub(crate) const BROWSERS: usize = 2;
    /// Longer than a case: which clock ends an idle session is no rule of this model.
    pub(crate) const IDLE: Duration = Duration::from_secs(3_600);
    /// The time of a case.
    pub(crate) const SPAN: Duration = Duration::from_secs(3_300);
    /// A twentieth of the idle time, after which activity is noted; less a twentieth of the minute by which clocks may differ,
    /// since a record that a slow clock has saved ends that much sooner after it was last seen.
    pub(crate) const TOUCH: Duration = Duration::from_secs(177);

    /// The set-up of the cases that were found once: two processes in time, and nothing small.
    pub(crate) fn plain(place: Place) -> Self {
        Self {
            place,
            ahead_millis: vec![0, 0],
            near_cache: None,
            retry_queue: None,
            freshness: Duration::from_secs(5),
            strict: false,
            when_away: WhenAway::Refuse,
            bound: false,
            tells_time: false,
        }
    }

    /// Milliseconds that two clocks are apart at most.
    pub(crate) fn apart_millis(&self) -> u64 {
        let all = || self.ahead_millis.iter();
        all().max().expect("some process").abs_diff(*all().min().expect("some process"))
    }

    pub(crate) fn any(place: Place, bound: bool) -> impl Strategy<Value = Self> {
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
        let freshness = prop_oneof![5 => seconds(5), 1 => seconds(0)];
        let near_cache = prop_oneof![2 => Just(None), 1 => Just(Some(1))];
        let retry_queue = prop_oneof![5 => Just(None), 1 => Just(Some(1))];
        let when_away = prop_oneof![Just(WhenAway::Refuse), Just(WhenAway::Anonymous)];
        let strict = prop_oneof![3 => Just(false), 1 => Just(true)];
        (clocks, near_cache, retry_queue, freshness, strict, when_away, any::<bool>()).prop_map(
            move |(ahead_millis, near_cache, retry_queue, freshness, strict, when_away, tells_time)| Self {
                place,
                ahead_millis,
                near_cache,
                retry_queue,
                freshness,
                strict,
                when_away,
                bound,
                tells_time,
            },
        )
    }
}

impl Step {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
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

    /// A step of a case in which sessions are bound to devices.
    pub(crate) fn any_with_devices() -> impl Strategy<Value = Self> {
        let number = || any::<usize>();
        let browser = || 0..Setup::BROWSERS;
        let visit = |act: Act| {
            (browser(), number()).prop_map(move |(browser, process)| Self::Visit {
                browser,
                process,
                access: Access::Change,
                act,
            })
        };
        let theft = (number(), number(), number(), access(), act());
        let devices = prop_oneof![
            3 => visit(Act::SignIn),
            4 => visit(Act::Register),
            1 => browser().prop_map(Self::Refresh),
            1 => browser().prop_map(Self::Steal),
            1 => (number(), number()).prop_map(|(token, process)| Self::ThiefRegisters { token, process }),
            2 => theft.prop_map(|(token, proof, process, access, act)| Self::ThiefUses { token, proof, process, access, act }),
            // Around the minute in which a binding settles, and a proof's time.
            2 => prop::sample::select(&[59_000_u64, 60_000, 61_000, 660_000][..]).prop_map(Self::Pass),
        ];
        prop_oneof![3 => Self::any(), 1 => devices]
    }
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![3 => Just(Access::Read), 1 => Just(Access::Change)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => Just(Act::Look),
        5 => Just(Act::Add),
        1 => Just(Act::AddAndFail),
        1 => any::<bool>().prop_map(Act::Fill),
        1 => any::<bool>().prop_map(Act::Permanent),
        1 => Just(Act::Issue),
        1 => Just(Act::Take),
        2 => Just(Act::Flash),
        2 => Just(Act::Page),
        1 => Just(Act::UnseenPage),
        1 => Just(Act::Form),
        1 => Just(Act::Submit),
        1 => Just(Act::Confirm),
        2 => Just(Act::SignIn),
        1 => Just(Act::Renew),
        1 => Just(Act::RenewEmpty),
        2 => Just(Act::Destroy),
        1 => Just(Act::DestroyAndFail),
        1 => Just(Act::End),
        1 => Just(Act::EndAll),
        1 => Just(Act::EndOthers),
    ]
}

/// Spans around what is judged: a second, the freshness lifetime, a tombstone's, half of the grace, and the grace.
fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => prop::sample::select(&[1_u64, 500, 999, 1_000, 1_001, 3_000][..]),
        4 => prop::sample::select(&[4_000_u64, 4_999, 5_000, 5_001, 6_000][..]),
        1 => prop::sample::select(&[10_000_u64, 19_000, 21_000, 59_000, 61_000][..]),
        1 => prop::sample::select(&[150_000_u64, 151_000, 299_999, 300_000, 301_000][..]),
    ]
}
