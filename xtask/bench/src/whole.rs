//! `--whole`: instructions that a server takes for one request, hyper and all, the system's own left out.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::Load;
use crate::peer::{self, Peer};
use crate::process::Cores;
use crate::work::Work;

const CONNECTIONS: usize = 32;
/// Two runs whose difference leaves starting and connecting out.
const FEW: u64 = 320;
const MANY: u64 = 3_520;
/// Under callgrind a server takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Counts all servers, or those whose names contain one of `only`.
pub(crate) fn run(stores: bool, only: &[String]) -> Result<ExitCode> {
    let cores = Cores::choose()?;
    println!("instructions per request     {}", Work::ALL.map(|work| format!("{:>9}", work.name())).concat());
    for peer in peer::all(false, stores, only)? {
        let mut line = format!("{:<29}", peer.name);
        for work in Work::ALL {
            let (few, many) = (total(&peer, &cores, work, FEW)?, total(&peer, &cores, work, MANY)?);
            line += &format!("{:>9}", (many - few) / (MANY - FEW));
        }
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

fn total(peer: &Peer, cores: &Cores, work: Work, requests: u64) -> Result<u64> {
    let log = std::env::temp_dir().join(format!("waxseal-bench-whole-{}.log", std::process::id()));
    let running = peer.under_callgrind(&log).start(cores)?;
    let mut request = work.prepare(running.address)?;
    let mut load = Load::connect(running.address, CONNECTIONS)?;
    load.run(&mut request, requests, PATIENCE)?;
    drop(running);
    let said = fs::read_to_string(&log).context("callgrind's log")?;
    let _ = fs::remove_file(&log);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    collected.context("callgrind gave no count")?.1.trim().parse().context("callgrind's count")
}
