//! The runs of one target, and what is kept of them between two starts.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;

use crate::guard::{self, Run};
use crate::mutation::mutate;
use crate::target::Target;

/// The longest time that one input of at most 20 kB may take, in the best of several tries: beyond it, a few such
/// inputs would fill a processor.
const MOST_TIME: Duration = Duration::from_millis(100);
/// The most memory that one input may cost, in bytes.
const MOST_MEMORY: usize = 16 << 20;
/// Tries, on a machine that has much else to do.
const TRIES: usize = 5;
/// Inputs that are kept as starts for others.
const MOST_KEPT: usize = 2_000;
/// Failures after which a target is given up for now.
const MOST_FAILURES: u64 = 5;
/// Inputs after which their number is written to the disk.
const STRETCH: u64 = 10_000;

/// The end of a run: what comes first.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    /// So many inputs, those of earlier runs included.
    pub(crate) count: Option<u64>,
    pub(crate) elapsed: Option<Duration>,
}

/// Where an input comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A seed, or kept by an earlier run.
    Start,
    Mutation,
}

pub(crate) struct Campaign {
    name: &'static str,
    target: Box<dyn Target>,
    folder: PathBuf,
    random: Rng,
    starts: Vec<Vec<u8>>,
    outcomes: HashSet<String>,
    slowest: (Duration, Vec<u8>),
    largest: usize,
    failures: u64,
    count: u64,
}

/// The inputs that the target of this folder has had so far.
pub(crate) fn count(folder: &Path) -> u64 {
    fs::read_to_string(folder.join("count")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

impl Campaign {
    /// Goes on where an earlier one in `folder` ended.
    pub(crate) fn new(name: &'static str, target: Box<dyn Target>, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("kept")).with_context(|| format!("no folder {}", folder.display()))?;
        let count = count(folder);
        let mut starts = target.seeds();
        assert!(!starts.is_empty(), "{name} has no seeds");
        for entry in fs::read_dir(folder.join("kept"))? {
            starts.push(fs::read(entry?.path())?);
        }
        // Other inputs than those of the runs before, and the same ones after the same runs.
        let random = Rng::with_seed(count);
        Ok(Self {
            name,
            target,
            folder: folder.to_owned(),
            random,
            starts,
            outcomes: HashSet::new(),
            slowest: Default::default(),
            largest: 0,
            failures: 0,
            count,
        })
    }

    /// Runs one input that was kept, and says what came of it.
    pub(crate) fn replay(&mut self, input: &[u8]) -> bool {
        let Run { outcome, time, memory } = guard::run(&mut *self.target, input);
        println!("{}: {outcome:?} in {time:?}, {memory} bytes", self.name);
        outcome.is_ok()
    }

    /// True if nothing failed.
    pub(crate) fn run(&mut self, until: Until) -> Result<bool> {
        let (start, before) = (Instant::now(), self.count);
        for seed in self.starts.clone() {
            self.look_at(&seed, Origin::Start)?;
        }
        let mut input = Vec::new();
        while !self.is_done(until, start) {
            let [from, other] = [(); 2].map(|()| self.start());
            mutate(&mut input, &self.starts[from], &self.starts[other], &mut self.random);
            self.look_at(&input, Origin::Mutation)?;
            self.count += 1;
            if self.count.is_multiple_of(STRETCH) {
                self.keep_count()?;
            }
        }
        self.keep_count()?;
        fs::write(self.folder.join("slowest"), &self.slowest.1)?;
        self.report(self.count - before, start.elapsed());
        Ok(self.failures == 0)
    }

    fn is_done(&self, until: Until, start: Instant) -> bool {
        self.failures >= MOST_FAILURES
            || until.count.is_some_and(|count| self.count >= count)
            || until.elapsed.is_some_and(|time| start.elapsed() >= time)
    }

    /// The place of a start: mostly the shorter of two, since most of what is read is short, and costs less.
    fn start(&mut self) -> usize {
        let [one, two] = [(); 2].map(|()| self.random.usize(..self.starts.len()));
        let is_any = self.random.u8(0..8) == 0;
        if is_any || self.starts[one].len() <= self.starts[two].len() { one } else { two }
    }

    fn look_at(&mut self, input: &[u8], origin: Origin) -> Result<()> {
        let Run { outcome, time, memory } = guard::run(&mut *self.target, input);
        match outcome {
            Err(message) => self.fail("panic", &message, input)?,
            Ok(outcome) => {
                let is_new = self.outcomes.insert(outcome) && origin == Origin::Mutation;
                if is_new && self.starts.len() < MOST_KEPT {
                    self.keep("kept", input)?;
                    self.starts.push(input.to_vec());
                }
            }
        }
        self.largest = self.largest.max(memory);
        if memory > MOST_MEMORY {
            self.fail("memory", &format!("{memory} bytes"), input)?;
        }
        if time > self.slowest.0 {
            let time = (0..TRIES).map(|_| guard::run(&mut *self.target, input).time).min().unwrap_or(time);
            if time > self.slowest.0 {
                self.slowest = (time, input.to_vec());
            }
            if time > MOST_TIME {
                self.fail("slow", &format!("{time:?}"), input)?;
            }
        }
        Ok(())
    }

    fn fail(&mut self, what: &str, message: &str, input: &[u8]) -> Result<()> {
        self.failures += 1;
        let file = self.keep(what, input)?;
        println!("{}: {what}: {message}\n    the input is {}", self.name, file.display());
        Ok(())
    }

    fn keep_count(&self) -> Result<()> {
        // Put in place whole, since a number that was lost would count from 0 again.
        let (whole, written) = (self.folder.join("count"), self.folder.join("count.new"));
        fs::write(&written, self.count.to_string())?;
        Ok(fs::rename(written, whole)?)
    }

    fn keep(&self, folder: &str, input: &[u8]) -> Result<PathBuf> {
        let folder = self.folder.join(folder);
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{}-{}", self.count, self.starts.len()));
        fs::write(&file, input)?;
        Ok(file)
    }

    fn report(&self, runs: u64, time: Duration) {
        let (slowest, input) = &self.slowest;
        println!(
            "{:<16}{runs:>10} inputs in {:>6.1} s ({:>10} in all), {:>4} outcomes, {} failures; slowest {slowest:?} ({} bytes), most memory {} kB",
            self.name,
            time.as_secs_f64(),
            self.count,
            self.outcomes.len(),
            self.failures,
            input.len(),
            self.largest / 1000,
        );
    }
}
