//! Processes, browsers, and one store that they reach over a network.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Error, Lifetimes, Mirrored, Outcome, SessionManager, State, Stored};
use waxseal_store::{PublicId, RecordKey, Timestamp};

use crate::clock::Clock;
use crate::device::{Binding, Gate, Proof, SETTLING, THIEF, seconds};
use crate::line::Line;
use crate::promises::{Form, Promises};
use crate::rules::{self, Violation};
use crate::sabotage::{Sabotage, SabotagedStore};
use crate::setup::{Place, Setup};
use crate::tokens::{Ids, Sent};
use crate::visit::{Act, Arrival, Notes, Process, visit};
use crate::wire::{Kind, Wire};

/// The whole of a case.
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) clock: Clock,
    pub(crate) wire: Arc<Mutex<Wire>>,
    pub(crate) processes: Vec<Arc<Process>>,
    pub(crate) browsers: Vec<Browser>,
    /// Every token that was ever sent, kept to be replayed.
    pub(crate) tokens: Vec<Sent>,
    pub(crate) requests: Vec<Request>,
    pub(crate) promises: HashMap<PublicId, Promises>,
    /// Coupons that a request took out, and was told so.
    pub(crate) coupons: HashSet<usize>,
    /// Ids of which a process was told that they ended: it must refuse them at once.
    pub(crate) refused: HashSet<(usize, RecordKey)>,
    /// Ids of sessions that a request signed out of, and was told so.
    pub(crate) signed_out: Vec<RecordKey>,
    /// The number of times that a process got another keyring.
    pub(crate) promotions: usize,
    /// Device cookies that a thief has.
    pub(crate) stolen: Vec<Proof>,
    /// Ids whose sessions were renewed as they were, with the ids before.
    renewed: HashMap<RecordKey, RecordKey>,
    rings: [Keyring; 2],
    ids: Ids,
}

/// A browser with its one cookie.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) token: Option<Sent>,
    /// Its last acknowledged write, if it had no other request under way.
    pub(crate) wrote: Option<(PublicId, i64)>,
    /// Messages that were on its pages and taken out since then.
    pub(crate) read: Vec<usize>,
    pub(crate) under_way: usize,
    /// Its device cookie.
    pub(crate) proof: Option<Proof>,
}

/// The tie of a session, and the true time at which the store had it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) binding: Binding,
    /// The time in it, in seconds.
    pub(crate) at: u64,
    pub(crate) done: u64,
}

/// Whoever sends a request.
#[derive(Clone, Copy)]
enum Sender {
    Browser(usize),
    /// A copy of a token comes without a device cookie, or with a stolen one.
    Copy(Option<Proof>),
    /// A request of the model's own, to whom nothing is hidden.
    Nobody,
}

type Visiting = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

/// A request under way, or one that was.
pub(crate) struct Request {
    pub(crate) process: usize,
    pub(crate) browser: Option<usize>,
    pub(crate) token: Option<Sent>,
    pub(crate) access: Access,
    pub(crate) act: Act,
    /// The true time at which it came.
    pub(crate) begun: u64,
    /// The same by its process's clock.
    pub(crate) at: Timestamp,
    /// Ids of which its process had been told that they ended.
    pub(crate) refused_before: HashSet<RecordKey>,
    /// The number of additions that were acknowledged by then.
    pub(crate) acknowledged_before: usize,
    /// The forms that it submits.
    pub(crate) forms: Vec<Form>,
    pub(crate) is_serial: bool,
    /// Its session had to pass a gate, with this proof.
    pub(crate) is_gated: bool,
    pub(crate) proof: Option<Proof>,
    /// Its process trusted copies by their time.
    pub(crate) trusts_copies: bool,
    pub(crate) notes: Arc<Mutex<Notes>>,
    is_judged: bool,
    future: Option<Visiting>,
}

impl World {
    pub(crate) fn new(setup: Setup, sabotage: Option<Sabotage>) -> Self {
        let (clock, wire) = (Clock::new(), Arc::new(Mutex::new(Wire::new())));
        let key = |byte| SecretKey::from_bytes([byte; 32]);
        let ring = |first, second| Keyring::new(key(first)).with_fallback(key(second)).expect("two keys");
        let rings = [ring(1, 2), ring(2, 1)];
        let processes = setup.ahead_millis.iter().enumerate().map(|(process, ahead)| {
            let (wire, clock, tells_time) = (wire.clone(), clock.ahead(*ahead), setup.tells_time);
            let line = Line { process, wire, clock: clock.clone(), tells_time };
            let store = SabotagedStore::new(line, sabotage);
            let hours = |hours: u64| Duration::from_secs(hours * 3_600);
            let lifetimes = Lifetimes::new().idle(Setup::IDLE).and_then(|all| all.absolute(hours(9_000)));
            let state = state(&setup, store.clone());
            let sessions =
                SessionManager::new(&rings[0], Ids::COOKIE, Ids::AUDIENCE, state).expect("short names");
            let sessions = sessions.lifetimes(lifetimes.expect("not none"));
            let sessions = match setup.bound {
                true => sessions.with_device_tokens(&rings[0]).expect("short names"),
                false => sessions,
            };
            Arc::new(Process { sessions, clock, store })
        });
        Self {
            processes: processes.collect(),
            ids: Ids::new(setup.place, &rings[0]),
            setup,
            clock,
            wire,
            browsers: (0..Setup::BROWSERS).map(|_| Browser::default()).collect(),
            tokens: Vec::new(),
            requests: Vec::new(),
            promises: HashMap::new(),
            coupons: HashSet::new(),
            promotions: 0,
            stolen: Vec::new(),
            renewed: HashMap::new(),
            refused: HashSet::new(),
            signed_out: Vec::new(),
            rings,
        }
    }

    pub(crate) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }

    pub(crate) fn promote(&mut self, process: usize, ring: usize) {
        self.promotions += 1;
        self.processes[process].sessions.set_keyring(&self.rings[ring]);
    }

    /// A request of a browser, with its cookie.
    pub(crate) fn browse(
        &mut self,
        browser: usize,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Violation> {
        let token = self.browsers[browser].token.clone();
        self.send(Sender::Browser(browser), token, process, access, act)
    }

    /// A request with a copy of a token, which brings no proof of a device.
    pub(crate) fn begin(
        &mut self,
        token: Sent,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Violation> {
        self.act_as_thief(token, None, process, access, act)
    }

    /// A request with a copy of a token and a device cookie that a thief has.
    pub(crate) fn act_as_thief(
        &mut self,
        token: Sent,
        proof: Option<Proof>,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Violation> {
        self.send(Sender::Copy(proof), Some(token), process, access, act)
    }

    /// A request that asks what there is, whatever device it belongs to.
    pub(crate) fn ask(
        &mut self,
        token: Sent,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Violation> {
        self.send(Sender::Nobody, Some(token), process, access, act)
    }

    /// A browser proves its device anew.
    pub(crate) fn refresh(&mut self, browser: usize) {
        let now = seconds(self.clock.now());
        if let Some(proof) = &mut self.browsers[browser].proof {
            proof.minted = now;
        }
    }

    /// A thief copies a browser's device cookie.
    pub(crate) fn steal(&mut self, browser: usize) {
        self.stolen.extend(self.browsers[browser].proof);
    }

    /// Whether a request without a proof of its device has ended the session, or may have.
    pub(crate) fn may_be_ended_unproven(&self, public_id: PublicId) -> bool {
        self.requests.iter().any(|request| {
            let key = request.notes.try_lock().ok().and_then(|notes| request.ends_unproven(&notes));
            key.is_some_and(|key| key.public_id() == public_id)
        })
    }

    /// The tie of the session under `key`, once the store had it.
    pub(crate) fn bound(&self, key: &RecordKey) -> Option<Bound> {
        let mut key = *key;
        let wire = self.wire();
        loop {
            let all = self.requests.iter().enumerate().rev();
            let bound = all.filter(|(_, request)| request.act == Act::Register).find_map(|(at, request)| {
                let notes = request.notes.try_lock().ok()?;
                let is_its = notes.loaded.flatten().is_some_and(|shown| shown.key == key);
                let (binding, told) = notes.bound.filter(|_| is_its)?;
                Some(Bound { binding, at: told, done: wire.wrote(at)? })
            });
            match (bound, self.renewed.get(&key)) {
                (Some(bound), _) => return Some(bound),
                (None, Some(before)) => key = *before,
                (None, None) => return None,
            }
        }
    }

    fn send(
        &mut self,
        sender: Sender,
        token: Option<Sent>,
        process: usize,
        access: Access,
        act: Act,
    ) -> Result<usize, Violation> {
        let (browser, proof, device) = match sender {
            Sender::Browser(browser) => {
                (Some(browser), self.browsers[browser].proof, u8::try_from(browser).expect("few browsers"))
            }
            Sender::Copy(proof) => (None, proof, THIEF),
            Sender::Nobody => (None, None, THIEF),
        };
        let is_gated = self.setup.bound && !matches!(sender, Sender::Nobody);
        // Registrations are posted.
        let access = if act == Act::Register { Access::Change } else { access };
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
        let serving = self.processes[process].clone();
        let trusts_copies = serving.sessions.clocks_agree();
        let promises = token.as_ref().and_then(|token| self.promises.get(&token.key.public_id()));
        let acknowledged_before = promises.map_or(0, |promises| promises.additions.len());
        let forms = promises.filter(|_| act == Act::Submit).map_or(Vec::new(), |all| all.forms.clone());
        let submitted = forms.iter().map(|form| form.token.clone()).collect();
        let (begun, local) = (self.clock.true_millis(), self.processes[process].clock.now());
        let is_broken = serving.store.sabotage == Some(Sabotage::SettlesTooLong);
        let settling = if is_broken { 2 * SETTLING } else { SETTLING };
        let gate = is_gated.then(|| Gate { proof, now: seconds(local), settling });
        let coming = Arrival {
            number: self.requests.len(),
            token: token.clone(),
            access,
            act,
            forms: submitted,
            gate,
            device,
        };
        let future = Some(Box::pin(visit(serving, coming, notes.clone())) as Visiting);
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
            is_gated,
            proof,
            trusts_copies,
            notes,
            is_judged: false,
            future,
        });
        let at = self.requests.len() - 1;
        self.poll(at)?;
        Ok(at)
    }

    /// Polls every request that may go on.
    pub(crate) fn poll_all(&mut self) -> Result<(), Violation> {
        // A request that shares another's read is woken by that one: twice around is enough.
        for _ in 0..2 {
            for at in 0..self.requests.len() {
                self.poll(at)?;
            }
        }
        let broken = self.wire().truth.broken;
        broken.map_or(Ok(()), |(rule, key)| Err(Violation::new(rule, format!("{key:?}"))))
    }

    fn poll(&mut self, at: usize) -> Result<(), Violation> {
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
            self.note_revision(at);
            rules::judge_load(self, at)?;
        }
        match polled {
            Poll::Pending => self.requests[at].future = Some(future),
            Poll::Ready(result) => self.finish(at, result)?,
        }
        Ok(())
    }

    /// Notes the revision that a request was shown, where it loaded the record.
    fn note_revision(&self, at: usize) {
        let wire = self.wire();
        let loads = wire.calls.iter().filter(|call| call.request == at && call.kind == Kind::Load);
        let told = loads.filter(|call| call.was_answered()).filter_map(|call| call.told);
        let loaded = told.filter_map(|told| told.revision).next_back();
        if let Some(Some(shown)) = &mut self.requests[at].notes.lock().unwrap().loaded {
            shown.revision = loaded.or(shown.revision);
        }
    }

    /// Its client hung up. A commit that began goes on, as it does behind HTTP.
    pub(crate) fn hang_up(&mut self, at: usize) {
        let request = &mut self.requests[at];
        if !request.is_judged && request.future.take().is_some() {
            if let Some(browser) = request.browser {
                self.browsers[browser].under_way -= 1;
            }
        } else if let Some(browser) = request.browser.take().filter(|_| request.future.is_some()) {
            self.browsers[browser].under_way -= 1;
        }
    }

    pub(crate) fn is_under_way(&self, at: usize) -> bool {
        self.requests[at].future.is_some()
    }

    fn finish(&mut self, at: usize, result: Result<Outcome, Error>) -> Result<(), Violation> {
        let sent = match &result {
            Ok(Outcome::Set { token, .. }) => Some(Sent::read(token, &self.processes[0].sessions, &self.ids)),
            _ => None,
        };
        rules::judge_answer(self, at, &result, sent.as_ref())?;
        self.count(at, &result, sent.as_ref());
        if result.is_ok() {
            self.note_device(at, sent.as_ref());
        }
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

    /// Gives whoever registered a device cookie, and follows a session that was renewed.
    fn note_device(&mut self, at: usize, sent: Option<&Sent>) {
        let request = &self.requests[at];
        let (act, browser) = (request.act, request.browser);
        let (shown, bound) = {
            let notes = request.notes.lock().unwrap();
            (notes.loaded.flatten(), notes.bound)
        };
        if let (Act::Renew | Act::EndOthers, Some(shown), Some(sent)) = (act, shown, sent)
            && shown.key != sent.key
        {
            self.renewed.insert(sent.key, shown.key);
        }
        if let Some((binding, _)) = bound {
            let proof = Proof { binding, minted: seconds(self.clock.now()) };
            match browser {
                Some(browser) => self.browsers[browser].proof = Some(proof),
                None => self.stolen.push(proof),
            }
        }
    }

    /// Notes what was promised of sums, messages, forms and ends.
    fn count(&mut self, at: usize, result: &Result<Outcome, Error>, sent: Option<&Sent>) {
        let (process, act) = (self.requests[at].process, self.requests[at].act);
        let notes = self.requests[at].notes.lock().unwrap();
        let (shown, has_ended) = (notes.loaded.flatten(), notes.has_ended);
        let destroys = act.destroys() || notes.has_met_another;
        let unproven = self.requests[at].ends_unproven(&notes);
        self.coupons.extend(notes.took.filter(|_| result.is_ok()));
        if let Some(key) = sent.map(|sent| sent.key).or(shown.map(|shown| shown.key)) {
            let promises = self.promises.entry(key.public_id()).or_default();
            let wrote = self.wire.lock().unwrap().wrote(at).is_some();
            promises.note(at, act, result, key, &notes, wrote, self.clock.true_millis());
        }
        drop(notes);
        let is_destroyed = destroys && matches!(result, Ok(Outcome::Remove | Outcome::Keep));
        let is_left = result.is_ok() && matches!(act, Act::SignIn | Act::Renew | Act::RenewEmpty);
        if is_destroyed || is_left || has_ended {
            let wire = self.wire.lock().unwrap();
            let mine = |call: &usize| wire.calls[*call].request == at;
            let ended = (0..wire.calls.len()).filter(mine).flat_map(|call| wire.truth.ended_by(call));
            self.refused.extend(ended.map(|key| (process, key)));
        }
        if let Some(key) = unproven.filter(|_| result.is_ok()) {
            self.refused.insert((process, key));
            self.signed_out.push(key);
        }
        if let Some(shown) = shown.filter(|_| is_destroyed) {
            self.refused.insert((process, shown.key));
            self.signed_out.push(shown.key);
        }
    }

    /// The true time at which a message was taken out by a page that had shown it, the page of `but` excepted.
    pub(crate) fn taken(&self, message: usize, but: usize) -> Option<u64> {
        let has_shown =
            |at: &usize| *at != but && self.requests[*at].notes.lock().unwrap().messages.contains(&message);
        let shown: Vec<_> = (0..self.requests.len()).filter(has_shown).collect();
        let wire = self.wire();
        shown.into_iter().filter_map(|at| wire.wrote(at)).min()
    }
}

impl Request {
    /// The id whose session this request ends without being shown it: who proves no device can do that, or sign in in its
    /// place.
    fn ends_unproven(&self, notes: &Notes) -> Option<RecordKey> {
        let ends = self.act.destroys() || notes.has_met_another || self.act == Act::SignIn;
        self.token.as_ref().filter(|_| notes.is_unproven && ends).map(|token| token.key)
    }
}

/// The state of a process's sessions over `store`.
fn state(setup: &Setup, store: SabotagedStore) -> State {
    match setup.place {
        Place::Store => {
            let state = Stored::new(store).strict(setup.strict).when_away(setup.when_away);
            match setup.retry_queue {
                Some(ends) => state.retry_queue(ends).into(),
                None => state.into(),
            }
        }
        Place::Mirrored => {
            let mut state =
                Mirrored::new(store).strict(setup.strict).freshness(setup.freshness).grace(Setup::GRACE);
            if let Some(entries) = setup.near_cache {
                state = state.near_cache(entries);
            }
            if let Some(ends) = setup.retry_queue {
                state = state.retry_queue(ends);
            }
            state.into()
        }
    }
}
