//! Processes, browsers, and one store that they reach over a wire.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use waxseal_crypto::{Keyring, SecretKey};

use super::clock::Clock;
use super::rules::{self, Broken};
use super::setup::Setup;
use super::visit::{Act, Notes, Process, visit};
use super::wire::{Kind, Line, Wire};
use crate::server::freshness::Flaw;
use crate::server::token::Token;
use crate::{Access, Error, Handle, Lifetimes, Moment, Outcome, RecordKey, Revision, Sessions};

/// All of a case.
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) clock: Clock,
    pub(super) wire: Arc<Mutex<Wire>>,
    pub(super) processes: Vec<Arc<Process>>,
    pub(super) browsers: Vec<Browser>,
    /// Every token that was ever sent: somebody has kept them all.
    pub(super) tokens: Vec<Sent>,
    pub(super) requests: Vec<Request>,
    pub(super) sums: HashMap<Handle, Sum>,
    /// Ids that a process has been told are ended: it must refuse them at once.
    pub(super) refused: HashSet<(usize, RecordKey)>,
    /// Ids of sessions that somebody signed out of, and was told so.
    pub(super) signed_out: Vec<RecordKey>,
    rings: [Keyring; 2],
}

/// A browser with its one cookie.
#[derive(Default)]
pub(super) struct Browser {
    pub(super) token: Option<Sent>,
    /// What it wrote last, and was told is done, if nothing of it was under way at the same time.
    pub(super) wrote: Option<(Handle, i64)>,
    pub(super) under_way: usize,
}

/// A token and what is in it.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) text: String,
    pub(super) key: RecordKey,
    pub(super) revision: Revision,
    pub(super) sealed: Moment,
}

/// What additions must sum to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) acknowledged: i64,
    /// Those of which nobody can tell.
    pub(super) unknown: i64,
}

/// A request under way, or one that was.
pub(super) struct Request {
    pub(super) process: usize,
    pub(super) browser: Option<usize>,
    pub(super) token: Option<Sent>,
    pub(super) access: Access,
    pub(super) act: Act,
    pub(super) begun: u64,
    /// The same, by its process's clock.
    pub(super) at: Moment,
    /// What its process had been told is ended.
    pub(super) refused_before: HashSet<RecordKey>,
    pub(super) acknowledged_before: i64,
    pub(super) is_serial: bool,
    /// Its process trusted copies by their time.
    pub(super) trusts_copies: bool,
    pub(super) notes: Arc<Mutex<Notes>>,
    is_judged: bool,
    future: Option<Commit>,
}

/// A commit under way.
type Commit = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

impl World {
    pub(super) fn new(setup: Setup, flaw: Option<Flaw>) -> Self {
        let (clock, wire) = (Clock::new(), Arc::new(Mutex::new(Wire::new())));
        let key = |byte| SecretKey::from_bytes([byte; 32]);
        let ring = |first, second| Keyring::new(key(first)).with_fallback(key(second)).expect("two keys");
        let rings = [ring(1, 2), ring(2, 1)];
        let processes = setup.ahead_millis.iter().enumerate().map(|(process, ahead)| {
            let (wire, clock, tells_time) = (wire.clone(), clock.ahead(*ahead), setup.tells_time);
            let line = Line { process, wire, clock: clock.clone(), tells_time };
            let hours = |hours: u64| Duration::from_secs(hours * 3_600);
            let lifetimes = Lifetimes::new().idle(hours(24)).and_then(|all| all.absolute(hours(9_000)));
            let mut sessions = Sessions::mirrored(&rings[0], "session", "model", line)
                .expect("short names")
                .lifetimes(lifetimes.expect("not none"))
                .window(setup.window)
                .grace(Setup::GRACE)
                .renew_every(setup.renew_every);
            sessions.break_rule(flaw, {
                let clock = clock.clone();
                move || clock.now()
            });
            Arc::new(Process { sessions, clock })
        });
        Self {
            processes: processes.collect(),
            setup,
            clock,
            wire,
            browsers: (0..Setup::BROWSERS).map(|_| Browser::default()).collect(),
            tokens: Vec::new(),
            requests: Vec::new(),
            sums: HashMap::new(),
            refused: HashSet::new(),
            signed_out: Vec::new(),
            rings,
        }
    }

    pub(super) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }

    pub(super) fn promote(&mut self, process: usize, ring: usize) {
        self.processes[process].sessions.set_keyring(&self.rings[ring]);
    }

    /// A request of a browser, with its cookie.
    pub(super) fn browse(
        &mut self,
        browser: usize,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Broken> {
        let token = self.browsers[browser].token.clone();
        self.begin(Some(browser), token, process, access, act)
    }

    /// A request with whatever token.
    pub(super) fn begin(
        &mut self,
        browser: Option<usize>,
        token: Option<Sent>,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Broken> {
        let mut is_serial = false;
        if let Some(browser) = browser.map(|browser| &mut self.browsers[browser]) {
            browser.under_way += 1;
            is_serial = browser.under_way == 1;
            if !is_serial {
                browser.wrote = None;
            }
        }
        let notes = Arc::new(Mutex::new(Notes::default()));
        let text = token.as_ref().map(|token| token.text.clone());
        let serving = self.processes[process].clone();
        let trusts_copies = serving.sessions.clocks_agree();
        let sum = token.as_ref().and_then(|token| self.sums.get(&token.key.handle()));
        let acknowledged_before = sum.map_or(0, |sum| sum.acknowledged);
        let future = Some(Box::pin(visit(serving, text, access, act, notes.clone())) as Pin<Box<_>>);
        let (begun, local) = (self.clock.true_millis(), self.processes[process].clock.now());
        let refused = self.refused.iter().filter(|(at, _)| *at == process);
        let refused_before = refused.map(|(_, key)| *key).collect();
        self.requests.push(Request {
            process,
            browser,
            token,
            access,
            act,
            begun,
            at: local,
            refused_before,
            acknowledged_before,
            is_serial,
            trusts_copies,
            notes,
            is_judged: false,
            future,
        });
        let at = self.requests.len() - 1;
        self.poll(at)?;
        Ok(at)
    }

    /// Polls whoever may have something to do, until nobody has.
    pub(super) fn poll_all(&mut self) -> Result<(), Broken> {
        // Whoever shares a read with another is woken by that one: twice around is enough.
        for _ in 0..2 {
            for at in 0..self.requests.len() {
                self.poll(at)?;
            }
        }
        let revived = self.wire().truth.revived.first().copied();
        revived.map_or(Ok(()), |key| Err(Broken::new("nothing is ever made again", format!("{key:?}"))))
    }

    fn poll(&mut self, at: usize) -> Result<(), Broken> {
        let Some(mut future) = self.requests[at].future.take() else { return Ok(()) };
        self.wire().request = at;
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let is_loaded = self.requests[at].notes.lock().unwrap().loaded.is_some();
        if is_loaded && !self.requests[at].is_judged {
            self.requests[at].is_judged = true;
            rules::judge_load(self, at)?;
        }
        match polled {
            Poll::Pending => self.requests[at].future = Some(future),
            Poll::Ready(result) => self.finish(at, result)?,
        }
        Ok(())
    }

    /// Its client hung up. What is being committed goes on, as it does behind HTTP.
    pub(super) fn hang_up(&mut self, at: usize) {
        let request = &mut self.requests[at];
        if !request.is_judged && request.future.take().is_some() {
            if let Some(browser) = request.browser {
                self.browsers[browser].under_way -= 1;
            }
        } else if let Some(browser) = request.browser.take().filter(|_| request.future.is_some()) {
            self.browsers[browser].under_way -= 1;
        }
    }

    pub(super) fn is_under_way(&self, at: usize) -> bool {
        self.requests[at].future.is_some()
    }

    fn finish(&mut self, at: usize, result: Result<Outcome, Error>) -> Result<(), Broken> {
        let sent = match &result {
            Ok(Outcome::Set { token, .. }) => Some(self.read(token)),
            _ => None,
        };
        rules::judge_answer(self, at, &result, sent.as_ref())?;
        self.count(at, &result, sent.as_ref());
        let request = &self.requests[at];
        self.tokens.extend(sent.clone());
        let Some(at_browser) = request.browser else { return Ok(()) };
        let was_serial = request.is_serial && self.browsers[at_browser].under_way == 1;
        let shown = request.notes.lock().unwrap().loaded.flatten();
        let browser = &mut self.browsers[at_browser];
        browser.under_way -= 1;
        if request.act == Act::Add && result.is_ok() {
            let sum = shown.map_or(1, |shown| shown.sum + 1);
            let handle =
                sent.as_ref().map(|sent| sent.key.handle()).or(shown.map(|shown| shown.key.handle()));
            browser.wrote = handle.filter(|_| was_serial).map(|handle| (handle, sum));
        }
        match (sent, result) {
            (Some(sent), _) => browser.token = Some(sent),
            (None, Ok(Outcome::Remove)) => browser.token = None,
            _ => {}
        }
        Ok(())
    }

    /// What the store has been told of sums and ends.
    fn count(&mut self, at: usize, result: &Result<Outcome, Error>, sent: Option<&Sent>) {
        let Request { process, act, .. } = self.requests[at];
        let notes = self.requests[at].notes.lock().unwrap();
        let shown = notes.loaded.flatten();
        let has_ended = notes.has_ended;
        drop(notes);
        let handle = sent.map(|sent| sent.key.handle()).or(shown.map(|shown| shown.key.handle()));
        if let Some(handle) = handle.filter(|_| act == Act::Add) {
            let sum = self.sums.entry(handle).or_default();
            match result {
                Ok(_) => sum.acknowledged += 1,
                Err(Error::Unavailable(_)) => sum.unknown += 1,
                // Nothing was saved.
                Err(_) => {}
            }
        }
        let is_destroyed = act == Act::Destroy && matches!(result, Ok(Outcome::Remove | Outcome::Keep));
        let is_left = result.is_ok() && matches!(act, Act::SignIn | Act::Renew);
        if is_destroyed || is_left || has_ended {
            let wire = self.wire.lock().unwrap();
            let mine = |call: &usize| wire.calls[*call].request == at;
            let ended = (0..wire.calls.len()).filter(mine).flat_map(|call| wire.truth.ended_by(call));
            self.refused.extend(ended.map(|key| (process, key)));
        }
        if let Some(shown) = shown.filter(|_| is_destroyed) {
            self.refused.insert((process, shown.key));
            self.signed_out.push(shown.key);
        }
    }

    fn read(&self, text: &str) -> Sent {
        let ring = self.processes[0].sessions.ring();
        let opened = ring.sealer().open_text_at_any_time(text.as_bytes()).expect("it was just sealed");
        let sealed = Moment::from_millis(opened.times().sealed() * 1_000);
        let token = Token::parse(opened, true).expect("it is one of ours");
        let (revision, _) = token.copy.as_ref().expect("state mirrored");
        Sent { text: text.to_owned(), key: token.id.key(), revision: *revision, sealed }
    }

    /// One call goes all its way.
    pub(super) fn deliver(&mut self, call: usize) {
        let mut wire = self.wire.lock().unwrap();
        if wire.calls[call].told.is_none() {
            wire.perform(call, &self.clock);
        }
        wire.answer(call, &self.clock);
    }

    /// Time passes. A caller gives up after some seconds, as clients of stores do.
    pub(super) fn pass(&mut self, millis: u64) -> Result<(), Broken> {
        loop {
            let overdue = self.wire().overdue(self.clock.true_millis() + millis);
            if overdue.is_empty() {
                self.clock.pass(millis);
                return Ok(());
            }
            overdue.into_iter().for_each(|call| self.wire().lose(call, &self.clock));
            self.poll_all()?;
        }
    }

    /// Everything under way comes to its end.
    pub(super) fn settle(&mut self) -> Result<(), Broken> {
        self.wire().is_away = false;
        loop {
            let open = self.wire().open();
            if open.is_empty() && !(0..self.requests.len()).any(|at| self.is_under_way(at)) {
                break;
            }
            for call in open {
                self.deliver(call);
            }
            self.poll_all()?;
        }
        let late = self.wire().late();
        late.into_iter().for_each(|call| self.wire().perform(call, &self.clock));
        self.poll_all()
    }

    /// The last word on everything that was promised.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.settle()?;
        for process in 0..self.processes.len() {
            self.keep_up(process);
        }
        rules::judge_ends(self)?;
        for (handle, sum) in self.sums.clone() {
            let Some(key) = self.wire().truth.lives_at(handle) else { continue };
            let Some(token) = self.tokens.iter().rev().find(|sent| sent.key == key).cloned() else {
                continue;
            };
            let at = self.begin(None, Some(token), 0, Access::Change, Act::Look)?;
            self.settle()?;
            rules::judge_sum(self, at, sum)?;
        }
        // What was ended stays away, whoever asks with whatever token.
        self.clock.pass(self.setup.window.as_secs() * 1_000 + self.setup.apart_millis());
        for token in self.tokens.clone() {
            for process in 0..self.processes.len() {
                self.begin(None, Some(token.clone()), process, Access::Read, Act::Look)?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// What a request asks arrives, and is not answered yet.
    pub(super) fn arrive(&mut self, at: usize) {
        let mut wire = self.wire();
        let mine: Vec<_> = wire.open().into_iter().filter(|call| wire.calls[*call].request == at).collect();
        mine.into_iter().for_each(|call| wire.perform(call, &self.clock));
    }

    /// A request goes all its way, with whatever it waits for.
    pub(super) fn go(&mut self, at: usize) -> Result<(), Broken> {
        while self.is_under_way(at) {
            let (wire, shared) = (self.wire(), self.shared(at));
            let (mine, others): (Vec<_>, Vec<_>) = wire
                .open()
                .into_iter()
                .filter(|call| shared(&wire.calls[*call]))
                .partition(|call| wire.calls[*call].request == at);
            drop(wire);
            // Another's only if it waits for that.
            let open = if mine.is_empty() { others } else { mine };
            if open.is_empty() {
                break;
            }
            open.into_iter().for_each(|call| self.deliver(call));
            self.poll_all()?;
        }
        Ok(())
    }

    /// A round of upkeep.
    pub(super) fn keep_up(&mut self, process: usize) {
        let serving = self.processes[process].clone();
        let mut round = Box::pin(serving.sessions.upkeep(|| serving.clock.time()));
        loop {
            self.wire().request = usize::MAX;
            if round.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return;
            }
            let wire = self.wire();
            let open: Vec<_> =
                wire.open().into_iter().filter(|call| wire.calls[*call].request == usize::MAX).collect();
            drop(wire);
            open.into_iter().for_each(|call| self.deliver(call));
        }
    }

    /// Calls that `request` made, or may have shared with another request of its process.
    pub(super) fn shared(&self, at: usize) -> impl Fn(&super::wire::Call) -> bool + use<> {
        let request = &self.requests[at];
        let (process, begun) = (request.process, request.begun);
        let key = request.token.as_ref().map(|token| token.key);
        move |call| {
            call.request == at
                || (call.process == process
                    && call.kind == Kind::Confirm
                    && call.key == key
                    && call.heard.is_none_or(|(heard, _)| heard >= begun))
        }
    }
}
