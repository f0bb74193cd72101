//! What was promised of one session.

use super::visit::{Act, Notes};
use crate::{Error, Outcome, RecordKey};

#[derive(Default)]
pub(super) struct Promises {
    /// When each addition was acknowledged.
    pub(super) additions: Vec<u64>,
    /// Additions of which nobody can tell.
    pub(super) unknown: usize,
    pub(super) messages: Vec<Message>,
    pub(super) forms: Vec<Form>,
    /// Pages that drew a seed for their form.
    pub(super) seeds: usize,
    /// It was emptied, or may have been: nothing of its sum and messages is promised.
    pub(super) is_emptied: bool,
}

/// A message that a request left.
pub(super) struct Message {
    /// The request's.
    pub(super) number: usize,
    /// The request was acknowledged.
    pub(super) is_sure: bool,
}

/// A form that was sent to a browser.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) key: RecordKey,
    pub(super) token: String,
    /// Its seed was saved.
    pub(super) is_good: bool,
}

impl Promises {
    #[expect(clippy::too_many_arguments, reason = "all that there is to say of a request")]
    pub(super) fn note(
        &mut self,
        number: usize,
        act: Act,
        result: &Result<Outcome, Error>,
        key: RecordKey,
        notes: &Notes,
        wrote: bool,
        now: u64,
    ) {
        let is_sure = result.is_ok();
        let is_unknown = matches!(result, Err(Error::Unavailable(_)));
        match act {
            Act::Add if is_sure => self.additions.push(now),
            Act::Add if is_unknown => self.unknown += 1,
            Act::Flash if is_sure || is_unknown => self.messages.push(Message { number, is_sure }),
            Act::RenewEmpty if is_sure || is_unknown => self.is_emptied = true,
            _ => {}
        }
        if let Some((token, had_seed)) = &notes.form {
            self.seeds += usize::from(!had_seed);
            if is_sure {
                let (token, is_good) = (token.clone(), *had_seed || wrote);
                self.forms.push(Form { key, token, is_good });
            }
        }
    }
}
