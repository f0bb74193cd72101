//! The findings of a run of the suite.

use std::fmt;

use crate::Promise;

/// The findings of a run: for each promise, if the store keeps it. `Display` writes a line for each promise, and one
/// for each finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    verdicts: Vec<(Promise, Verdict)>,
}

/// The findings about one promise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Every case passed.
    #[non_exhaustive]
    Kept {
        /// The number of cases.
        cases: usize,
    },
    /// The store [does not make](crate::SessionStore::makes) the promise, and refuses calls that need it.
    NotMade,
    /// Some cases failed.
    #[non_exhaustive]
    Broken {
        /// The number of cases, including failed ones.
        cases: usize,
        /// The failures, in the order of the cases.
        findings: Vec<Finding>,
    },
}

/// The failure of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the case, which is a sentence.
    pub case: &'static str,
    /// The text of its failed assertion.
    pub found: String,
}

impl Report {
    pub(super) fn new(verdicts: Vec<(Promise, Verdict)>) -> Self {
        Self { verdicts }
    }

    /// The findings about one promise.
    #[must_use]
    pub fn verdict(&self, promise: Promise) -> &Verdict {
        let found = self.verdicts.iter().find(|(about, _)| *about == promise);
        &found.expect("a report is about every promise").1
    }

    /// Returns `true` if no promise is broken, and all required promises are made.
    #[must_use]
    pub fn is_conformant(&self) -> bool {
        self.verdicts.iter().all(|(promise, verdict)| match verdict {
            Verdict::Kept { .. } => true,
            Verdict::NotMade => promise.is_optional(),
            Verdict::Broken { .. } => false,
        })
    }
}

impl Finding {
    pub(super) fn new(case: &'static str, found: &str) -> Self {
        Self { case, found: found.to_owned() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (promise, verdict) in &self.verdicts {
            let uses = promise.uses();
            match verdict {
                Verdict::Kept { cases: 1 } => writeln!(f, "{promise}: kept (1 case)")?,
                Verdict::Kept { cases } => writeln!(f, "{promise}: kept ({cases} cases)")?,
                Verdict::NotMade => writeln!(f, "{promise}: not made, so not fit for {uses}")?,
                Verdict::Broken { cases, findings } => {
                    let failed = findings.len();
                    writeln!(f, "{promise}: broken in {failed} of {cases} cases, so not fit for {uses}")?;
                    for Finding { case, found } in findings {
                        writeln!(f, "  - {case}: {}", found.replace('\n', "\n    "))?;
                    }
                }
            }
        }
        Ok(())
    }
}
