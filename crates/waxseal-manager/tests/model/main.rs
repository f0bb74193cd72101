//! A model of the states `store` and `mirrored`: the rules of `docs/states-rules.md` against any order of events.
//!
//! Two or three processes, whose clocks are up to a minute apart, serve browsers and replays of every token that was ever
//! sent. They share one store that is slow, loses calls and answers, does calls twice, and is away at times. Time is a
//! number and requests are futures that a case polls: a case says which call arrives when, so what one run finds, the
//! next run finds too. Both states keep the same rules; `lag` in `rules.rs` says where they differ. The model uses the
//! public API alone.
//!
//! # Rules
//!
//! | rule in `docs/states-rules.md` | assertion |
//! |---|---|
//! | a revalidation's time is read before the asking; a token's sealed time is one | "a token's sealed time is a revalidation's, never later", "a copy is shown without asking only while it is fresh" |
//! | no `Set-Cookie` unless this request asked, and none for freshness; half of the grace, and an old key, make one due | "no token is minted ...", "no cookie is sent merely for freshness", "who asks replaces ..." |
//! | a token that is merely due is sealed on an answer of after the handler | "no token is sent of an id that was over when the handler was done" |
//! | freshness lifetime, copies from the future, the near cache | "a copy is shown ... while it is fresh", "a process that knows a newer revision asks", "... refuses what it was told is gone" |
//! | a request that acts asks first; state `store` always asks | "an unsafe method asks first ...", "an unsafe method sees what was acknowledged before" |
//! | one freshness lifetime for another process's copy; own writes at once | "a page lacks nothing older than a copy may be", "one browser's serial requests ..." |
//! | ended is ended, at once here, within the freshness lifetime elsewhere | "a process refuses at once what it ended", "an ended session's copy ...", "who asks is not shown ...", "a session is revalidated only while it lives" |
//! | what a process forgets costs a revalidation and nothing else | the same, with room for one session |
//! | clocks more than a second from the store's | "copies are trusted by their time only where the clocks agree" |
//! | a touch: once in a twentieth of idle, on a revalidation, no new revision, nothing made | "a touch follows a request's own revalidation ...", "a revision changes by saving alone ...", "nothing is ever made again" |
//! | two writes at once, and lost answers | "additions sum exactly", "nobody takes what was taken", "a message waits ..." |
//! | gone is gone; a visitor without a session who only reads leaves nothing | "nothing is ever made again", "only who writes without a session begins one" |
//! | a 5xx saves nothing, and a `destroy()` holds | "a failed request saves nothing", "a sign-out ends the session" |
//! | `Remove` by `destroy()` alone | "only destroy() removes the cookie" |
//! | renewing: public id, new id, no cookie by the old id | "a session keeps its public id", "renewing draws a new id", "a visitor by an old id gets no cookie", "a living session's visitor is shown it" |
//! | `renew_empty()` | "renew_empty() keeps nothing" |
//! | messages and form tokens | "no message is shown after ...", "a message ...", "a page that nobody sees ...", "a form ...", "forms without a session ..." |
//! | a new key: the record's revision stays | "a revision changes by saving alone ..." |
//! | an outage: `store` shows nothing, `mirrored` up to the grace, nothing is changed | "nobody is shown what is not known", "the grace counts from the last revalidation", "an outage shows nothing that only the record has", "a copy shown in an outage changes nothing", "a store that answers gives no 503" |
//! | a bound session is shown to who proves its device, in the minute of its binding, and where the binding is not known yet | "no page is shown to a request that is neither proven, settling, nor unbound by what is known", "a living session's visitor is shown it" |
//! | signing out in an outage | "a sign-out ends the session", "a process refuses at once what it ended" |
//!
//! `cookie`, with a list and without, is walked through in `waxseal-http` (`tests/device_bound/walk.rs`), with device binding.
//!
//! Other tests hold what one process or one request shows: what concurrent readers share and cost (`states_copies.rs`), a
//! store that has gone back, records that no key opens, lifetimes (`states.rs`), what an answer says to caches, and several
//! cookies (`waxseal-http`).
//!
//! # Strength
//!
//! Thirteen rules are broken on purpose, and each must be found by the assertion that holds it; what else a break makes
//! fail does not count. Eleven are broken from outside in every run, by a store or a clock that the processes are given
//! (`sabotage.rs`). No store and no clock can make a near cache go back, a page seal a token without asking once more, or
//! a save forget to do its changes again over those of another request, since a record is sealed with its revision. Those
//! are broken by changes of the source (`broken/`), which the long part builds and runs (`strength.rs`).
//!
//! | rule | broken by | found by |
//! |---|---|---|
//! | a token is minted only by a request that asked the store | a store that answers a revalidation from memory, without being asked | "no token is minted by a request that did not revalidate" |
//! | a token that is merely due is sealed on an answer of after the handler | `broken/refresh-does-not-ask.txt` | "no token is sent of an id that was over ..." |
//! | a revalidation's time is read before the asking | questions that are asked before the clock is read | "a token's sealed time ...", "a copy is shown ... while it is fresh" |
//! | a copy from the future is not fresh | a clock that is moved forward to a token's time | "a copy is shown ... while it is fresh" |
//! | the near cache moves forward only | `broken/near-cache-goes-back.txt` | "a process refuses at once what it ended", "a process that knows a newer revision asks" |
//! | the grace counts from the last revalidation | a clock that counts from the outage's beginning | "the grace counts from the last revalidation" |
//! | a copy is fresh for less than its freshness lifetime | a clock that is a millisecond late | "a copy is shown ... while it is fresh" |
//! | a save that finds its session gone makes nothing | a store whose `update` makes what it does not find | "nothing is ever made again" |
//! | a write whose answer was lost is not repeated blindly | a store that reports a lost answer as a conflict | "additions sum exactly" |
//! | a save overwrites nothing that another request wrote | a store whose `update` takes any revision for the expected one | "a revision changes by saving alone, and counts on" |
//! | the same | `broken/save-forgets-replay.txt` | "additions sum exactly", "an unsafe method sees ...", "a message waits ..." |
//! | a sign-out that the store missed is made up for | a store that acknowledges deletions which it never got | "a sign-out ends the session" |
//! | a visitor by an id that a sign-in has replaced gets no cookie | a store that hides tombstones | "a visitor by an old id gets no cookie" |
//! | a bound session is shown for its device alone | a process that asks no gate about what the store confirmed; one whose gate lets a session settle for a minute too long | "no page is shown to a request that is neither proven ..." |
//!
//! `cargo mutants` changes the manager line by line and asks this model and the manager's other tests: `.cargo/mutants.toml`.
//!
//! # Runs
//!
//! ```sh
//! cargo test --package waxseal-manager --test model
//! cargo test --package waxseal-manager --test model --release -- --ignored    # many cases, and the changes of `broken/`
//! WAXSEAL_MODEL_SEED=7 PROPTEST_CASES=5000 cargo test --package waxseal-manager --test model --release no_rule
//! ```

mod clock;
mod course;
mod device;
mod line;
mod promises;
mod rules;
mod sabotage;
mod setup;
mod strength;
mod tokens;
mod truth;
mod visit;
mod wire;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use waxseal_manager::Access;

use crate::rules::Violation;
use crate::sabotage::Sabotage;
use crate::setup::{Place, Setup, Step};
use crate::visit::Act;
use crate::world::World;

const STEPS: usize = 60;
/// Cases of an everyday run, in each state.
const CASES: u32 = 1_000;
/// Cases of a long run, in each state.
const MANY_CASES: u32 = 60_000;
/// Cases within which a rule that is broken on purpose must be found.
const SABOTAGED_CASES: u32 = 2_000;

fn run(setup: Setup, steps: &[Step], sabotage: Option<Sabotage>) -> Result<(), Violation> {
    let mut world = World::new(setup, sabotage);
    for step in steps {
        take(&mut world, *step)?;
        world.poll_all()?;
    }
    world.end()
}

fn take(world: &mut World, step: Step) -> Result<(), Violation> {
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
                let at = world.begin(token, process % processes, access, act)?;
                if matches!(step, Step::ReplayAtOnce { .. }) {
                    world.go(at)?;
                }
            }
        }
        Step::Overtake { token, process, access, act } => {
            if let Some(token) = pick(token, &world.tokens).cloned() {
                let process = process % processes;
                let slow = world.begin(token.clone(), process, Access::Read, Act::Look)?;
                world.arrive(slow);
                let quick = world.begin(token.clone(), process, access, act)?;
                world.go(quick)?;
                world.go(slow)?;
                let last = world.begin(token, process, Access::Read, Act::Look)?;
                world.go(last)?;
            }
        }
        Step::Refresh(browser) => world.refresh(browser),
        Step::Steal(browser) => world.steal(browser),
        Step::ThiefRegisters { token, process } => {
            if let Some(token) = pick(token, &world.tokens).cloned() {
                let at =
                    world.act_as_thief(token, None, process % processes, Access::Change, Act::Register)?;
                world.go(at)?;
            }
        }
        Step::ThiefUses { token, proof, process, access, act } => {
            let proof = pick(proof, &world.stolen).copied();
            if let Some(token) = pick(token, &world.tokens).cloned() {
                let at = world.act_as_thief(token, proof, process % processes, access, act)?;
                world.go(at)?;
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
        Step::Away(is_away) => world.wire().set_away(is_away, &world.clock),
        Step::Maintenance(process) => world.maintain(process % processes)?,
        Step::Promote { process, ring } => world.promote(process % processes, ring % 2),
    }
    Ok(())
}

/// Chooses one, rather a late one: those are likelier to matter.
fn pick<T>(number: usize, among: &[T]) -> Option<&T> {
    let recent = if number.is_multiple_of(3) { among.len() } else { among.len().min(6) };
    (recent > 0).then(|| &among[among.len() - 1 - (number / 3) % recent])
}

/// A search for cases that break a rule.
struct Search {
    cases: u32,
    shrinks: bool,
    /// Sessions are bound to devices.
    bound: bool,
    sabotage: Option<Sabotage>,
}

impl Search {
    /// Runs cases until one breaks a rule, and shortens that one if it `shrinks`.
    fn run(&self, place: Place) -> Option<String> {
        let max_shrink_iters = if self.shrinks { 20_000 } else { 0 };
        let config =
            Config { cases: self.cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
        // Every run has the same cases, unless the variable has another number.
        let seed =
            std::env::var("WAXSEAL_MODEL_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()).unwrap_or(0);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let step = match self.bound {
            true => Step::any_with_devices().boxed(),
            false => Step::any().boxed(),
        };
        let outcome = runner.run(&(Setup::any(place, self.bound), vec(step, 1..=STEPS)), |(setup, steps)| {
            match run(setup, &steps, self.sabotage) {
                Err(Violation { rule, found }) if self.counts(rule) => {
                    Err(TestCaseError::fail(format!("{rule}: {found}")))
                }
                _ => Ok(()),
            }
        });
        match outcome {
            Ok(()) => None,
            Err(TestError::Fail(reason, (setup, steps))) => {
                let steps: String = steps.iter().map(|step| format!("    {step:?}\n")).collect();
                Some(format!("{reason}\n{setup:?}\n{steps}"))
            }
            Err(TestError::Abort(reason)) => panic!("no case could be made: {reason}"),
        }
    }

    /// A rule that is broken on purpose must be found by its own assertion.
    fn counts(&self, rule: &str) -> bool {
        self.sabotage.is_none_or(|sabotage| sabotage.breaks().contains(&rule))
    }
}

fn no_rule_is_broken(place: Place, cases: u32) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    for (bound, cases) in [(false, cases), (true, cases / 2)] {
        if let Some(broken) = (Search { cases, shrinks: true, bound, sabotage: None }).run(place) {
            panic!("{broken}");
        }
    }
}

#[test]
fn no_rule_is_broken_in_state_store() {
    no_rule_is_broken(Place::Store, CASES);
}

#[test]
fn no_rule_is_broken_in_state_mirrored() {
    no_rule_is_broken(Place::Mirrored, CASES);
}

#[test]
#[ignore = "minutes"]
fn no_rule_is_broken_in_many_cases_of_state_store() {
    no_rule_is_broken(Place::Store, MANY_CASES);
}

#[test]
#[ignore = "minutes"]
fn no_rule_is_broken_in_many_cases_of_state_mirrored() {
    no_rule_is_broken(Place::Mirrored, MANY_CASES);
}

/// Cases that were found once among many, in a few steps each, so that an everyday run finds them too.
#[test]
fn cases_that_were_found_once_stay_mended() {
    use Access::{Change, Read};
    let visit = |browser, act| Step::Visit { browser, process: 0, access: Read, act };
    let copy = |token, process, access, act| Step::ReplayAtOnce { token, process, access, act };
    let slow = Step::Replay { token: 0, process: 0, access: Read, act: Act::Look };
    let look = copy(0, 0, Read, Act::Look);
    let ends = Step::Browse { browser: 1, process: 0, access: Read, act: Act::EndAll };
    let signs_out = Step::Browse { browser: 0, process: 1, access: Read, act: Act::Destroy };
    // Steps choose the latest call, and the latest token; number 3 chooses the token before it.
    let elsewhere = |act| Step::Visit { browser: 0, process: 1, access: Change, act };
    let cases: [(&str, &[Step]); 9] = [
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
            "a request that comes after an end shares no read that was asked before",
            &[visit(0, Act::SignIn), Step::Pass(5_000), slow, Step::Perform(0), visit(1, Act::EndAll), look],
        ),
        (
            "a request that comes after the freshness lifetime shares no read that was asked before it",
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
            "a sign-out by an old id does not give its visitor a cookie",
            &[
                visit(0, Act::Add),
                Step::Pass(5_000),
                copy(0, 1, Read, Act::Look),
                signs_out,
                copy(0, 0, Read, Act::SignIn),
                Step::Pass(1),
                Step::Deliver(0),
                copy(3, 1, Read, Act::Add),
            ],
        ),
        (
            "nor does one that the store missed, to a request that was asking meanwhile",
            &[
                visit(0, Act::Add),
                copy(0, 0, Read, Act::SignIn),
                Step::Pass(5_000),
                Step::Browse { browser: 0, process: 0, access: Change, act: Act::Add },
                Step::Away(true),
                copy(3, 0, Change, Act::Destroy),
            ],
        ),
        (
            "a process that was told that an id is gone remembers it beside an older id of the session",
            &[
                visit(0, Act::Add),
                copy(0, 1, Read, Act::SignIn),
                copy(0, 1, Read, Act::Destroy),
                Step::Pass(5_000),
                look,
                Step::Pass(1),
                slow,
                Step::Pass(19_000),
            ],
        ),
        (
            "a page that was under way displaces no cookie of a sign-in, though its token is due",
            &[
                visit(0, Act::SignIn),
                Step::Promote { process: 1, ring: 1 },
                Step::Pass(151_000),
                Step::Overtake { token: 0, process: 1, access: Change, act: Act::SignIn },
            ],
        ),
        (
            "nor of a renewal elsewhere",
            &[
                visit(0, Act::SignIn),
                Step::Promote { process: 1, ring: 1 },
                Step::Pass(151_000),
                Step::Replay { token: 0, process: 1, access: Read, act: Act::Look },
                Step::Perform(0),
                copy(0, 0, Change, Act::Renew),
                Step::Deliver(0),
            ],
        ),
        (
            "a process remembers a sign-out by a later id than it knows, although a sign-in elsewhere had renewed that, too",
            &[
                visit(0, Act::SignIn),
                elsewhere(Act::SignIn),
                elsewhere(Act::SignIn),
                // The token before the latest.
                copy(3, 0, Read, Act::Destroy),
                copy(3, 0, Read, Act::Look),
            ],
        ),
    ];
    for (case, steps) in cases {
        for place in [Place::Store, Place::Mirrored] {
            run(Setup::plain(place), steps, None)
                .unwrap_or_else(|Violation { rule, found }| panic!("{case}, {place:?}: {rule}: {found}"));
        }
    }
}

/// A module of its own, so that runs for another purpose can leave them out.
mod broken_on_purpose {
    use super::{Place, SABOTAGED_CASES, Sabotage, Search};

    macro_rules! sabotages {
        ($($name:ident: $sabotage:ident in $($place:ident),+;)+) => {
            $(#[test]
            fn $name() {
                for place in [$(Place::$place),+] {
                    let (cases, sabotage) = (SABOTAGED_CASES, Some(Sabotage::$sabotage));
                    let bound = Sabotage::$sabotage.is_of_devices();
                    let found = Search { cases, shrinks: false, bound, sabotage }.run(place);
                    assert!(found.is_some(), "it was not found in state {place:?}");
                }
            })+
        };
    }

    sabotages! {
        minting_without_asking_the_store_is_found: AnswersFromMemory in Mirrored;
        reading_the_clock_after_the_reply_is_found: ReadsClockLate in Mirrored;
        trust_in_copies_from_the_future_is_found: FollowsTokens in Mirrored;
        a_copy_that_is_shown_a_millisecond_too_long_is_found: LagsByOne in Mirrored;
        a_grace_counted_from_the_outage_is_found: CountsFromTheOutage in Mirrored;
        making_again_what_is_gone_is_found: MakesAgain in Mirrored, Store;
        repeating_a_write_whose_answer_was_lost_is_found: ReportsLossAsConflict in Mirrored, Store;
        writing_over_what_another_request_wrote_is_found: Overwrites in Mirrored, Store;
        forgetting_a_sign_out_that_the_store_missed_is_found: AcknowledgesLostDeletes in Mirrored, Store;
        a_cookie_for_a_visitor_by_an_old_id_is_found: HidesTombstones in Mirrored, Store;
        showing_a_bound_session_that_the_store_confirmed_without_a_proof_is_found: AsksNoGateAfterTheStore in Mirrored, Store;
        showing_a_bound_session_without_a_proof_for_too_long_is_found: SettlesTooLong in Mirrored, Store;
    }
}
