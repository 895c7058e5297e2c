//! Finding an id, one operation on the file system after the other.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Ids;
use super::lock::{self, Held, LOCK_FILE};

/// Takes one operation at a time, so that a test can put those of several starters in any order.
#[derive(Debug)]
pub struct Search {
    base: PathBuf,
    prefix: String,
    steps: VecDeque<Step>,
    taken: Vec<Taken>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Look(u32),
    Make(u32),
    Hold(u32),
}

/// An id that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The id.
    pub id: u32,
    /// Why.
    pub why: String,
}

/// No id.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// Every id has an owner, or a directory that belongs to another one. Try again later, or allow more ids.
    #[error("every broker id is taken:{}", list(.0))]
    AllTaken(Vec<Taken>),
    /// The base directory or one in it cannot be used. The user's fault.
    #[error("{path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system has no locks. The user's fault: an NFS mount with `nolock`, for one.
    #[error("{path}: this file system cannot lock ({source}): mount it with locks, or use another")]
    NoLocks {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn list(taken: &[Taken]) -> String {
    taken.iter().map(|taken| format!("\n  {taken}")).collect()
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.why)
    }
}

/// Picks and holds an id under `base`; directories are named `prefix` and the id.
///
/// # Errors
/// See [`PickError`]; only [`PickError::AllTaken`] is worth another try.
pub fn pick(base: &Path, prefix: &str, ids: &Ids) -> Result<Held, PickError> {
    let mut search = Search::new(base, prefix, ids);
    loop {
        if let Some(held) = search.step()? {
            return Ok(held);
        }
    }
}

impl Search {
    /// Nothing is done yet.
    pub fn new(base: &Path, prefix: &str, ids: &Ids) -> Self {
        let steps = ids.iter().map(Step::Look).chain(ids.iter().map(Step::Make));
        Self {
            base: base.to_owned(),
            prefix: prefix.to_owned(),
            steps: steps.collect(),
            taken: Vec::new(),
        }
    }

    /// The next operation; an id, once there is one.
    ///
    /// # Errors
    /// As [`pick`].
    pub fn step(&mut self) -> Result<Option<Held>, PickError> {
        match self.steps.pop_front() {
            Some(Step::Look(id)) => self.look(id)?,
            Some(Step::Make(id)) => self.make(id)?,
            Some(Step::Hold(id)) => return self.hold(id),
            None => {
                self.taken.sort_by_key(|taken| taken.id);
                return Err(PickError::AllTaken(std::mem::take(&mut self.taken)));
            }
        }
        Ok(None)
    }

    fn dir(&self, id: u32) -> PathBuf {
        self.base.join(format!("{}{id}", self.prefix))
    }

    /// Data without an owner is to be found before anything new is made.
    fn look(&mut self, id: u32) -> Result<(), PickError> {
        let dir = self.dir(id);
        match std::fs::read_dir(&dir) {
            Ok(entries) => {
                let own = |name: &std::ffi::OsStr| name == LOCK_FILE || name == "lost+found";
                if entries.flatten().any(|entry| !own(&entry.file_name())) {
                    self.steps.push_front(Step::Hold(id));
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(PickError::Directory { path: dir, source }),
        }
    }

    /// `mkdir` is atomic, and it does not matter who made it: the lock decides.
    fn make(&mut self, id: u32) -> Result<(), PickError> {
        if self.taken.iter().any(|taken| taken.id == id) {
            return Ok(());
        }
        let dir = self.dir(id);
        match std::fs::create_dir(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(PickError::Directory { path: dir, source: error })
            }
            _ => {
                self.steps.push_front(Step::Hold(id));
                Ok(())
            }
        }
    }

    fn hold(&mut self, id: u32) -> Result<Option<Held>, PickError> {
        let dir = self.dir(id);
        if let Some(other) = other_owner(&dir, id) {
            self.taken.push(Taken { id, why: format!("its data is node {other}'s") });
            return Ok(None);
        }
        match Held::take(id, &dir) {
            Ok(Some(held)) => Ok(Some(held)),
            Ok(None) => {
                let owner = lock::signature(&dir).unwrap_or_else(|| "somebody".to_owned());
                self.taken.push(Taken { id, why: format!("held by {owner}") });
                Ok(None)
            }
            // Removed between looking and holding.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) if is_without_locks(&source) => {
                Err(PickError::NoLocks { path: dir, source })
            }
            Err(source) => Err(PickError::Directory { path: dir.join(LOCK_FILE), source }),
        }
    }
}

fn is_without_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| known.contains(&code))
}

/// Kafka wrote into the directory whose it is, and would not start with another id.
fn other_owner(dir: &Path, id: u32) -> Option<String> {
    let text = std::fs::read_to_string(dir.join("meta.properties")).ok()?;
    let property = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))
    };
    let found = property("node.id").or_else(|| property("broker.id"))?.trim();
    (found.parse() != Ok(id)).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Ids {
        text.parse().unwrap()
    }

    fn dir(base: &Path, name: &str, files: &[(&str, &str)]) {
        std::fs::create_dir(base.join(name)).unwrap();
        for (file, text) in files {
            std::fs::write(base.join(name).join(file), text).unwrap();
        }
    }

    #[test]
    fn lowest_new_id_is_made_when_nobody_left_data() {
        let base = tempfile::tempdir().unwrap();
        let first = pick(base.path(), "kafka-", &ids("1-3")).unwrap();
        let second = pick(base.path(), "kafka-", &ids("1-3")).unwrap();
        assert_eq!((first.id, second.id), (1, 2));
        assert_eq!(second.dir, base.path().join("kafka-2"));
    }

    #[test]
    fn data_without_an_owner_comes_before_a_new_id() {
        let base = tempfile::tempdir().unwrap();
        dir(base.path(), "kafka-2", &[("meta.properties", "node.id=2\n")]);
        // Without a lock file: made by hand, or by another tool.
        assert_eq!(pick(base.path(), "kafka-", &ids("1-3")).unwrap().id, 2);
    }

    #[test]
    fn id_of_a_dead_owner_is_reused() {
        let base = tempfile::tempdir().unwrap();
        let held = pick(base.path(), "kafka-", &ids("1-3")).unwrap();
        std::fs::write(held.dir.join("log"), "data").unwrap();
        let other = pick(base.path(), "kafka-", &ids("1-3")).unwrap();
        drop(held);
        assert_eq!(pick(base.path(), "kafka-", &ids("1-3")).unwrap().id, 1);
        drop(other);
    }

    #[test]
    fn all_taken_says_by_whom() {
        let base = tempfile::tempdir().unwrap();
        let held = pick(base.path(), "kafka-", &ids("1-2")).unwrap();
        dir(base.path(), "kafka-2", &[("meta.properties", "version=1\nbroker.id = 7\n")]);
        let error = pick(base.path(), "kafka-", &ids("1-2")).unwrap_err().to_string();
        assert!(error.contains(&format!("1: held by process {}", std::process::id())), "{error}");
        assert!(error.contains("2: its data is node 7's"), "{error}");
        drop(held);
    }

    #[test]
    fn missing_base_is_named() {
        let error = pick(Path::new("/nonexistent"), "k", &ids("1")).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/k1: "), "{error}");
    }

    #[test]
    fn lock_file_that_was_replaced_is_worth_nothing() {
        let base = tempfile::tempdir().unwrap();
        let held = pick(base.path(), "k", &ids("1")).unwrap();
        // The old file is locked; a new one in its place is what counts.
        std::fs::remove_file(held.dir.join(LOCK_FILE)).unwrap();
        let second = pick(base.path(), "k", &ids("1")).unwrap();
        assert_eq!(second.id, 1);
        assert!(pick(base.path(), "k", &ids("1")).is_err());
    }

    /// What the script of 2017 did: probe Kafka's own lock, let it go at once, and hope.
    struct Script {
        next: u32,
        found: Option<u32>,
    }

    impl Script {
        fn step(&mut self, base: &Path) {
            let dir = base.join(format!("kafka-log{}", self.next));
            let lock = std::fs::OpenOptions::new().write(true).open(dir.join(".lock"));
            let free = match lock {
                Err(_) => true,
                Ok(file) => file.try_lock().is_ok(),
            };
            match free {
                true => self.found = Some(self.next),
                false => self.next += 1,
            }
        }
    }

    #[test]
    fn script_that_probes_and_lets_go_gives_one_id_twice() {
        let base = tempfile::tempdir().unwrap();
        dir(base.path(), "kafka-log1", &[(".lock", "")]);
        let mut starters = [Script { next: 1, found: None }, Script { next: 1, found: None }];
        for starter in &mut starters {
            starter.step(base.path());
        }
        assert_eq!(starters.map(|starter| starter.found), [Some(1), Some(1)]);
    }

    #[test]
    fn no_order_of_operations_gives_one_id_twice() {
        // One directory with data, one empty, two to be made; two starters of at most eight operations.
        for order in 0u32..1 << 8 {
            let base = tempfile::tempdir().unwrap();
            dir(base.path(), "k1", &[("data", "")]);
            dir(base.path(), "k2", &[]);
            let mut starters =
                [0, 1].map(|_| (Search::new(base.path(), "k", &ids("1-4")), None::<Held>));
            for bit in (0..8).chain((0..16).map(|i| 8 + i % 2)) {
                let who = if bit < 8 { order >> bit & 1 } else { bit & 1 };
                let (search, held) = &mut starters[who as usize];
                if held.is_none() {
                    *held = search.step().unwrap();
                }
            }
            let found = starters.each_ref().map(|(_, held)| held.as_ref().map(|held| held.id));
            assert!(found.contains(&Some(1)), "{order:08b}: {found:?}");
            assert!(found.contains(&Some(2)), "{order:08b}: {found:?}");
        }
    }
}
