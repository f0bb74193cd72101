//! Messages for the visitor's next page: Flask's `flash` and `get_flashed_messages`.

use crate::change::Change;
use crate::error::{Error, random};
use crate::markup::Markup;
use crate::messages::{self, Flash, Stored};
use crate::session::Session;

impl Session {
    /// Leaves a message for the visitor's next page: the one in this response, or the one that it redirects to.
    ///
    /// Messages are kept beside the entries, under none of the app's keys. Messages of parallel requests are all kept.
    /// A session holds at most 16 messages and 1,024 bytes of them; beyond that the oldest are dropped. A text is cut
    /// after 512 bytes and a category after 32. Messages never take room from entries. In state `cookie` they may use
    /// what is left of the cookie and of its [256 bytes for metadata](Error::TooLarge); the oldest are dropped until
    /// the cookie fits.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors), except [`Error::TooLarge`]. [`Error::Random`] if the system has no
    /// randomness.
    ///
    /// # Example
    ///
    /// ```
    /// # let session = waxseal_session::Session::new();
    /// session.flash("success", "The letter is on its way.")?;
    /// session.flash("error", format!("No owl is called {}.", "Errol"))?;
    ///
    /// let errors = session.flashed_messages(&["error"]);
    /// assert_eq!(errors[0].message, "No owl is called Errol.");
    /// assert_eq!(session.flashed_messages(&[]).len(), 2);
    /// # Ok::<(), waxseal_session::Error>(())
    /// ```
    pub fn flash(&self, category: impl AsRef<str>, message: impl AsRef<str>) -> Result<(), Error> {
        let mut id = [0; 4];
        random(&mut id)?;
        let message = Stored::new(u32::from_ne_bytes(id), category.as_ref(), message.as_ref());
        self.write()?.make(Change::Flash(message))
    }

    /// Leaves a message of HTML, such as one with a link. Templates do not escape it.
    ///
    /// It is kept as other messages are, but never cut.
    ///
    /// # Errors
    ///
    /// [`Error::MarkupTooLong`] if the HTML has more than 512 bytes, and those of [`flash`](Self::flash).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal_session::Markup;
    ///
    /// # let session = waxseal_session::Session::new();
    /// session.flash_markup("success", &Markup::from_html("Sent. <a href=\"/undo\">Undo</a>"))?;
    /// assert!(session.flashed_messages(&[])[0].is_markup);
    /// # Ok::<(), waxseal_session::Error>(())
    /// ```
    pub fn flash_markup(&self, category: impl AsRef<str>, message: &Markup) -> Result<(), Error> {
        let size = message.as_str().len();
        if size > messages::MAX_TEXT_BYTES {
            return Err(Error::MarkupTooLong { size, limit: messages::MAX_TEXT_BYTES });
        }
        let mut id = [0; 4];
        random(&mut id)?;
        let message = Stored::of_html(u32::from_ne_bytes(id), category.as_ref(), message.as_str());
        self.write()?.make(Change::Flash(message))
    }

    /// The messages of these categories, or all messages if none is named, the oldest first: Flask's
    /// `get_flashed_messages`.
    ///
    /// The returned messages count as shown and are removed when the request succeeds. They are not removed earlier, so
    /// a page may be rendered twice. They stay if the response's status is 500 or more, or if the session [cannot be
    /// written](Self::is_confirmed). Further calls in the same request return the same messages. A message that is
    /// flashed after the first call waits for the next request, as in Flask. A message whose category no page asks for
    /// also waits, whereas Flask drops it.
    #[must_use]
    pub fn flashed_messages(&self, categories: &[&str]) -> Vec<Flash> {
        let mut state = self.read();
        let state = &mut *state;
        state.shown.show(&state.content.metadata, categories)
    }

    /// The number of messages that wait. The call shows none of them.
    pub(crate) fn flashes_waiting(&self) -> usize {
        messages::count(&self.lock().content.metadata)
    }
}
