//! How long certificates live, and when they are renewed.

use super::Certificate;
use super::time::{DAY_S, date, span};

/// A validity and how long before its end it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    validity_s: u64,
    renew_before_s: u64,
}

/// All lifetimes of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Of both authorities.
    authority: Lifetime,
    /// Of nodes.
    node: Lifetime,
    /// Of users.
    user: Lifetime,
    /// How long a new authority is only trusted before it signs: for clients to load the new `ca.crt`.
    trust_grace_s: u64,
    /// How long the clients' old authority is trusted after the new one signs: for users to load their new certificate.
    user_grace_s: u64,
}

/// A policy that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// Would be renewed without end.
    #[error(
        "a certificate valid for {} cannot be renewed {} before its end: it would be renewed without end",
        span(*validity_s), span(*renew_before_s)
    )]
    RenewedWithoutEnd {
        /// Seconds.
        validity_s: u64,
        /// Seconds.
        renew_before_s: u64,
    },
    /// Would expire before it is renewed.
    #[error("a certificate that is renewed 0 s before its end expires: renew it some time before")]
    NeverInTime,
    /// Too short or too long.
    #[error("a validity of {} is out of range: between 10 min and 36500 d", span(*validity_s))]
    OutOfRange {
        /// Seconds.
        validity_s: u64,
    },
    /// The old authority would end while the new one is not used yet.
    #[error(
        "a new authority that is only trusted for {} cannot sign in time when it is made {} before the end of the old one",
        span(*trust_grace_s), span(*renew_before_s)
    )]
    GraceTooLong {
        /// Seconds.
        trust_grace_s: u64,
        /// Seconds.
        renew_before_s: u64,
    },
}

/// Below, the five minutes that certificates are backdated would be most of their life.
const VALIDITY_MIN_S: u64 = 10 * 60;
/// A hundred years: no date beyond the year 9999 for a long time.
const VALIDITY_MAX_S: u64 = 36_500 * DAY_S;

impl Lifetime {
    /// A year, renewed a month before its end.
    pub const YEAR: Self = Self { validity_s: 365 * DAY_S, renew_before_s: 30 * DAY_S };
    /// A day, renewed eight hours before its end.
    pub(super) const DAY: Self = Self { validity_s: DAY_S, renew_before_s: DAY_S / 3 };

    /// # Errors
    /// When it cannot be meant.
    pub fn new(validity_s: u64, renew_before_s: u64) -> Result<Self, InvalidPolicy> {
        if !(VALIDITY_MIN_S..=VALIDITY_MAX_S).contains(&validity_s) {
            return Err(InvalidPolicy::OutOfRange { validity_s });
        }
        if renew_before_s == 0 {
            return Err(InvalidPolicy::NeverInTime);
        }
        if renew_before_s >= validity_s {
            return Err(InvalidPolicy::RenewedWithoutEnd { validity_s, renew_before_s });
        }
        Ok(Self { validity_s, renew_before_s })
    }

    /// When a certificate that is made now ends.
    pub(super) fn end_s(&self, now_s: u64) -> u64 {
        now_s.saturating_add(self.validity_s)
    }

    /// From when on a certificate is to be renewed.
    pub(super) fn due_s(&self, certificate: &Certificate) -> u64 {
        certificate.not_after_s.saturating_sub(self.renew_before_s)
    }

    /// From when on its renewal waits for no grace, and leaves a straggler behind: the last quarter of the time there was.
    pub(super) fn deadline_s(&self, certificate: &Certificate) -> u64 {
        certificate.not_after_s.saturating_sub(self.renew_before_s / 4)
    }
}

impl Default for Policy {
    /// A year each and a month before; clients have a week to trust a new authority, users a fortnight to load a new certificate.
    fn default() -> Self {
        Self {
            authority: Lifetime::YEAR,
            node: Lifetime::YEAR,
            user: Lifetime::YEAR,
            trust_grace_s: 7 * DAY_S,
            user_grace_s: 14 * DAY_S,
        }
    }
}

impl Policy {
    /// # Errors
    /// When the graces cannot be meant with these lifetimes.
    pub fn new(
        authority: Lifetime,
        node: Lifetime,
        user: Lifetime,
        trust_grace_s: u64,
        user_grace_s: u64,
    ) -> Result<Self, InvalidPolicy> {
        let renew_before_s = authority.renew_before_s;
        if trust_grace_s >= renew_before_s {
            return Err(InvalidPolicy::GraceTooLong { trust_grace_s, renew_before_s });
        }
        Ok(Self { authority, node, user, trust_grace_s, user_grace_s })
    }

    /// Of both authorities.
    pub fn authority(&self) -> Lifetime {
        self.authority
    }

    /// Of nodes' certificates.
    pub fn node(&self) -> Lifetime {
        self.node
    }

    /// Of users' certificates.
    pub fn user(&self) -> Lifetime {
        self.user
    }

    pub(super) fn trust_grace_s(&self) -> u64 {
        self.trust_grace_s
    }

    pub(super) fn user_grace_s(&self) -> u64 {
        self.user_grace_s
    }
}

/// When a certificate ends, for the status and for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Last second of validity since 1970.
    pub not_after_s: u64,
    /// Whole days left; negative once it is over.
    pub days_left: i64,
    /// `2027-11-25`.
    pub date: String,
}

impl Expiry {
    /// Of a certificate, seen now.
    pub fn of(certificate: &Certificate, now_s: u64) -> Self {
        let left_s = i128::from(certificate.not_after_s) - i128::from(now_s);
        Self {
            not_after_s: certificate.not_after_s,
            days_left: left_s.div_euclid(i128::from(DAY_S)).try_into().unwrap_or(i64::MAX),
            date: date(certificate.not_after_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_that_cannot_be_meant_is_refused_in_a_sentence() {
        let refused =
            |validity_s, before_s| Lifetime::new(validity_s, before_s).unwrap_err().to_string();
        assert_eq!(
            refused(30 * DAY_S, 30 * DAY_S),
            "a certificate valid for 30 d cannot be renewed 30 d before its end: it would be renewed without end"
        );
        assert!(refused(DAY_S, 0).contains("expires"));
        assert!(refused(60, 1).contains("out of range"));
        assert!(refused(u64::MAX, 1).contains("out of range"));
        let year = Lifetime::YEAR;
        let grace = Policy::new(year, year, year, 30 * DAY_S, 0).unwrap_err();
        assert!(grace.to_string().contains("cannot sign in time"), "{grace}");
        assert!(Policy::new(year, year, year, 29 * DAY_S, 90 * DAY_S).is_ok());
    }
}
