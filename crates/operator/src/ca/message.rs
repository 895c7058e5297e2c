//! What people are told.

/// The reason of a message: nodes run, and nothing is left that says whom they trust.
pub const MISSING: &str = "AuthorityMissing";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something happened as it should.
    Info,
    /// Something healed, or will not without hands.
    Warning,
    /// Nothing can be issued until somebody does something.
    Blocked,
}

/// A sentence for the status and the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How bad.
    pub severity: Severity,
    /// One word in CamelCase, as conditions and events have it.
    pub reason: &'static str,
    /// What happened, and what to do.
    pub text: String,
}

impl Message {
    pub(super) fn info(reason: &'static str, text: String) -> Self {
        Self { severity: Severity::Info, reason, text }
    }

    pub(super) fn warning(reason: &'static str, text: String) -> Self {
        Self { severity: Severity::Warning, reason, text }
    }

    pub(super) fn blocked(reason: &'static str, text: String) -> Self {
        Self { severity: Severity::Blocked, reason, text }
    }
}
