//! The rules of `docs/states.md` against whatever may happen.
//!
//! Two or three processes, whose clocks are up to a minute apart, serve browsers, and somebody who has kept every token
//! that was ever sent, over one store that is slow, loses calls and answers, does things twice, and is away at times. The
//! time is not real, and nothing runs beside anything else: a case says which call arrives when, so that what one finds,
//! the next run finds too. Both states keep the same rules; where they differ, `lag` in `rules.rs` says how. Each rule is
//! a name there; each [`Flaw`] is a rule broken on purpose, which must be found.
//!
//! | what `docs/states.md` says | held by |
//! |---|---|
//! | a confirm's time is read before the asking; a token's sealed time is one | "a token's sealed time is a confirm's", "a copy is shown without asking only while it is fresh" |
//! | no `Set-Cookie` unless this request asked, and none for freshness; half of the grace, and an old key, make one due | "no token is minted ...", "no cookie is sent merely for freshness", "who asks replaces ..." |
//! | window, copies from the future, what a process knows | "a copy is shown ... while it is fresh", "a process that knows a newer revision asks", "... refuses what it was told is gone" |
//! | one who acts asks first; state `store` always asks | "an unsafe method asks first ...", "an unsafe method sees what was acknowledged before" |
//! | one window for another process's copy; own writes at once | "a page lacks nothing older than a copy may be", "one browser's serial requests ..." |
//! | ended is ended, at once here, within the window elsewhere | "a process refuses at once what it ended", "an ended session's copy ...", "who asks is not shown ..." |
//! | what a process forgets costs a confirm and nothing else | the same, with room for one session |
//! | clocks more than a second from the store's | "copies are trusted by their time only where the clocks agree" |
//! | a touch: once in a twentieth of idle, on a confirm, no new revision, nothing made | "a touch follows a request's own confirm ...", "a revision changes by saving alone ...", "nothing is ever made again" |
//! | two writes at once, and lost answers | "additions sum exactly", "nobody takes what was taken", "a message waits ..." |
//! | gone is gone; a stranger who reads leaves nothing | "nothing is ever made again", "only who writes without a session begins one" |
//! | a 5xx saves nothing, and a `destroy()` holds | "a failed request saves nothing", "a sign-out ends the session" |
//! | `Remove` by `destroy()` alone | "only destroy() removes the cookie" |
//! | renewing: family, new id, old id a stranger's | "a session keeps its family", "renewing draws a new id", "a stranger by an old id gets no cookie", "a living session's visitor is no stranger" |
//! | `renew_empty()` | "renew_empty() keeps nothing" |
//! | messages and form tokens | "no message is shown after ...", "a message ...", "a form ..." |
//! | a new key: the record's revision stays | "a revision changes by saving alone ..." |
//! | an outage: `store` shows nothing, `mirrored` up to the grace, nothing is changed | "nobody is shown what is not known", "the grace counts from the last confirm", "an outage shows nothing that only the record has", "a copy shown in an outage changes nothing", "a store that answers gives no 503" |
//! | signing out in an outage | "a sign-out ends the session", "a process refuses at once what it ended" |
//!
//! Not here, because one process or one moment shows it: what concurrent readers share and cost (`tests/states_copies.rs`),
//! a store that has gone back, records that no key opens, strict sessions, lifetimes (`tests/states.rs`), what an answer
//! says to caches, and several cookies (`waxseal-http`).
//!
//! More cases: `PROPTEST_CASES=20000 cargo test -p waxseal-store --release --lib model`.

mod clock;
mod course;
mod promises;
mod rules;
mod setup;
mod truth;
mod visit;
mod wire;
mod world;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use self::rules::Broken;
use self::setup::{Place, Setup, Step};
use self::visit::Act;
use self::world::World;
use super::flaw::Flaw;
use super::{Access, WhenAway};

const STEPS: usize = 60;
/// Those of an everyday run, in each state.
const CASES: u32 = 200;
/// Within so many a broken rule must be found.
const FLAWED_CASES: u32 = 400;

fn run(setup: Setup, steps: &[Step], flaw: Option<Flaw>) -> Result<(), Broken> {
    let mut world = World::new(setup, flaw);
    for step in steps {
        take(&mut world, *step)?;
        world.poll_all()?;
    }
    world.end()
}

fn take(world: &mut World, step: Step) -> Result<(), Broken> {
    let processes = world.processes.len();
    match step {
        Step::Pass(millis) => world.pass(millis)?,
        Step::Browse { browser, process, access, act } => {
            world.browse(browser, process % processes, access, act)?;
        }
        Step::Visit { browser, process, access, act } => {
            let at = world.browse(browser, process % processes, access, act)?;
            world.go(at)?;
        }
        Step::Mishap { browser, process, access, act } => {
            let at = world.browse(browser, process % processes, access, act)?;
            world.lose_save(at)?;
            world.go(at)?;
        }
        Step::Replay { token, process, access, act } | Step::ReplayAtOnce { token, process, access, act } => {
            if let Some(token) = pick(token, &world.tokens).cloned() {
                let at = world.begin(None, Some(token), process % processes, access, act)?;
                if matches!(step, Step::ReplayAtOnce { .. }) {
                    world.go(at)?;
                }
            }
        }
        Step::Overtake { token, process, access, act } => {
            if let Some(token) = pick(token, &world.tokens).cloned() {
                let process = process % processes;
                let slow =
                    world.begin(None, Some(token.clone()), process, Access::Read, Act::SessionDebugView)?;
                world.arrive(slow);
                let quick = world.begin(None, Some(token.clone()), process, access, act)?;
                world.go(quick)?;
                world.go(slow)?;
                let last = world.begin(None, Some(token), process, Access::Read, Act::SessionDebugView)?;
                world.go(last)?;
            }
        }
        Step::Perform(number) => {
            let open = world.wire().open();
            pick(number, &open).inspect(|call| world.wire().perform(**call, &world.clock));
        }
        Step::Deliver(number) => {
            let open = world.wire().open();
            pick(number, &open).inspect(|call| world.deliver(**call));
        }
        Step::Lose(number) => {
            let open = world.wire().open();
            pick(number, &open).inspect(|call| world.wire().lose(**call, &world.clock));
        }
        Step::Repeat(number) => {
            let calls: Vec<_> = (0..world.wire().calls.len()).collect();
            pick(number, &calls).inspect(|call| world.wire().perform(**call, &world.clock));
        }
        Step::HangUp(number) => {
            let under_way: Vec<_> = (0..world.requests.len()).filter(|at| world.is_under_way(*at)).collect();
            if let Some(at) = pick(number, &under_way) {
                world.hang_up(*at);
            }
        }
        Step::Away(is_away) => world.wire().is_away = is_away,
        Step::Maintenance(process) => world.maintain(process % processes)?,
        Step::Promote { process, ring } => world.promote(process % processes, ring % 2),
    }
    Ok(())
}

/// The latest are the likeliest to matter.
fn pick<T>(number: usize, among: &[T]) -> Option<&T> {
    let recent = if number.is_multiple_of(3) { among.len() } else { among.len().min(6) };
    (recent > 0).then(|| &among[among.len() - 1 - (number / 3) % recent])
}

/// Runs cases until a rule is broken; the one that was, with its shortest case if `shrinks`.
fn search(place: Place, cases: u32, shrinks: bool, flaw: Option<Flaw>) -> Option<String> {
    let max_shrink_iters = if shrinks { 20_000 } else { 0 };
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    // The same cases in every run; others with the variable of another number.
    let seed = std::env::var("WAXSEAL_MODEL_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()).unwrap_or(0);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&(Setup::any(place), vec(Step::any(), 1..=STEPS)), |(setup, steps)| {
        run(setup, &steps, flaw)
            .map_err(|Broken { rule, found }| TestCaseError::fail(format!("{rule}: {found}")))
    });
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(reason, (setup, steps))) => {
            let steps: String = steps.iter().map(|step| format!("    {step:?}\n")).collect();
            Some(format!("{reason}\n{setup:?}\n{steps}"))
        }
        Err(TestError::Abort(reason)) => Some(format!("no case could be made: {reason}")),
    }
}

fn no_rule_is_broken(place: Place) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    if let Some(broken) = search(place, cases, true, None) {
        panic!("{broken}");
    }
}

#[test]
fn no_rule_is_broken_in_state_store() {
    no_rule_is_broken(Place::Store);
}

#[test]
fn no_rule_is_broken_in_state_mirrored() {
    no_rule_is_broken(Place::Mirrored);
}

/// What many cases found once, in a few steps each, so that an everyday run finds it too.
#[test]
fn what_was_found_once_stays_mended() {
    use Access::{Change, Read};
    let visit = |browser, act| Step::Visit { browser, process: 0, access: Read, act };
    let copy = |token, process, access, act| Step::ReplayAtOnce { token, process, access, act };
    let slow = Step::Replay { token: 0, process: 0, access: Read, act: Act::SessionDebugView };
    let look = copy(0, 0, Read, Act::SessionDebugView);
    let ends = Step::Browse { browser: 1, process: 0, access: Read, act: Act::EndAll };
    let signs_out = Step::Browse { browser: 0, process: 1, access: Read, act: Act::Destroy };
    // Steps choose the latest call, and the latest token but for number 3, the one before.
    let cases: [(&str, &[Step]); 5] = [
        (
            "an end counts from its answer",
            &[
                visit(0, Act::SignIn),
                Step::Pass(5_000),
                ends,
                Step::Pass(1),
                slow,
                Step::Deliver(0),
                Step::Deliver(0),
                look,
            ],
        ),
        (
            "who comes after an end shares no read that was asked before",
            &[visit(0, Act::SignIn), Step::Pass(5_000), slow, Step::Perform(0), visit(1, Act::EndAll), look],
        ),
        (
            "who comes after the window shares no read that was asked before it",
            &[
                visit(0, Act::Add),
                Step::Pass(5_000),
                slow,
                Step::Perform(0),
                copy(0, 1, Change, Act::Destroy),
                Step::Pass(5_000),
                look,
            ],
        ),
        (
            "a sign-out by an old id does not make its visitor a plain stranger",
            &[
                visit(0, Act::Add),
                Step::Pass(5_000),
                copy(0, 1, Read, Act::SessionDebugView),
                signs_out,
                copy(0, 0, Read, Act::SignIn),
                Step::Pass(1),
                Step::Deliver(0),
                copy(3, 1, Read, Act::Add),
            ],
        ),
        (
            "nor does one that the store missed, for whoever was asking meanwhile",
            &[
                visit(0, Act::Add),
                copy(0, 0, Read, Act::SignIn),
                Step::Pass(5_000),
                Step::Browse { browser: 0, process: 0, access: Change, act: Act::Add },
                Step::Away(true),
                copy(3, 0, Change, Act::Destroy),
            ],
        ),
    ];
    for (case, steps) in cases {
        for place in [Place::Store, Place::Mirrored] {
            let setup = Setup {
                place,
                ahead_millis: vec![0, 0],
                entries: None,
                window: Duration::from_secs(5),
                when_away: WhenAway::Refuse,
                tells_time: false,
            };
            run(setup, steps, None)
                .unwrap_or_else(|Broken { rule, found }| panic!("{case}, {place:?}: {rule}: {found}"));
        }
    }
}

macro_rules! flaws {
    ($($name:ident: $flaw:ident in $($place:ident),+;)+) => {
        $(#[test]
        fn $name() {
            for place in [$(Place::$place),+] {
                let found = search(place, FLAWED_CASES, false, Some(Flaw::$flaw));
                assert!(found.is_some(), "{:?} was not found in state {place:?}", Flaw::$flaw);
            }
        })+
    };
}

flaws! {
    minting_without_a_confirm_is_found: MintsUnconfirmed in Mirrored;
    stamping_after_the_reply_is_found: StampsAfterReply in Mirrored, Store;
    trust_in_copies_from_the_future_is_found: TrustsTheFuture in Mirrored;
    a_cache_that_goes_back_is_found: CacheGoesBack in Mirrored;
    a_grace_counted_from_the_outage_is_found: GraceFromTheOutage in Mirrored;
    a_window_that_includes_its_end_is_found: WindowIsInclusive in Mirrored;
    making_again_what_is_gone_is_found: MakesAgain in Mirrored, Store;
    repeating_a_write_whose_answer_was_lost_is_found: RepeatsBlindly in Mirrored, Store;
    writing_over_what_another_request_wrote_is_found: Overwrites in Mirrored, Store;
    forgetting_a_sign_out_that_the_store_missed_is_found: ForgetsSignOuts in Mirrored, Store;
    a_cookie_for_who_came_with_an_old_id_is_found: ForgetsOldIds in Mirrored, Store;
}
