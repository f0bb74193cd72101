//! Processes, browsers, and one store that they reach over a wire.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use waxseal_crypto::{Keyring, SecretKey};

use super::clock::Clock;
use super::promises::{Form, Promises};
use super::rules::{self, Broken};
use super::setup::{Place, Setup};
use super::visit::{Act, Notes, Process, Visit, visit};
use super::wire::{Line, Wire};
use crate::active_keys::TokenKeys;
use crate::server::flaw::Flaw;
use crate::server::token::Token;
use crate::{Access, Error, Lifetimes, Outcome, PublicId, RecordKey, Revision, SessionManager, Timestamp};

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
    pub(super) promises: HashMap<PublicId, Promises>,
    /// Coupons that somebody took out, and was told so.
    pub(super) coupons: HashSet<usize>,
    /// Ids that a process has been told are ended: it must refuse them at once.
    pub(super) refused: HashSet<(usize, RecordKey)>,
    /// Ids of sessions that somebody signed out of, and was told so.
    pub(super) signed_out: Vec<RecordKey>,
    /// How often a process got another key.
    pub(super) promotions: usize,
    rings: [Keyring; 2],
}

/// A browser with its one cookie.
#[derive(Default)]
pub(super) struct Browser {
    pub(super) token: Option<Sent>,
    /// What it wrote last, and was told is done, if nothing of it was under way at the same time.
    pub(super) wrote: Option<(PublicId, i64)>,
    /// Messages that were on its pages and taken out, as long as it was so.
    pub(super) read: Vec<usize>,
    pub(super) under_way: usize,
}

/// A token and what is in it.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) text: String,
    pub(super) key: RecordKey,
    pub(super) revision: Option<Revision>,
    pub(super) sealed: Timestamp,
    /// How many entries its copy has, if it has one.
    pub(super) entries: Option<usize>,
}

type Visiting = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

/// A request under way, or one that was.
pub(super) struct Request {
    pub(super) process: usize,
    pub(super) browser: Option<usize>,
    pub(super) token: Option<Sent>,
    pub(super) access: Access,
    pub(super) act: Act,
    pub(super) begun: u64,
    /// The same, by its process's clock.
    pub(super) at: Timestamp,
    /// What its process had been told is ended.
    pub(super) refused_before: HashSet<RecordKey>,
    /// How many additions were acknowledged by then.
    pub(super) acknowledged_before: usize,
    /// The forms that it submits.
    pub(super) forms: Vec<Form>,
    pub(super) is_serial: bool,
    /// Its process trusted copies by their time.
    pub(super) trusts_copies: bool,
    pub(super) notes: Arc<Mutex<Notes>>,
    is_judged: bool,
    future: Option<Visiting>,
}

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
            let lifetimes = Lifetimes::new().idle(Setup::IDLE).and_then(|all| all.absolute(hours(9_000)));
            let sessions = match setup.place {
                Place::Store => SessionManager::store(&rings[0], "session", "model", line),
                Place::Mirrored => SessionManager::mirrored(&rings[0], "session", "model", line),
            };
            let mut sessions = sessions
                .expect("short names")
                .when_away(setup.when_away)
                .lifetimes(lifetimes.expect("not none"))
                .window(setup.window)
                .grace(Setup::GRACE);
            sessions.break_rule(setup.entries, flaw, {
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
            promises: HashMap::new(),
            coupons: HashSet::new(),
            promotions: 0,
            refused: HashSet::new(),
            signed_out: Vec::new(),
            rings,
        }
    }

    pub(super) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }

    pub(super) fn promote(&mut self, process: usize, ring: usize) {
        self.promotions += 1;
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
                browser.read.clear();
            }
        }
        let notes = Arc::new(Mutex::new(Notes::default()));
        let text = token.as_ref().map(|token| token.text.clone());
        let serving = self.processes[process].clone();
        let trusts_copies = serving.sessions.clocks_agree();
        let promises = token.as_ref().and_then(|token| self.promises.get(&token.key.public_id()));
        let acknowledged_before = promises.map_or(0, |promises| promises.additions.len());
        let forms = promises.filter(|_| act == Act::Submit).map_or(Vec::new(), |all| all.forms.clone());
        let submitted = forms.iter().map(|form| form.token.clone()).collect();
        let coming = Visit { number: self.requests.len(), token: text, access, act, forms: submitted };
        let future = Some(Box::pin(visit(serving, coming, notes.clone())) as Visiting);
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
            forms,
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
        let broken = self.wire().truth.broken;
        broken.map_or(Ok(()), |(rule, key)| Err(Broken::new(rule, format!("{key:?}"))))
    }

    fn poll(&mut self, at: usize) -> Result<(), Broken> {
        let Some(mut future) = self.requests[at].future.take() else { return Ok(()) };
        let is_loaded = |request: &Request| request.notes.lock().unwrap().loaded.is_some();
        let is_loading = !is_loaded(&self.requests[at]);
        {
            let mut wire = self.wire();
            (wire.request, wire.is_loading) = (at, is_loading);
        }
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let is_loaded = is_loaded(&self.requests[at]);
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
        let (shown, read) = {
            let notes = request.notes.lock().unwrap();
            (notes.loaded.flatten(), notes.messages.clone())
        };
        let has_new = sent.is_some() || self.setup.place == Place::Store;
        let is_taken = request.act == Act::Page && has_new && self.wire().wrote(at).is_some();
        let browser = &mut self.browsers[at_browser];
        browser.under_way -= 1;
        if was_serial && is_taken {
            browser.read.extend(read);
        }
        if request.act == Act::Add && result.is_ok() {
            let sum = shown.map_or(1, |shown| shown.sum + 1);
            let public_id =
                sent.as_ref().map(|sent| sent.key.public_id()).or(shown.map(|shown| shown.key.public_id()));
            browser.wrote = public_id.filter(|_| was_serial).map(|public_id| (public_id, sum));
        }
        match (sent, result) {
            (Some(sent), _) => browser.token = Some(sent),
            (None, Ok(Outcome::Remove)) => browser.token = None,
            _ => {}
        }
        Ok(())
    }

    /// What has been promised of sums, messages and forms, and of ends.
    fn count(&mut self, at: usize, result: &Result<Outcome, Error>, sent: Option<&Sent>) {
        let (process, act) = (self.requests[at].process, self.requests[at].act);
        let notes = self.requests[at].notes.lock().unwrap();
        let (shown, has_ended) = (notes.loaded.flatten(), notes.has_ended);
        self.coupons.extend(notes.took.filter(|_| result.is_ok()));
        if let Some(key) = sent.map(|sent| sent.key).or(shown.map(|shown| shown.key)) {
            let promises = self.promises.entry(key.public_id()).or_default();
            let wrote = self.wire.lock().unwrap().wrote(at).is_some();
            promises.note(at, act, result, key, &notes, wrote, self.clock.true_millis());
        }
        drop(notes);
        let is_destroyed = act.destroys() && matches!(result, Ok(Outcome::Remove | Outcome::Keep));
        let is_left = result.is_ok() && matches!(act, Act::SignIn | Act::Renew | Act::RenewEmpty);
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
        let (bytes, just_made) = (text.as_bytes(), "it was just made");
        let token = match ring.tokens() {
            TokenKeys::Signed(tokens) => Token::of_id(&tokens.open_at_any_time(bytes).expect(just_made)),
            TokenKeys::Sealed(sealer) => Token::parse(sealer.open_text_at_any_time(bytes).expect(just_made))
                .expect("it is one of ours"),
        };
        let sealed = Timestamp::from_millis(token.times.sealed() * 1_000);
        let (text, key) = (text.to_owned(), token.id.key());
        let (revision, content) = token.copy.unzip();
        let entries = content.flatten().map(|content| content.entries.len());
        Sent { text, key, revision, sealed, entries }
    }

    /// When a message was taken out by a page that had shown it, but for the page of one request.
    pub(super) fn taken(&self, message: usize, but: usize) -> Option<u64> {
        let has_shown =
            |at: &usize| *at != but && self.requests[*at].notes.lock().unwrap().messages.contains(&message);
        let shown: Vec<_> = (0..self.requests.len()).filter(has_shown).collect();
        let wire = self.wire();
        shown.into_iter().filter_map(|at| wire.wrote(at)).min()
    }
}
