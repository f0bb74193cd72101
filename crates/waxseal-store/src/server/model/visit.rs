//! One request, as a handler behind HTTP makes it.

use std::sync::{Arc, Mutex};

use super::clock::Clock;
use crate::origin::Origin;
use crate::session::{Phase, ReadOnly};
use crate::{Access, Error, Moment, Opened, Outcome, RecordKey, Revision, Session, Sessions};

/// What a handler does with the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Look,
    Add,
    /// Adds, and then answers 500.
    AddAndFail,
    /// Makes the session too large for a cookie, or small again.
    Fill(bool),
    SignIn,
    Renew,
    Destroy,
    EndAll,
    EndOthers,
}

/// Whose sessions end together.
pub(super) const OWNER: &str = "albus";

/// A process that serves visitors.
pub(super) struct Process {
    pub(super) sessions: Sessions,
    pub(super) clock: Clock,
}

/// What happened, as far as it has.
#[derive(Default)]
pub(super) struct Notes {
    /// The session was there, or it was not; all before `None`.
    pub(super) loaded: Option<Option<Shown>>,
    /// The visitor is a stranger because the id that came is an old one.
    pub(super) is_renewed: bool,
    /// The store acknowledged an end that the handler asked for.
    pub(super) has_ended: bool,
}

/// What a visitor was shown of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) key: RecordKey,
    pub(super) revision: Revision,
    pub(super) sum: i64,
    pub(super) how: How,
    /// The process's time at which that was decided.
    pub(super) at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// From the copy, without asking.
    Copy,
    /// As the store says.
    Asked,
    /// From the copy, because the store is away.
    Outage,
}

pub(super) async fn visit(
    process: Arc<Process>,
    token: Option<String>,
    access: Access,
    act: Act,
    notes: Arc<Mutex<Notes>>,
) -> Result<Outcome, Error> {
    let Process { sessions, clock } = &*process;
    let at = clock.now();
    let opened = token.map(|token| sessions.open(token.as_bytes(), access, at.into()));
    let (session, asked) = match opened {
        None | Some(Err(_)) => (sessions.create(), false),
        Some(Ok(Opened::Ready(session))) => (session, false),
        Some(Ok(pending)) => (pending.load(at.into()).await?, true),
    };
    note(&session, asked, at, &mut notes.lock().unwrap());
    match act {
        Act::Look => _ = session.len(),
        Act::Add => session.add("sum", 1)?,
        Act::AddAndFail => {
            session.add("sum", 1)?;
            session.rollback();
        }
        Act::Fill(full) => session.insert("fill", "x".repeat(if full { 5_000 } else { 1 }))?,
        Act::SignIn => session.sign_in(OWNER, at.into())?,
        Act::Renew => session.renew()?,
        Act::Destroy => session.destroy()?,
        Act::EndAll => {
            sessions.end_all(OWNER, clock.time()).await?;
            notes.lock().unwrap().has_ended = true;
        }
        Act::EndOthers => {
            sessions.end_others(&session, clock.time()).await?;
            notes.lock().unwrap().has_ended = true;
        }
    }
    sessions.commit(&session, clock.time()).await
}

fn note(session: &Session, asked: bool, at: Moment, notes: &mut Notes) {
    let sum = session.get("sum").expect("it is a number").unwrap_or(0);
    let state = session.lock();
    notes.is_renewed = state.phase == Phase::ReadOnly(ReadOnly::Renewed);
    let how = match state.phase {
        Phase::ReadOnly(ReadOnly::Outage) => How::Outage,
        _ if asked => How::Asked,
        _ => How::Copy,
    };
    notes.loaded = Some(match &state.origin {
        Some(Origin::Record(held)) => {
            Some(Shown { key: held.id.key(), revision: held.revision, sum, how, at })
        }
        _ => None,
    });
}
