//! How a case moves on: calls arrive, answers come, time passes, until all is done.

use std::task::{Context, Poll, Waker};

use super::rules::{self, Broken};
use super::setup::Setup;
use super::visit::Act;
use super::wire::{Call, Kind};
use super::world::World;
use crate::Access;

impl World {
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
        if self.clock.passed_millis() + millis > rules::millis(Setup::SPAN) {
            return Ok(());
        }
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
            self.maintain(process)?;
        }
        rules::judge_ends(self)?;
        for public_id in self.promises.keys().copied().collect::<Vec<_>>() {
            let Some(key) = self.wire().truth.lives_at(public_id) else { continue };
            let Some(token) = self.tokens.iter().rev().find(|sent| sent.key == key).cloned() else {
                continue;
            };
            let at = self.begin(None, Some(token), 0, Access::Change, Act::Page)?;
            self.settle()?;
            rules::judge_promises(self, at, public_id)?;
        }
        // What was ended stays away, whoever asks with whatever token.
        self.clock.pass(self.setup.window.as_secs() * 1_000 + self.setup.apart_millis());
        for token in self.tokens.clone() {
            for process in 0..self.processes.len() {
                self.begin(None, Some(token.clone()), process, Access::Read, Act::SessionDebugView)?;
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

    /// A request goes its way up to its first save, whose answer is lost.
    pub(super) fn lose_save(&mut self, at: usize) -> Result<(), Broken> {
        loop {
            let mut wire = self.wire();
            let mut open = wire.open().into_iter();
            let save = open.find(|call| wire.calls[*call].request == at && wire.calls[*call].kind.writes());
            if let Some(save) = save {
                wire.perform(save, &self.clock);
                wire.lose(save, &self.clock);
                break;
            }
            drop(wire);
            if !self.is_under_way(at) || !self.step(at)? {
                break;
            }
        }
        self.poll_all()
    }

    /// A request goes all its way, with whatever it waits for.
    pub(super) fn go(&mut self, at: usize) -> Result<(), Broken> {
        while self.is_under_way(at) && self.step(at)? {}
        Ok(())
    }

    /// What a request waits for is answered; false if it waits for nothing.
    fn step(&mut self, at: usize) -> Result<bool, Broken> {
        let (wire, shared) = (self.wire(), self.shared(at));
        let (mine, others): (Vec<_>, Vec<_>) = wire
            .open()
            .into_iter()
            .filter(|call| shared(&wire.calls[*call]))
            .partition(|call| wire.calls[*call].request == at);
        drop(wire);
        // Another's only if it waits for that.
        let open = if mine.is_empty() { others } else { mine };
        let waits = !open.is_empty();
        open.into_iter().for_each(|call| self.deliver(call));
        self.poll_all()?;
        Ok(waits)
    }

    /// A round of upkeep.
    pub(super) fn maintain(&mut self, process: usize) -> Result<(), Broken> {
        let serving = self.processes[process].clone();
        let mut round = Box::pin(serving.sessions.upkeep(|| serving.clock.time()));
        loop {
            self.wire().request = usize::MAX;
            if let Poll::Ready(found) = round.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return rules::judge_upkeep(self, process, found.is_ok());
            }
            let wire = self.wire();
            let open: Vec<_> =
                wire.open().into_iter().filter(|call| wire.calls[*call].request == usize::MAX).collect();
            drop(wire);
            open.into_iter().for_each(|call| self.deliver(call));
        }
    }

    /// Calls that `request` made, or may have shared with another request of its process.
    pub(super) fn shared(&self, at: usize) -> impl Fn(&Call) -> bool + use<> {
        let request = &self.requests[at];
        let (process, begun) = (request.process, request.begun);
        let key = request.token.as_ref().map(|token| token.key);
        move |call| {
            call.request == at
                || (call.process == process
                    && call.kind == Kind::ConfirmedAt
                    && call.key == key
                    && call.heard.is_none_or(|(heard, _)| heard >= begun))
        }
    }
}
