//! Taking over the sessions of an old app.

use waxseal_http::ForeignSessions;
use waxseal_manager::Adoption;

use super::App;
use crate::migration::Migration;

impl App {
    /// Takes over the sessions that `reader` finds in an old app's cookies, so that a move signs nobody out. Each
    /// session is taken over once. It must have been created before the switch, and its cookie must arrive before the
    /// end; `terms` sets both times.
    ///
    /// The old cookie is read only if the request has no valid cookie of this app. The response sets this app's cookie
    /// and deletes the old one. After a sign-out here, old cookies of the same user are no longer taken over. A further
    /// call adds a reader, and its terms replace the former.
    ///
    /// In state `cookie` without a list of revoked sessions, the app refuses to start with a migration unless the terms
    /// are [`replayable`](Adoption::replayable).
    ///
    /// # Example
    ///
    /// With the feature `flask`:
    ///
    /// ```
    /// # #[cfg(feature = "flask")]
    /// # fn app() -> Result<waxseal::App, Box<dyn std::error::Error>> {
    /// use waxseal::{Adoption, App, Flask, FlaskKey};
    ///
    /// let flask = Flask::new(FlaskKey::from_text(&std::env::var("FLASK_SECRET_KEY")?)?).owner_key("user_id");
    /// let app = App::new("flaskr").migrate_from(flask, Adoption::between("2027-02-01", "2027-03-01")?);
    /// # Ok(app)
    /// # }
    /// ```
    #[must_use]
    pub fn migrate_from(mut self, reader: impl ForeignSessions, terms: Adoption) -> Self {
        self = self.migrating(terms);
        let migration = self.migration.as_mut().expect("it was set just now");
        migration.readers.push(Box::new(reader));
        self
    }

    /// Takes over sessions from the former states that these terms name: the states in which sessions were kept before
    /// `--session-state` was changed.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Adoption, App, FormerState};
    ///
    /// let terms = Adoption::between("2027-02-01", "2027-02-02")?.from_state(FormerState::Cookie);
    /// let app = App::new("wizard").migrating(terms); // with --session-state mirrored
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn migrating(mut self, terms: Adoption) -> Self {
        let readers = self.migration.take().map_or_else(Vec::new, |migration| migration.readers);
        self.migration = Some(Migration { terms, readers });
        self
    }
}
