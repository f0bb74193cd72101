//! A request, as a handler behind HTTP makes it.

use std::sync::{Arc, Mutex};

use waxseal_manager::{Access, Error, Opened, Outcome, SessionManager, Visit};
use waxseal_session::Session;
use waxseal_store::{RecordKey, Revision, Timestamp};

use crate::clock::Clock;
use crate::device::{Binding, Gate, Tie, offer, seconds};
use crate::sabotage::{Sabotage, SabotagedStore, Times};
use crate::tokens::Sent;

/// The work of a handler with its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Reads alone.
    Look,
    Add,
    /// Adds, shows the messages, and then answers 500.
    AddAndFail,
    /// Makes the session too large for a cookie, or small again.
    Fill(bool),
    Permanent(bool),
    /// Puts a coupon there, of which there is no second.
    Issue,
    /// Takes the coupon out.
    Take,
    /// Leaves a message.
    Flash,
    /// Shows all messages.
    Page,
    /// Shows all messages and a form, in answer to HEAD.
    UnseenPage,
    /// Shows a form with a token in it.
    Form,
    /// Receives forms, each with the token of an earlier page.
    Submit,
    /// Confirms the session, as before something that cannot be undone.
    Confirm,
    SignIn,
    /// Registers the key of whoever sends it, for the offer that the session's sign-in made.
    Register,
    Renew,
    RenewEmpty,
    Destroy,
    /// Destroys, and then answers 500.
    DestroyAndFail,
    /// Ends its own session by its public id.
    End,
    EndAll,
    EndOthers,
}

/// The owner of all sessions that are signed in.
pub(crate) const OWNER: &str = "albus";

/// A process that serves visitors.
pub(crate) struct Process {
    pub(crate) sessions: SessionManager,
    pub(crate) clock: Clock,
    pub(crate) store: SabotagedStore,
}

/// A request as it comes.
pub(crate) struct Arrival {
    /// Its number, of which there is no second.
    pub(crate) number: usize,
    pub(crate) token: Option<Sent>,
    pub(crate) access: Access,
    pub(crate) act: Act,
    /// Tokens of forms, to be submitted.
    pub(crate) forms: Vec<String>,
    /// The gate that its session has to pass, if sessions are bound to devices.
    pub(crate) gate: Option<Gate>,
    /// The device key of whoever sends it.
    pub(crate) device: u8,
}

/// The events of a request so far.
#[derive(Default)]
pub(crate) struct Notes {
    /// The session was there, or it was not; before that, `None`.
    pub(crate) loaded: Option<Option<Shown>>,
    /// The store acknowledged an end that the handler asked for.
    pub(crate) has_ended: bool,
    /// The handler asked whether the session is still so, and it is.
    pub(crate) is_confirmed: bool,
    /// The coupon that was taken out.
    pub(crate) took: Option<usize>,
    /// The messages that were shown, by the requests that left them.
    pub(crate) messages: Vec<usize>,
    /// A form's token, and whether the session had a seed for it before.
    pub(crate) form: Option<(String, bool)>,
    /// The session was not shown because its device was not proven.
    pub(crate) is_unproven: bool,
    /// Another key had taken up the offer, so that the session was destroyed.
    pub(crate) has_met_another: bool,
    /// The tie that was written, and the time in it.
    pub(crate) bound: Option<(Binding, u64)>,
    /// The id that came was over when the handler was done.
    pub(crate) was_over: bool,
    /// For each form that was submitted, whether the session knows it.
    pub(crate) knows: Vec<bool>,
}

/// The session as a visitor was shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) key: RecordKey,
    /// The copy's revision, or the record's if that was loaded.
    pub(crate) revision: Option<Revision>,
    pub(crate) sum: i64,
    pub(crate) is_empty: bool,
    pub(crate) how: How,
    /// The process's time at which that was decided.
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// From the copy, without asking.
    Copy,
    /// By the store's answer.
    Asked,
    /// From the copy, because the store is away.
    Outage,
    /// Empty, because the store is away: to be ended, or as for an anonymous visitor.
    Blind,
}

impl Act {
    pub(crate) fn destroys(self) -> bool {
        matches!(self, Self::Destroy | Self::DestroyAndFail)
    }

    /// Whether it changes nothing but what a page notes of itself.
    pub(crate) fn only_shows(self) -> bool {
        matches!(
            self,
            Self::Look
                | Self::Page
                | Self::UnseenPage
                | Self::Form
                | Self::Submit
                | Self::Confirm
                | Self::End
        )
    }
}

pub(crate) async fn visit(
    process: Arc<Process>,
    visit: Arrival,
    notes: Arc<Mutex<Notes>>,
) -> Result<Outcome, Error> {
    let Process { sessions, clock, .. } = &*process;
    let Arrival { number, token, access, act, forms, gate, device } = visit;
    let at = clock.now();
    let (session, how) = open(&process, token.as_ref(), gate.as_ref(), access, act, at).await?;
    // From here on the same poll may ask for something else than the session.
    process.store.line.wire().is_loading = false;
    note(&session, token.as_ref(), how, at, &mut notes.lock().unwrap());
    match act {
        Act::Look => _ = session.len(),
        Act::Add => session.add("sum", 1)?,
        Act::AddAndFail => {
            show(&session, &notes);
            session.add("sum", 1)?;
            session.rollback();
        }
        Act::Fill(full) => session.insert("fill", "x".repeat(if full { 5_000 } else { 1 }))?,
        Act::Permanent(permanent) => session.set_permanent(permanent)?,
        Act::Issue => session.insert("coupon", number)?,
        Act::Take => notes.lock().unwrap().took = session.take("coupon")?,
        Act::Flash => session.flash("", number.to_string())?,
        Act::Page => show(&session, &notes),
        Act::UnseenPage => {
            show(&session, &notes);
            let _ = session.csrf_token()?;
            session.page_unseen();
        }
        Act::Form => {
            let had_seed = session.look().has_csrf_seed;
            notes.lock().unwrap().form = Some((session.csrf_token()?, had_seed));
        }
        Act::Submit => {
            let knows = forms.iter().map(|form| session.is_csrf_token(form.as_bytes()));
            notes.lock().unwrap().knows = knows.collect();
        }
        Act::Confirm => {
            sessions.revalidate(&session, clock.time()).await?;
            notes.lock().unwrap().is_confirmed = true;
        }
        Act::SignIn => {
            session.sign_in(OWNER, at.into())?;
            if gate.is_some() {
                let _ = session.offer_device(&Tie::Offered(offer(number)).to_bytes())?;
            }
        }
        Act::Register => register(&session, device, seconds(at), &notes)?,
        Act::Renew => session.renew()?,
        Act::RenewEmpty => session.renew_empty()?,
        Act::Destroy => session.destroy()?,
        Act::DestroyAndFail => {
            session.destroy()?;
            session.rollback();
        }
        Act::End => {
            if let Some(public_id) = session.public_id() {
                let has_ended = sessions.end(OWNER, public_id, clock.time()).await?;
                notes.lock().unwrap().has_ended = has_ended;
            }
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
    let was_over = token.is_some_and(|token| process.store.line.wire().truth.ended(&token.key).is_some());
    notes.lock().unwrap().was_over = was_over;
    sessions.commit(&session, clock.time()).await
}

/// Binds the session to the key, if that was offered. Another key for the same offer ends it: somebody holds a copy.
fn register(session: &Session, key: u8, now: u64, notes: &Mutex<Notes>) -> Result<(), Error> {
    match session.content().device_state().map(Tie::parse) {
        Some(Tie::Offered(offer)) => {
            let binding = Binding { offer, key };
            session.bind_device(&Tie::Bound { at: now, binding }.to_bytes())?;
            notes.lock().unwrap().bound = Some((binding, now));
        }
        Some(Tie::Bound { binding, .. }) if binding.key != key => {
            session.destroy()?;
            notes.lock().unwrap().has_met_another = true;
        }
        _ => {}
    }
    Ok(())
}

/// Opens the session that a request came with, or a new one.
async fn open(
    process: &Process,
    token: Option<&Sent>,
    gate: Option<&Gate>,
    access: Access,
    act: Act,
    at: Timestamp,
) -> Result<(Visit, How), Error> {
    let (sessions, times) = (&process.sessions, Times { process, token, at });
    let open = |at| open_by(sessions, gate, token, access, at);
    let pending = match open(times.to_open()) {
        Opened::Ready(session) => return Ok((session, How::Copy)),
        // The store's answer is let through without a question.
        Opened::Pending(_) if process.store.sabotage == Some(Sabotage::AsksNoGateAfterTheStore) => {
            match open_by(sessions, None, token, access, times.to_open()) {
                Opened::Pending(pending) => pending,
                Opened::Ready(session) => return Ok((session, How::Copy)),
            }
        }
        Opened::Pending(pending) => pending,
    };
    match pending.load(times.to_load().await.into()).await {
        Ok(session) if session.is_confirmed() => Ok((session, How::Asked)),
        Ok(session) if sessions.always_waits() => Ok((session, How::Blind)),
        Ok(session) => Ok((session, How::Outage)),
        // Signing out works all the same, as behind HTTP.
        Err(Error::Unavailable(_)) if act.destroys() => Ok(match open(at) {
            Opened::Ready(session) => (session, How::Copy),
            Opened::Pending(pending) => (pending.to_end(), How::Blind),
        }),
        Err(error) => Err(error),
    }
}

fn open_by<'a>(
    sessions: &'a SessionManager,
    gate: Option<&'a Gate>,
    token: Option<&Sent>,
    access: Access,
    at: Timestamp,
) -> Opened<'a> {
    let snapshot = match gate {
        Some(gate) => sessions.snapshot().gated(gate),
        None => sessions.snapshot(),
    };
    let opened = token.and_then(|token| snapshot.open(token.text.as_bytes(), access, at.into()).ok());
    opened.unwrap_or_else(|| Opened::Ready(sessions.create()))
}

fn show(session: &Session, notes: &Mutex<Notes>) {
    let messages = session.flashed_messages(&[]);
    let numbers = messages.iter().map(|flash| flash.message.parse().expect("a request's number"));
    notes.lock().unwrap().messages = numbers.collect();
}

fn note(session: &Visit, token: Option<&Sent>, how: How, at: Timestamp, notes: &mut Notes) {
    let sum = session.get("sum").expect("it is a number").unwrap_or(0);
    let is_empty = session.is_empty();
    notes.is_unproven = session.is_unproven();
    notes.loaded = Some(session.public_id().map(|public_id| {
        let token = token.expect("a session is shown to whoever brings a token");
        assert_eq!(public_id, token.key.public_id(), "a token opens its own session");
        Shown { key: token.key, revision: token.revision, sum, is_empty, how, at }
    }));
}
