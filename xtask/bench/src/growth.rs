//! `--growth`: how costs grow with keys, bytes, secret keys and connections.

use std::fmt::Write;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::client::exchange;
use crate::document;
use crate::instructions::Counter;
use crate::load::Load;
use crate::peer;
use crate::process::{Cores, CpuClock, raise_file_limit, resident_bytes};
use crate::report;
use crate::work::{Work, get};

/// How a cost may grow while something else grows.
#[derive(Clone, Copy)]
enum Order {
    /// Not at all; a half more is noise and caches.
    Constant,
    /// No faster than the thing itself.
    Linear,
}

/// One cost at growing sizes.
struct Series {
    cost: &'static str,
    order: Order,
    values: Vec<f64>,
}

/// Measures, and writes the tables.
pub(crate) fn run() -> Result<ExitCode> {
    let mut text = format!("{}. In brackets: the factor to the column before.\n\n", report::setting());
    let counter = Counter::new()?;
    let mut good = true;
    for (title, flag, sizes) in [
        ("keys in the session, their values empty", "--keys", &[1, 10, 100, 500][..]),
        ("bytes of one value in the session", "--bytes", &[100, 300, 1000, 2500]),
        ("secret keys in the ring, the cookie sealed by the last", "--ring", &[1, 2, 4, 8, 16]),
    ] {
        let order = if flag == "--ring" { Order::Constant } else { Order::Linear };
        let series = [
            ("seal", "seal", order),
            ("open", "open", order),
            // The entries are looked through in order, which their few bytes make cheap.
            ("get", "get the last key", order),
            ("commit", "open, insert, commit", order),
            ("read", "whole request, W1", order),
        ];
        let mut all = Vec::new();
        for (operation, cost, order) in series {
            let count = |size: &u32| Ok(counter.count(operation, &[flag, &size.to_string()])? as f64);
            all.push(Series { cost, order, values: sizes.iter().map(count).collect::<Result<_>>()? });
        }
        good &= table(&mut text, &format!("Instructions, by {title}"), sizes, &all);
    }
    for (title, flag, sizes) in [
        ("keys in a record, their values empty", "--keys", &[1, 10, 100, 1_000][..]),
        ("bytes of one value in a record", "--bytes", &[100, 1_000, 10_000, 100_000]),
    ] {
        let count = |size: &u32| Ok(counter.count("read-stored", &[flag, &size.to_string()])? as f64);
        let values = sizes.iter().map(count).collect::<Result<_>>()?;
        let series = Series { cost: "whole request, W1, state store", order: Order::Linear, values };
        good &= table(&mut text, &format!("Instructions, by {title}"), sizes, &[series]);
    }
    good &= connections(&mut text)?;
    println!("{text}");
    document::replace("growth", &text)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all stays within its order.
fn table(text: &mut String, title: &str, sizes: &[u32], all: &[Series]) -> bool {
    let _ = writeln!(text, "{title}:\n");
    let columns = sizes.iter().map(|size| format!("{size} | ")).collect::<String>();
    let _ = writeln!(text, "| cost | {columns}order | within |\n|---|{}---|---|", "---|".repeat(sizes.len()));
    let mut good = true;
    for Series { cost, order, values } in all {
        let _ = write!(text, "| {cost} | {:.0} |", values[0]);
        for pair in values.windows(2) {
            let _ = match pair[0] {
                0.0 => write!(text, " {:.0} |", pair[1]),
                before => write!(text, " {:.0} (×{:.2}) |", pair[1], pair[1] / before),
            };
        }
        let last = values[values.len() - 1];
        let most_before = values[..values.len() - 1].iter().copied().fold(0.0, f64::max);
        let size_growth = f64::from(sizes[sizes.len() - 1]) / f64::from(sizes[0]);
        let (name, within) = match order {
            Order::Constant => ("constant", last < 1.5 * most_before),
            Order::Linear => ("linear", last <= size_growth * values[0]),
        };
        let _ = writeln!(text, " {name} | {} |", if within { "yes" } else { "**no**" });
        good &= within;
    }
    text.push('\n');
    good
}

/// Memory of idle connections, and the cost of a request while so many are open.
fn connections(text: &mut String) -> Result<bool> {
    const SIZES: [u32; 5] = [1, 10, 100, 1_000, 10_000];
    raise_file_limit(u64::from(SIZES[SIZES.len() - 1]) + 100)?;
    let cores = Cores::choose()?;
    let ours = peer::ours()?;
    let (mut memory, mut cpu) = (Vec::new(), Vec::new());
    for size in SIZES {
        let server = ours.start(&cores)?;
        let mut request = Work::Read.prepare(server.address)?;
        // So that what the first request of all sets up is not counted.
        exchange(server.address, &get("/plain", ""))?;
        let before = resident_bytes(server.process())?;
        let mut load = Load::connect(server.address, size as usize)?;
        let limit = Duration::from_secs(20);
        load.run(&mut request, u64::from(size), limit)?;
        sleep(Duration::from_millis(200));
        let after = resident_bytes(server.process())?;
        memory.push(after.saturating_sub(before) as f64 / f64::from(size));
        let start = CpuClock::of(server.process())?;
        let timing = load.run(&mut request, 60_000, limit).context("under connections")?;
        cpu.push(CpuClock::of(server.process())?.since(start, timing.requests).total);
    }
    let good = table(
        text,
        "Connections open, each of which had one request",
        &SIZES,
        &[
            Series { cost: "resident bytes per idle connection", order: Order::Constant, values: memory },
            Series { cost: "CPU µs per request, all busy", order: Order::Linear, values: cpu },
        ],
    );
    Ok(good)
}
