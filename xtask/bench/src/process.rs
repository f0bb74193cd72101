//! What the system knows of processes: where they run, the time they took, the memory they hold.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two cores: one for the server, one for the load.
pub(crate) struct Cores {
    server: usize,
    load: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let (Some(server), Some(load)) = (cores.next(), cores.next()) else {
            anyhow::bail!("the benchmark needs two cores, one for the server and one for the load");
        };
        Ok(Self { server, load })
    }

    /// Runs `start` on the server's core, which whatever it starts inherits; the rest runs on the load's.
    pub(crate) fn on_servers<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        pin(self.server)?;
        let started = start();
        pin(self.load)?;
        Ok(started)
    }
}

fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).context("this system does not let a process choose its core")
}

/// Lets this process and those it starts open as many files as the system allows at all.
pub(crate) fn raise_file_limit(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    ensure!(maximum >= needed, "{needed} open files are needed and {maximum} allowed; raise `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}

/// Microseconds of processor time.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime {
    pub(crate) total: f64,
    pub(crate) user: f64,
}

/// What the system has counted of a process and all it started, until now.
#[derive(Clone, Copy)]
pub(crate) struct CpuClock {
    user_ticks: u64,
    system_ticks: u64,
    /// The same sum to the nanosecond, if the scheduler tells: a tick is a hundredth of a second.
    nanoseconds: Option<u64>,
}

impl CpuClock {
    pub(crate) fn of(process: Pid) -> Result<Self> {
        let pid = process.as_raw_nonzero();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
        // The name, in brackets, may hold anything; utime and stime are the 14th and 15th field.
        let fields = stat.rsplit_once(") ").context("/proc/PID/stat has no name in brackets")?.1;
        let mut ticks = fields.split(' ').skip(11).map(|field| field.parse().unwrap_or(0));
        let mut next = || ticks.next().unwrap_or(0);
        let own = Self { user_ticks: next(), system_ticks: next(), nanoseconds: scheduled(process) };
        children(process).into_iter().try_fold(own, |sum, child| {
            let child = Self::of(child)?;
            Ok(Self {
                user_ticks: sum.user_ticks + child.user_ticks,
                system_ticks: sum.system_ticks + child.system_ticks,
                nanoseconds: sum.nanoseconds.zip(child.nanoseconds).map(|(sum, child)| sum + child),
            })
        })
    }

    /// What was spent since `earlier`, for each of `requests`.
    pub(crate) fn since(self, earlier: Self, requests: u64) -> CpuTime {
        let user = (self.user_ticks - earlier.user_ticks) as f64;
        let ticks = user + (self.system_ticks - earlier.system_ticks) as f64;
        let precise = self.nanoseconds.zip(earlier.nanoseconds).map(|(now, then)| (now - then) as f64 / 1e3);
        let total = precise.unwrap_or(ticks * 1e6 / rustix::param::clock_ticks_per_second() as f64);
        let total = total / requests as f64;
        CpuTime { total, user: total * user / ticks.max(1.0) }
    }
}

/// Bytes of memory that a process holds.
pub(crate) fn resident_bytes(process: Pid) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

/// Nanoseconds that all threads of a process have run.
fn scheduled(process: Pid) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).ok()?;
    let nanoseconds = |thread: fs::DirEntry| {
        let schedule = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedule.split(' ').next()?.parse::<u64>().ok()
    };
    threads.map(|thread| nanoseconds(thread.ok()?)).sum()
}

fn children(process: Pid) -> Vec<Pid> {
    let pid = process.as_raw_nonzero();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
