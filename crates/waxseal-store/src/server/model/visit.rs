//! One request, as a handler behind HTTP makes it.

use std::sync::{Arc, Mutex};

use super::clock::Clock;
use crate::origin::Origin;
use crate::session::{Phase, ReadOnly};
use crate::{Access, Error, Opened, Outcome, RecordKey, Revision, Session, SessionManager, Timestamp};

/// What a handler does with the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    SessionDebugView,
    Add,
    /// Adds, shows the messages, and then answers 500.
    AddAndFail,
    /// Makes the session too large for a cookie, or small again.
    Fill(bool),
    /// Puts a coupon there, of which there is no second.
    Issue,
    /// Takes the coupon out.
    Take,
    /// Leaves a message.
    Flash,
    /// Shows all messages.
    Page,
    /// Shows a form, with a token in it.
    Form,
    /// Receives forms, each with the token of some page before.
    Submit,
    SignIn,
    Renew,
    RenewEmpty,
    Destroy,
    /// Destroys, and then answers 500.
    DestroyAndFail,
    EndAll,
    EndOthers,
}

/// Whose sessions end together.
pub(super) const OWNER: &str = "albus";

/// A process that serves visitors.
pub(super) struct Process {
    pub(super) sessions: SessionManager,
    pub(super) clock: Clock,
}

/// A request, as it comes.
pub(super) struct Visit {
    /// Its number, of which there is no second.
    pub(super) number: usize,
    pub(super) token: Option<String>,
    pub(super) access: Access,
    pub(super) act: Act,
    /// Tokens of forms, to be submitted.
    pub(super) forms: Vec<String>,
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
    /// The coupon that was taken out.
    pub(super) took: Option<usize>,
    /// The messages that were shown, by the requests that left them.
    pub(super) messages: Vec<usize>,
    /// A form's token, and whether the session had its seed before.
    pub(super) form: Option<(String, bool)>,
    /// Which of the forms that were submitted the session knows.
    pub(super) knows: Vec<bool>,
}

/// What a visitor was shown of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) key: RecordKey,
    pub(super) revision: Revision,
    pub(super) sum: i64,
    pub(super) is_empty: bool,
    pub(super) how: How,
    /// The process's time at which that was decided.
    pub(super) at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// From the copy, without asking.
    Copy,
    /// As the store says.
    Asked,
    /// From the copy, because the store is away.
    Outage,
    /// Nothing of it, because the store is away: to be ended, or as to a stranger.
    Blind,
}

impl Act {
    pub(super) fn destroys(self) -> bool {
        matches!(self, Self::Destroy | Self::DestroyAndFail)
    }

    /// Whether it changes nothing that a page alone does not owe.
    pub(super) fn only_shows(self) -> bool {
        matches!(self, Self::SessionDebugView | Self::Page | Self::Form | Self::Submit)
    }
}

pub(super) async fn visit(
    process: Arc<Process>,
    visit: Visit,
    notes: Arc<Mutex<Notes>>,
) -> Result<Outcome, Error> {
    let Process { sessions, clock } = &*process;
    let Visit { number, token, access, act, forms } = visit;
    let at = clock.now();
    let open = || {
        let opened = token.as_ref().and_then(|token| sessions.open(token.as_bytes(), access, at.into()).ok());
        opened.unwrap_or_else(|| Opened::Ready(sessions.create()))
    };
    let mut how = How::Copy;
    let session = match open() {
        Opened::Ready(session) => session,
        Opened::Pending(pending) => {
            how = How::Asked;
            match pending.load(at.into()).await {
                // Signing out works all the same, as behind HTTP.
                Err(Error::Unavailable(_)) if act.destroys() => match open() {
                    Opened::Ready(session) => session,
                    Opened::Pending(pending) => {
                        how = How::Blind;
                        pending.to_end()
                    }
                },
                loaded => loaded?,
            }
        }
    };
    note(sessions, &session, how, at, &mut notes.lock().unwrap());
    match act {
        Act::SessionDebugView => _ = session.len(),
        Act::Add => session.add("sum", 1)?,
        Act::AddAndFail => {
            show(&session, &notes);
            session.add("sum", 1)?;
            session.rollback();
        }
        Act::Fill(full) => session.insert("fill", "x".repeat(if full { 5_000 } else { 1 }))?,
        Act::Issue => session.insert("coupon", number)?,
        Act::Take => notes.lock().unwrap().took = session.take("coupon")?,
        Act::Flash => session.flash("", number.to_string())?,
        Act::Page => show(&session, &notes),
        Act::Form => {
            let had_seed = session.has_csrf_seed();
            notes.lock().unwrap().form = Some((session.csrf_token()?, had_seed));
        }
        Act::Submit => {
            let knows = forms.iter().map(|form| session.is_csrf_token(form.as_bytes()));
            notes.lock().unwrap().knows = knows.collect();
        }
        Act::SignIn => session.sign_in(OWNER, at.into())?,
        Act::Renew => session.renew()?,
        Act::RenewEmpty => session.renew_empty()?,
        Act::Destroy => session.destroy()?,
        Act::DestroyAndFail => {
            session.destroy()?;
            session.rollback();
        }
        Act::EndAll => {
            sessions.end_all(OWNER, clock.time()).await?;
            notes.lock().unwrap().has_ended = true;
        }
        Act::EndOthers => {
            sessions.end_others(&session)?;
            notes.lock().unwrap().has_ended = true;
        }
    }
    sessions.commit(&session, clock.time()).await
}

fn show(session: &Session, notes: &Mutex<Notes>) {
    let messages = session.flashed_messages(&[]);
    let numbers = messages.iter().map(|flash| flash.message.parse().expect("a request's number"));
    notes.lock().unwrap().messages = numbers.collect();
}

fn note(sessions: &SessionManager, session: &Session, how: How, at: Timestamp, notes: &mut Notes) {
    let sum = session.get("sum").expect("it is a number").unwrap_or(0);
    let is_empty = session.is_empty();
    let state = session.lock();
    notes.is_renewed = state.phase == Phase::ReadOnly(ReadOnly::Renewed);
    let how = match state.phase {
        Phase::ReadOnly(ReadOnly::Outage) if how == How::Blind || sessions.always_asks() => How::Blind,
        Phase::ReadOnly(ReadOnly::Outage) => How::Outage,
        _ => how,
    };
    notes.loaded = Some(match &state.origin {
        Some(Origin::Record(held)) => {
            Some(Shown { key: held.id.key(), revision: held.revision, sum, is_empty, how, at })
        }
        _ => None,
    });
}
