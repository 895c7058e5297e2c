//! Waiting for something to become true.

use std::time::Duration;

use crate::clock::now;

/// For what takes seconds when all is well. Long enough for a machine that is busy with thirty other things: it ends a
/// scenario that hangs, and says nothing about speed.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks. A look is a process of `kubectl`, 50 ms of a core.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Looks until there is something. `look` says what it sees instead.
///
/// # Errors
/// When nothing came within `limit`: what was waited for, and what was seen last.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let end = now() + limit;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if now() > end => {
                let seconds = limit.as_secs();
                return Err(format!("waited {seconds} s in vain: {what}; seen last: {seen}"));
            }
            Err(_) => std::thread::sleep(BETWEEN_LOOKS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_told_with_what_was_seen() {
        let waited = until::<()>("a pod", Duration::ZERO, || Err("none".to_owned()));
        assert_eq!(waited.unwrap_err(), "waited 0 s in vain: a pod; seen last: none");
    }

    #[test]
    fn what_comes_ends_the_wait() {
        let mut looks = 0;
        let mut look = || {
            looks += 1;
            if looks == 2 { Ok(looks) } else { Err(String::new()) }
        };
        assert_eq!(until("a second look", PATIENCE, &mut look), Ok(2));
    }
}
