//! How turns are taken and timed: the same for every store that is compared.

use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) const VISITORS: usize = 1_000;
/// Requests under way at once.
const TOGETHER: usize = 64;

pub(crate) trait Player: Send + Sync + 'static {
    /// Reads the values of a visitor's session, and for a write puts one more into it.
    fn turn(&self, at: usize, writes: bool) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Tells when it is ready, then takes turns as they come.
pub(crate) async fn play(player: impl Player) -> Result<(), Failure> {
    let player = Arc::new(player);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (what, count) = line.split_once(' ').ok_or("a turn is a word and a number")?;
        let median = take(&player, what == "write", count.parse()?).await?;
        println!("done {}", median.as_nanos());
    }
    Ok(())
}

/// Takes `count` turns, many at once; how long the middle one took.
async fn take(player: &Arc<impl Player>, writes: bool, count: usize) -> Result<Duration, Failure> {
    let mut tasks = JoinSet::new();
    for first in 0..TOGETHER {
        let player = Arc::clone(player);
        tasks.spawn(async move {
            let mut spans = Vec::new();
            for at in (first..count).step_by(TOGETHER) {
                let start = Instant::now();
                player.turn(at, writes).await?;
                spans.push(start.elapsed());
            }
            Ok::<_, Failure>(spans)
        });
    }
    let mut spans = Vec::new();
    while let Some(task) = tasks.join_next().await {
        spans.extend(task??);
    }
    spans.sort_unstable();
    Ok(spans[spans.len() / 2])
}
