//! The course of a case: calls arrive, answers come, time passes, until all is done.

use std::task::{Context, Poll, Waker};

use waxseal_manager::Access;

use crate::rules::{self, Violation};
use crate::setup::Setup;
use crate::visit::Act;
use crate::wire::{Call, Kind};
use crate::world::World;

impl World {
    /// One call goes all its way.
    pub(crate) fn deliver(&mut self, call: usize) {
        let mut wire = self.wire.lock().unwrap();
        if wire.calls[call].told.is_none() {
            wire.perform(call, &self.clock);
        }
        wire.answer(call, &self.clock);
    }

    /// Time passes. A caller gives up after some seconds, as clients of stores do.
    pub(crate) fn pass(&mut self, millis: u64) -> Result<(), Violation> {
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
    pub(crate) fn settle(&mut self) -> Result<(), Violation> {
        self.wire().set_away(false, &self.clock);
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
    pub(crate) fn end(&mut self) -> Result<(), Violation> {
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
            let at = self.ask(token, 0, Access::Change, Act::Page)?;
            self.settle()?;
            rules::judge_promises(self, at, public_id)?;
        }
        // What was ended stays away, whoever asks with whatever token.
        self.clock.pass(self.setup.freshness.as_secs() * 1_000 + self.setup.apart_millis());
        for token in self.tokens.clone() {
            for process in 0..self.processes.len() {
                self.begin(token.clone(), process, Access::Read, Act::Look)?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// What a request asks arrives, and is not answered yet.
    pub(crate) fn arrive(&mut self, at: usize) {
        let mut wire = self.wire();
        let mine: Vec<_> = wire.open().into_iter().filter(|call| wire.calls[*call].request == at).collect();
        mine.into_iter().for_each(|call| wire.perform(call, &self.clock));
    }

    /// A request goes its way up to its first save, whose answer is lost.
    pub(crate) fn lose_save(&mut self, at: usize) -> Result<(), Violation> {
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
    pub(crate) fn go(&mut self, at: usize) -> Result<(), Violation> {
        while self.is_under_way(at) && self.step(at)? {}
        Ok(())
    }

    /// What a request waits for is answered; false if it waits for nothing.
    fn step(&mut self, at: usize) -> Result<bool, Violation> {
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

    /// A round of maintenance.
    pub(crate) fn maintain(&mut self, process: usize) -> Result<(), Violation> {
        let serving = self.processes[process].clone();
        let mut round = Box::pin(serving.sessions.maintain(|| serving.clock.time()));
        loop {
            self.wire().request = usize::MAX;
            if let Poll::Ready(found) = round.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return rules::judge_maintenance(self, process, found.is_ok());
            }
            let wire = self.wire();
            let open: Vec<_> =
                wire.open().into_iter().filter(|call| wire.calls[*call].request == usize::MAX).collect();
            drop(wire);
            open.into_iter().for_each(|call| self.deliver(call));
        }
    }

    /// Calls that `request` made, or may have shared with another request of its process.
    pub(crate) fn shared(&self, at: usize) -> impl Fn(&Call) -> bool + use<> {
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
