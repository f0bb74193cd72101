//! The rules of `docs/states.md` against whatever may happen.
//!
//! Two or three processes with clocks apart serve browsers, and somebody who has kept every token that was ever sent,
//! over one store that is slow, loses calls and answers, does things twice, and is away at times. The time is not
//! real, and nothing runs beside anything else: a case says which call arrives when, so that what one finds, the next
//! run finds too. Each rule is a name in `rules.rs`; each [`Flaw`] is a rule broken on purpose, which must be found.
//!
//! More cases: `PROPTEST_CASES=20000 cargo test -p waxseal-store --release --lib model`.

mod clock;
mod rules;
mod setup;
mod truth;
mod visit;
mod wire;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use self::rules::Broken;
use self::setup::{Setup, Step};
use self::visit::Act;
use self::world::World;
use super::Access;
use super::freshness::Flaw;

const STEPS: usize = 60;
/// Those of an everyday run.
const CASES: u32 = 400;

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
                let slow = world.begin(None, Some(token.clone()), process, Access::Read, Act::Look)?;
                world.arrive(slow);
                let quick = world.begin(None, Some(token.clone()), process, access, act)?;
                world.go(quick)?;
                world.go(slow)?;
                let last = world.begin(None, Some(token), process, Access::Read, Act::Look)?;
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
        Step::Upkeep(process) => world.keep_up(process % processes),
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
fn search(cases: u32, shrinks: bool, flaw: Option<Flaw>) -> Option<String> {
    let max_shrink_iters = if shrinks { 20_000 } else { 0 };
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    // The same cases in every run; others with the variable of another number.
    let seed = std::env::var("WAXSEAL_MODEL_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()).unwrap_or(0);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&(Setup::any(), vec(Step::any(), 1..=STEPS)), |(setup, steps)| {
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

#[test]
fn no_rule_is_broken() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    if let Some(broken) = search(cases, true, None) {
        panic!("{broken}");
    }
}

/// What many cases found once, in a few steps each, so that an everyday run finds it too.
#[test]
fn what_was_found_once_stays_mended() {
    use Access::{Change, Read};
    let visit = |browser, act| Step::Visit { browser, process: 0, access: Read, act };
    let copy = |token, process, access, act| Step::ReplayAtOnce { token, process, access, act };
    let slow = Step::Replay { token: 0, process: 0, access: Read, act: Act::Look };
    let look = copy(0, 0, Read, Act::Look);
    let ends = Step::Browse { browser: 1, process: 0, access: Read, act: Act::EndAll };
    let signs_out = Step::Browse { browser: 0, process: 1, access: Read, act: Act::Destroy };
    // Steps choose the latest call, and the latest token but for number 3, the one before.
    let cases: [(&str, &[Step]); 4] = [
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
                copy(0, 1, Read, Act::Look),
                signs_out,
                copy(0, 0, Read, Act::SignIn),
                Step::Pass(1),
                Step::Deliver(0),
                copy(3, 1, Read, Act::Add),
            ],
        ),
    ];
    for (case, steps) in cases {
        let window = std::time::Duration::from_secs(5);
        let setup = Setup { ahead_millis: vec![0, 0], window, renew_every: None, tells_time: false };
        run(setup, steps, None).unwrap_or_else(|Broken { rule, found }| panic!("{case}: {rule}: {found}"));
    }
}

macro_rules! flaws {
    ($($name:ident: $flaw:ident,)+) => {
        $(#[test]
        fn $name() {
            assert!(search(CASES, false, Some(Flaw::$flaw)).is_some(), "{:?} was not found", Flaw::$flaw);
        })+
    };
}

flaws! {
    minting_without_a_confirm_is_found: MintsUnconfirmed,
    stamping_after_the_reply_is_found: StampsAfterReply,
    trust_in_copies_from_the_future_is_found: TrustsTheFuture,
    a_cache_that_goes_back_is_found: CacheGoesBack,
    a_grace_counted_from_the_outage_is_found: GraceFromTheOutage,
    a_window_that_includes_its_end_is_found: WindowIsInclusive,
}
