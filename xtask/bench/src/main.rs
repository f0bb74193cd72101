//! `cargo xtask bench`: Waxseal beside what people would use instead, on this machine, over loopback.

mod artifacts;
mod chart;
mod check;
mod client;
mod devices;
mod document;
mod growth;
mod instructions;
mod load;
mod measure;
mod peer;
mod process;
mod report;
mod turns;
mod whole;
mod work;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Measures Waxseal beside other servers and writes docs/benchmarks.md and docs/benchmarks.svg
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Options {
    /// A short run that shows whether all works, and writes nothing
    #[arg(long)]
    quick: bool,
    /// How often each peer has its turn; the results are those of the better quartile
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Requests of one measurement, which ends after three seconds whatever the count
    #[arg(long, default_value_t = 120_000)]
    requests: u64,
    /// Measures Flask too, on gunicorn and granian, installed with pip into this benchmark's target folder
    #[arg(long)]
    flask: bool,
    /// Measures sessions in databases too: SQLite, and Redis if `redis-server` is there
    #[arg(long)]
    stores: bool,
    /// Only peers whose name contains one of these; the constant page always takes part. Writes nothing
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Instead: counts instructions and compares them with docs/instructions.json
    #[arg(long, group = "instead")]
    check: bool,
    /// Instead: counts instructions and keeps them in docs/instructions.json
    #[arg(long, group = "instead")]
    bless: bool,
    /// Instead: how costs grow with keys, bytes, secret keys and connections; written to docs/benchmarks.md
    #[arg(long, group = "instead")]
    growth: bool,
    /// Instead: counts the servers' instructions for a whole request over a connection; needs valgrind
    #[arg(long, group = "instead")]
    whole: bool,
    /// Instead: sessions in databases without HTTP around them; needs `redis-server`
    #[arg(long, group = "instead")]
    turns: bool,
    /// Instead: times pages of device-bound sessions beside others, and refreshes
    #[arg(long, group = "instead")]
    device: bool,
}

fn main() -> Result<ExitCode> {
    let mut options = Options::parse();
    if options.check {
        return check::check();
    }
    if options.bless {
        return check::bless();
    }
    if options.growth {
        return growth::run();
    }
    if options.whole {
        return whole::run(options.stores, &options.only);
    }
    if options.turns {
        return turns::run(options.quick.then_some(1));
    }
    if options.device {
        return devices::run(options.rounds.max(1));
    }
    if options.quick {
        (options.rounds, options.requests) = (1, 10_000);
    }
    let peers = peer::all(options.flask, options.stores, &options.only)?;
    let results = measure::run(&peers, options.rounds.max(1), options.requests.max(1000))?;
    let report = report::report(&results, options.rounds);
    println!("{report}");
    if !options.quick && options.only.is_empty() {
        document::replace("measured", &report)?;
        document::write_chart(&chart::chart(&results))?;
    }
    Ok(ExitCode::SUCCESS)
}
