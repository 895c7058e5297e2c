//! How a scenario ends before its end.

/// Why a scenario did not go through.
#[derive(Debug, Clone)]
pub enum End {
    /// It cannot run here: what is missing.
    Skipped(String),
    /// What it is there to show does not hold, or something it needs broke.
    Failed(String),
}

/// What a scenario comes to.
pub type Outcome<T = ()> = Result<T, End>;

impl From<String> for End {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl End {
    /// A failure unless something holds.
    ///
    /// # Errors
    /// [`End::Failed`] with `why`.
    pub fn unless(holds: bool, why: impl FnOnce() -> String) -> Outcome {
        if holds { Ok(()) } else { Err(Self::Failed(why())) }
    }
}
