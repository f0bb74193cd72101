//! The promises that were made about one session.

use waxseal_manager::{Error, Outcome};
use waxseal_store::RecordKey;

use crate::visit::{Act, Notes};

#[derive(Default)]
pub(crate) struct Promises {
    /// The true time at which each addition was acknowledged.
    pub(crate) additions: Vec<u64>,
    /// Additions that may have been done or not.
    pub(crate) unknown: usize,
    pub(crate) messages: Vec<Message>,
    pub(crate) forms: Vec<Form>,
    /// Pages that drew a seed for their form.
    pub(crate) seeds: usize,
    /// It was emptied, or may have been: its sum and messages are no longer promised.
    pub(crate) is_emptied: bool,
}

/// A message that a request left.
pub(crate) struct Message {
    /// The request's.
    pub(crate) number: usize,
    /// The request was acknowledged.
    pub(crate) is_sure: bool,
}

/// A form that was sent to a browser.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) key: RecordKey,
    pub(crate) token: String,
    /// Its seed was saved.
    pub(crate) is_good: bool,
}

impl Promises {
    #[expect(clippy::too_many_arguments, reason = "all that there is to note of a request")]
    pub(crate) fn note(
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
