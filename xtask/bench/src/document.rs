//! The files that the benchmark writes: its parts of `docs/benchmarks.md`, and the chart.

use std::fs;

use anyhow::{Context, Result};

use crate::artifacts::project_root;

/// Replaces what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; all else was written by people.
pub(crate) fn replace(name: &str, text: &str) -> Result<()> {
    let path = project_root().join("docs/benchmarks.md");
    let old = fs::read_to_string(&path).context("docs/benchmarks.md")?;
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let (before, rest) = old.split_once(&begin).with_context(|| format!("{begin} is missing"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{end} is missing"))?;
    fs::write(&path, format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))?;
    eprintln!("docs/benchmarks.md: {name} written");
    Ok(())
}

/// Writes the chart beside it.
pub(crate) fn write_chart(svg: &str) -> Result<()> {
    Ok(fs::write(project_root().join("docs/benchmarks.svg"), svg)?)
}
