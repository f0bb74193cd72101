//! Rounds in which every peer has its turn.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::Load;
use crate::peer::{CONSTANT, Peer};
use crate::process::{Cores, CpuClock};
use crate::work::{Work, check_sessions};

const CONNECTIONS: usize = 32;
const LONGEST: Duration = Duration::from_secs(3);

/// What was measured of one peer.
pub(crate) struct Measured {
    pub(crate) peer: &'static str,
    pub(crate) made_of: &'static [&'static str],
    pub(crate) works: [Figures; Work::COUNT],
    /// Processor time of the constant page.
    base: f64,
}

impl Measured {
    /// Processor time per request of each work, as a multiple of what the constant page takes.
    pub(crate) fn ratios(&self) -> [f64; Work::COUNT] {
        self.works.map(|figures| figures.cpu / self.base)
    }
}

/// What is left of the rounds; times in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// Processor time per request.
    pub(crate) cpu: f64,
    pub(crate) user: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Measures all peers and all works in each round.
pub(crate) fn run(peers: &[Peer], rounds: usize, requests: u64) -> Result<Vec<Measured>> {
    let cores = Cores::choose()?;
    let mut samples: Vec<[Vec<Figures>; Work::COUNT]> = peers.iter().map(|_| Default::default()).collect();
    let constant =
        peers.iter().position(|peer| peer.name == CONSTANT).context("the constant page is missing")?;
    for round in 0..rounds {
        for turn in 0..peers.len() {
            // Nobody always goes first, or always after the same other.
            let at = (turn + round) % peers.len();
            let peer = &peers[at];
            let figures = measure(peer, &cores, requests).with_context(|| peer.name)?;
            let line = figures.map(|figures| format!("{:7.2}", figures.cpu)).join(" ");
            eprintln!("round {} of {rounds}: {:<27}{line} µs", round + 1, peer.name);
            for (samples, figures) in samples[at].iter_mut().zip(figures) {
                samples.push(figures);
            }
        }
    }
    let base = typical(&samples[constant][Work::Read as usize]).cpu;
    let result = |(peer, works): (&Peer, [Vec<Figures>; Work::COUNT])| Measured {
        peer: peer.name,
        made_of: peer.made_of,
        works: works.map(|samples| typical(&samples)),
        base,
    };
    Ok(peers.iter().zip(samples).map(result).collect())
}

fn measure(peer: &Peer, cores: &Cores, requests: u64) -> Result<[Figures; Work::COUNT]> {
    let server = peer.start(cores)?;
    let mut figures = Vec::new();
    for work in Work::ALL {
        if peer.has_sessions {
            check_sessions(server.address)?;
        }
        let mut request = work.prepare(server.address)?;
        let mut load = Load::connect(server.address, CONNECTIONS)?;
        load.run(&mut request, requests / 20, LONGEST)?;
        let before = CpuClock::of(server.process())?;
        let timing = load.run(&mut request, requests, LONGEST)?;
        let cpu = CpuClock::of(server.process())?.since(before, timing.requests);
        figures.push(Figures {
            cpu: cpu.total,
            user: cpu.user,
            rate: timing.rate(),
            p50: timing.percentile(0.5),
            p99: timing.percentile(0.99),
        });
    }
    Ok(figures.try_into().unwrap_or_else(|_| unreachable!("one for each work")))
}

/// What the server does when nothing disturbs it: the better quartile of the rounds. Shared machines run slower for minutes at
/// a time, and never faster. The user's share, which the system samples, is the median of all.
fn typical(samples: &[Figures]) -> Figures {
    let sorted = |figure: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let quarter = samples.len() / 4;
    let lower = |figure: fn(&Figures) -> f64| sorted(figure)[quarter];
    let cpu = lower(|figures| figures.cpu);
    Figures {
        cpu,
        user: cpu * median(samples.iter().map(|figures| figures.user / figures.cpu).collect()),
        rate: sorted(|figures| figures.rate)[samples.len() - 1 - quarter],
        p50: lower(|figures| figures.p50),
        p99: lower(|figures| figures.p99),
    }
}

/// The one in the middle, or between the two there.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
