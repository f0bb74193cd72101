//! `--turns`: sessions read from a store and written to it, without HTTP: what of a request is the session's.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::Pid;

use crate::artifacts;
use crate::document;
use crate::measure::median;
use crate::peer;
use crate::process::{Cores, CpuClock};

const ROUNDS: usize = 7;
const READS: u64 = 40_000;
const WRITES: u64 = 10_000;

/// A program, and what it keeps sessions in.
struct Player {
    name: &'static str,
    state: &'static str,
    place: &'static str,
    theirs: bool,
}

/// Of one turn, in microseconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
    /// From asking to having, with 64 under way.
    middle: f64,
}

const PLAYERS: [Player; 6] = [
    Player { name: "tower-sessions, SQLite", state: "store", place: "sqlite:FOLDER/theirs.db", theirs: true },
    Player { name: "Waxseal, store, SQLite", state: "store", place: "sqlite:FOLDER/store.db", theirs: false },
    Player {
        name: "Waxseal, mirrored, SQLite",
        state: "mirrored",
        place: "sqlite:FOLDER/mirrored.db",
        theirs: false,
    },
    Player { name: "tower-sessions, Redis", state: "store", place: "redis://127.0.0.1:REDIS", theirs: true },
    Player { name: "Waxseal, store, Redis", state: "store", place: "redis://127.0.0.1:REDIS", theirs: false },
    Player {
        name: "Waxseal, mirrored, Redis",
        state: "mirrored",
        place: "redis://127.0.0.1:REDIS",
        theirs: false,
    },
];

/// Measures all in turns and writes the table.
pub(crate) fn run(rounds: Option<usize>) -> Result<ExitCode> {
    let cores = Cores::choose()?;
    let ours = artifacts::example_of("waxseal-manager", "turns")?;
    let theirs = artifacts::peer("store-peers", "tower-turns")?;
    let mut costs: [[Vec<Cost>; 2]; PLAYERS.len()] = Default::default();
    for round in 0..rounds.unwrap_or(ROUNDS) {
        for turn in 0..PLAYERS.len() {
            let at = (turn + round) % PLAYERS.len();
            let player = &PLAYERS[at];
            let mut game = Game::start(player, if player.theirs { &theirs } else { &ours }, &cores)?;
            game.play("read", READS / 10)?;
            let read = game.play("read", READS)?;
            let write = game.play("write", WRITES)?;
            eprintln!(
                "round {}: {:<27} read {:.2} µs, write {:.2} µs",
                round + 1,
                player.name,
                read.cpu,
                write.cpu
            );
            costs[at][0].push(read);
            costs[at][1].push(write);
        }
    }
    let report = report(&costs);
    println!("{report}");
    if rounds.is_none() {
        document::replace("turns", &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(costs: &[[Vec<Cost>; 2]; PLAYERS.len()]) -> String {
    let mut text =
        "| sessions of | read, CPU µs | times less | median µs | written, CPU µs | times less | a second |\n\
                    |---|---|---|---|---|---|---|\n"
            .to_owned();
    let figure = |costs: &[Cost], figure: fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
    let mut rivals = &costs[0];
    for (player, own) in PLAYERS.iter().zip(costs) {
        if player.theirs {
            rivals = own;
        }
        let less = |work: usize| {
            // Within a round, so that what else the machine did then weighs on both.
            median(rivals[work].iter().zip(&own[work]).map(|(rival, own)| rival.cpu / own.cpu).collect())
        };
        text += &format!(
            "| {} | {:.2} | {:.1} | {:.1} | {:.2} | {:.1} | {:.0} |\n",
            player.name,
            figure(&own[0], |cost| cost.cpu),
            less(0),
            figure(&own[0], |cost| cost.middle),
            figure(&own[1], |cost| cost.cpu),
            less(1),
            1e6 / figure(&own[1], |cost| cost.wall),
        );
    }
    text
}

/// A program that takes turns.
struct Game {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    _place: peer::Place,
}

impl Game {
    fn start(player: &Player, program: &std::path::Path, cores: &Cores) -> Result<Self> {
        let place = peer::Place::make(player.place)?;
        let mut command = Command::new(program);
        command.arg(player.state).arg(place.name(player.place)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = cores.on_servers(|| command.spawn())?.with_context(|| player.name)?;
        let lines = BufReader::new(child.stdout.take().context("its answers")?).lines();
        let mut game = Self { child, lines, _place: place };
        ensure!(game.line()? == "ready", "{} does not start", player.name);
        Ok(game)
    }

    fn play(&mut self, what: &str, count: u64) -> Result<Cost> {
        let process = Pid::from_child(&self.child);
        let (before, start) = (CpuClock::of(process)?, std::time::Instant::now());
        writeln!(self.child.stdin.as_mut().context("its turns")?, "{what} {count}")?;
        let said = self.line()?;
        let wall = start.elapsed().as_secs_f64() * 1e6 / count as f64;
        let cpu = CpuClock::of(process)?.since(before, count).total;
        let middle: f64 = said.strip_prefix("done ").context("an answer")?.parse()?;
        Ok(Cost { cpu, wall, middle: middle / 1e3 })
    }

    fn line(&mut self) -> Result<String> {
        Ok(self.lines.next().context("it ended early")??)
    }
}

impl Drop for Game {
    /// It ends with its input.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
